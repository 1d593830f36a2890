//! Rows as they are kept for a replay: JSON lines of the samples as plugins saw them, in their order. A dataset's identity
//! is the blake3 of these lines, which is also the name under which they are kept.

use super::{DatasetError, Sample};
use crate::json;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

/// No line is longer: a row has at most 64 MiB, and its input and targets stand in it twice.
pub const LINE_BYTES: u64 = 192 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    input: String,
    targets: Vec<String>,
    fields: Box<RawValue>,
}

/// Opens the kept lines, each time from their start.
pub type Lines = Arc<dyn Fn() -> io::Result<Box<dyn Read + Send>> + Send + Sync>;

impl Sample {
    /// The sample as a line, with the line feed.
    ///
    /// # Errors
    /// Where its fields are no JSON.
    pub fn to_line(&self) -> io::Result<Vec<u8>> {
        let Sample {
            id,
            input,
            targets,
            fields,
        } = self.clone();
        let fields = RawValue::from_string(fields)?;
        let mut line = serde_json::to_vec(&Line {
            id,
            input,
            targets,
            fields,
        })?;
        line.push(b'\n');
        Ok(line)
    }

    /// Reads a line, without the line feed. Only what [`Sample::to_line`] would write is one.
    ///
    /// # Errors
    /// What is wrong with it, to be read after the words "the row".
    pub fn from_line(line: &[u8]) -> Result<Sample, String> {
        let text = std::str::from_utf8(line).map_err(|_| "is not UTF-8".to_owned())?;
        json::check(text)?;
        let read: Line =
            serde_json::from_str(text).map_err(|error| format!("is no sample: {error}"))?;
        let sample = Sample {
            id: read.id,
            input: read.input,
            targets: read.targets,
            fields: read.fields.get().to_owned(),
        };
        let again = sample.to_line().map_err(|error| error.to_string())?;
        if again.strip_suffix(b"\n") != Some(line) {
            return Err("is not written as rows are kept".into());
        }
        Ok(sample)
    }
}

/// The kept rows, one after the other.
pub(super) fn samples(
    lines: &Lines,
) -> Box<dyn Iterator<Item = Result<Sample, DatasetError>> + Send> {
    let opened = lines().map(|read| BufReader::with_capacity(64 << 10, read));
    let mut reader = match opened {
        Ok(reader) => reader,
        Err(error) => return Box::new(std::iter::once(Err(damaged(&error.to_string())))),
    };
    Box::new(std::iter::from_fn(move || {
        let mut line = Vec::new();
        let read = reader
            .by_ref()
            .take(LINE_BYTES)
            .read_until(b'\n', &mut line);
        match read {
            Ok(0) => None,
            Ok(_) => {
                let sample = match line.strip_suffix(b"\n") {
                    Some(line) => Sample::from_line(line),
                    None => Err("is cut off".into()),
                };
                Some(sample.map_err(|what| damaged(&format!("a row {what}"))))
            }
            Err(error) => Some(Err(damaged(&error.to_string()))),
        }
    }))
}

fn damaged(what: &str) -> DatasetError {
    DatasetError::Kept(what.to_owned())
}
