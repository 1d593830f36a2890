//! Reads and commits. Reads run beside the writer and see the last commit; a commit returns when its answers are durable.
//! After the first failed commit there is no other: whoever pays for answers must know that they cannot be kept.

use crate::record::{self, RecordError};
use crate::{Answer, Digest};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The version of the tables. It grows with them; older ones are read.
pub(crate) const FILE_FORMAT: u32 = 1;

pub(crate) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta-1");
const INDEX: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("idx-1");
const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rec-1");

/// Above this, saving the allocator's state at every commit costs more than walking the file after a crash.
const QUICK_REPAIR_BELOW: u64 = 16 << 30;

/// The store.
pub struct Store {
    database: Database,
    path: PathBuf,
    /// Why no further commit is made.
    failed: Mutex<Option<String>>,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is stored.
    Stored,
    /// The same answer was there.
    AlreadyThere,
    /// Another answer was there, and stays.
    Conflict,
}

/// A read failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The record cannot be trusted: it counts as none.
    #[error("the stored answer to {digest} is not used: {cause}")]
    Record {
        /// The request.
        digest: Digest,
        /// What is wrong with it.
        cause: RecordError,
    },
    /// The file cannot be read.
    #[error("cannot read the store {path}: {cause}", path = path.display())]
    Io {
        /// The store.
        path: PathBuf,
        /// redb's words.
        cause: String,
    },
}

/// A commit failed: nothing of its group is acknowledged.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to the store {path}: {cause}", path = path.display())]
pub struct WriteError {
    /// The store.
    pub path: PathBuf,
    /// What failed first.
    pub cause: String,
}

impl Store {
    /// A store over a database that is open. With another `StorageBackend` below it, this is where tests make faults.
    ///
    /// # Errors
    /// None today; the words of what failed.
    pub fn over(database: Database, path: &Path) -> Result<Store, String> {
        Ok(Store {
            database,
            path: path.into(),
            failed: Mutex::default(),
        })
    }

    /// Makes the tables.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn initialise(&self) -> Result<(), redb::Error> {
        let mut write = self.database.begin_write()?;
        write.set_quick_repair(true);
        {
            let mut meta = write.open_table(META)?;
            meta.insert("format", FILE_FORMAT.to_le_bytes().as_slice())?;
            meta.insert("key", b"xhost request v1".as_slice())?;
            write.open_table(INDEX)?;
            write.open_table(RECORDS)?;
        }
        write.commit()?;
        Ok(())
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Where the store is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many answers there are.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn len(&self) -> Result<u64, ReadError> {
        let count = || -> Result<u64, redb::Error> {
            Ok(self.database.begin_read()?.open_table(INDEX)?.len()?)
        };
        count().map_err(|e| self.unreadable(&e))
    }

    /// Whether there is none.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn is_empty(&self) -> Result<bool, ReadError> {
        self.len().map(|answers| answers == 0)
    }

    /// The answer to a request, verified. Never waits for a commit.
    ///
    /// # Errors
    /// [`ReadError::Record`] for a record that cannot be trusted, which counts as none; [`ReadError::Io`] where the file
    /// cannot be read.
    pub fn get(&self, digest: &Digest) -> Result<Option<Answer>, ReadError> {
        match self.record(digest).map_err(|e| self.unreadable(&e))? {
            Found::Nothing => Ok(None),
            Found::Record(record) => match record::decode(digest, &record) {
                Ok(answer) => Ok(Some(answer)),
                Err(cause) => Err(ReadError::Record {
                    digest: *digest,
                    cause,
                }),
            },
            Found::Dangling => Err(ReadError::Record {
                digest: *digest,
                cause: RecordError::Damaged("its record is gone"),
            }),
        }
    }

    fn record(&self, digest: &Digest) -> Result<Found, redb::Error> {
        let read = self.database.begin_read()?;
        let Some(sequence) = read.open_table(INDEX)?.get(digest.as_bytes())? else {
            return Ok(Found::Nothing);
        };
        let record = read.open_table(RECORDS)?.get(sequence.value())?;
        Ok(record.map_or(Found::Dangling, |record| {
            Found::Record(record.value().to_vec())
        }))
    }

    /// Stores these answers in one durable commit. The first answer to a request stays, unless it is damaged.
    ///
    /// # Errors
    /// Where the disk refuses, now or in any commit before.
    pub fn commit(&self, answers: &[(Digest, Answer)]) -> Result<Vec<Put>, WriteError> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cause) = &*failed {
            return Err(WriteError {
                path: self.path.clone(),
                cause: cause.clone(),
            });
        }
        self.write(answers).map_err(|error| {
            let cause = error.to_string();
            *failed = Some(cause.clone());
            WriteError {
                path: self.path.clone(),
                cause,
            }
        })
    }

    fn write(&self, answers: &[(Digest, Answer)]) -> Result<Vec<Put>, redb::Error> {
        let mut write = self.database.begin_write()?;
        let size = std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        write.set_quick_repair(size < QUICK_REPAIR_BELOW);
        let mut puts = Vec::with_capacity(answers.len());
        {
            let mut index = write.open_table(INDEX)?;
            let mut records = write.open_table(RECORDS)?;
            let mut next = records
                .last()?
                .map_or(0, |(sequence, _)| sequence.value() + 1);
            for (digest, answer) in answers {
                let there = index
                    .get(digest.as_bytes())?
                    .map(|sequence| sequence.value());
                let there = match there {
                    Some(sequence) => records
                        .get(sequence)?
                        .and_then(|bytes| record::decode(digest, bytes.value()).ok()),
                    None => None,
                };
                puts.push(match there {
                    Some(there) if there.body == answer.body => Put::AlreadyThere,
                    Some(_) => Put::Conflict,
                    None => {
                        records.insert(next, record::encode(digest, answer).as_slice())?;
                        index.insert(digest.as_bytes(), next)?;
                        next += 1;
                        Put::Stored
                    }
                });
            }
        }
        write.commit()?;
        Ok(puts)
    }

    fn unreadable(&self, error: &redb::Error) -> ReadError {
        ReadError::Io {
            path: self.path.clone(),
            cause: error.to_string(),
        }
    }
}

enum Found {
    Nothing,
    Record(Vec<u8>),
    /// The index names a record that is not there.
    Dangling,
}
