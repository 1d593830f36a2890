//! What a crash left in the log is put into the tables again, in redb's memory: durable it is already, where it stands. Called
//! when a store is opened, opened once more after a failed commit, looked at, and copied.

use crate::log::{self, Log, LogId};
use crate::place;
use crate::rows;
use crate::tables;
use redb::backends::FileBackend;
use redb::{Database, Durability, StorageBackend};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a store's log is.
#[derive(Clone, Debug)]
pub(crate) enum Shelter {
    /// It has none: every commit goes into the tables at once.
    None,
    /// A file beside the store.
    Beside(PathBuf),
    /// What a test gave.
    Given(Arc<dyn StorageBackend>),
}

/// What was in the log.
pub(crate) enum Recovered {
    /// The store was closed well, or never had a log.
    Nothing,
    /// It has a log, and that is not there.
    Missing,
    /// All that is whole is in the tables.
    All {
        /// To write on.
        log: Log,
        /// Frames in the middle are damaged. (Where that was asked to be refused, nothing was put into the tables.)
        damaged: bool,
        /// The end is no frame.
        torn: bool,
    },
}

/// What becomes of a log with damage in its middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damaged {
    /// Nothing of it is taken.
    Refused,
    /// What is whole is taken.
    Salvaged,
}

/// The path of the log of the store at this path.
pub(crate) fn log_of(store: &Path) -> PathBuf {
    place::beside(store, ".log")
}

impl Shelter {
    /// The log's storage, where there is one.
    fn existing(&self) -> io::Result<Option<Arc<dyn StorageBackend>>> {
        match self {
            Shelter::None => Ok(None),
            Shelter::Given(storage) => Ok(Some(Arc::clone(storage))),
            Shelter::Beside(path) => match fs::OpenOptions::new().read(true).write(true).open(path)
            {
                Ok(file) => Ok(Some(Arc::new(
                    FileBackend::new(file).map_err(io::Error::other)?,
                ))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
        }
    }
}

impl Shelter {
    /// A new log, durable with its name, after frames up to number `last`; nothing where the store has none.
    pub(crate) fn begin(&self, last: u64) -> io::Result<Option<Log>> {
        match self {
            Shelter::None => Ok(None),
            Shelter::Given(storage) => {
                Log::begin(Arc::clone(storage), LogId::derive(b"given"), last).map(Some)
            }
            Shelter::Beside(path) => {
                let folder = place::folder_of(path);
                // The name is random, and thus the id. What has the log's name is of no use any more, and is replaced.
                let file = tempfile::Builder::new()
                    .prefix(".new-log-")
                    .rand_bytes(24)
                    .tempfile_in(folder)?;
                let id = LogId::derive(file.path().as_os_str().as_encoded_bytes());
                let storage = FileBackend::new(file.as_file().try_clone()?);
                let storage = Arc::new(storage.map_err(io::Error::other)?);
                let log = Log::begin(storage, id, last)?;
                file.persist(path).map_err(|error| error.error)?;
                place::sync_folder(folder)?;
                Ok(Some(log))
            }
        }
    }

    /// Removes the log of a store that has all of it in its tables. One that stays is no harm: no store names it.
    pub(crate) fn remove(&self) {
        if let Shelter::Beside(path) = self {
            let _ = fs::remove_file(path);
        }
    }
}

/// Puts into the tables what only the log has.
pub(crate) fn recover(
    database: &Database,
    shelter: &Shelter,
    damaged: Damaged,
) -> Result<Recovered, redb::Error> {
    let Some((id, logged)) = tables::read_log(database)? else {
        return Ok(Recovered::Nothing);
    };
    let Some(storage) = shelter.existing()? else {
        return Ok(Recovered::Missing);
    };
    let Some(contents) = log::read(storage, id, logged)? else {
        return Ok(Recovered::Missing);
    };
    let refused = contents.damaged && damaged == Damaged::Refused;
    if !refused && !contents.frames.is_empty() {
        let mut write = database.begin_write()?;
        for frame in &contents.frames {
            rows::apply(&write, frame)?;
        }
        write.set_durability(Durability::None)?;
        write.commit()?;
    }
    Ok(Recovered::All {
        log: contents.log,
        damaged: contents.damaged,
        torn: contents.torn,
    })
}
