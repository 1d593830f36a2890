//! Where answers go when the disk refuses: a file of lines beside the store, each synced before the next. The next start
//! takes them in. A line is `HEX DIGEST, space, BASE64 RECORD`: the record verifies itself.

use crate::record;
use crate::{Answer, Digest, Store, WriteError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// A spill file that is being written.
pub struct Spill {
    file: File,
    path: PathBuf,
}

/// What was taken in from spill files.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Absorbed {
    /// Answers that are stored now.
    pub answers: u64,
    /// Lines that could not be read, such as the last one of a crash; their file is kept under another name.
    pub damaged: u64,
}

impl Absorbed {
    /// What to tell the user; nothing where there was nothing.
    #[must_use]
    pub fn messages(&self) -> Vec<String> {
        let mut messages = Vec::new();
        if self.answers > 0 {
            messages.push(format!(
                "took in {} answers that an earlier run could not store",
                self.answers
            ));
        }
        if self.damaged > 0 {
            messages.push(format!(
                "{} lines of a spill file are damaged; the file is kept beside it",
                self.damaged
            ));
        }
        messages
    }
}

impl Spill {
    /// A new spill file for the store, in this folder.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn create(store: &Path, folder: &Path) -> io::Result<Spill> {
        let prefix = format!("{}-{}-", prefix(store), std::process::id());
        let file = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(".spill")
            .tempfile_in(folder)?;
        let (file, path) = file.keep().map_err(|error| error.error)?;
        Ok(Spill { file, path })
    }

    /// Adds an answer, and waits until it is on disk.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn append(&mut self, digest: &Digest, answer: &Answer) -> io::Result<()> {
        let line = format!(
            "{digest} {}\n",
            STANDARD.encode(record::encode(digest, answer))
        );
        self.file.write_all(line.as_bytes())?;
        self.file.sync_data()
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Store {
    /// Takes in the spill files that this store has in the folder.
    ///
    /// # Errors
    /// Where the store cannot be written. The files stay.
    pub fn absorb_spills(&self, folder: &Path) -> Result<Absorbed, WriteError> {
        let mut absorbed = Absorbed::default();
        for path in spills(self.path(), folder) {
            let Ok(file) = File::open(&path) else {
                continue;
            };
            let damaged_before = absorbed.damaged;
            for line in BufReader::new(file).split(b'\n') {
                match line.ok().as_deref().and_then(parse) {
                    Some(answer) => {
                        self.commit(&[answer])?;
                        absorbed.answers += 1;
                    }
                    None => absorbed.damaged += 1,
                }
            }
            // Every answer in it is stored: at worst the file is read again.
            let _ = match absorbed.damaged == damaged_before {
                true => fs::remove_file(&path),
                false => fs::rename(&path, path.with_extension("damaged")),
            };
        }
        Ok(absorbed)
    }
}

/// Files of other users are left alone: anybody can write into the folder for temporary files.
fn spills(store: &Path, folder: &Path) -> Vec<PathBuf> {
    let prefix = prefix(store);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with(&prefix) && name.ends_with(".spill")
    });
    let own = named.filter(|entry| {
        entry
            .metadata()
            .is_ok_and(|metadata| metadata.is_file() && same_owner(&metadata, store))
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

/// Names the store, wherever the spill file is.
fn prefix(store: &Path) -> String {
    let whole = store.canonicalize().unwrap_or_else(|_| store.to_path_buf());
    let digest = blake3::hash(whole.as_os_str().as_encoded_bytes()).to_hex();
    format!("xhost-{}", &digest[..16])
}

fn parse(line: &[u8]) -> Option<(Digest, Answer)> {
    let line = std::str::from_utf8(line).ok()?;
    let (digest, record) = line.split_once(' ')?;
    let digest: Digest = digest.parse().ok()?;
    let record = STANDARD.decode(record).ok()?;
    Some((digest, record::decode(&digest, &record).ok()?))
}
