//! What was fetched, by content: components under their blake3, manifests under their SHA-256, in a folder that is its
//! owner's alone. Each is held against its name whenever it is taken out, and what is damaged is not there.

use super::layout;
use super::{Fetched, sha256};
use crate::machine::private_folder;
use crate::plugin::PluginDigest;
use crate::plugin::inspect::SIZE_LIMIT;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The folder of fetched plugins.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
}

/// A component on the shelf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its file.
    pub file: PathBuf,
    /// Its SHA-256, as registries and URLs name it.
    pub sha256: String,
}

impl Shelf {
    /// Opens or makes the folder.
    ///
    /// # Errors
    /// Where it is not this user's alone.
    pub fn open(folder: &Path) -> io::Result<Shelf> {
        if private_folder(folder) {
            return Ok(Shelf {
                folder: folder.into(),
            });
        }
        let message = "it must be a folder of yours with mode 0700";
        Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
    }

    /// The component of this blake3, in hex.
    #[must_use]
    pub fn component(&self, blake3: &str) -> Option<Kept> {
        let file = self.folder.join(format!("{blake3}.wasm"));
        let bytes = read(&file)?;
        (PluginDigest::of(&bytes).to_string() == blake3).then(|| Kept {
            sha256: sha256(&bytes),
            file,
        })
    }

    /// The component of an artifact: the manifest must be this one, and its layer this component.
    #[must_use]
    pub fn artifact(&self, manifest: &str, blake3: &str) -> Option<Kept> {
        let hex = manifest.strip_prefix("sha256:")?;
        let document = read(&self.folder.join(format!("{hex}.json")))?;
        if sha256(&document) != manifest {
            return None;
        }
        let (layer, _) = layout::layer(&document, SIZE_LIMIT).ok()?;
        self.component(blake3).filter(|kept| kept.sha256 == layer)
    }

    /// Keeps what was fetched.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn keep(&self, fetched: &Fetched) -> io::Result<Kept> {
        if let Some(manifest) = &fetched.manifest {
            let digest = sha256(manifest);
            let hex = &digest["sha256:".len()..];
            self.write(&self.folder.join(format!("{hex}.json")), manifest)?;
        }
        let file = self.folder.join(format!("{}.wasm", fetched.digest()));
        self.write(&file, &fetched.component)?;
        Ok(Kept {
            file,
            sha256: sha256(&fetched.component),
        })
    }

    fn write(&self, file: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut fresh = tempfile::NamedTempFile::new_in(&self.folder)?;
        fresh.write_all(bytes)?;
        fresh.persist(file)?;
        Ok(())
    }
}

fn read(file: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let opened = File::open(file).ok()?;
    opened.take(SIZE_LIMIT + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= SIZE_LIMIT).then_some(bytes)
}
