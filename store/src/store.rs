//! Reads: they run beside the writer, see the last commit, and verify what they read. (Commits: `commit`.)

use crate::codec::Dictionaries;
use crate::fault::{ReadError, RecordError};
use crate::handle::Handle;
use crate::log::Log;
use crate::place::Holder;
use crate::recover::{Damaged, Shelter, recover};
use crate::shelf::Shelf;
use crate::tables::{INDEX, RECORDS, REQUESTS, StoreId};
use crate::{Answer, Digest, StoredRequest};
use crate::{packed, record};
use redb::{AccessGuard, Database, ReadTransaction, ReadableDatabase, ReadableTableMetadata};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, PoisonError};
use std::{fmt, fs, io};

/// The store. It is shared by reference: reads run side by side, commits one after the other.
pub struct Store {
    /// First, so that the note is gone before the lock is.
    #[expect(dead_code, reason = "kept for its drop")]
    holder: Option<Holder>,
    pub(crate) handle: Handle,
    path: PathBuf,
    id: StoreId,
    pub(crate) shelf: Shelf,
    /// How many records there must be for the next look at the dictionaries, as far as this process knows.
    pub(crate) training_due: AtomicU64,
    pub(crate) shelter: Shelter,
    pub(crate) writer: Mutex<Writer>,
    /// Whether the log ended in something that is no frame, and nobody was told yet.
    pub(crate) torn: AtomicBool,
}

/// What a commit needs to know. There is one at a time.
#[derive(Default)]
pub(crate) struct Writer {
    /// Why no further commit is made.
    pub(crate) stopped: Option<String>,
    pub(crate) log: Logging,
}

/// Whether small commits go into a log.
pub(crate) enum Logging {
    /// Not yet: so many went into the tables at once.
    After(u32),
    /// They do.
    In(Log),
    /// It could not be made.
    Never,
}

impl Default for Logging {
    fn default() -> Logging {
        Logging::After(0)
    }
}

impl Store {
    pub(crate) fn over(
        handle: Handle,
        path: &Path,
        id: StoreId,
        holder: Option<Holder>,
        shelter: Shelter,
    ) -> Store {
        Store {
            shelter,
            writer: Mutex::default(),
            torn: AtomicBool::new(false),
            holder,
            handle,
            path: path.into(),
            id,
            shelf: Shelf::default(),
            training_due: AtomicU64::new(0),
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
            let view = self.handle.view(database)?;
            let Some(sequence) = view.index.get(digest.as_bytes())? else {
                return Ok(Ok(None));
            };
            let record = view.records.get(sequence.value())?;
            Ok(decoded(record, digest, &self.shelf.over(database)))
        })?;
        found.map_err(|cause| trusted(digest, cause))
    }

    /// The request of this name as it was sent, verified; none where its answer came without it.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn request(&self, digest: &Digest) -> Result<Option<StoredRequest>, ReadError> {
        let found = self.read(|database| {
            let read = database.begin_read()?;
            let Some(sequence) = sequence(&read, digest)? else {
                return Ok(Ok(None));
            };
            request(&read, digest, sequence, &self.shelf.over(database))
        })?;
        let bytes = found.map_err(|cause| trusted(digest, cause))?;
        let read = bytes.map(|bytes| StoredRequest::from_bytes(digest, &bytes));
        read.transpose().map_err(|cause| trusted(digest, cause))
    }

    /// A failed commit leaves redb's handle unable to read what is not in memory: the file is then opened once more, and
    /// only read. What the failed commit left in it may be seen there; every record is verified as ever.
    pub(crate) fn read<T>(
        &self,
        read: impl Fn(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, ReadError> {
        let mut result = self.handle.with(&read);
        if matches!(result, Err(redb::Error::PreviousIo)) && self.has_stopped() {
            // What was acknowledged may stand in the log alone.
            self.handle.open_again(|database| {
                recover(database, &self.shelter, Damaged::Salvaged).map(|_| ())
            });
            result = self.handle.with(&read);
        }
        result.map_err(|error| ReadError::Io {
            path: self.path.clone(),
            cause: error.to_string(),
        })
    }

    fn has_stopped(&self) -> bool {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.stopped.is_some()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.end_log();
    }
}

/// Where the answer to a request is.
pub(crate) fn sequence(
    read: &ReadTransaction,
    digest: &Digest,
) -> Result<Option<u64>, redb::Error> {
    let found = read.open_table(INDEX)?.get(digest.as_bytes())?;
    Ok(found.map(|sequence| sequence.value()))
}

/// The answer in this place, verified; the inner error is the record's.
pub(crate) fn answer(
    read: &ReadTransaction,
    digest: &Digest,
    sequence: u64,
    dictionaries: &impl Dictionaries,
) -> Result<Result<Option<Answer>, RecordError>, redb::Error> {
    let record = read.open_table(RECORDS)?.get(sequence)?;
    Ok(decoded(record, digest, dictionaries))
}

fn decoded(
    record: Option<AccessGuard<'_, &'static [u8]>>,
    digest: &Digest,
    dictionaries: &impl Dictionaries,
) -> Result<Option<Answer>, RecordError> {
    let record = record.ok_or(RecordError::Damaged("its record is gone"))?;
    record::decode(digest, record.value(), dictionaries).map(Some)
}

/// The request's bytes in this place, verified, where there are some.
pub(crate) fn request(
    read: &ReadTransaction,
    digest: &Digest,
    sequence: u64,
    dictionaries: &impl Dictionaries,
) -> Result<Result<Option<Vec<u8>>, RecordError>, redb::Error> {
    let stored = read.open_table(REQUESTS)?.get(sequence)?;
    let bytes = stored.map(|bytes| packed::decode(digest, bytes.value(), dictionaries));
    Ok(bytes.transpose())
}

/// Tells what cannot be trusted from what only a newer version can read.
pub(crate) fn trusted(digest: &Digest, cause: RecordError) -> ReadError {
    let digest = *digest;
    match cause {
        RecordError::Damaged(_) | RecordError::TooLarge { .. } => {
            ReadError::Damaged { digest, cause }
        }
        RecordError::Newer { .. }
        | RecordError::UnknownCodec { .. }
        | RecordError::UnknownDictionary { .. } => ReadError::Unsupported { digest, cause },
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
