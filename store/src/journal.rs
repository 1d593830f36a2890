//! The journal: small things that must be known after a crash, such as which batch was submitted under which id. Ordered
//! by key, changed as durably as answers are stored, verified when read. It is never shortened but by its owner.
//!
//! ```text
//! journal-1: key -> version: 1 | check: 16 bytes | value
//! check is the start of blake3 derive_key("xhost 2026-11 journal v1") over the key's length, u64 little-endian, key, value
//! ```

use crate::Store;
use crate::entry::Group;
use crate::fault::{ReadError, RecordError, WriteError};
use crate::rows::{Place, Rows};
use crate::tables::JOURNAL;
use redb::{ReadableDatabase, WriteTransaction};
use std::ops::Bound;

const VERSION: u8 = 1;
const HEADER: usize = 17;

/// Keys are short, values are some lines: what is larger belongs into a record.
const KEY_LIMIT: usize = 1 << 10;
const VALUE_LIMIT: usize = 16 << 20;

/// A change of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key has this value from now on.
    Put {
        /// At most 1 KiB. Entries are ordered by its bytes.
        key: Vec<u8>,
        /// At most 16 MiB.
        value: Vec<u8>,
    },
    /// The key has no value any more.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
}

/// A key and its value.
pub type JournalEntry = (Vec<u8>, Vec<u8>);

impl Store {
    /// Makes these changes in one durable commit, in their order: all of them or none.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn journal(&self, changes: &[Change]) -> Result<(), WriteError> {
        self.commit_group(&Group {
            journal: changes,
            ..Group::default()
        })
        .map(|_| ())
    }

    /// The value of a key, verified.
    ///
    /// # Errors
    /// [`ReadError::Note`] for an entry that cannot be trusted, [`ReadError::Io`] where the file cannot be read.
    pub fn journal_get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let found = self.read(|database| {
            let table = database.begin_read()?.open_table(JOURNAL)?;
            let value = table.get(key)?;
            Ok(value.map(|value| decode(key, value.value())))
        })?;
        found.transpose().map_err(|cause| note(key, cause))
    }

    /// Up to `limit` entries whose keys begin with `prefix` and come after `after`, in the order of their keys.
    ///
    /// # Errors
    /// As [`Store::journal_get`].
    pub fn journal_scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, ReadError> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            Some(_) | None => Bound::Included(prefix),
        };
        let found = self.read(|database| {
            let table = database.begin_read()?.open_table(JOURNAL)?;
            let mut entries = Vec::new();
            for row in table.range::<&[u8]>((from, Bound::Unbounded))?.take(limit) {
                let (key, value) = row?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                let decoded = decode(key.value(), value.value());
                entries.push((key.value().to_vec(), decoded));
            }
            Ok(entries)
        })?;
        found
            .into_iter()
            .map(|(key, value)| match value {
                Ok(value) => Ok((key, value)),
                Err(cause) => Err(note(&key, cause)),
            })
            .collect()
    }
}

fn note(key: &[u8], cause: RecordError) -> ReadError {
    ReadError::Note {
        table: "journal",
        key: key.escape_ascii().to_string(),
        cause,
    }
}

pub(crate) fn check_size(change: &Change) -> Result<(), WriteError> {
    let (key, value) = match change {
        Change::Put { key, value } => (key, value.len()),
        Change::Delete { key } => (key, 0),
    };
    let too_large = |part, bytes, limit| {
        Err(WriteError::Journal {
            key: key
                .iter()
                .take(64)
                .copied()
                .collect::<Vec<_>>()
                .escape_ascii()
                .to_string(),
            cause: RecordError::TooLarge { part, bytes, limit },
        })
    };
    if key.len() > KEY_LIMIT {
        return too_large("key", key.len(), KEY_LIMIT);
    }
    if value > VALUE_LIMIT {
        return too_large("value", value, VALUE_LIMIT);
    }
    Ok(())
}

pub(crate) fn apply(
    write: &WriteTransaction,
    changes: &[Change],
    rows: &mut Rows,
) -> Result<(), redb::Error> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut table = write.open_table(JOURNAL)?;
    for change in changes {
        match change {
            Change::Put { key, value } => {
                let value = encode(key, value);
                rows.put(Place::Journal, key, &value);
                table.insert(key.as_slice(), value.as_slice())?;
            }
            Change::Delete { key } => {
                rows.remove(Place::Journal, key);
                table.remove(key.as_slice())?;
            }
        }
    }
    Ok(())
}

fn encode(key: &[u8], value: &[u8]) -> Vec<u8> {
    [[VERSION].as_slice(), &check(key, value), value].concat()
}

pub(crate) fn decode(key: &[u8], bytes: &[u8]) -> Result<Vec<u8>, RecordError> {
    let (header, value) = bytes
        .split_first_chunk::<HEADER>()
        .ok_or(RecordError::Damaged("it is too short"))?;
    if header[1..] != check(key, value) {
        return Err(RecordError::Damaged("its check does not fit"));
    }
    // The check does not cover the version, so that one that is newer is told from damage.
    match header[0] {
        VERSION => Ok(value.to_vec()),
        found => Err(RecordError::Newer { found }),
    }
}

fn check(key: &[u8], value: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key("xhost 2026-11 journal v1");
    hasher
        .update(&(key.len() as u64).to_le_bytes())
        .update(key)
        .update(value);
    let hash = hasher.finalize();
    std::array::from_fn(|n| hash.as_bytes()[n])
}
