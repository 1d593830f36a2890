//! Which runs there were, and which answers each of them touched: what `gc` keeps. A run that is begun again gets a new
//! generation; when a generation ends well, the earlier ones are dropped, as it touched all that they had.
//!
//! ```text
//! run-1:    id -> version: 1 | check: 16 bytes | JSON of a `Run`
//! runseq-1: id: 16 bytes | generation: u32 big-endian | number: u64 big-endian -> check: 16 bytes | 32 bytes a digest
//! check is the start of blake3 derive_key("xhost 2026-11 run v1") over the key and what follows
//! ```

use crate::entry::Group;
use crate::fault::{ReadError, RecordError, WriteError};
use crate::rows::{Place, Rows};
use crate::tables::{RUNS, TOUCHED};
use crate::{Digest, Store};
use redb::{ReadableDatabase, ReadableTable, WriteTransaction};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

const VERSION: u8 = 1;

/// Names a run: what is run, and into which folder.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId([u8; 16]);

impl RunId {
    /// The id of a plan's run into this folder.
    #[must_use]
    pub fn new(plan: &str, folder: &str) -> RunId {
        let mut hasher = blake3::Hasher::new_derive_key("xhost 2026-11 run id v1");
        for part in [plan, folder] {
            hasher
                .update(&(part.len() as u64).to_le_bytes())
                .update(part.as_bytes());
        }
        RunId(start(&hasher))
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> RunId {
        RunId(bytes)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunId({self})")
    }
}

impl FromStr for RunId {
    type Err = crate::DigestError;

    fn from_str(text: &str) -> Result<RunId, crate::DigestError> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(crate::DigestError);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| crate::DigestError)?;
        Ok(RunId(number.to_be_bytes()))
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What the host says of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The experiment's name.
    pub experiment: String,
    /// The plan's digest.
    pub plan: String,
    /// The settings as resolved: JSON.
    pub resolved: String,
    /// Where its results are.
    pub folder: String,
    /// When it was first begun and not yet ended, in milliseconds since 1970-01-01 UTC.
    pub started_ms: u64,
    /// When it ended with all of its trials; none where it did not.
    pub ended_ms: Option<u64>,
    /// How often it was begun.
    pub generation: u32,
}

/// A run that was begun: what it touches is noted under this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The run.
    pub id: RunId,
    /// Which time it is that it was begun.
    pub generation: u32,
    /// When it was first begun, without having ended since.
    pub started_ms: u64,
}

/// Digests that a run touched, for one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The run.
    pub run: Begun,
    /// The number of this part; a part of the same number is replaced.
    pub number: u64,
    /// The requests.
    pub digests: Vec<Digest>,
}

impl Store {
    /// Notes that a run begins, now: `run`'s generation and end do not matter. One that did not end keeps its start.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn begin_run(&self, mut run: Run) -> Result<Begun, WriteError> {
        let id = RunId::new(&run.plan, &run.folder);
        self.write(|_, write| {
            let mut table = write.open_table(RUNS)?;
            let earlier = table
                .get(&id.0)?
                .and_then(|bytes| decode(&id, bytes.value()).ok());
            if let Some(earlier) = &earlier
                && earlier.ended_ms.is_none()
            {
                run.started_ms = earlier.started_ms;
            }
            // A note that cannot be read had a generation too: one that was not used is found behind its parts.
            let known = earlier.map_or(0, |earlier| earlier.generation);
            run.generation = known.max(last_generation(write, id)?).saturating_add(1);
            run.ended_ms = None;
            table.insert(&id.0, encode(&id, &run)?.as_slice())?;
            Ok(Begun {
                id,
                generation: run.generation,
                started_ms: run.started_ms,
            })
        })
    }

    /// Notes that a run ended with all of its trials.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn end_run(&self, begun: Begun, ended_ms: u64) -> Result<(), WriteError> {
        self.write(|_, write| {
            let mut table = write.open_table(RUNS)?;
            let noted = table
                .get(&begun.id.0)?
                .and_then(|bytes| decode(&begun.id, bytes.value()).ok());
            let Some(mut run) = noted.filter(|run| run.generation == begun.generation) else {
                return Ok(());
            };
            run.ended_ms = Some(ended_ms);
            table.insert(&begun.id.0, encode(&begun.id, &run)?.as_slice())?;
            let from = key(begun.id, 0, 0);
            let to = key(begun.id, begun.generation, 0);
            write
                .open_table(TOUCHED)?
                .retain_in::<&[u8; 28], _>(&from..&to, |_, _| false)?;
            Ok(())
        })
    }

    /// Notes what runs touched, in one durable commit. (With answers: [`Store::commit_group`].)
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn touch(&self, touched: &[Touched]) -> Result<(), WriteError> {
        self.commit_group(&Group {
            touched,
            ..Group::default()
        })
        .map(|_| ())
    }

    /// All runs, in the order of their ids. One that cannot be read is an error among them.
    pub fn runs(&self) -> impl Iterator<Item = Result<(RunId, Run), ReadError>> + '_ {
        let mut after: Option<RunId> = None;
        std::iter::from_fn(move || {
            let next = self.read(|database| {
                let table = database.begin_read()?.open_table(RUNS)?;
                let from = after.map_or([0; 16], |id| id.0);
                let mut rows = table.range::<&[u8; 16]>(&from..)?;
                let row = rows.find(|row| {
                    row.as_ref().map_or(true, |(id, _)| {
                        after.is_none_or(|after| after.0 != *id.value())
                    })
                });
                let Some(row) = row else { return Ok(None) };
                let (id, bytes) = row?;
                let id = RunId(*id.value());
                Ok(Some((id, decode(&id, bytes.value()))))
            });
            match next {
                Ok(None) => None,
                Ok(Some((id, run))) => {
                    after = Some(id);
                    Some(run.map(|run| (id, run)).map_err(|cause| ReadError::Note {
                        table: "list of runs",
                        key: id.to_string(),
                        cause,
                    }))
                }
                Err(error) => Some(Err(error)),
            }
        })
        .scan(false, |failed, item| {
            // A file that cannot be read would say so for ever.
            let go_on = !*failed;
            *failed = matches!(item, Err(ReadError::Io { .. }));
            go_on.then_some(item)
        })
    }

    /// The requests that a run touched, part by part, in the order in which it did; some may be there several times.
    pub fn touched(&self, run: RunId) -> impl Iterator<Item = Result<Vec<Digest>, ReadError>> + '_ {
        let mut from = Some(key(run, 0, 0));
        std::iter::from_fn(move || {
            let start = from?;
            let next = self.read(|database| {
                let table = database.begin_read()?.open_table(TOUCHED)?;
                let end = key(run, u32::MAX, u64::MAX);
                let row = table.range::<&[u8; 28]>(&start..=&end)?.next();
                let Some(row) = row else { return Ok(None) };
                let (key, part) = row?;
                Ok(Some((*key.value(), decode_part(key.value(), part.value()))))
            });
            match next {
                Ok(None) => {
                    from = None;
                    None
                }
                Ok(Some((key, part))) => {
                    from = after(key);
                    Some(part.map_err(|cause| ReadError::Note {
                        table: "list of what runs touched",
                        key: run.to_string(),
                        cause,
                    }))
                }
                Err(error) => {
                    from = None;
                    Some(Err(error))
                }
            }
        })
    }
}

pub(crate) fn apply(
    write: &WriteTransaction,
    touched: &[Touched],
    rows: &mut Rows,
) -> Result<(), redb::Error> {
    if touched.is_empty() {
        return Ok(());
    }
    let mut table = write.open_table(TOUCHED)?;
    for part in touched {
        let key = key(part.run.id, part.run.generation, part.number);
        let digests: Vec<u8> = part
            .digests
            .iter()
            .flat_map(|one| *one.as_bytes())
            .collect();
        let bytes = [check(&key, &digests).as_slice(), &digests].concat();
        rows.put(Place::Touched, &key, &bytes);
        table.insert(&key, bytes.as_slice())?;
    }
    Ok(())
}

fn last_generation(write: &WriteTransaction, run: RunId) -> Result<u32, redb::Error> {
    let table = write.open_table(TOUCHED)?;
    let last = table
        .range::<&[u8; 28]>(&key(run, 0, 0)..=&key(run, u32::MAX, u64::MAX))?
        .next_back()
        .transpose()?;
    Ok(last.map_or(0, |(key, _)| {
        let [
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            a,
            b,
            c,
            d,
            ..,
        ] = *key.value();
        u32::from_be_bytes([a, b, c, d])
    }))
}

pub(crate) fn first_key(run: RunId) -> [u8; 28] {
    key(run, 0, 0)
}

pub(crate) fn last_key(run: RunId) -> [u8; 28] {
    key(run, u32::MAX, u64::MAX)
}

fn key(run: RunId, generation: u32, number: u64) -> [u8; 28] {
    let mut key = [0; 28];
    key[..16].copy_from_slice(&run.0);
    key[16..20].copy_from_slice(&generation.to_be_bytes());
    key[20..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The smallest key that is larger.
pub(crate) fn after(key: [u8; 28]) -> Option<[u8; 28]> {
    let mut next = key;
    for byte in next.iter_mut().rev() {
        let (value, full) = byte.overflowing_add(1);
        *byte = value;
        if !full {
            return Some(next);
        }
    }
    None
}

fn encode(id: &RunId, run: &Run) -> Result<Vec<u8>, redb::Error> {
    let json = serde_json::to_vec(run)
        .map_err(|error| crate::handle::corrupted(&format!("a run cannot be noted: {error}")))?;
    Ok([[VERSION].as_slice(), &check(&id.0, &json), &json].concat())
}

pub(crate) fn decode(id: &RunId, bytes: &[u8]) -> Result<Run, RecordError> {
    let (header, json) = bytes
        .split_first_chunk::<17>()
        .ok_or(RecordError::Damaged("it is too short"))?;
    if header[1..] != check(&id.0, json) {
        return Err(RecordError::Damaged("its check does not fit"));
    }
    if header[0] != VERSION {
        return Err(RecordError::Newer { found: header[0] });
    }
    serde_json::from_slice(json).map_err(|_| RecordError::Damaged("it is no run"))
}

pub(crate) fn decode_part(key: &[u8; 28], bytes: &[u8]) -> Result<Vec<Digest>, RecordError> {
    let (sum, digests) = bytes
        .split_first_chunk::<16>()
        .ok_or(RecordError::Damaged("it is too short"))?;
    if *sum != check(key, digests) {
        return Err(RecordError::Damaged("its check does not fit"));
    }
    let (digests, rest) = digests.as_chunks();
    if rest.is_empty() {
        Ok(digests.iter().map(|one| Digest::from_bytes(*one)).collect())
    } else {
        Err(RecordError::Damaged("it has another length"))
    }
}

fn check(key: &[u8], bytes: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key("xhost 2026-11 run v1");
    hasher.update(key).update(bytes);
    start(&hasher)
}

fn start(hasher: &blake3::Hasher) -> [u8; 16] {
    let hash = hasher.finalize();
    std::array::from_fn(|n| hash.as_bytes()[n])
}
