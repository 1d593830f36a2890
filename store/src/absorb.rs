//! How spilled answers come back: every good line of a store's spill files is committed, and the file removed; a file with
//! other lines is kept under another name, for a person to look at.

use crate::packed::REQUEST_LIMIT;
use crate::record::RECORD_LIMIT;
use crate::spill::{self, SUFFIX};
use crate::{Entry, Put, Store, WriteError, place};
use bytes::Bytes;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// Answers of one commit: past some hundreds a larger group gains nothing.
const GROUP: usize = 256;

/// Bytes of answers in one commit, so that memory stays small whatever the file holds.
const GROUP_BYTES: usize = 16 << 20;

/// base64 takes four characters for three bytes; the rest of a line is short.
const LINE_LIMIT: usize = (RECORD_LIMIT + REQUEST_LIMIT) / 3 * 4 + 1024;

/// What was taken in from spill files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Absorbed {
    /// Answers that are stored now and were not before.
    pub answers: u64,
    /// Answers to requests that another answer came to first, which stays.
    pub conflicts: u64,
    /// Lines that could not be read, such as the last one of a crash.
    pub damaged: u64,
    /// The files that were kept, because of such lines, under their new names.
    pub kept: Vec<PathBuf>,
    /// Files that could not be read, moved or removed, and why. The next start tries again.
    pub unread: Vec<(PathBuf, String)>,
    /// Whether the store's log ended in a commit that is not whole. It is told once.
    pub torn: bool,
}

impl Absorbed {
    /// What to tell the user; nothing where there was nothing.
    #[must_use]
    pub fn messages(&self) -> Vec<String> {
        let mut messages = Vec::new();
        if self.torn {
            messages.push(
                "the store's log ended in a commit that is not whole: a crash cut it off before it was acknowledged, \
                 or its disk changed it"
                    .to_owned(),
            );
        }
        if self.answers > 0 {
            messages.push(format!(
                "took in {} answers that an earlier run could not store",
                self.answers
            ));
        }
        if self.conflicts > 0 {
            messages.push(format!(
                "{} spilled answers were not taken: the store has others",
                self.conflicts
            ));
        }
        let kept: Vec<String> = self
            .kept
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        if self.damaged > 0 {
            messages.push(format!(
                "{} spilled lines are damaged; they are kept in {}",
                self.damaged,
                kept.join(", ")
            ));
        }
        let unread = self.unread.iter();
        messages.extend(
            unread.map(|(path, why)| format!("the spill file {} stays: {why}", path.display())),
        );
        messages
    }
}

impl Store {
    /// Takes in the spill files that this store has in the folder. In the store's own folder, these are all of its name;
    /// elsewhere, those that were made for a store at this path.
    ///
    /// # Errors
    /// Where the store cannot be written. The files stay then.
    pub fn absorb_spills(&self, folder: &Path) -> Result<Absorbed, WriteError> {
        let mut absorbed = Absorbed {
            torn: self.torn.swap(false, Ordering::Relaxed),
            ..Absorbed::default()
        };
        for path in files(self.path(), folder) {
            let damaged_before = absorbed.damaged;
            let moved = match self.absorb(&path, &mut absorbed)? {
                Err(error) => Err(error),
                Ok(()) if absorbed.damaged == damaged_before => fs::remove_file(&path),
                Ok(()) => {
                    let kept = place::beside(&path, ".damaged");
                    fs::rename(&path, &kept).map(|()| absorbed.kept.push(kept))
                }
            };
            if let Err(error) = moved {
                absorbed.unread.push((path, error.to_string()));
            }
        }
        Ok(absorbed)
    }

    fn absorb(&self, path: &Path, absorbed: &mut Absorbed) -> Result<io::Result<()>, WriteError> {
        let mut lines = match File::open(path) {
            Ok(file) if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) => {
                let words = "another process is writing to it; the next start takes it in";
                return Ok(Err(io::Error::other(words)));
            }
            Ok(file) => BufReader::new(file),
            Err(error) => return Ok(Err(error)),
        };
        loop {
            let (group, rest) = match read_group(&mut lines, absorbed) {
                Ok(read) => read,
                Err(error) => return Ok(Err(error)),
            };
            for put in self.commit(&group)? {
                match put {
                    Put::Stored | Put::Replaced => absorbed.answers += 1,
                    Put::Conflict => absorbed.conflicts += 1,
                    Put::AlreadyThere => {}
                }
            }
            if matches!(rest, Rest::None) {
                return Ok(Ok(()));
            }
        }
    }
}

/// Whether there are lines after a group.
enum Rest {
    Some,
    None,
}

fn read_group(lines: &mut impl BufRead, absorbed: &mut Absorbed) -> io::Result<(Vec<Entry>, Rest)> {
    let (mut group, mut bytes, mut line) = (Vec::new(), 0, Vec::new());
    while group.len() < GROUP && bytes < GROUP_BYTES {
        line.clear();
        if lines.take(LINE_LIMIT as u64).read_until(b'\n', &mut line)? == 0 {
            return Ok((group, Rest::None));
        }
        match spill::parse(&line) {
            // The line feed before the line that follows a torn one.
            Err(_) if line == b"\n" => {}
            Err(_) => absorbed.damaged += 1,
            Ok(entry) => {
                bytes += entry.answer.body.len() + entry.request.as_ref().map_or(0, Bytes::len);
                group.push(entry);
            }
        }
    }
    Ok((group, Rest::Some))
}

/// Files of other users are left alone: anybody can write into a folder for temporary files.
fn files(store: &Path, folder: &Path) -> Vec<PathBuf> {
    let mut prefix = spill::prefix(store);
    // A store that was moved takes the files beside it along, and they carry its old path's tag.
    if folder.canonicalize().ok() != place::folder_of(store).canonicalize().ok() {
        prefix.push_str(&spill::tag(store));
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with(&prefix) && name.ends_with(SUFFIX)
    });
    let own = named.filter(|entry| {
        entry
            .metadata()
            .is_ok_and(|file| file.is_file() && same_owner(&file, store))
    });
    let mut paths: Vec<PathBuf> = own.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(unix)]
fn same_owner(spill: &fs::Metadata, store: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(store).is_ok_and(|store| store.uid() == spill.uid())
}

#[cfg(not(unix))]
fn same_owner(_: &fs::Metadata, _: &Path) -> bool {
    true
}
