//! Which files a dataset is, and how each is read.

use super::{DatasetError, Format};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One file.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub path: Arc<PathBuf>,
    pub format: Format,
    /// Its size and the time of its last change: another pass must find the same.
    pub stamp: Stamp,
}

/// What tells whether a file is the one that was looked through.
pub(super) type Stamp = (u64, Option<std::time::SystemTime>);

/// All files, in their order.
pub(super) fn sources(
    paths: &[PathBuf],
    format: Option<Format>,
) -> Result<Vec<Source>, DatasetError> {
    let mut sources = Vec::new();
    for path in paths {
        for file in matches(path)? {
            sources.push(source(file, format)?);
        }
    }
    Ok(sources)
}

fn matches(path: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let fails = |what: String| DatasetError::File {
        path: path.into(),
        what,
    };
    let text = path.to_string_lossy();
    // A file whose name has a bracket in it is still a file.
    if path.exists() || !text.contains(['*', '?', '[']) {
        return Ok(vec![path.to_path_buf()]);
    }
    let found = glob::glob(&text).map_err(|e| fails(format!("the pattern is none: {e}")))?;
    let mut files: Vec<PathBuf> = found.flatten().filter(|file| !file.is_dir()).collect();
    files.sort();
    if files.is_empty() {
        return Err(fails("no file matches this pattern".into()));
    }
    Ok(files)
}

fn source(path: PathBuf, format: Option<Format>) -> Result<Source, DatasetError> {
    let fails = |what: String| DatasetError::File {
        path: path.clone(),
        what,
    };
    let metadata = std::fs::metadata(&path)
        .map_err(|e| fails(format!("cannot be read: {e}{}", near(&path))))?;
    if metadata.is_dir() {
        return Err(fails(format!(
            "is a folder; name the files in it, such as {}/*.jsonl",
            path.display()
        )));
    }
    if !metadata.is_file() {
        return Err(fails(
            "is no regular file, and it is read more than once; write it to a file first".into(),
        ));
    }
    let format = format.or_else(|| by_extension(&path)).ok_or_else(|| {
        fails("its extension is none of .jsonl, .json, .csv, .tsv, .parquet; say which it is as `dataset.format`".into())
    })?;
    let stamp = (metadata.len(), metadata.modified().ok());
    Ok(Source {
        path: Arc::new(path),
        format,
        stamp,
    })
}

fn by_extension(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        "json" => Some(Format::Json),
        "csv" => Some(Format::Csv),
        "tsv" => Some(Format::Tsv),
        "parquet" => Some(Format::Parquet),
        _ => None,
    }
}

/// A file in the same folder whose name is like this one.
fn near(path: &Path) -> String {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let nearest = names
        .map(|other| (strsim::osa_distance(&name, &other), other))
        .min();
    nearest
        .filter(|(distance, _)| *distance <= 3)
        .map_or_else(String::new, |(_, other)| format!("; did you mean {other}?"))
}
