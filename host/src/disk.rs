//! When the disk refuses: an answer that was paid for and cannot be stored goes to a spill file, beside the store or, where
//! that folder is full too, in the folder for temporary files. The next start takes it in.

use std::path::{Path, PathBuf};
use xhost_store::{Entry, Group, Put, Spill, Store, WriteError};

/// Stores the answers in one commit; where that fails, spills them and says what happened.
pub(crate) fn commit_or_spill(store: &Store, group: &Group<'_>) -> Result<Vec<Put>, String> {
    let error = match store.commit_group(group) {
        Ok(puts) => return Ok(puts),
        Err(error) => error,
    };
    let answers = group.entries;
    if answers.is_empty() {
        return Err(advise(&error));
    }
    let spilled = spill_folders(store.path())
        .into_iter()
        .find_map(|folder| spill(store.path(), &folder, answers).ok());
    let kept = match spilled {
        Some(path) => format!(
            "the answers in flight are kept in {}, and the next start takes them in",
            path.display()
        ),
        None => format!(
            "{} answers in flight could not be kept anywhere",
            answers.len()
        ),
    };
    Err(format!(
        "{error}; {kept}; free some space, then run the same command again"
    ))
}

/// What to do about a store that cannot be written.
pub(crate) fn advise(error: &WriteError) -> String {
    format!("{error}; free some space, then run the same command again")
}

/// Where spill files may be.
pub(crate) fn spill_folders(store: &Path) -> [PathBuf; 2] {
    [
        store.parent().map_or_else(PathBuf::new, Path::to_path_buf),
        std::env::temp_dir(),
    ]
}

fn spill(store: &Path, folder: &Path, answers: &[Entry]) -> std::io::Result<PathBuf> {
    let mut spill = Spill::create(store, folder)?;
    for entry in answers {
        spill.append(entry)?;
    }
    Ok(spill.path().to_path_buf())
}
