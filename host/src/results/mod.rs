//! The results on disk: `trials.jsonl`, ordered and the same bytes whatever the order of completion. A trial that ends
//! before its turn waits on disk under its ordinal. A run that is repeated compares itself with what is there and writes
//! only from the first difference on, so that interrupting it loses nothing.
//!
//! Fed by the run's loop, in one thread. Never looks at where an answer came from.

/// A file that is compared before it is written.
mod extend;

/// Trials whose turn has not come.
mod spool;

/// What the digest of a run covers.
mod digest;

/// The folder of a run, and what it says about itself.
mod folder;

pub use digest::RunDigest;
pub use folder::{Folder, FolderError, RunFile};

use crate::record::Trial;
use crate::until::Flow;
use extend::Extend;
use spool::{Slot, Spool};
use std::io;
use std::path::Path;

/// The name of the file with the trials.
pub const TRIALS: &str = "trials.jsonl";

/// Writes the trials of one run.
pub struct Results {
    file: Extend,
    spool: Spool,
    next: u64,
    /// The results end before this place.
    end: u64,
    written: u64,
    digest: RunDigest,
}

/// A trial whose turn has come.
pub struct Line<'a> {
    /// Its place.
    pub ordinal: u64,
    /// Its bytes in the results, without the newline.
    pub bytes: &'a [u8],
}

impl Results {
    /// Results in a folder that is there.
    ///
    /// # Errors
    /// Where the files cannot be opened.
    pub fn open(folder: &Path) -> io::Result<Results> {
        Ok(Results {
            file: Extend::open(&folder.join(TRIALS))?,
            spool: Spool::open(folder)?,
            next: 0,
            end: u64::MAX,
            written: 0,
            digest: RunDigest::default(),
        })
    }

    /// Takes a trial, and hands on every trial whose turn has come, until `each` says that this was the last. Whether it
    /// has.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn put<F: Into<Flow>>(
        &mut self,
        ordinal: u64,
        trial: &Trial,
        mut each: impl FnMut(Line<'_>) -> F,
    ) -> io::Result<Flow> {
        if ordinal >= self.end {
            return Ok(Flow::Enough);
        }
        let bytes = serde_json::to_vec(trial).map_err(io::Error::other)?;
        let digest = digest::of_trial(trial);
        if ordinal != self.next {
            return self.spool.put(ordinal, &bytes, digest).map(|()| Flow::On);
        }
        let mut flow = self.write(ordinal, &bytes, digest, &mut each)?;
        while flow == Flow::On {
            let Some((slot, bytes)) = self.spool.take(self.next)? else {
                return Ok(Flow::On);
            };
            flow = self.write(self.next, &bytes, slot.digest, &mut each)?;
        }
        self.end = self.next;
        Ok(Flow::Enough)
    }

    fn write<F: Into<Flow>>(
        &mut self,
        ordinal: u64,
        bytes: &[u8],
        digest: [u8; 32],
        each: &mut impl FnMut(Line<'_>) -> F,
    ) -> io::Result<Flow> {
        self.file.append(bytes)?;
        self.file.append(b"\n")?;
        self.digest.add(&digest);
        self.next = ordinal + 1;
        self.written += 1;
        Ok(each(Line { ordinal, bytes }).into())
    }

    /// Makes what was written visible to others.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Ends the results, of which `each` said the last before or not. Trials behind a gap, which an interrupted run leaves, follow in their order. The digest is that
    /// of a whole run: `None` where one of its `total` trials is missing.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn finish(
        mut self,
        total: u64,
        mut each: impl FnMut(Line<'_>),
    ) -> io::Result<(u64, Option<blake3::Hash>)> {
        while let Some(ordinal) = self
            .spool
            .first_from(self.next)?
            .filter(|&ordinal| ordinal < self.end)
        {
            if let Some((slot, bytes)) = self.spool.take(ordinal)? {
                self.write(ordinal, &bytes, slot.digest, &mut each)?;
            }
        }
        self.file.finish()?;
        self.spool.remove()?;
        let whole = self.written == total.min(self.end);
        Ok((self.written, whole.then(|| self.digest.finish())))
    }
}

const _: () = assert!(Slot::BYTES == 48);

#[cfg(test)]
mod tests;
