//! Trials that an earlier process of the same run wrote. Its checkpoint vouches for the first lines of `trials.jsonl`; of
//! those, the ones that did not fail need not be made again. Read once, compared, and copied to a file of our own, because
//! the results may be cut off behind the first line that turns out otherwise.

use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// No line is longer; see `recorded`.
const LINE_BYTES: u64 = crate::recorded::LINE_BYTES;

/// How far the results are whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// So many trials stand in the results, in their order and without a gap.
    pub trials: u64,
    /// The blake3 of their lines.
    pub blake3: String,
}

/// The lines.
#[derive(Debug)]
pub struct Known {
    lines: File,
    /// For each line where it ends, twice, and one more where its trial failed; 8 bytes, little-endian.
    ends: File,
    trials: u64,
}

#[derive(Deserialize)]
struct Line {
    failure: Option<serde::de::IgnoredAny>,
}

impl Known {
    /// The lines of the results in this folder; none where they are not what the checkpoint says.
    ///
    /// # Errors
    /// Where the disk cannot be used.
    pub fn open(folder: &Path, checkpoint: &Checkpoint) -> io::Result<Option<Known>> {
        let results = match File::open(folder.join(super::TRIALS)) {
            Ok(results) => results,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut reader = BufReader::with_capacity(64 << 10, results);
        let mut lines = BufWriter::new(tempfile::tempfile_in(folder)?);
        let mut ends = BufWriter::new(tempfile::tempfile_in(folder)?);
        let (mut hasher, mut end, mut line) = (blake3::Hasher::new(), 0_u64, Vec::new());
        for _ in 0..checkpoint.trials {
            line.clear();
            let mut bounded = reader.by_ref().take(LINE_BYTES);
            bounded.read_until(b'\n', &mut line)?;
            let Ok(told) = serde_json::from_slice::<Line>(&line) else {
                return Ok(None);
            };
            hasher.update(&line);
            lines.write_all(&line)?;
            end += line.len() as u64;
            let word = end << 1 | u64::from(told.failure.is_some());
            ends.write_all(&word.to_le_bytes())?;
        }
        if hasher.finalize().to_hex().as_str() != checkpoint.blake3 {
            return Ok(None);
        }
        Ok(Some(Known {
            lines: lines.into_inner().map_err(io::IntoInnerError::into_error)?,
            ends: ends.into_inner().map_err(io::IntoInnerError::into_error)?,
            trials: checkpoint.trials,
        }))
    }

    /// Whether the trial in this place need not be made again.
    ///
    /// # Errors
    /// Where the disk cannot be used.
    pub fn has(&self, ordinal: u64) -> io::Result<bool> {
        Ok(ordinal < self.trials && self.word(ordinal)? & 1 == 0)
    }

    /// The first such trial from this place on.
    ///
    /// # Errors
    /// Where the disk cannot be used.
    pub fn first_from(&self, from: u64) -> io::Result<Option<u64>> {
        for ordinal in from..self.trials {
            if self.has(ordinal)? {
                return Ok(Some(ordinal));
            }
        }
        Ok(None)
    }

    /// The line of such a trial, without the line feed.
    ///
    /// # Errors
    /// Where the disk cannot be used.
    pub fn line(&self, ordinal: u64) -> io::Result<Option<Vec<u8>>> {
        if !self.has(ordinal)? {
            return Ok(None);
        }
        let start = match ordinal {
            0 => 0,
            ordinal => self.word(ordinal - 1)? >> 1,
        };
        let length = (self.word(ordinal)? >> 1).saturating_sub(start + 1);
        let mut line = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.lines.read_exact_at(&mut line, start)?;
        Ok(Some(line))
    }

    fn word(&self, ordinal: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.ends.read_exact_at(&mut bytes, ordinal * 8)?;
        Ok(u64::from_le_bytes(bytes))
    }
}
