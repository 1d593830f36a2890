//! When the disk refuses: an answer that was paid for and cannot be stored goes to a spill file, beside the store or, where
//! that folder is full too, in the folder for temporary files. The next start takes it in.

use std::path::{Path, PathBuf};
use xhost_store::{Answer, Digest, Spill, Store};

/// Stores the answers in one commit; where that fails, spills them and says what happened.
pub(crate) fn commit_or_spill(store: &Store, answers: &[(Digest, Answer)]) -> Result<(), String> {
    let Err(error) = store.commit(answers) else {
        return Ok(());
    };
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

/// Where spill files may be.
pub(crate) fn spill_folders(store: &Path) -> [PathBuf; 2] {
    [
        store.parent().map_or_else(PathBuf::new, Path::to_path_buf),
        std::env::temp_dir(),
    ]
}

fn spill(store: &Path, folder: &Path, answers: &[(Digest, Answer)]) -> std::io::Result<PathBuf> {
    let mut spill = Spill::create(store, folder)?;
    for (digest, answer) in answers {
        spill.append(digest, answer)?;
    }
    Ok(spill.path().to_path_buf())
}
