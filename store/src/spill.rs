//! Where answers go when the disk refuses: a file of lines beside the store or in another folder, each line durable before
//! the next. `absorb` takes them in. A line is JSON:
//!
//! ```text
//! {"digest":"64 hexadecimal characters","record":"base64 of a record, which verifies itself",
//!  "request":"base64 of the request, whose hash is the digest; none where it is not known"}
//! ```
//!
//! The file is `<name of the store>.spill-<which store>-<random>.jsonl`. Its records never need a dictionary. It is locked
//! while it is written: whoever spills need not be whoever has the store.

use crate::codec::NoDictionaries;
use crate::entry::{Entry, Wish};
use crate::fault::RecordError;
use crate::{Digest, StoredRequest, record};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What a spill file's name ends in. One with bad lines is kept under another.
pub(crate) const SUFFIX: &str = ".jsonl";

/// A spill file that is being written.
#[derive(Debug)]
pub struct Spill {
    file: File,
    path: PathBuf,
    tail: Tail,
}

/// How the file ends.
#[derive(Debug)]
enum Tail {
    Whole,
    /// A write failed: what is there of its line must not swallow the next one.
    Torn,
}

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    digest: &'a str,
    record: &'a str,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<Cow<'a, str>>,
}

impl Spill {
    /// A new spill file in this folder for the store at this path.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn create(store: &Path, folder: &Path) -> io::Result<Spill> {
        let prefix = format!("{}{}-", prefix(store), tag(store));
        let mut builder = tempfile::Builder::new();
        let file = builder
            .append(true)
            .prefix(&prefix)
            .suffix(".new")
            .rand_bytes(12)
            .tempfile_in(folder)?;
        // Locked before it has the name that `absorb` looks for. Where files cannot be locked, as on some network disks,
        // the store must not be shared either.
        let _ = file.as_file().lock();
        let path = file.path().with_extension(&SUFFIX[1..]);
        let file = file.persist_noclobber(&path).map_err(|error| error.error)?;
        crate::place::sync_folder(folder)?;
        Ok(Spill {
            file,
            path,
            tail: Tail::Whole,
        })
    }

    /// Adds an answer, and waits until it is on disk.
    ///
    /// # Errors
    /// Where the disk refuses, or the answer is larger than any store takes. The next answer may be tried all the same.
    pub fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let record =
            record::encode(&entry.digest, &entry.answer, None).map_err(io::Error::other)?;
        let request = entry.request.as_ref();
        let line = Line {
            digest: &entry.digest.to_string(),
            record: &STANDARD.encode(record),
            request: request.map(|request| STANDARD.encode(request).into()),
        };
        let mut bytes = match self.tail {
            Tail::Whole => Vec::new(),
            Tail::Torn => b"\n".to_vec(),
        };
        serde_json::to_writer(&mut bytes, &line)?;
        bytes.push(b'\n');
        self.tail = Tail::Torn;
        self.file.write_all(&bytes)?;
        self.tail = Tail::Whole;
        self.file.sync_data()
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Reads a line, and verifies it. A request that is not the answer's is left out: the answer is what was paid for.
pub(crate) fn parse(line: &[u8]) -> Result<Entry, RecordError> {
    let Line {
        digest,
        record,
        request,
    } = serde_json::from_slice(line).map_err(|_| RecordError::Damaged("no spill line"))?;
    let digest: Digest = digest
        .parse()
        .map_err(|_| RecordError::Damaged("its digest is none"))?;
    let record = STANDARD
        .decode(record)
        .map_err(|_| RecordError::Damaged("its base64 is none"))?;
    let request = request
        .and_then(|request| STANDARD.decode(&*request).ok())
        .filter(|request| StoredRequest::verify(&digest, request).is_ok());
    Ok(Entry {
        digest,
        answer: record::decode(&digest, &record, &NoDictionaries)?,
        request: request.map(Bytes::from),
        wish: Wish::Keep,
    })
}

/// What the spill files of stores of this name begin with.
pub(crate) fn prefix(store: &Path) -> String {
    format!(
        "{}.spill-",
        store.file_name().unwrap_or_default().to_string_lossy()
    )
}

/// Tells stores of the same name apart in a folder that they share.
pub(crate) fn tag(store: &Path) -> String {
    let whole = store.canonicalize().unwrap_or_else(|_| store.to_path_buf());
    blake3::hash(whole.as_os_str().as_encoded_bytes()).to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Spill, Tail, parse};
    use crate::{Answer, Digest, Entry};
    use std::io::Write;

    #[expect(
        clippy::disallowed_methods,
        reason = "a folder for a test, which sees what the public interface hides"
    )]
    #[test]
    fn a_line_after_a_torn_one_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spill = Spill::create(&folder.path().join("s"), folder.path()).expect("a file");
        // What a disk that is full leaves of a line.
        spill.file.write_all(b"{\"digest\":\"a7").expect("a write");
        spill.tail = Tail::Torn;
        let answer = Answer {
            body: "x".into(),
            status: 200,
            api: String::new(),
            model: String::new(),
            headers: Vec::new(),
            created_ms: 1,
            latency_ms: 1,
        };
        let entry = Entry::from((Digest::from_bytes([1; 32]), answer));
        spill.append(&entry).expect("a line");
        spill.append(&entry).expect("a line");
        let text = std::fs::read(spill.path()).expect("the file");
        let lines: Vec<_> = text.split(|byte| *byte == b'\n').map(parse).collect();
        let expected = Ok(entry);
        assert!(lines[0].is_err() && lines[1] == expected && lines[2] == expected);
    }
}
