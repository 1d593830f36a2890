//! When the disk refuses: an answer that was paid for and cannot be stored goes to a spill file, beside the store or, where
//! that folder is full too, in the folder for temporary files. The next start takes it in.

use crate::machine::Disk;
use crate::store::Store;
use std::path::{Path, PathBuf};
use xhost_store::{Entry, Group, Put, Spill, WriteError};

/// Stores the answers in one commit; where that fails, spills them and says what happened.
pub(crate) fn commit_or_spill(store: &Store, group: &Group<'_>) -> Result<Vec<Put>, String> {
    let error = match store.commit_group(group) {
        Ok(puts) => return Ok(puts),
        Err(error) => error,
    };
    let answers = group.entries;
    if answers.is_empty() {
        return Err(advise(store, &error));
    }
    let kept = match kept(store, answers) {
        Some(path) => format!(
            "the answers in flight are kept in {}, and the next start takes them in",
            path.display()
        ),
        None => format!(
            "{} answers in flight could not be kept anywhere",
            answers.len()
        ),
    };
    Err(format!("{error}; {kept}; {}", store.advice()))
}

/// What an answer and its request may need, results and free pages included: four times what they take on average.
const BYTES_PER_ANSWER: u64 = 8 << 10;

/// What is left for whatever else happens on the disk meanwhile.
const LEFT_FREE: u64 = 16 << 20;

/// Whether the store's disk has room for so many more answers. Better known before the first one is paid for.
///
/// # Errors
/// In words, where it has not.
pub fn check_room(store: &Path, answers: u64) -> Result<(), String> {
    let folder = store.parent().unwrap_or(Path::new("."));
    // Where the system does not say, the disk itself will.
    let Some(disk) = Disk::of(folder) else {
        return Ok(());
    };
    room(disk.free, answers).map_err(|needed| {
        format!(
            "the disk of {} has {} free, and {answers} answers may need {}: free some space, or name a store on another \
             disk with --store",
            store.display(),
            indicatif::HumanBytes(disk.free),
            indicatif::HumanBytes(needed)
        )
    })
}

fn room(free: u64, answers: u64) -> Result<(), u64> {
    let needed = answers
        .saturating_mul(BYTES_PER_ANSWER)
        .saturating_add(LEFT_FREE);
    if free < needed { Err(needed) } else { Ok(()) }
}

/// What to do about a store that cannot be written.
pub(crate) fn advise(store: &Store, error: &WriteError) -> String {
    format!("{error}; {}", store.advice())
}

/// Where spill files may be.
pub fn spill_folders(store: &Path) -> [PathBuf; 2] {
    [
        store.parent().map_or_else(PathBuf::new, Path::to_path_buf),
        std::env::temp_dir(),
    ]
}

/// Spills answers, and says where. Of a store that another process has, each answer on its way is a commit that fails: one
/// file takes them all.
fn kept(store: &Store, answers: &[Entry]) -> Option<PathBuf> {
    let (mut own, mut shared);
    let open: &mut Option<Spill> = match store {
        Store::Own(_) => {
            own = None;
            &mut own
        }
        Store::Served(served) => {
            shared = served.spill();
            &mut shared
        }
    };
    if let Some(spill) = open
        && answers.iter().all(|entry| spill.append(entry).is_ok())
    {
        return Some(spill.path().to_path_buf());
    }
    let made = spill_folders(store.path())
        .into_iter()
        .find_map(|folder| spill(store.path(), &folder, answers).ok())?;
    Some(open.insert(made).path().to_path_buf())
}

fn spill(store: &Path, folder: &Path, answers: &[Entry]) -> std::io::Result<Spill> {
    let mut spill = Spill::create(store, folder)?;
    for entry in answers {
        spill.append(entry)?;
    }
    Ok(spill)
}

#[cfg(test)]
mod tests {
    use super::room;

    #[test]
    fn a_disk_without_room_for_the_answers_is_refused() {
        assert_eq!(room(1 << 30, 1_000), Ok(()));
        assert_eq!(
            room(1 << 30, 1_000_000),
            Err((1_000_000 << 13) + (16 << 20))
        );
        assert_eq!(room(1 << 20, 0), Err(16 << 20));
        assert_eq!(room(0, u64::MAX), Err(u64::MAX));
    }
}
