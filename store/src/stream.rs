//! Answers as a stream of lines, for other tools and other machines: zstd over JSON lines, sorted by digest, so that the
//! same answers are the same bytes whatever the store went through. A line:
//!
//! ```text
//! {"key":"64 hexadecimal characters","status":200,
//!  "meta":{"api":"…","model":"…","headers":[["name","value"]],"created_ms":0,"latency_ms":0},
//!  "bind":"64 hexadecimal characters, see `record`","body":"the provider's bytes" (or "body_b64" where they are no UTF-8, or very long),
//!  "request":{"endpoint":"…","method":"…","target":"…","headers":[],"body":"…","epoch":1,"repeat":0,"salt":""}}
//! ```
//!
//! Whoever reads one checks `bind`, and that the request has the key as its digest. `request` may be left out.

use crate::entry::{Entry, Wish};
use crate::fault::{ReadError, WriteError};
use crate::record;
use crate::tables::INDEX;
use crate::walk::Stored;
use crate::{Answer, Digest, Put, Sent, Store, StoredRequest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use redb::ReadableDatabase;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Read, Write};

/// zstd's default: the stream is read and written once.
const LEVEL: i32 = 3;

/// base64 takes four characters for three bytes, and JSON up to six for one.
const LINE_LIMIT: u64 = 2 << 30;

/// A longer text is written as base64, as bytes are: escaped, a hostile one would be six times as long.
const TEXT_BYTES: usize = 15 << 20;

/// Answers of one commit, and the bytes after which it ends early.
const GROUP: usize = 256;
const GROUP_BYTES: usize = 8 << 20;

/// How every zstd frame begins.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: String,
    status: u16,
    meta: Meta,
    bind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_b64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<Asked>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    api: String,
    model: String,
    headers: Vec<(String, String)>,
    created_ms: u64,
    latency_ms: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    endpoint: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
    epoch: u32,
    repeat: u32,
    salt: String,
}

/// Why a line is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It is not JSON of this form.
    #[error("it is not a line of an export: {0}")]
    Form(String),
    /// It says that it is something that it is not.
    #[error("{0}")]
    Differs(&'static str),
}

/// A stream cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The stream itself.
    #[error("the stream: {0}")]
    Io(#[from] io::Error),
    /// A line is not what it says. The lines before it are in the store.
    #[error("line {number}: {cause}")]
    Line {
        /// Its number, from 1.
        number: u64,
        /// What is wrong with it.
        cause: LineError,
    },
}

/// What came of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Answers that are stored now and were not before.
    pub stored: u64,
    /// The same answers were there.
    pub there: u64,
    /// Other answers were there, and stay.
    pub conflicts: u64,
}

/// The line of an answer, without a line feed.
#[must_use]
pub fn write_line(stored: &Stored) -> Vec<u8> {
    let Answer {
        body,
        status,
        api,
        model,
        headers,
        created_ms,
        latency_ms,
    } = stored.answer.clone();
    let text = String::from_utf8(body.to_vec());
    let (body, body_b64) = match text {
        Ok(text) if text.len() <= TEXT_BYTES => (Some(text), None),
        _ => (None, Some(STANDARD.encode(&body))),
    };
    let line = Line {
        key: stored.digest.to_string(),
        status,
        meta: Meta {
            api,
            model,
            headers,
            created_ms,
            latency_ms,
        },
        bind: bind(&stored.digest, &stored.answer),
        body,
        body_b64,
        request: stored
            .request
            .as_ref()
            .and_then(|bytes| asked(&stored.digest, bytes)),
    };
    // Strings and numbers into memory: nothing of it fails.
    serde_json::to_vec(&line).unwrap_or_default()
}

/// A request whose body is not text is left out: none that was made here has such a body.
fn asked(digest: &Digest, bytes: &[u8]) -> Option<Asked> {
    let request = StoredRequest::from_bytes(digest, bytes).ok()?;
    Some(Asked {
        body: String::from_utf8(request.body.to_vec()).ok()?,
        endpoint: request.endpoint,
        method: request.method,
        target: request.target,
        headers: request.headers,
        epoch: request.epoch,
        repeat: request.repeat,
        salt: request.salt,
    })
}

/// Reads a line, and verifies it.
///
/// # Errors
/// Where it is none, or its bind or its request do not fit.
pub fn parse_line(line: &[u8]) -> Result<Entry, LineError> {
    let line: Line =
        serde_json::from_slice(line).map_err(|error| LineError::Form(error.to_string()))?;
    let digest: Digest = line
        .key
        .parse()
        .map_err(|_| LineError::Differs("its key is no digest"))?;
    let body = match (line.body, line.body_b64) {
        (Some(text), None) => Bytes::from(text),
        (None, Some(text)) => Bytes::from(
            STANDARD
                .decode(text)
                .map_err(|_| LineError::Differs("its body is no base64"))?,
        ),
        _ => return Err(LineError::Differs("it has not exactly one body")),
    };
    let Meta {
        api,
        model,
        headers,
        created_ms,
        latency_ms,
    } = line.meta;
    let answer = Answer {
        body,
        status: line.status,
        api,
        model,
        headers,
        created_ms,
        latency_ms,
    };
    if bind(&digest, &answer) != line.bind {
        return Err(LineError::Differs(
            "its bind does not fit: it was changed, or is another request's",
        ));
    }
    let request = line
        .request
        .map(|asked| sent(&digest, &asked))
        .transpose()?;
    Ok(Entry {
        digest,
        answer,
        request,
        wish: Wish::Keep,
    })
}

fn sent(digest: &Digest, asked: &Asked) -> Result<Bytes, LineError> {
    let sent = Sent {
        endpoint: &asked.endpoint,
        method: &asked.method,
        target: &asked.target,
        headers: &asked.headers,
        body: asked.body.as_bytes(),
        epoch: asked.epoch,
        repeat: asked.repeat,
        salt: &asked.salt,
    };
    if sent.digest() == *digest {
        Ok(sent.to_bytes().into())
    } else {
        Err(LineError::Differs(
            "its request is another one than its key says",
        ))
    }
}

fn bind(digest: &Digest, answer: &Answer) -> String {
    // An answer too large for a record is in no store, and no line of it is taken.
    let bind = record::bind_of(digest, answer).unwrap_or_default();
    blake3::Hash::from_bytes(bind).to_hex().to_string()
}

impl Store {
    /// Every answer, sorted by its request's digest.
    pub fn sorted(&self) -> impl Iterator<Item = Result<Stored, ReadError>> + '_ {
        let mut after: Option<[u8; 32]> = None;
        let mut page = std::collections::VecDeque::new();
        let mut ended = false;
        std::iter::from_fn(move || {
            if page.is_empty() && !ended {
                let digests = self.read(|database| {
                    let table = database.begin_read()?.open_table(INDEX)?;
                    let from = after.unwrap_or_default();
                    let mut digests = Vec::new();
                    for row in table.range::<&[u8; 32]>(&from..)?.take(GROUP) {
                        digests.push(*row?.0.value());
                    }
                    Ok(digests)
                });
                match digests {
                    Ok(digests) => {
                        page.extend(digests.iter().filter(|one| after != Some(**one)).copied());
                        ended = page.is_empty();
                        after = digests.last().copied().or(after);
                    }
                    Err(error) => {
                        ended = true;
                        return Some(Err(error));
                    }
                }
            }
            page.pop_front()
                .map(|key| self.stored(&Digest::from_bytes(key)))
        })
    }

    fn stored(&self, digest: &Digest) -> Result<Stored, ReadError> {
        let found = self.get(digest)?;
        let answer = found.ok_or(ReadError::Damaged {
            digest: *digest,
            cause: crate::RecordError::Damaged("its record is gone"),
        })?;
        let request = self.request(digest)?;
        Ok(Stored {
            digest: *digest,
            answer,
            request: request.map(|request| request.sent().to_bytes().into()),
        })
    }

    /// Writes every answer as a stream of lines, packed by zstd; how many there were. `progress` is told how many so far.
    ///
    /// # Errors
    /// Where the store cannot be read, an answer is damaged, or `out` refuses.
    pub fn export(
        &self,
        out: impl Write,
        mut progress: impl FnMut(u64),
    ) -> Result<u64, StreamError> {
        let mut packed = zstd::Encoder::new(out, LEVEL)?;
        let mut lines = 0;
        for stored in self.sorted() {
            let mut line = write_line(&stored?);
            line.push(b'\n');
            packed.write_all(&line)?;
            lines += 1;
            progress(lines);
        }
        packed.finish()?.flush()?;
        Ok(lines)
    }

    /// Takes in a stream of lines, packed by zstd or not. The first answer to a request stays.
    ///
    /// # Errors
    /// Where a line is not what it says, or the stream cannot be read, or the store cannot be written.
    pub fn import(
        &self,
        stream: impl Read,
        mut progress: impl FnMut(u64),
    ) -> Result<Imported, StreamError> {
        let mut stream = BufReader::new(stream);
        let mut lines: Box<dyn BufRead> = if stream.fill_buf()?.starts_with(&MAGIC) {
            Box::new(BufReader::new(zstd::Decoder::with_buffer(stream)?))
        } else {
            Box::new(stream)
        };
        let (mut imported, mut number) = (Imported::default(), 0);
        let (mut group, mut bytes, mut line) = (Vec::new(), 0, Vec::new());
        loop {
            line.clear();
            let read = (&mut lines).take(LINE_LIMIT).read_until(b'\n', &mut line)?;
            if read > 0 {
                number += 1;
                let parsed = parse_line(&line);
                let entry = parsed.map_err(|cause| StreamError::Line { number, cause })?;
                bytes += entry.answer.body.len() + entry.request.as_ref().map_or(0, Bytes::len);
                group.push(entry);
            }
            if read == 0 || group.len() == GROUP || bytes > GROUP_BYTES {
                for put in self.commit(&group)? {
                    match put {
                        Put::Stored | Put::Replaced => imported.stored += 1,
                        Put::AlreadyThere => imported.there += 1,
                        Put::Conflict => imported.conflicts += 1,
                    }
                }
                group.clear();
                bytes = 0;
                progress(number);
            }
            if read == 0 {
                return Ok(imported);
            }
        }
    }
}
