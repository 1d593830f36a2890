//! Rows as a stream. Opening a dataset reads it once, so that a bad line far down is found before anything is paid for;
//! the rows are then read again as trials need them. Memory grows neither with rows nor with files: what has to be
//! remembered of a row (its place in a shuffled order, that its id is its own) is kept in temporary files.
//!
//! Order of selection: files by name, `ids`, `shuffle`, `range`, `limit`.

/// Which files, and how they are read.
mod files;

/// How deep a Parquet file goes.
mod nesting;

/// Rows of one file.
mod rows;

/// Which fields are what.
mod fields;

/// That no two rows have the same id.
mod unique;

/// Selected rows in another order.
mod shuffle;

/// Files that parameters include.
mod include;

/// Rows as they are kept for a replay.
mod kept;

pub use fields::{FieldMap, Sample};
pub use include::read_included;
pub use kept::{LINE_BYTES, Lines};

use files::Source;
use serde_json::{Map, Value};
use shuffle::Shuffled;
use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// How files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// One JSON list of objects.
    Json,
    /// Comma-separated, with a header.
    Csv,
    /// Tab-separated, with a header.
    Tsv,
    /// Apache Parquet.
    Parquet,
}

/// Which rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// Files or globs; the matches of a glob are taken by name.
    pub paths: Vec<PathBuf>,
    /// `None` goes by each file's extension.
    pub format: Option<Format>,
    /// Which fields are what.
    pub fields: FieldMap,
    /// Only rows with these ids, in the files' order.
    pub ids: Option<Vec<String>>,
    /// The seed of another order.
    pub shuffle: Option<u64>,
    /// Only these rows, from 0, of what is left.
    pub range: Option<Range<u64>>,
    /// The most rows.
    pub limit: Option<u64>,
}

/// A dataset cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// No file, or not one that can be read as a dataset.
    #[error("the dataset {path}: {what}", path = path.display())]
    File {
        /// The file or glob.
        path: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },
    /// A row is wrong.
    #[error("the dataset {path}, {place}: {what}", path = path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The line or the row.
        place: Place,
        /// What is wrong, and what to do.
        what: String,
    },
    /// `dataset.ids` names rows that are not there.
    #[error("`dataset.ids` names {} that no row has: {}", if .0.len() == 1 { "an id" } else { "ids" }, .0.iter().take(5).map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", "))]
    UnknownIds(Vec<String>),
    /// The files are others than they were.
    #[error(
        "the dataset changed while the run went on ({0}): start again, and leave the files alone"
    )]
    Changed(String),
    /// Rows that were kept for a replay are not what they were.
    #[error("the rows that were kept with the run cannot be used: {0}")]
    Kept(String),
    /// Temporary files cannot be written.
    #[error("cannot write temporary files for the dataset: {0}; free some space, or set TMPDIR")]
    Temporary(#[from] io::Error),
}

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Its line, from 1.
    Line(u64),
    /// Its number, from 1.
    Row(u64),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Line(line) => write!(f, "line {line}"),
            Place::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// A row as it stands in its file.
struct Row {
    path: Arc<PathBuf>,
    place: Place,
    fields: Map<String, Value>,
}

impl Row {
    fn error(&self, what: String) -> DatasetError {
        DatasetError::Row {
            path: (*self.path).clone(),
            place: self.place,
            what,
        }
    }
}

/// A dataset, looked through once.
pub struct Dataset {
    origin: Origin,
    length: u64,
    digest: blake3::Hash,
}

/// Where the rows come from.
#[derive(Clone)]
enum Origin {
    /// Files as the experiment names them.
    Files(Arc<Reading>),
    /// Rows that were kept when the run was made.
    Kept(Lines),
}

/// How the rows are read again.
struct Reading {
    sources: Vec<Source>,
    fields: FieldMap,
    ids: Option<HashSet<String>>,
    range: Range<u64>,
    shuffled: Option<Shuffled>,
}

impl Dataset {
    /// Looks through the files.
    ///
    /// # Errors
    /// The first thing that is wrong, with its file and line.
    pub fn open(selection: &Selection) -> Result<Dataset, DatasetError> {
        let sources = files::sources(&selection.paths, selection.format)?;
        let ids = selection
            .ids
            .as_ref()
            .map(|ids| ids.iter().cloned().collect());
        let mut reading = Reading {
            sources,
            fields: selection.fields.clone(),
            ids,
            range: 0..u64::MAX,
            shuffled: None,
        };
        let selected = look_through(&mut reading, selection.shuffle)?;
        let Range { start, end } = selection.range.clone().unwrap_or(0..u64::MAX);
        let (start, end) = (start.min(selected), end.min(selected));
        let end = selection
            .limit
            .map_or(end, |limit| end.min(start.saturating_add(limit)));
        reading.range = start..end.max(start);
        Dataset::counted(Origin::Files(Arc::new(reading)))
    }

    /// Rows that were kept when a run was made.
    ///
    /// # Errors
    /// Where they cannot be read, or are no kept rows.
    pub fn kept(lines: Lines) -> Result<Dataset, DatasetError> {
        Dataset::counted(Origin::Kept(lines))
    }

    fn counted(origin: Origin) -> Result<Dataset, DatasetError> {
        let mut hasher = blake3::Hasher::new();
        let mut length = 0;
        for sample in origin.samples() {
            hasher.update(&sample?.to_line()?);
            length += 1;
        }
        Ok(Dataset {
            origin,
            length,
            digest: hasher.finalize(),
        })
    }

    /// How many samples are selected.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The identity of the selected rows: the blake3 of their lines as [`Sample::to_line`] gives them, in their order.
    #[must_use]
    pub fn digest(&self) -> blake3::Hash {
        self.digest
    }

    /// The samples, read anew.
    pub fn rows(&self) -> impl Iterator<Item = Result<Sample, DatasetError>> + Send + use<> {
        let expected = self.length;
        let mut seen = 0;
        let mut samples = self.origin.samples();
        let mut over = false;
        std::iter::from_fn(move || {
            if over {
                return None;
            }
            let next = samples.next();
            over = !matches!(next, Some(Ok(_)));
            match next {
                Some(sample) => {
                    seen += 1;
                    Some(sample)
                }
                None if seen == expected => None,
                None => Some(Err(DatasetError::Changed(format!(
                    "it had {expected} rows, and now has {seen}"
                )))),
            }
        })
    }
}

impl Origin {
    fn samples(&self) -> Box<dyn Iterator<Item = Result<Sample, DatasetError>> + Send> {
        match self {
            Origin::Files(reading) => samples(reading),
            Origin::Kept(lines) => kept::samples(lines),
        }
    }
}

/// The first pass: every row is read, has its fields and an id of its own. Returns how many are selected by `ids`.
fn look_through(reading: &mut Reading, shuffle: Option<u64>) -> Result<u64, DatasetError> {
    let mut unique = unique::Unique::default();
    let mut missing: HashSet<String> = reading.ids.clone().unwrap_or_default();
    let mut spool = shuffle.map(shuffle::Spool::new).transpose()?;
    let mut selected = 0;
    for sample in unshuffled(&reading.sources, &reading.fields) {
        let sample = sample?;
        unique.add(&sample.id)?;
        missing.remove(&sample.id);
        if reading
            .ids
            .as_ref()
            .is_none_or(|ids| ids.contains(&sample.id))
        {
            selected += 1;
            if let Some(spool) = &mut spool {
                spool.add(&sample)?;
            }
        }
    }
    if let Some(hash) = unique.duplicate()? {
        return Err(name_duplicate(reading, hash));
    }
    if !missing.is_empty() {
        let mut missing: Vec<String> = missing.into_iter().collect();
        missing.sort();
        return Err(DatasetError::UnknownIds(missing));
    }
    reading.shuffled = spool.map(shuffle::Spool::finish).transpose()?;
    Ok(selected)
}

/// Finds the two rows whose ids are the same.
fn name_duplicate(reading: &Reading, hash: u128) -> DatasetError {
    let mut number = 0;
    let mut first: Option<String> = None;
    for row in raw(&reading.sources) {
        let Ok(row) = row else { break };
        number += 1;
        let Ok(sample) = reading.fields.sample(&row, number) else {
            break;
        };
        if unique::hash(&sample.id) != hash {
            continue;
        }
        match first {
            None => first = Some(format!("{}, {}", row.path.display(), row.place)),
            Some(first) => {
                let what = format!(
                    "its id `{}` is that of {first}; ids must differ",
                    crate::text::plain(&sample.id)
                );
                return row.error(what);
            }
        }
    }
    DatasetError::Changed("a row is gone".into())
}

fn raw(sources: &[Source]) -> impl Iterator<Item = Result<Row, DatasetError>> + Send + use<> {
    let sources = sources.to_vec();
    sources.into_iter().flat_map(|source| rows::read(&source))
}

fn unshuffled(
    sources: &[Source],
    fields: &FieldMap,
) -> impl Iterator<Item = Result<Sample, DatasetError>> + Send + use<> {
    let fields = fields.clone();
    let mut number = 0;
    raw(sources).map(move |row| {
        number += 1;
        fields.sample(&row?, number)
    })
}

/// The selected samples.
fn samples(
    reading: &Arc<Reading>,
) -> Box<dyn Iterator<Item = Result<Sample, DatasetError>> + Send> {
    let Range { start, end } = reading.range;
    let (skipped, taken) = (start as usize, (end - start) as usize);
    let reading = Arc::clone(reading);
    if reading.shuffled.is_some() {
        let read = move |place| match &reading.shuffled {
            Some(shuffled) => shuffled.sample(place),
            None => Err(DatasetError::Changed("its order is gone".into())),
        };
        return Box::new((start..end).map(read));
    }
    let rows = unshuffled(&reading.sources, &reading.fields);
    let selected = rows.filter(move |sample| match (sample, &reading.ids) {
        (Ok(sample), Some(ids)) => ids.contains(&sample.id),
        _ => true,
    });
    Box::new(selected.skip(skipped).take(taken))
}

#[cfg(test)]
mod tests;
