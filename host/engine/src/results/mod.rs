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

/// Trials that an earlier process wrote.
mod known;

/// The folder of a run, and what it says about itself.
mod folder;

pub use digest::RunDigest;
pub use folder::{Folder, FolderError, RunFile, write_whole};

pub use known::{Checkpoint, Known};

use crate::record::Trial;
use crate::until::Flow;
use extend::Extend;
use spool::{Slot, Spool};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The name of the file with the trials.
pub const TRIALS: &str = "trials.jsonl";

/// Trials of an earlier process that are written at once: whoever notes what they asked keeps that in memory.
const AT_ONCE: usize = 1_024;

/// Writes the trials of one run.
pub struct Results {
    file: Extend,
    spool: Spool,
    next: u64,
    /// The results end before this place.
    end: u64,
    written: u64,
    digest: RunDigest,
    /// Over the lines before `next`.
    lines: blake3::Hasher,
    known: Option<Arc<Known>>,
}

/// A trial whose turn has come.
pub struct Line<'a> {
    /// Its place.
    pub ordinal: u64,
    /// Its bytes in the results, without the newline.
    pub bytes: &'a [u8],
    /// Who made it.
    pub maker: Maker,
}

/// Who made a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// This process.
    Now,
    /// An earlier process of the same run.
    Earlier,
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
            lines: blake3::Hasher::new(),
            known: None,
        })
    }

    /// Trials that need not be made: their lines are written when it is their turn.
    pub fn recall(&mut self, known: Arc<Known>) {
        self.known = Some(known);
    }

    /// Writes some of the trials that need not be made and whose turn has come. Whether there are more.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn write_known<F: Into<Flow>>(
        &mut self,
        mut each: impl FnMut(Line<'_>) -> F,
    ) -> io::Result<(Flow, bool)> {
        let Some(known) = self.known.clone().filter(|_| self.next < self.end) else {
            return Ok((Flow::On, false));
        };
        let flow = self.go_on(&mut each)?;
        Ok((flow, flow == Flow::On && known.has(self.next)?))
    }

    /// How far the results are whole.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            trials: self.next,
            blake3: self.lines.finalize().to_hex().to_string(),
        }
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
        match self.write_next(&bytes, digest, Maker::Now, &mut each)? {
            Flow::On => self.go_on(&mut each),
            Flow::Enough => Ok(self.enough()),
        }
    }

    /// Writes the trials that are there and whose turn has come; of an earlier process's, some.
    fn go_on<F: Into<Flow>>(&mut self, each: &mut impl FnMut(Line<'_>) -> F) -> io::Result<Flow> {
        let mut known = 0;
        loop {
            let flow = if let Some((slot, bytes)) = self.spool.take(self.next)? {
                self.write_next(&bytes, slot.digest, Maker::Now, each)?
            } else if known == AT_ONCE {
                return Ok(Flow::On);
            } else if let Some(bytes) = self.known_line(self.next)? {
                known += 1;
                self.write_next(&bytes, digest::of_line(&bytes)?, Maker::Earlier, each)?
            } else {
                return Ok(Flow::On);
            };
            if flow == Flow::Enough {
                return Ok(self.enough());
            }
        }
    }

    fn known_line(&self, ordinal: u64) -> io::Result<Option<Vec<u8>>> {
        let line = self.known.as_ref().map(|known| known.line(ordinal));
        line.unwrap_or(Ok(None))
    }

    /// The next trial that is there, whatever is missing before it.
    fn first_waiting(&self) -> io::Result<Option<u64>> {
        let waiting = self.spool.first_from(self.next)?;
        let known = match &self.known {
            Some(known) => known.first_from(self.next)?,
            None => None,
        };
        let first = waiting.into_iter().chain(known).min();
        Ok(first.filter(|&ordinal| ordinal < self.end))
    }

    fn enough(&mut self) -> Flow {
        self.end = self.next;
        Flow::Enough
    }

    /// Writes the trial whose turn it is.
    fn write_next<F: Into<Flow>>(
        &mut self,
        bytes: &[u8],
        digest: [u8; 32],
        maker: Maker,
        each: &mut impl FnMut(Line<'_>) -> F,
    ) -> io::Result<Flow> {
        self.lines.update(bytes).update(b"\n");
        let line = Line {
            ordinal: self.next,
            bytes,
            maker,
        };
        self.write(line, digest, each)
    }

    fn write<F: Into<Flow>>(
        &mut self,
        line: Line<'_>,
        digest: [u8; 32],
        each: &mut impl FnMut(Line<'_>) -> F,
    ) -> io::Result<Flow> {
        self.file.append(line.bytes)?;
        self.file.append(b"\n")?;
        self.digest.add(&digest);
        self.next = line.ordinal + 1;
        self.written += 1;
        Ok(each(line).into())
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
        while let Some(ordinal) = self.first_waiting()? {
            if let Some((slot, bytes)) = self.spool.take(ordinal)? {
                let line = Line {
                    ordinal,
                    bytes: &bytes,
                    maker: Maker::Now,
                };
                self.write(line, slot.digest, &mut each)?;
            } else if let Some(bytes) = self.known_line(ordinal)? {
                let line = Line {
                    ordinal,
                    bytes: &bytes,
                    maker: Maker::Earlier,
                };
                self.write(line, digest::of_line(&bytes)?, &mut each)?;
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
