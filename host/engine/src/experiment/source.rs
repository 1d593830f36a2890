//! The file's text, and the refusal of everything that is no experiment file.
//!
//! The only part of the module that opens files. Never follows what the text names.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::error::{ExperimentError, Spot};
use super::tree::{Entry, Kind, Node, Origin, Place};
use super::{json, near, toml, yaml};

/// Bytes. Long texts and examples belong into files of their own.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Levels of lists and maps: what is read is walked by recursion.
pub(super) const DEEPEST: usize = 64;

/// What a reader has against a text.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) place: Option<Place>,
    pub(super) message: String,
}

impl Broken {
    pub(super) fn at(place: Place, message: impl Into<String>) -> Broken {
        Broken {
            place: Some(place),
            message: message.into(),
        }
    }
}

pub(super) fn whole_number_too_large(place: Place) -> Broken {
    Broken::at(
        place,
        "a whole number beyond 64 bits would be rounded; put it in quotes",
    )
}

/// The text of `file` and its tree.
///
/// # Errors
/// A file that is missing, no regular file, too large, not UTF-8, empty, of another format, or broken.
pub(super) fn read(file: &Path) -> Result<(String, Node), ExperimentError> {
    // A file of another format is refused unread.
    reader(file)?;
    let text = text(file)?;
    let tree = parse(file, &text)?;
    Ok((text, tree))
}

/// The tree of a text, whose format the file's name tells.
pub(super) fn parse(file: &Path, text: &str) -> Result<Node, ExperimentError> {
    let reader = reader(file)?;
    let broken = |broken: Broken| ExperimentError::Syntax {
        spot: Box::new(Spot::new(&file.display().to_string(), text, broken.place)),
        message: broken.message,
    };
    let tree = match text.trim() {
        "" => {
            return Err(ExperimentError::Empty {
                file: file.to_owned(),
            });
        }
        _ => reader(text).and_then(unique).map_err(broken)?,
    };
    match tree.kind {
        // Nothing but comments.
        Kind::Null => Err(ExperimentError::Empty {
            file: file.to_owned(),
        }),
        Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) | Kind::Map(_) => Ok(tree),
    }
}

fn unique(tree: Node) -> Result<Node, Broken> {
    match tree.twice() {
        Some(Entry { key, origin, .. }) => Err(Broken {
            place: match *origin {
                Origin::File(place) => Some(place),
                Origin::Argument(_) => None,
            },
            message: format!("the key `{key}` stands twice in this map; keep one"),
        }),
        None => Ok(tree),
    }
}

type Reader = fn(&str) -> Result<Node, Broken>;

fn reader(file: &Path) -> Result<Reader, ExperimentError> {
    let extension = file.extension().and_then(|extension| extension.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("yaml" | "yml") => Ok(yaml::read),
        Some("json") => Ok(json::read),
        Some("toml") => Ok(toml::read),
        _ if file.is_dir() => Err(folder(file)),
        _ if !file.exists() => Err(missing(file)),
        _ => Err(ExperimentError::Extension {
            file: file.to_owned(),
        }),
    }
}

fn text(file: &Path) -> Result<String, ExperimentError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => missing(file),
        _ => ExperimentError::Read {
            file: file.to_owned(),
            source,
        },
    };
    // Asked before it is opened: to open a pipe waits for a writer.
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(folder(file));
    }
    if !metadata.is_file() {
        return Err(ExperimentError::NoRegularFile {
            file: file.to_owned(),
        });
    }
    let mut bytes = Vec::new();
    let limited = File::open(file).map_err(failed)?.take(LARGEST + 1);
    { limited }.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(ExperimentError::TooLarge {
            file: file.to_owned(),
        });
    }
    decoded(file, bytes)
}

fn decoded(file: &Path, bytes: Vec<u8>) -> Result<String, ExperimentError> {
    let text = String::from_utf8(bytes).map_err(|error| ExperimentError::NotText {
        file: file.to_owned(),
        offset: error.utf8_error().valid_up_to(),
    })?;
    // Some editors begin a file with a byte-order mark, which JSON and TOML do not know.
    Ok(text
        .strip_prefix('\u{feff}')
        .map(str::to_owned)
        .unwrap_or(text))
}

fn folder(file: &Path) -> ExperimentError {
    ExperimentError::Folder {
        file: file.to_owned(),
        inside: near::experiments_in(file),
    }
}

fn missing(file: &Path) -> ExperimentError {
    ExperimentError::Missing {
        file: file.to_owned(),
        near: near::files_like(file),
    }
}
