//! What a small commit changes, as bytes: the rows that it puts into tables, in their order. The log keeps them until the
//! tables themselves are durable; after a crash they are put in again, which changes nothing where they are in already.
//!
//! ```text
//! a row:  table: u8 (1 idx-1, 2 rec-1, 3 req-1, 4 journal-1, 5 runseq-1) | what: u8 (0 gone, 1 put)
//!         | length of the key: u32 | length of the value: u32 | key | value
//! numbers are little-endian, as are keys of rec-1 and req-1 and values of idx-1, which are u64
//! ```

use crate::handle::corrupted;
use crate::tables::{INDEX, JOURNAL, RECORDS, REQUESTS, TOUCHED};
use redb::WriteTransaction;

const HEADER: usize = 10;

/// A table whose rows a small commit may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Index = 1,
    Records = 2,
    Requests = 3,
    Journal = 4,
    Touched = 5,
}

/// Rows, up to a limit: a commit that changes more is made durable in the tables, and needs no rows.
pub(crate) struct Rows {
    bytes: Vec<u8>,
    limit: usize,
}

impl Rows {
    pub(crate) fn up_to(limit: usize) -> Rows {
        Rows {
            bytes: Vec::new(),
            limit,
        }
    }

    /// Notes that the row has this value.
    pub(crate) fn put(&mut self, place: Place, key: &[u8], value: &[u8]) {
        self.note(place, 1, key, value);
    }

    /// Notes that the row is gone.
    pub(crate) fn remove(&mut self, place: Place, key: &[u8]) {
        self.note(place, 0, key, &[]);
    }

    fn note(&mut self, place: Place, what: u8, key: &[u8], value: &[u8]) {
        if self.bytes.len() + HEADER + key.len() + value.len() > self.limit {
            // From here on nothing fits.
            self.limit = 0;
            self.bytes = Vec::new();
            return;
        }
        self.bytes.extend([place as u8, what]);
        self.bytes.extend((key.len() as u32).to_le_bytes());
        self.bytes.extend((value.len() as u32).to_le_bytes());
        self.bytes.extend(key);
        self.bytes.extend(value);
    }

    /// Whether nothing was noted, and nothing left out.
    pub(crate) fn is_empty(&self) -> bool {
        self.limit > 0 && self.bytes.is_empty()
    }

    /// All that was noted; nothing where it did not fit.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        (self.limit > 0).then_some(&self.bytes)
    }
}

/// Puts rows into the tables, as they were put when they were noted.
pub(crate) fn apply(write: &WriteTransaction, mut rows: &[u8]) -> Result<(), redb::Error> {
    let mut index = write.open_table(INDEX)?;
    let mut records = write.open_table(RECORDS)?;
    let mut requests = write.open_table(REQUESTS)?;
    let mut journal = write.open_table(JOURNAL)?;
    let mut touched = write.open_table(TOUCHED)?;
    while let Some((place, what, key, value, rest)) = next(rows) {
        match (place, what) {
            (1, 1) => drop(index.insert(&array(key)?, number(value)?)?),
            (2, 1) => drop(records.insert(number(key)?, value)?),
            (3, 1) => drop(requests.insert(number(key)?, value)?),
            (4, 1) => drop(journal.insert(key, value)?),
            (4, 0) => drop(journal.remove(key)?),
            (5, 1) => drop(touched.insert(&array(key)?, value)?),
            _ => return Err(corrupted("a row of the log is of a kind that is not known")),
        }
        rows = rest;
    }
    if rows.is_empty() {
        Ok(())
    } else {
        Err(corrupted("a row of the log is cut off"))
    }
}

type Row<'a> = (u8, u8, &'a [u8], &'a [u8], &'a [u8]);

fn next(rows: &[u8]) -> Option<Row<'_>> {
    let ([place, what, k0, k1, k2, k3, v0, v1, v2, v3], rest) = rows.split_first_chunk()?;
    let length = |bytes| usize::try_from(u32::from_le_bytes(bytes)).ok();
    let (key, rest) = rest.split_at_checked(length([*k0, *k1, *k2, *k3])?)?;
    let (value, rest) = rest.split_at_checked(length([*v0, *v1, *v2, *v3])?)?;
    Some((*place, *what, key, value, rest))
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], redb::Error> {
    bytes
        .try_into()
        .map_err(|_| corrupted("a row of the log has a key of another length"))
}

fn number(bytes: &[u8]) -> Result<u64, redb::Error> {
    array(bytes).map(u64::from_le_bytes)
}
