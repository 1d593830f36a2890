//! What a run recorded of its trials, by their place: the lines of its `trials.jsonl`, indexed on disk, so that memory does
//! not grow with them. A replay takes from here which answers a trial had, and the failures that came from outside.

use crate::record::TrialFailure;
use serde::Deserialize;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use xhost_store::{Digest, ResponseDigest};

/// No line is longer: a trial's answer has at most 64 MiB, and escaping makes six of one.
pub const LINE_BYTES: u64 = 512 << 20;

/// The trials of a run that is over.
pub struct Recorded {
    lines: File,
    /// Where each line ends, 8 bytes each.
    ends: File,
    trials: u64,
}

/// One trial.
#[derive(Debug)]
pub struct RecordedTrial {
    /// Its requests and their answers.
    pub requests: HashMap<Digest, ResponseDigest>,
    /// What went wrong first.
    pub failure: Option<TrialFailure>,
}

#[derive(Deserialize)]
struct Line {
    requests: Vec<Exchange>,
    failure: Option<TrialFailure>,
}

#[derive(Deserialize)]
struct Exchange {
    digest: String,
    response: String,
}

impl Recorded {
    /// Looks through a `trials.jsonl`.
    ///
    /// # Errors
    /// Where it cannot be read, or its last line is cut off.
    pub fn open(path: &Path) -> io::Result<Recorded> {
        let lines = File::open(path)?;
        let mut reader = BufReader::with_capacity(64 << 10, lines.try_clone()?);
        let mut ends = BufWriter::new(tempfile::tempfile()?);
        let (mut end, mut trials, mut line) = (0_u64, 0, Vec::new());
        loop {
            line.clear();
            let read = reader
                .by_ref()
                .take(LINE_BYTES)
                .read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            if line.last() != Some(&b'\n') {
                return Err(damaged("its last line is cut off"));
            }
            end += read as u64;
            trials += 1;
            ends.write_all(&end.to_le_bytes())?;
        }
        let ends = ends.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Recorded {
            lines,
            ends,
            trials,
        })
    }

    /// How many trials there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.trials
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.trials == 0
    }

    /// A trial's line, without the line feed; none past the last one.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn line(&self, ordinal: u64) -> io::Result<Option<Vec<u8>>> {
        if ordinal >= self.trials {
            return Ok(None);
        }
        let start = match ordinal {
            0 => 0,
            ordinal => self.end(ordinal - 1)?,
        };
        let length = (self.end(ordinal)? - start).saturating_sub(1);
        let mut line = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.lines.read_exact_at(&mut line, start)?;
        Ok(Some(line))
    }

    fn end(&self, ordinal: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.ends.read_exact_at(&mut bytes, ordinal * 8)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// What a trial asked, and how it failed; none past the last one.
    ///
    /// # Errors
    /// Where its line cannot be read, or is none.
    pub fn trial(&self, ordinal: u64) -> io::Result<Option<RecordedTrial>> {
        let line = self.line(ordinal)?;
        line.map(|line| read(&line)).transpose()
    }
}

impl RecordedTrial {
    /// The failure that stands for an answer which never came.
    #[must_use]
    pub fn failure_outside(&self) -> Option<TrialFailure> {
        let failure = self.failure.as_ref()?;
        failure.cause.is_of_a_provider().then(|| TrialFailure {
            scorer: None,
            ..failure.clone()
        })
    }
}

/// Reads a line of `trials.jsonl`.
///
/// # Errors
/// Where it is none.
pub fn read(line: &[u8]) -> io::Result<RecordedTrial> {
    let Line { requests, failure } = serde_json::from_slice(line)?;
    let pair = |exchange: Exchange| {
        let digest = exchange.digest.parse().ok()?;
        Some((digest, exchange.response.parse().ok()?))
    };
    let requests = requests.into_iter().map(pair).collect::<Option<_>>();
    let requests = requests.ok_or_else(|| damaged("it has a digest that is none"))?;
    Ok(RecordedTrial { requests, failure })
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Recorded;
    use crate::record::Cause;

    #[test]
    fn a_line_is_found_by_its_place_and_a_failure_from_outside_is_told_from_one_of_a_plugin() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let digest = "ab".repeat(32);
        let lines = [
            format!("{{\"requests\":[{{\"digest\":\"{digest}\",\"response\":\"{digest}\"}}],\"failure\":null}}\n"),
            "{\"requests\":[],\"failure\":{\"cause\":\"timeout\",\"message\":\"m\",\"scorer\":\"s\"}}\n".into(),
            "{\"requests\":[],\"failure\":{\"cause\":\"plugin-trap\",\"message\":\"m\",\"scorer\":null}}\n".into(),
        ];
        std::fs::write(file.path(), lines.concat()).expect("it is written");
        let recorded = Recorded::open(file.path()).expect("it opens");
        assert_eq!(recorded.len(), 3);
        let trial = |ordinal| {
            recorded
                .trial(ordinal)
                .expect("it is read")
                .expect("it is there")
        };
        assert_eq!(trial(0).requests.len(), 1);
        let outside = trial(1).failure_outside().expect("it came from outside");
        assert_eq!((outside.cause, outside.scorer), (Cause::Timeout, None));
        assert!(trial(2).failure_outside().is_none());
        assert!(recorded.trial(3).expect("it is read").is_none());
        std::fs::write(file.path(), &lines.concat()[..40]).expect("it is written");
        assert!(Recorded::open(file.path()).is_err());
    }
}
