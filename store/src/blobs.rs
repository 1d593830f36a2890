//! What many runs share and what a run needs to be made again: plugins and rows, each in a file named by its blake3, packed
//! with zstd. They lie in a folder beside the store file, because a table would hold each in memory at once. A blob is
//! written under another name, synced and renamed; whoever reads one to its end knows that it is whole.

use crate::Store;
use crate::place::{beside, make_folder, sync_folder};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// What is written needs 2 MiB to be read; what wants more than 8 MiB is not ours.
const WINDOW_LOG: u32 = 23;

const LEVEL: i32 = 3;

/// The name of a blob: the blake3 of its bytes, unpacked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobDigest([u8; 32]);

impl BlobDigest {
    /// The digest with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> BlobDigest {
        BlobDigest(bytes)
    }

    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<BlobDigest> {
        let small = text.bytes().all(|byte| !byte.is_ascii_uppercase());
        let hash = blake3::Hash::from_hex(text).ok().filter(|_| small)?;
        Some(BlobDigest(*hash.as_bytes()))
    }
}

impl fmt::Display for BlobDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for BlobDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobDigest({self})")
    }
}

/// A blob cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// It was never kept here, or was removed.
    #[error("{path} is not there", path = path.display())]
    Missing {
        /// Its file.
        path: PathBuf,
    },
    /// What was to be kept is something else than its name says.
    #[error("{path}: its bytes are not those that it is named by", path = path.display())]
    Other {
        /// Its file.
        path: PathBuf,
    },
    /// The operating system refuses.
    #[error("{path}: {cause}", path = path.display())]
    Io {
        /// Its file.
        path: PathBuf,
        /// The operating system's words.
        cause: io::Error,
    },
}

/// The blobs beside a store.
#[derive(Clone, Debug)]
pub struct Blobs {
    folder: PathBuf,
}

impl Store {
    /// The blobs beside this store.
    #[must_use]
    pub fn blobs(&self) -> Blobs {
        Blobs::beside(self.path())
    }
}

impl Blobs {
    /// The blobs beside the store at this path, whoever has it open: they are files, and each is whole or not there.
    #[must_use]
    pub fn beside(store: &Path) -> Blobs {
        let folder = beside(store, ".blobs");
        Blobs { folder }
    }

    /// Where a blob is, or would be.
    #[must_use]
    pub fn path(&self, digest: &BlobDigest) -> PathBuf {
        let name = digest.to_string();
        self.folder.join(&name[..2]).join(format!("{name}.zst"))
    }

    /// Keeps what `write` writes, durably; nothing is done where it is kept already.
    ///
    /// # Errors
    /// [`BlobError::Other`] where `write` writes something else, and nothing was kept.
    pub fn keep(
        &self,
        digest: &BlobDigest,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), BlobError> {
        let path = self.path(digest);
        if path.is_file() {
            return Ok(());
        }
        match self.write(&path, digest, write) {
            Ok(true) => Ok(()),
            Ok(false) => Err(BlobError::Other { path }),
            Err(cause) => Err(BlobError::Io { path, cause }),
        }
    }

    fn write(
        &self,
        path: &Path,
        digest: &BlobDigest,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<bool> {
        let folder = path.parent().unwrap_or(&self.folder);
        make_folder(folder)?;
        let file = tempfile::Builder::new()
            .prefix(".new-")
            .tempfile_in(folder)?;
        let mut hashed = Hashed {
            inner: zstd::Encoder::new(file, LEVEL)?,
            hasher: blake3::Hasher::new(),
        };
        write(&mut hashed)?;
        if hashed.hasher.finalize() != digest.0 {
            return Ok(false);
        }
        let file = hashed.inner.finish()?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        sync_folder(folder)?;
        Ok(true)
    }

    /// Reads a blob. The last read, which gives nothing more, fails with [`io::ErrorKind::InvalidData`] where the bytes
    /// before it are not the blob's.
    ///
    /// # Errors
    /// [`BlobError::Missing`], or what the operating system says.
    pub fn read(&self, digest: &BlobDigest) -> Result<impl Read + Send + use<>, BlobError> {
        let path = self.path(digest);
        let open = || -> io::Result<_> {
            let mut inner = zstd::Decoder::new(File::open(&path)?)?;
            inner.window_log_max(WINDOW_LOG)?;
            Ok(Verified {
                inner,
                hasher: blake3::Hasher::new(),
                expected: *digest,
            })
        };
        open().map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => BlobError::Missing { path },
            _ => BlobError::Io { path, cause },
        })
    }

    /// A small blob as a whole, verified.
    ///
    /// # Errors
    /// As [`Blobs::read`], and where it is damaged or larger than `limit` bytes.
    pub fn bytes(&self, digest: &BlobDigest, limit: u64) -> Result<Vec<u8>, BlobError> {
        let mut bytes = Vec::new();
        let read = self.read(digest)?.take(limit + 1).read_to_end(&mut bytes);
        let path = self.path(digest);
        match read {
            Ok(_) if bytes.len() as u64 > limit => Err(BlobError::Other { path }),
            Ok(_) => Ok(bytes),
            Err(cause) => Err(BlobError::Io { path, cause }),
        }
    }
}

struct Hashed<W> {
    inner: W,
    hasher: blake3::Hasher,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

struct Verified<R> {
    inner: R,
    hasher: blake3::Hasher,
    expected: BlobDigest,
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() && self.hasher.finalize() != self.expected.0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its bytes are not those that it is named by: remove it, and keep it again by running the experiment",
            ));
        }
        Ok(read)
    }
}
