//! How a store file is made and opened. It is made under another name, synced, renamed, and its folder synced: a crash
//! leaves a whole store or none, and a file under another name that nobody asks for.

use crate::Store;
use crate::handle::{Handle, Opener};
use crate::place::{self, Holder};
use crate::recover::{Damaged, Recovered, Shelter, log_of, recover};
use crate::store::Logging;
use crate::tables::{self, FORMAT, KEY_SCHEMA, Meta, StoreId, Stranger};
use redb::backends::FileBackend;
use redb::{Builder, Database, StorageBackend};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::{fs, io};

/// How a store is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of pages kept in memory; the process takes up to twice as much. redb's own default of 1 GiB would break the
    /// promise of a small process.
    pub cache_bytes: usize,
    /// The command that opens the store, for the message that another process shows while it waits: `xhost run a.yaml`.
    /// Anybody who may list the folder can read it, so it holds no secret.
    pub command: String,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            cache_bytes: 16 << 20,
            command: String::new(),
        }
    }
}

/// The store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another handle has it, most often another process.
    #[error("the store {path} is in use{holder}: `--wait` waits until it is free; or name another store with --store", path = path.display())]
    Busy {
        /// The store.
        path: PathBuf,
        /// Who has it, as far as is known; empty, or with a comma before it.
        holder: String,
    },
    /// The file is something else.
    #[error("{path} is not a store of xhost ({what}): name another file with --store", path = path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// It was a store, and its bytes changed.
    #[error("the store {path} is damaged ({what}): put a copy in its place, or name another file with --store", path = path.display())]
    Damaged {
        /// The store.
        path: PathBuf,
        /// redb's words.
        what: String,
    },
    /// The process before was killed, and its log cannot be used.
    #[error("the store {path} was not closed, and its log {log}, which has the last answers, {what}: put it back, or keep what is whole by `xhost store verify --repair`", path = path.display(), log = log.display())]
    Log {
        /// The store.
        path: PathBuf,
        /// The log.
        log: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Written by a newer version.
    #[error("the store {path} has format {found}, and this program reads up to {FORMAT}: get a newer xhost", path = path.display())]
    Newer {
        /// The store.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Its requests are named in another way, so that each would be paid for again.
    #[error("the store {path} names requests by `{found}`, and this program by `{KEY_SCHEMA}`: name another file with --store", path = path.display())]
    OtherKeys {
        /// The store.
        path: PathBuf,
        /// Its way.
        found: String,
    },
    /// The operating system refuses.
    #[error("cannot open the store {path}: {cause}; {advice}, or name another file with --store", path = path.display(), advice = advice(cause))]
    Io {
        /// The store.
        path: PathBuf,
        /// The operating system's words.
        cause: io::Error,
    },
}

impl Store {
    /// Opens the store at `path`, or makes one, with the folders above it.
    ///
    /// # Errors
    /// See [`OpenError`]. Nothing was changed then, but for folders that were made.
    pub fn open(path: &Path, options: Options) -> Result<Store, OpenError> {
        Store::open_with(path, options, Shelter::Beside(log_of(path)))
    }

    /// As [`Store::open`], with its log there.
    pub(crate) fn open_with(
        path: &Path,
        options: Options,
        shelter: Shelter,
    ) -> Result<Store, OpenError> {
        let refused = |cause| OpenError::Io {
            path: path.into(),
            cause,
        };
        let foreign = |what: &str| OpenError::NotAStore {
            path: path.into(),
            what: what.into(),
        };
        match fs::metadata(path) {
            Ok(file) if file.is_dir() => return Err(foreign("it is a folder")),
            Ok(file) if !file.is_file() => return Err(foreign("it is no regular file")),
            Ok(file) if file.len() == 0 => return Err(foreign("it is empty")),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path)?,
            Err(error) => return Err(refused(error)),
        }
        let Options {
            cache_bytes,
            command,
        } = options;
        let file = path.to_path_buf();
        let (handle, id) = open_checked(
            path,
            Box::new(move || Ok(builder(cache_bytes).open(&file)?)),
        )?;
        Store::over(handle, path, id, Holder::note(path, &command), shelter).take_up_log()
    }

    /// A store over something else than a file: the seam at which tests make faults. `backend` is called again when the
    /// store is opened once more after a failed commit, and gives then what is left of the storage. `log` is for the
    /// store's log; without one, every commit goes into the tables. `path` is what errors name; an empty storage becomes a
    /// store.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn with_backend<B: StorageBackend>(
        backend: impl Fn() -> B + Send + Sync + 'static,
        log: Option<Arc<dyn StorageBackend>>,
        path: &Path,
        options: &Options,
    ) -> Result<Store, OpenError> {
        let id = StoreId::derive(path.as_os_str().as_encoded_bytes());
        let cache_bytes = options.cache_bytes;
        let opener = move || {
            let storage = backend();
            let fresh = storage.len()? == 0;
            let database = builder(cache_bytes).create_with_backend(storage)?;
            if fresh {
                tables::initialise(&database, id)?;
            }
            Ok(database)
        };
        let (handle, id) = open_checked(path, Box::new(opener))?;
        let shelter = log.map_or(Shelter::None, Shelter::Given);
        Store::over(handle, path, id, None, shelter).take_up_log()
    }

    fn take_up_log(self) -> Result<Store, OpenError> {
        let recovered = self
            .handle
            .with(|database| recover(database, &self.shelter, Damaged::Refused));
        match recovered.map_err(|error| explain(self.path(), error))? {
            Recovered::Nothing => {}
            Recovered::Missing => return Err(log_refused(self.path(), "is not there")),
            Recovered::All { damaged: true, .. } => {
                return Err(log_refused(self.path(), "is damaged"));
            }
            Recovered::All { log, torn, .. } => {
                let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
                writer.log = Logging::In(log);
                self.torn.store(torn, Ordering::Relaxed);
            }
        }
        Ok(self)
    }
}

/// Why a store is not opened without its log.
pub(crate) fn log_refused(path: &Path, what: &'static str) -> OpenError {
    OpenError::Log {
        path: path.into(),
        log: log_of(path),
        what,
    }
}

pub(crate) fn builder(cache_bytes: usize) -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(cache_bytes);
    builder
}

fn open_checked(path: &Path, opener: Opener) -> Result<(Handle, StoreId), OpenError> {
    let explained = |error| explain(path, error);
    let handle = Handle::open(opener).map_err(explained)?;
    match handle.with(tables::read_meta).map_err(explained)? {
        Meta::Usable(id) => Ok((handle, id)),
        Meta::Older(id) => {
            handle.with(tables::upgrade).map_err(explained)?;
            Ok((handle, id))
        }
        Meta::Stranger(stranger) => Err(refused(path, stranger)),
    }
}

/// Why a file with this `meta-1` is not used.
pub(crate) fn refused(path: &Path, meta: Stranger) -> OpenError {
    let path = path.to_path_buf();
    match meta {
        Stranger::Newer { format } => OpenError::Newer {
            path,
            found: format,
        },
        Stranger::OtherKeys { schema } => OpenError::OtherKeys {
            path,
            found: schema,
        },
        Stranger::Foreign(what) => OpenError::NotAStore {
            path,
            what: what.into(),
        },
    }
}

/// The file of a store that must be there, with the lock that keeps others out.
pub(crate) fn backend(path: &Path) -> Result<FileBackend, OpenError> {
    let foreign = |what: &str| OpenError::NotAStore {
        path: path.into(),
        what: what.into(),
    };
    match fs::metadata(path) {
        Ok(file) if !file.is_file() => return Err(foreign("it is no regular file")),
        Ok(file) if file.len() == 0 => return Err(foreign("it is empty")),
        Ok(_) => {}
        Err(error) => return Err(explain(path, redb::Error::Io(error))),
    }
    let file = fs::OpenOptions::new().read(true).write(true).open(path);
    let file = file.map_err(|error| explain(path, redb::Error::Io(error)))?;
    FileBackend::new(file).map_err(|error| explain(path, error.into()))
}

fn create(path: &Path) -> Result<(), OpenError> {
    let refused = |cause| OpenError::Io {
        path: path.into(),
        cause,
    };
    let folder = place::folder_of(path);
    place::make_folder(folder).map_err(refused)?;
    // The name is random, and thus the id; the file is the user's alone.
    let temporary = tempfile::Builder::new()
        .prefix(".new-store-")
        .rand_bytes(24)
        .tempfile_in(folder)
        .map_err(refused)?;
    let id = StoreId::derive(temporary.path().as_os_str().as_encoded_bytes());
    let file = temporary.path().to_path_buf();
    let made = Handle::open(Box::new(move || Ok(builder(1 << 20).create(&file)?)));
    let made = made.and_then(|handle| handle.with(|database| tables::initialise(database, id)));
    made.map_err(|error| explain(path, error))?;
    temporary.as_file().sync_all().map_err(refused)?;
    match temporary.persist_noclobber(path) {
        Ok(_) => place::sync_folder(folder).map_err(refused),
        // Two processes found no store: the first one's stays.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(refused(error.error)),
    }
}

pub(crate) fn explain(path: &Path, error: redb::Error) -> OpenError {
    let path = path.to_path_buf();
    match error {
        redb::Error::DatabaseAlreadyOpen => OpenError::Busy {
            holder: Holder::read(&path),
            path,
        },
        redb::Error::Io(cause) if cause.kind() == io::ErrorKind::InvalidData => {
            OpenError::NotAStore {
                path,
                what: cause.to_string(),
            }
        }
        redb::Error::Io(cause) => OpenError::Io { path, cause },
        other => OpenError::Damaged {
            path,
            what: other.to_string(),
        },
    }
}

fn advice(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::PermissionDenied => "make it and its folder yours to read and write",
        io::ErrorKind::ReadOnlyFilesystem => "it needs a disk that can be written to",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space",
        io::ErrorKind::NotADirectory => "something above it is no folder",
        _ => "see whether its disk is well",
    }
}
