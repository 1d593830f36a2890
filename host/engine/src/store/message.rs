//! What processes that share a store say to each other. A frame is its length, u32, and a message: a kind, the number of
//! the question, fields. The first words of a connection stay as they are in every version, so that two versions can tell
//! each other which they are.
//!
//! ```text
//! hello   = "xhostshr" | protocol u32 | length u16 | version of xhost, text      (both sides, the client first)
//! frame   = length u32 | kind u8 | question u64 | fields
//! client  : look, request, commit, release, begin-run, end-run, journal-get, journal-scan, stat, count, batches, walk
//! server  : answer, absent, yours, bytes, puts, begun, done, entries, stat, number, fault, ending, request
//! ```

use super::fields;
use super::wire::{Malformed, Reader, Writer};
use bytes::Bytes;
use std::borrow::Cow;
use xhost_store::{Answer, Begun, Change, Digest, Entry, JournalEntry, Put, Run, Stat, Touched};

/// The version of the frames. It changes with any of them; both sides must have the same one.
pub const PROTOCOL: u32 = 1;

/// What every connection begins with, in every version.
pub const MAGIC: &[u8; 8] = b"xhostshr";

/// The longest message: two of the largest answers that `http` takes, and their requests.
pub const FRAME_LIMIT: usize = 192 << 20;

/// What is wanted of a look at an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// The answer, if there is one.
    Answer,
    /// The answer, or else the right to ask for it, which only one has at a time: the others wait.
    Claim,
}

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask<'a> {
    Look {
        digest: Digest,
        want: Want,
    },
    Request {
        digest: Digest,
    },
    Commit {
        entries: Cow<'a, [Entry]>,
        journal: Cow<'a, [Change]>,
        touched: Cow<'a, [Touched]>,
    },
    /// The claim that this question got is given up, or was used.
    Release {
        claim: u64,
    },
    BeginRun {
        run: Run,
    },
    EndRun {
        begun: Begun,
        ended_ms: u64,
    },
    JournalGet {
        key: Bytes,
    },
    JournalScan {
        prefix: Bytes,
        after: Option<Bytes>,
        limit: u32,
    },
    Stat,
    Count,
    /// To be the only one that has batches, until the connection ends.
    Batches,
    /// Every stored request, on a connection that is used for nothing else.
    Walk,
}

/// What the server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Answer(Answer),
    Absent,
    /// Nobody else asks; where a record is there that cannot be trusted, why.
    Yours {
        damage: Option<String>,
    },
    Bytes(Option<Bytes>),
    Puts(Vec<Put>),
    Begun(Begun),
    Done,
    Entries(Vec<JournalEntry>),
    Stat(Stat),
    Number(u64),
    Fault(Fault, String),
    /// The last word of a server that ends, to no question.
    Ending(String),
    Request {
        digest: Digest,
        bytes: Bytes,
    },
}

/// What kind of failure a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A record cannot be trusted.
    Damaged,
    /// The store cannot be read or written.
    Store,
    /// Somebody else has it.
    Taken,
}

/// A side's first words.
pub fn hello() -> Vec<u8> {
    let mut out = Writer::default();
    let version = env!("CARGO_PKG_VERSION");
    out.plain(MAGIC);
    out.u32(PROTOCOL);
    out.u16(version.len() as u16);
    out.plain(version.as_bytes());
    out.into_bytes()
}

/// A message as a frame.
fn framed(kind: u8, question: u64, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::default();
    out.u32(0);
    out.byte(kind);
    out.u64(question);
    write(&mut out);
    let mut bytes = out.into_bytes();
    let length = u32::try_from(bytes.len() - 4).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes
}

impl Ask<'_> {
    pub fn to_frame(&self, question: u64) -> Vec<u8> {
        framed(self.kind(), question, |out| self.write(out))
    }

    fn kind(&self) -> u8 {
        match self {
            Ask::Look { .. } => 1,
            Ask::Request { .. } => 2,
            Ask::Commit { .. } => 3,
            Ask::Release { .. } => 4,
            Ask::BeginRun { .. } => 5,
            Ask::EndRun { .. } => 6,
            Ask::JournalGet { .. } => 7,
            Ask::JournalScan { .. } => 8,
            Ask::Stat => 9,
            Ask::Count => 10,
            Ask::Batches => 11,
            Ask::Walk => 12,
        }
    }

    fn write(&self, out: &mut Writer) {
        match self {
            Ask::Look { digest, want } => {
                out.plain(digest.as_bytes());
                out.byte(u8::from(*want == Want::Claim));
            }
            Ask::Request { digest } => out.plain(digest.as_bytes()),
            Ask::Commit {
                entries,
                journal,
                touched,
            } => {
                out.count(entries.len());
                entries.iter().for_each(|one| fields::entry(out, one));
                out.count(journal.len());
                journal.iter().for_each(|one| fields::change(out, one));
                out.count(touched.len());
                touched.iter().for_each(|one| fields::touched(out, one));
            }
            Ask::Release { claim } => out.u64(*claim),
            Ask::BeginRun { run } => fields::json(out, run),
            Ask::EndRun { begun, ended_ms } => {
                fields::begun(out, begun);
                out.u64(*ended_ms);
            }
            Ask::JournalGet { key } => out.bytes(key),
            Ask::JournalScan {
                prefix,
                after,
                limit,
            } => {
                out.bytes(prefix);
                out.optional(after.as_deref());
                out.u32(*limit);
            }
            Ask::Stat | Ask::Count | Ask::Batches | Ask::Walk => {}
        }
    }

    /// Reads a frame without its length: the question and what is asked.
    pub fn read(message: Bytes) -> Result<(u64, Ask<'static>), Malformed> {
        let mut from = Reader::new(message);
        let (kind, question) = (from.byte()?, from.u64()?);
        let ask = match kind {
            1 => Ask::Look {
                digest: Digest::from_bytes(from.array()?),
                want: match from.byte()? {
                    0 => Want::Answer,
                    1 => Want::Claim,
                    _ => return Err(Malformed),
                },
            },
            2 => Ask::Request {
                digest: Digest::from_bytes(from.array()?),
            },
            3 => Ask::Commit {
                entries: Cow::Owned(from.list(fields::read_entry)?),
                journal: Cow::Owned(from.list(fields::read_change)?),
                touched: Cow::Owned(from.list(fields::read_touched)?),
            },
            4 => Ask::Release { claim: from.u64()? },
            5 => Ask::BeginRun {
                run: fields::read_json(&mut from)?,
            },
            6 => Ask::EndRun {
                begun: fields::read_begun(&mut from)?,
                ended_ms: from.u64()?,
            },
            7 => Ask::JournalGet { key: from.bytes()? },
            8 => Ask::JournalScan {
                prefix: from.bytes()?,
                after: from.optional()?,
                limit: from.u32()?,
            },
            9 => Ask::Stat,
            10 => Ask::Count,
            11 => Ask::Batches,
            12 => Ask::Walk,
            _ => return Err(Malformed),
        };
        from.end().map(|()| (question, ask))
    }
}

impl Reply {
    pub fn to_frame(&self, question: u64) -> Vec<u8> {
        framed(self.kind(), question, |out| self.write(out))
    }

    fn kind(&self) -> u8 {
        match self {
            Reply::Answer(_) => 1,
            Reply::Absent => 2,
            Reply::Yours { .. } => 3,
            Reply::Bytes(_) => 4,
            Reply::Puts(_) => 5,
            Reply::Begun(_) => 6,
            Reply::Done => 7,
            Reply::Entries(_) => 8,
            Reply::Stat(_) => 9,
            Reply::Number(_) => 10,
            Reply::Fault(..) => 11,
            Reply::Ending(_) => 12,
            Reply::Request { .. } => 13,
        }
    }

    fn write(&self, out: &mut Writer) {
        match self {
            Reply::Answer(answer) => fields::answer(out, answer),
            Reply::Absent | Reply::Done => {}
            Reply::Yours { damage } => out.optional(damage.as_deref().map(str::as_bytes)),
            Reply::Bytes(bytes) => out.optional(bytes.as_deref()),
            Reply::Puts(puts) => {
                out.count(puts.len());
                puts.iter().for_each(|put| out.byte(fields::put(*put)));
            }
            Reply::Begun(begun) => fields::begun(out, begun),
            Reply::Entries(entries) => {
                out.count(entries.len());
                for (key, value) in entries {
                    out.bytes(key);
                    out.bytes(value);
                }
            }
            Reply::Stat(stat) => fields::json(out, stat),
            Reply::Number(number) => out.u64(*number),
            Reply::Fault(kind, words) => {
                out.byte(match kind {
                    Fault::Damaged => 0,
                    Fault::Store => 1,
                    Fault::Taken => 2,
                });
                out.text(words);
            }
            Reply::Ending(words) => out.text(words),
            Reply::Request { digest, bytes } => {
                out.plain(digest.as_bytes());
                out.bytes(bytes);
            }
        }
    }

    /// Reads a frame without its length: the question and its answer.
    pub fn read(message: Bytes) -> Result<(u64, Reply), Malformed> {
        let mut from = Reader::new(message);
        let (kind, question) = (from.byte()?, from.u64()?);
        let reply = match kind {
            1 => Reply::Answer(fields::read_answer(&mut from)?),
            2 => Reply::Absent,
            3 => Reply::Yours {
                damage: fields::read_optional_text(&mut from)?,
            },
            4 => Reply::Bytes(from.optional()?),
            5 => Reply::Puts(from.list(fields::read_put)?),
            6 => Reply::Begun(fields::read_begun(&mut from)?),
            7 => Reply::Done,
            8 => Reply::Entries(from.list(|one| Ok((one.bytes()?.into(), one.bytes()?.into())))?),
            9 => Reply::Stat(fields::read_json(&mut from)?),
            10 => Reply::Number(from.u64()?),
            11 => {
                let kind = match from.byte()? {
                    0 => Fault::Damaged,
                    1 => Fault::Store,
                    2 => Fault::Taken,
                    _ => return Err(Malformed),
                };
                Reply::Fault(kind, from.text()?)
            }
            12 => Reply::Ending(from.text()?),
            13 => Reply::Request {
                digest: Digest::from_bytes(from.array()?),
                bytes: from.bytes()?,
            },
            _ => return Err(Malformed),
        };
        from.end().map(|()| (question, reply))
    }
}
