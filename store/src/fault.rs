//! What can go wrong: with a record, with a read, with a commit. (With opening a store: `open`.)

use crate::Digest;
use std::path::PathBuf;

/// The version of a record that is written. Older ones are read.
pub(crate) const VERSION: u8 = 2;

/// Why bytes are no record that can be used, or an answer cannot become one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Its bytes changed, or it is another request's.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// Written by a newer version.
    #[error("it has version {found}, and this program reads up to {VERSION}: get a newer xhost")]
    Newer {
        /// Its version.
        found: u8,
    },
    /// Its codec came later than this version.
    #[error("its body has codec {codec}, which this program does not know: get a newer xhost")]
    UnknownCodec {
        /// The number of the codec.
        codec: u8,
    },
    /// Compressed with a dictionary that this store does not have.
    #[error(
        "its body needs dictionary {id}, which this store does not have: get a newer xhost, or the whole store"
    )]
    UnknownDictionary {
        /// The number of the dictionary.
        id: u32,
    },
    /// Too large to be stored.
    #[error("its {part} has {bytes} bytes, and a record takes {limit}")]
    TooLarge {
        /// What is too large.
        part: &'static str,
        /// Its size.
        bytes: usize,
        /// The most that a record takes.
        limit: usize,
    },
}

/// A read failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The record cannot be trusted: report it, and count it as none. The next commit of this request replaces it.
    #[error("the stored answer to {digest} is not used: {cause}")]
    Damaged {
        /// The request.
        digest: Digest,
        /// What is wrong with it.
        cause: RecordError,
    },
    /// The record is whole, and this version cannot read it. Asking again would pay again, and change nothing.
    #[error("the stored answer to {digest} cannot be read: {cause}")]
    Unsupported {
        /// The request.
        digest: Digest,
        /// What is missing.
        cause: RecordError,
    },
    /// An entry of the journal or of the list of runs cannot be used.
    #[error("the store's {table} has an entry {key} that cannot be used: {cause}")]
    Note {
        /// Which list.
        table: &'static str,
        /// Its key.
        key: String,
        /// What is wrong with it.
        cause: RecordError,
    },
    /// The file cannot be read: whether there is an answer is not known.
    #[error("cannot read the store {path}: {cause}", path = path.display())]
    Io {
        /// The store.
        path: PathBuf,
        /// redb's words.
        cause: String,
    },
}

/// Nothing of a group of answers is acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// This commit failed, and was the last: the store has stopped writing.
    #[error("cannot write to the store {path}: {cause}", path = path.display())]
    Failed {
        /// The store.
        path: PathBuf,
        /// redb's words.
        cause: String,
    },
    /// A commit before this one failed.
    #[error("the store {path} stopped writing when a write failed: {cause}", path = path.display())]
    Stopped {
        /// The store.
        path: PathBuf,
        /// What failed first.
        cause: String,
    },
    /// An answer of the group is too large; the others may be committed without it.
    #[error("the answer to {digest} cannot be stored: {cause}")]
    Answer {
        /// The request.
        digest: Digest,
        /// What is too large.
        cause: RecordError,
    },
    /// A change of the journal is too large; nothing was changed, and nothing stopped.
    #[error("the journal's entry {key} cannot be stored: {cause}")]
    Journal {
        /// Its key.
        key: String,
        /// What is too large.
        cause: RecordError,
    },
}
