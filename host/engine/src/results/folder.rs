//! The folder of a run, and what it says about itself in `run.json`. A folder that holds another run is not written over:
//! its files move into `earlier/` first.

use super::TRIALS;
use crate::budget;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The name of the file that says which run this is.
const RUN: &str = "run.json";
/// Everything else that a run writes.
const FILES: [&str; 6] = [
    TRIALS,
    "summary.json",
    "events.jsonl",
    "status.json",
    budget::FILE,
    RUN,
];

/// What a run's folder says about itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunFile {
    /// The version of xhost that wrote it.
    pub xhost: String,
    /// The experiment's name.
    pub experiment: String,
    /// The identity of what is run.
    pub plan: String,
    /// Everything that the identity covers.
    #[serde(deserialize_with = "crate::json::exact")]
    pub resolved: serde_json::Value,
}

/// A run's folder.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// Where the files of another run went that were there.
    pub earlier: Option<PathBuf>,
}

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the results to {path}: {cause}; name another folder with --out", path = path.display())]
pub struct FolderError {
    /// The folder.
    pub path: PathBuf,
    /// The operating system's words.
    pub cause: io::Error,
}

impl Folder {
    /// Makes the folder, or takes the one that is there.
    ///
    /// # Errors
    /// Where it cannot be written to.
    pub fn prepare(path: &Path, run: &RunFile) -> Result<Folder, FolderError> {
        let prepared = prepare(path, run);
        prepared
            .map(|earlier| Folder {
                path: path.into(),
                earlier,
            })
            .map_err(|cause| FolderError {
                path: path.into(),
                cause,
            })
    }

    /// A file in the folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file so that it is always whole: the old one, or the new one.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn write(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        write(&self.path, name, value, Then::Sync)
    }

    /// The same for a file that the next second replaces: a power cut may leave an older one, or none.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn write_soon(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        write(&self.path, name, value, Then::Go)
    }
}

/// Writes a file of a run's folder so that it is always whole, for whoever is not the run.
///
/// # Errors
/// Where the disk refuses.
pub fn write_whole(folder: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    write(folder, name, value, Then::Sync)
}

/// Whether the disk is waited for.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Sync,
    Go,
}

fn prepare(path: &Path, run: &RunFile) -> io::Result<Option<PathBuf>> {
    fs::create_dir_all(path)?;
    let there = fs::read_to_string(path.join(RUN)).ok();
    let known = there
        .as_deref()
        .and_then(|text| serde_json::from_str::<RunFile>(text).ok());
    let earlier = match known {
        Some(known) if known.plan == run.plan => None,
        Some(known) => Some(move_away(path, &known.plan)?),
        None if path.join(TRIALS).exists() => Some(move_away(path, "unknown")?),
        None => None,
    };
    write(path, RUN, run, Then::Sync)?;
    Ok(earlier)
}

/// Moves the files of another run out of the way. Of two runs with one plan the later stays.
fn move_away(path: &Path, plan: &str) -> io::Result<PathBuf> {
    let name: String = plan
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(12)
        .collect();
    let earlier = path.join("earlier").join(name);
    fs::create_dir_all(&earlier)?;
    for file in FILES {
        match fs::rename(path.join(file), earlier.join(file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(earlier)
}

fn write(folder: &Path, name: &str, value: &impl Serialize, then: Then) -> io::Result<()> {
    use std::io::Write;
    let mut temporary = tempfile::Builder::new()
        .permissions(readable())
        .tempfile_in(folder)?;
    let mut buffered = io::BufWriter::new(&mut temporary);
    serde_json::to_writer_pretty(&mut buffered, value).map_err(io::Error::other)?;
    buffered.write_all(b"\n")?;
    buffered.flush()?;
    drop(buffered);
    if then == Then::Sync {
        temporary.as_file().sync_data()?;
    }
    temporary.persist(folder.join(name))?;
    Ok(())
}

/// Results are as readable as any other file that the user makes; the umask still counts.
fn readable() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(0o644)
}
