//! Rows of one file, read one after another. Foreign bytes: whatever is in them, the answer is a row or an error that says
//! where it is.

use super::files::Source;
use super::{DatasetError, Format, Place, Row, nesting};
use crate::json;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// No row is longer. A file without line ends must not be read into memory whole.
const ROW_BYTES: u64 = 64 << 20;

/// A list is one document, so it is read whole; what is larger belongs into lines.
const LIST_BYTES: u64 = 256 << 20;

type Rows = Box<dyn Iterator<Item = Result<Row, DatasetError>> + Send>;

/// The rows of a file.
pub(super) fn read(source: &Source) -> Rows {
    match open(source) {
        Ok(rows) => rows,
        Err(error) => Box::new(std::iter::once(Err(error))),
    }
}

fn open(source: &Source) -> Result<Rows, DatasetError> {
    let fails = |what: String| DatasetError::File {
        path: (*source.path).clone(),
        what,
    };
    let file = File::open(&*source.path).map_err(|e| fails(format!("cannot be read: {e}")))?;
    let metadata = file
        .metadata()
        .map_err(|e| fails(format!("cannot be read: {e}")))?;
    if (metadata.len(), metadata.modified().ok()) != source.stamp {
        return Err(DatasetError::Changed(source.path.display().to_string()));
    }
    match source.format {
        Format::Jsonl => Ok(Box::new(lines(source.clone(), file))),
        Format::Json => list(source, file),
        Format::Csv => separated(source.clone(), file, b','),
        Format::Tsv => separated(source.clone(), file, b'\t'),
        Format::Parquet => parquet(source, file),
    }
}

fn row(
    source: &Source,
    place: Place,
    fields: Result<Map<String, Value>, String>,
) -> Result<Row, DatasetError> {
    let path = Arc::clone(&source.path);
    fields
        .map(|fields| Row {
            path,
            place,
            fields,
        })
        .map_err(|what| error(source, place, what))
}

fn error(source: &Source, place: Place, what: String) -> DatasetError {
    DatasetError::Row {
        path: (*source.path).clone(),
        place,
        what,
    }
}

fn lines(source: Source, file: File) -> impl Iterator<Item = Result<Row, DatasetError>> + Send {
    let mut reader = BufReader::with_capacity(64 << 10, file);
    let mut number = 0;
    std::iter::from_fn(move || {
        loop {
            number += 1;
            let place = Place::Line(number);
            let mut line = Vec::new();
            match reader
                .by_ref()
                .take(ROW_BYTES + 1)
                .read_until(b'\n', &mut line)
            {
                Err(e) => return Some(Err(error(&source, place, format!("cannot be read: {e}")))),
                Ok(0) => return None,
                Ok(_) if line.len() as u64 > ROW_BYTES => {
                    return Some(Err(error(
                        &source,
                        place,
                        "is longer than 64 MiB; is this JSON lines?".into(),
                    )));
                }
                Ok(_) => {}
            }
            let line = if number == 1 {
                without_mark(&line)
            } else {
                &line
            };
            if !line.trim_ascii().is_empty() {
                return Some(row(&source, place, object(line.trim_ascii())));
            }
        }
    })
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// One JSON object in which no key is there twice.
fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| format!("is not UTF-8 (byte {})", e.valid_up_to() + 1))?;
    json::check(text)?;
    match serde_json::from_str(text).map_err(|e| format!("is not JSON: {e}"))? {
        Value::Object(fields) => Ok(fields),
        _ => Err(
            "is no object; each row is one, such as {\"input\": \"…\", \"target\": \"…\"}".into(),
        ),
    }
}

fn list(source: &Source, file: File) -> Result<Rows, DatasetError> {
    let fails = |what: String| DatasetError::File {
        path: (*source.path).clone(),
        what,
    };
    if source.stamp.0 > LIST_BYTES {
        return Err(fails("is a list of more than 256 MiB, which would have to be in memory; write it as JSON lines".into()));
    }
    let mut bytes = Vec::new();
    file.take(LIST_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|e| fails(format!("cannot be read: {e}")))?;
    let text =
        std::str::from_utf8(without_mark(&bytes)).map_err(|_| fails("is not UTF-8".into()))?;
    json::check(text).map_err(fails)?;
    let items: Vec<Value> =
        serde_json::from_str(text).map_err(|e| fails(format!("is no list of objects: {e}")))?;
    let source = source.clone();
    Ok(Box::new(items.into_iter().zip(1..).map(
        move |(item, number)| {
            let fields = match item {
                Value::Object(fields) => Ok(fields),
                _ => Err("is no object".to_owned()),
            };
            row(&source, Place::Row(number), fields)
        },
    )))
}

fn separated(source: Source, file: File, separator: u8) -> Result<Rows, DatasetError> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .from_reader(file);
    let headers = reader.headers().cloned();
    let headers = headers.map_err(|e| {
        error(
            &source,
            Place::Line(1),
            format!("its header cannot be read: {e}"),
        )
    })?;
    let names: Vec<String> = headers
        .iter()
        .map(|name| name.trim_start_matches('\u{feff}').to_owned())
        .collect();
    if let Some(twice) = names
        .iter()
        .enumerate()
        .find_map(|(at, name)| names[..at].contains(name).then_some(name))
    {
        return Err(error(
            &source,
            Place::Line(1),
            format!("its header has `{twice}` twice; rename one"),
        ));
    }
    Ok(Box::new(reader.into_records().map(move |record| {
        let line =
            |position: Option<&csv::Position>| Place::Line(position.map_or(0, csv::Position::line));
        match record {
            Err(e) => Err(error(
                &source,
                line(e.position()),
                format!("cannot be read: {e}"),
            )),
            Ok(record) => {
                let values = record.iter().map(Value::from);
                row(
                    &source,
                    line(record.position()),
                    Ok(names.iter().cloned().zip(values).collect()),
                )
            }
        }
    })))
}

fn parquet(source: &Source, file: File) -> Result<Rows, DatasetError> {
    let fails = |what: String| DatasetError::File {
        path: (*source.path).clone(),
        what,
    };
    nesting::check(&file).map_err(|what| fails(format!("cannot be read: {what}")))?;
    let reader = guarded(|| SerializedFileReader::new(file));
    let reader = reader.map_err(|what| fails(format!("is not Parquet: {what}")))?;
    if reader.num_row_groups() == 0 {
        return Ok(Box::new(std::iter::empty()));
    }
    let mut rows = Some(RowIter::from_file_into(Box::new(reader)));
    let mut number = 0;
    let source = source.clone();
    Ok(Box::new(std::iter::from_fn(move || {
        let read = guarded(|| {
            let next = rows.as_mut().and_then(Iterator::next);
            next.map(|read| Ok(read?.to_json_value())).transpose()
        });
        number += 1;
        let place = Place::Row(number);
        match read {
            Ok(None) => None,
            Ok(Some(Value::Object(fields))) => Some(row(&source, place, Ok(fields))),
            Ok(Some(_)) => Some(Err(error(&source, place, "is no object".into()))),
            Err(what) => {
                // What stopped halfway is not asked again.
                rows = None;
                Some(Err(error(
                    &source,
                    place,
                    format!("cannot be read: {what}"),
                )))
            }
        }
    })))
}

/// The crate asserts what a file should have made sure of: that is an error of the file, and not the end of the run.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|error| error.to_string()),
        Err(_) => Err("its parts contradict each other".into()),
    }
}
