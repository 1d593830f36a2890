//! How a store file is made and opened. It is made under another name, synced, renamed, and its folder synced: a crash
//! leaves a whole store or none.

use crate::store::{FILE_FORMAT, META, Store};
use redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageError};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How a store is used.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of pages kept in memory. redb's own default of 1 GiB would break the promise of a small process.
    pub cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            cache_bytes: 16 << 20,
        }
    }
}

/// The store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the store {path} is in use by another process{holder}: wait for it to end, or name another store with --store", path = path.display())]
    Busy {
        /// The store.
        path: PathBuf,
        /// Who has it, as far as is known.
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
    /// Written by a newer version.
    #[error("the store {path} has format {found}, and this version reads up to {FILE_FORMAT}: get a newer xhost", path = path.display())]
    Newer {
        /// The store.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The operating system refuses.
    #[error("cannot open the store {path}: {cause}; check the folder's permissions and the free space, or name another file with --store", path = path.display())]
    Io {
        /// The store.
        path: PathBuf,
        /// The operating system's words.
        cause: String,
    },
}

impl Store {
    /// Opens the store at `path`, or makes one.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path, options: Options) -> Result<Store, OpenError> {
        if !path.exists() {
            create(path, options).map_err(|cause| OpenError::Io {
                path: path.into(),
                cause,
            })?;
        }
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(OpenError::NotAStore {
                path: path.into(),
                what: "it is no regular file".into(),
            });
        }
        let database = builder(options)
            .open(path)
            .map_err(|error| explain(path, error))?;
        let store = Store::over(database, path).map_err(|what| OpenError::NotAStore {
            path: path.into(),
            what,
        })?;
        check_format(&store, path)?;
        // Only for the message of the next process that wants it.
        let _ = fs::write(holder_file(path), std::process::id().to_string());
        Ok(store)
    }
}

fn builder(options: Options) -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(options.cache_bytes);
    builder
}

fn create(path: &Path, options: Options) -> Result<(), String> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    make_folder(folder).map_err(|e| e.to_string())?;
    let temporary = tempfile::Builder::new()
        .prefix(".new-store-")
        .tempfile_in(folder)
        .map_err(|e| e.to_string())?;
    let database = builder(options)
        .create(temporary.path())
        .map_err(|e| e.to_string())?;
    Store::over(database, path)?
        .initialise()
        .map_err(|e| e.to_string())?;
    // Two processes may both have found no store: the first one's stays.
    match temporary.persist_noclobber(path) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(error.error.to_string());
        }
        _ => {}
    }
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| e.to_string())
}

/// Answers are the user's own: the folder is made for nobody else.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut maker = fs::DirBuilder::new();
    maker.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut maker, 0o700);
    maker.create(folder)
}

fn explain(path: &Path, error: DatabaseError) -> OpenError {
    let path = path.to_path_buf();
    match error {
        DatabaseError::DatabaseAlreadyOpen => {
            let holder = fs::read_to_string(holder_file(&path)).ok();
            let holder = holder
                .filter(|text| text.len() < 12 && text.bytes().all(|byte| byte.is_ascii_digit()));
            OpenError::Busy {
                path,
                holder: holder
                    .map(|id| format!(" (number {id})"))
                    .unwrap_or_default(),
            }
        }
        DatabaseError::Storage(StorageError::Io(cause))
            if cause.kind() == io::ErrorKind::InvalidData =>
        {
            OpenError::NotAStore {
                path,
                what: cause.to_string(),
            }
        }
        DatabaseError::Storage(StorageError::Io(cause)) => OpenError::Io {
            path,
            cause: cause.to_string(),
        },
        other => OpenError::NotAStore {
            path,
            what: other.to_string(),
        },
    }
}

fn holder_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".holder");
    PathBuf::from(name)
}

fn check_format(store: &Store, path: &Path) -> Result<(), OpenError> {
    let broken = |what: String| OpenError::NotAStore {
        path: path.into(),
        what,
    };
    let read = store
        .database()
        .begin_read()
        .map_err(|e| broken(e.to_string()))?;
    let meta = read
        .open_table(META)
        .map_err(|_| broken("it is a redb file of another program".into()))?;
    let format = meta.get("format").map_err(|e| broken(e.to_string()))?;
    let format = format
        .and_then(|bytes| <[u8; 4]>::try_from(bytes.value()).ok())
        .map(u32::from_le_bytes);
    match format {
        Some(found) if found > FILE_FORMAT => Err(OpenError::Newer {
            path: path.into(),
            found,
        }),
        Some(_) => Ok(()),
        None => Err(broken("it does not say its format".into())),
    }
}
