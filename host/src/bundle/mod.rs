//! Bundles: a run that one can carry away. An OCI image layout in one tar, the same bytes whatever the store's history, the
//! machine and the time; and the way back, which trusts nothing.
//!
//! ```text
//! tar: oci-layout | index.json | blobs/sha256/MANIFEST | CONFIG | trials | rows... | plugins... | responses...
//! run's folder + store --export--> bundle --verify--> --import--> store + run's folder
//! ```

/// The OCI documents, and the headers of the tar.
mod layout;

/// Pairs of digests, sorted on disk.
mod sorted;

/// An answer as a line.
mod entry;

/// That no credential is carried away.
mod scan;

/// Layers on their way into a bundle.
mod layer;

/// From a run to a bundle.
mod export;

/// What a bundle is made of, looked through before anything is believed.
mod members;

/// What stands in a bundle's layers, compared with what it says of itself.
mod verify;

/// From a bundle to a store.
mod import;

pub use export::{Exported, Source, export};
pub use import::Imported;
pub use layout::{Config, Lines};
pub use verify::Bundle;

use std::io;
use std::path::PathBuf;
use xhost_store::{BlobError, ReadError, WriteError};

/// A bundle cannot be made, read or taken in.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file cannot be read or written.
    #[error("{path}: {cause}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        cause: io::Error,
    },
    /// The run cannot be exported.
    #[error("the run cannot be exported: {0}")]
    Run(String),
    /// The run holds a credential.
    #[error(
        "{place} holds the value of the environment variable {variable}: nothing was exported. Take the credential out of the \
         experiment or its data, and revoke it where others could see it"
    )]
    Credential {
        /// Where.
        place: String,
        /// Which.
        variable: String,
    },
    /// The file is not what it says.
    #[error("the bundle is refused: {member} {what}")]
    Refused {
        /// The part of the bundle.
        member: String,
        /// What is wrong with it.
        what: String,
    },
    /// Another bundle was expected.
    #[error("the bundle is refused: its digest is {found}, and {expected} was expected")]
    Unexpected {
        /// Its digest.
        found: String,
        /// The one that was asked for.
        expected: String,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A plugin or rows cannot be kept beside the store.
    #[error("{0}; free some space, or name another store with --store")]
    Keep(#[from] BlobError),
}

/// A line of a bundle's answers: what is taken is written again to the same bytes.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_answer(line: &[u8]) {
    if let Ok((key, answer)) = entry::read(line) {
        let again = entry::write(&key, &answer);
        assert_eq!(again.as_deref(), Ok(line));
    }
}

/// A line of a bundle's answers.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn written_answer(key: &xhost_store::Digest, answer: &xhost_store::Answer) -> Vec<u8> {
    entry::write(key, answer).unwrap_or_default()
}

fn refused(member: &str, what: impl Into<String>) -> BundleError {
    BundleError::Refused {
        member: member.to_owned(),
        what: what.into(),
    }
}

#[cfg(test)]
mod tests;
