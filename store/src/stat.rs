//! What a store holds, in numbers. Reads the tables' own counts, and no record.

use crate::fault::ReadError;
use crate::tables::{DICTIONARIES, INDEX, JOURNAL, RECORDS, REQUESTS, RUNS};
use crate::{Store, StoreId};
use redb::{ReadableDatabase, ReadableTableMetadata};
use serde::{Deserialize, Serialize};

/// What a store holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// Which store it is.
    pub id: StoreId,
    /// Requests that have an answer.
    pub answers: u64,
    /// Records that no request leads to any more: `gc` drops them.
    pub superseded: u64,
    /// Answers whose request is stored too.
    pub requests: u64,
    /// Runs that were noted.
    pub runs: u64,
    /// Entries of the journal.
    pub journal: u64,
    /// Dictionaries.
    pub dictionaries: u64,
    /// Bytes of records, packed.
    pub record_bytes: u64,
    /// Bytes of requests, packed.
    pub request_bytes: u64,
    /// Bytes of the file, as its length says.
    pub file_bytes: u64,
}

impl Store {
    /// What the store holds.
    ///
    /// # Errors
    /// [`ReadError::Io`] where the file cannot be read.
    pub fn stat(&self) -> Result<Stat, ReadError> {
        self.read(|database| {
            let read = database.begin_read()?;
            let (records, requests) = (read.open_table(RECORDS)?, read.open_table(REQUESTS)?);
            let answers = read.open_table(INDEX)?.len()?;
            Ok(Stat {
                id: self.id(),
                answers,
                superseded: records.len()?.saturating_sub(answers),
                requests: requests.len()?,
                runs: read.open_table(RUNS)?.len()?,
                journal: read.open_table(JOURNAL)?.len()?,
                dictionaries: read.open_table(DICTIONARIES)?.len()? / 2,
                record_bytes: records.stats()?.stored_bytes(),
                request_bytes: requests.stats()?.stored_bytes(),
                file_bytes: self.size_on_disk().unwrap_or(0),
            })
        })
    }
}
