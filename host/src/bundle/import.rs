//! From a bundle to a store. All of it was verified before; what is read again is verified again, so that a file that
//! changes meanwhile leaves no wrong answer behind.

use super::layout::Lines;
use super::members::Member;
use super::{Bundle, BundleError, refused};
use crate::results::TRIALS;
use crate::store::Store;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use xhost_store::{BlobDigest, Entry, Put};

/// Answers of one commit.
const GROUP: usize = 256;

/// Bytes of answers in one commit, so that memory stays small.
const GROUP_BYTES: usize = 16 << 20;

/// What came of the answers of a bundle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Imported {
    /// Stored now.
    pub stored: u64,
    /// The same answer was there.
    pub already_there: u64,
    /// Another answer was there, and stays.
    pub conflicts: u64,
}

impl Bundle {
    /// Puts the plugins, rows and answers into a store. Nothing that is there is replaced.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn import(&self, store: &Store) -> Result<Imported, BundleError> {
        let blobs = store.blobs();
        for (member, digest) in self.places.plugins.iter().zip(&self.config().plugins) {
            let digest = blob(member, digest)?;
            blobs.keep(&digest, |out| {
                io::copy(&mut self.members.open(member), out).map(drop)
            })?;
        }
        for (member, lines) in self.places.rows.iter().zip(&self.config().datasets) {
            let digest = blob(member, &lines.blake3)?;
            blobs.keep(&digest, |out| self.unpack(member, lines, out))?;
        }
        let (mut imported, mut group, mut bytes) = (Imported::default(), Vec::new(), 0);
        let mut failed = None;
        let read = self.answers(|key, answer| {
            bytes += answer.body.len();
            group.push(Entry::from((key, answer)));
            if group.len() == GROUP || bytes > GROUP_BYTES {
                bytes = 0;
                let put = imported.commit(store, &mut group);
                put.map_err(|error| {
                    let words = error.to_string();
                    failed = Some(error);
                    words
                })?;
            }
            Ok(())
        });
        if let Some(error) = failed {
            return Err(error);
        }
        read?;
        imported.commit(store, &mut group)?;
        Ok(imported)
    }

    /// Writes `run.json` and `trials.jsonl` into a folder that has neither.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn restore(&self, folder: &Path) -> Result<(), BundleError> {
        let fails = |cause| BundleError::Io {
            path: folder.into(),
            cause,
        };
        std::fs::create_dir_all(folder).map_err(fails)?;
        let mut run = serde_json::to_vec_pretty(&self.config().run)
            .map_err(|e| fails(io::Error::other(e)))?;
        run.push(b'\n');
        let create = |name: &str| std::fs::File::create_new(folder.join(name)).map_err(fails);
        let mut trials = BufWriter::new(create(TRIALS)?);
        self.unpack(&self.places.trials, &self.config().trials, &mut trials)
            .and_then(|()| trials.into_inner().map_err(io::IntoInnerError::into_error))
            .and_then(|file| file.sync_all())
            .map_err(fails)?;
        let mut file = create("run.json")?;
        file.write_all(&run)
            .and_then(|()| file.sync_all())
            .map_err(fails)
    }

    fn unpack(&self, member: &Member, lines: &Lines, out: &mut dyn Write) -> io::Result<()> {
        let written = self.lines(member, lines, u64::MAX, |line| {
            out.write_all(line).map_err(|error| error.to_string())
        });
        written.map_err(|error| io::Error::other(error.to_string()))
    }
}

fn blob(member: &Member, digest: &str) -> Result<BlobDigest, BundleError> {
    BlobDigest::from_hex(digest).ok_or_else(|| refused(&member.name, "has a digest that is none"))
}

impl Imported {
    fn commit(&mut self, store: &Store, group: &mut Vec<Entry>) -> Result<(), BundleError> {
        for put in store.commit(group)? {
            match put {
                Put::Stored | Put::Replaced => self.stored += 1,
                Put::AlreadyThere => self.already_there += 1,
                Put::Conflict => self.conflicts += 1,
            }
        }
        group.clear();
        Ok(())
    }
}
