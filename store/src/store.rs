//! Reads and commits. Reads run beside the writer and see the last commit; a commit returns when its answers are durable.
//! After the first failed commit there is no other: whoever pays for answers must know that they cannot be kept.

use crate::fault::{ReadError, RecordError, WriteError};
use crate::handle::{Handle, corrupted};
use crate::place::Holder;
use crate::record;
use crate::tables::{INDEX, RECORDS, StoreId};
use crate::{Answer, Digest};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{fmt, fs, io};

/// Above this, saving the allocator's state at every commit costs more than walking the file after a crash.
const QUICK_REPAIR_BELOW: u64 = 16 << 30;

/// The store. It is shared by reference: reads run side by side, commits one after the other.
pub struct Store {
    /// First, so that the note is gone before the lock is.
    #[expect(dead_code, reason = "kept for its drop")]
    holder: Option<Holder>,
    handle: Handle,
    path: PathBuf,
    id: StoreId,
    /// Why no further commit is made.
    stopped: Mutex<Option<String>>,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is stored: the first answer to its request, or the first after a damaged one.
    Stored,
    /// The same answer was there.
    AlreadyThere,
    /// Another answer was there, and stays; so does one that only a newer version can read.
    Conflict,
}

impl Store {
    pub(crate) fn over(handle: Handle, path: &Path, id: StoreId, holder: Option<Holder>) -> Store {
        Store {
            holder,
            handle,
            path: path.into(),
            id,
            stopped: Mutex::default(),
        }
    }

    /// Where the store is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which store it is.
    #[must_use]
    pub fn id(&self) -> StoreId {
        self.id
    }

    /// How many requests have an answer.
    ///
    /// # Errors
    /// [`ReadError::Io`] where the file cannot be read.
    pub fn len(&self) -> Result<u64, ReadError> {
        self.read(|database| Ok(database.begin_read()?.open_table(INDEX)?.len()?))
    }

    /// Whether there is none.
    ///
    /// # Errors
    /// As [`Store::len`].
    pub fn is_empty(&self) -> Result<bool, ReadError> {
        self.len().map(|answers| answers == 0)
    }

    /// Bytes of the file, as its length says: on most file systems the free part of it takes no room.
    ///
    /// # Errors
    /// Where the file is gone or may not be looked at.
    pub fn size_on_disk(&self) -> io::Result<u64> {
        fs::metadata(&self.path).map(|metadata| metadata.len())
    }

    /// The answer to a request, verified. Never waits for a commit that goes well.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] for a record that cannot be trusted, which counts as none; [`ReadError::Unsupported`] for a
    /// record of a newer version; [`ReadError::Io`] where the file cannot be read.
    pub fn get(&self, digest: &Digest) -> Result<Option<Answer>, ReadError> {
        let found = self.read(|database| {
            let read = database.begin_read()?;
            let Some(sequence) = read.open_table(INDEX)?.get(digest.as_bytes())? else {
                return Ok(Ok(None));
            };
            let record = read.open_table(RECORDS)?.get(sequence.value())?;
            let record = record.ok_or(RecordError::Damaged("its record is gone"));
            Ok(record.and_then(|record| record::decode(digest, record.value()).map(Some)))
        })?;
        found.map_err(|cause| match cause {
            RecordError::Damaged(_) | RecordError::TooLarge { .. } => ReadError::Damaged {
                digest: *digest,
                cause,
            },
            RecordError::Newer { .. }
            | RecordError::UnknownCodec { .. }
            | RecordError::UnknownDictionary { .. } => ReadError::Unsupported {
                digest: *digest,
                cause,
            },
        })
    }

    /// Stores these answers in one durable commit. The first answer to a request stays, unless it is damaged; the old
    /// record then stays too, without a name. One result per answer, in their order.
    ///
    /// # Errors
    /// [`WriteError::Failed`] where the disk refuses, [`WriteError::Stopped`] for every commit after that, and
    /// [`WriteError::Answer`] where an answer is too large, which stops nothing.
    pub fn commit(&self, answers: &[(Digest, Answer)]) -> Result<Vec<Put>, WriteError> {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cause) = &*stopped {
            return Err(WriteError::Stopped {
                path: self.path.clone(),
                cause: cause.clone(),
            });
        }
        for (digest, answer) in answers {
            record::check_size(answer).map_err(|cause| WriteError::Answer {
                digest: *digest,
                cause,
            })?;
        }
        if answers.is_empty() {
            return Ok(Vec::new());
        }
        self.handle
            .with(|database| self.write(database, answers))
            .map_err(|error| {
                let cause = error.to_string();
                *stopped = Some(cause.clone());
                WriteError::Failed {
                    path: self.path.clone(),
                    cause,
                }
            })
    }

    fn write(
        &self,
        database: &Database,
        answers: &[(Digest, Answer)],
    ) -> Result<Vec<Put>, redb::Error> {
        let mut write = database.begin_write()?;
        write.set_quick_repair(self.size_on_disk().unwrap_or(0) < QUICK_REPAIR_BELOW);
        let mut puts = Vec::with_capacity(answers.len());
        {
            let mut index = write.open_table(INDEX)?;
            let mut records = write.open_table(RECORDS)?;
            let last = records.last()?.map(|(sequence, _)| sequence.value());
            let mut next = last.map_or(Some(0), |last| last.checked_add(1));
            for (digest, answer) in answers {
                let sequence = index
                    .get(digest.as_bytes())?
                    .map(|sequence| sequence.value());
                let record = sequence
                    .map(|sequence| records.get(sequence))
                    .transpose()?
                    .flatten();
                let earlier = record.map(|record| record::decode(digest, record.value()));
                puts.push(match earlier {
                    Some(Ok(earlier)) if earlier.body == answer.body => Put::AlreadyThere,
                    None | Some(Err(RecordError::Damaged(_))) => {
                        let sequence =
                            next.ok_or_else(|| corrupted("the last sequence number is taken"))?;
                        let record = record::encode(digest, answer)
                            .map_err(|error| corrupted(&error.to_string()))?;
                        records.insert(sequence, record.as_slice())?;
                        index.insert(digest.as_bytes(), sequence)?;
                        next = sequence.checked_add(1);
                        Put::Stored
                    }
                    Some(Ok(_) | Err(_)) => Put::Conflict,
                });
            }
        }
        write.commit()?;
        Ok(puts)
    }

    /// A failed commit leaves redb's handle unable to read what is not in memory: the file is then opened once more, and
    /// only read. What the failed commit left in it may be seen there; every record is verified as ever.
    fn read<T>(&self, read: impl Fn(&Database) -> Result<T, redb::Error>) -> Result<T, ReadError> {
        let mut result = self.handle.with(&read);
        if matches!(result, Err(redb::Error::PreviousIo)) && self.has_stopped() {
            self.handle.open_again();
            result = self.handle.with(&read);
        }
        result.map_err(|error| ReadError::Io {
            path: self.path.clone(),
            cause: error.to_string(),
        })
    }

    fn has_stopped(&self) -> bool {
        self.stopped
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
