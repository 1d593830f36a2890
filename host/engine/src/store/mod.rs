//! The store as the rest of the program uses it: this process's own, or one that an `xhost serve` of the same user has and
//! shares. The words are the same, so nobody else has to know which it is. With a shared one, whoever finds no answer asks
//! for the right to ask (a *claim*): the others wait, so that two runs at once pay once. A claim ends when its answer is
//! stored, when it is dropped, and when its process dies; then the next one has it.
//!
//! ```text
//! trial -> look(claim) -> own file ------------------------------> answer | absent
//!                      -> socket -> `serve` -> answer | yours | (waits) -> answer, or yours after all
//! ```
//!
//! Credentials and calls never cross the socket. Plugins and rows are files beside the store, for everybody.

// The three that are public and hidden are for `serve`, the other end.

/// Bytes of the protocol.
#[doc(hidden)]
pub mod wire;

/// The store's own things as bytes.
mod fields;

/// What the two sides say.
#[doc(hidden)]
pub mod message;

/// Where they meet.
#[doc(hidden)]
pub mod socket;

/// A connection.
mod link;

/// Its first words.
mod greeting;

/// Another process's store.
mod served;

pub use link::Claim;
pub use message::Want;
pub use served::{ConnectError, Served};

use std::path::Path;
use xhost_store::{
    Answer, Begun, Blobs, Change, Digest, Entry, Group, JournalEntry, OpenError, Options, Put,
    ReadError, Run, Stat, StoredRequest, WriteError,
};

/// A store, whoever has its file open.
#[derive(Debug)]
pub enum Store {
    /// This process.
    Own(Box<xhost_store::Store>),
    /// An `xhost serve`.
    Served(Served),
}

/// What a look came to.
#[derive(Debug)]
pub enum Sight {
    /// The answer.
    Answer(Answer),
    /// There is none, and nobody is kept from asking.
    Absent,
    /// There is none, and nobody else asks until this is dropped; where a record is there that cannot be trusted, why.
    Yours(Claim, Option<String>),
}

impl From<xhost_store::Store> for Store {
    fn from(store: xhost_store::Store) -> Store {
        Store::Own(Box::new(store))
    }
}

impl Store {
    /// Opens the store at `path` for this process alone, or makes one.
    ///
    /// # Errors
    /// As [`xhost_store::Store::open`].
    pub fn open(path: &Path, options: Options) -> Result<Store, OpenError> {
        xhost_store::Store::open(path, options).map(Store::from)
    }

    /// The process that has the store, where it is another one.
    #[must_use]
    pub fn server(&self) -> Option<u32> {
        match self {
            Store::Own(_) => None,
            Store::Served(served) => Some(served.server()),
        }
    }

    /// Where the store is, as this process names it.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Store::Own(store) => store.path(),
            Store::Served(served) => served.path(),
        }
    }

    /// The blobs beside it.
    #[must_use]
    pub fn blobs(&self) -> Blobs {
        Blobs::beside(self.path())
    }

    /// What to do about a store that can no longer be written.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Store::Own(_) => "free some space, then run the same command again",
            Store::Served(_) => "look at what `xhost serve` said, then run the same command again",
        }
    }

    /// The answer to a request, or the right to ask for it. Where that is another process's at the moment, waits.
    ///
    /// # Errors
    /// As [`xhost_store::Store::get`].
    pub async fn look(&self, digest: &Digest, want: Want) -> Result<Sight, ReadError> {
        match self {
            Store::Own(store) => Ok(store.get(digest)?.map_or(Sight::Absent, Sight::Answer)),
            Store::Served(served) => served.look(digest, want).await,
        }
    }

    /// The answer to a request.
    ///
    /// # Errors
    /// As [`xhost_store::Store::get`].
    pub fn get(&self, digest: &Digest) -> Result<Option<Answer>, ReadError> {
        match self {
            Store::Own(store) => store.get(digest),
            Store::Served(served) => Ok(match served.get(digest)? {
                Sight::Answer(answer) => Some(answer),
                Sight::Absent | Sight::Yours(..) => None,
            }),
        }
    }

    /// The request of this name as it was sent.
    ///
    /// # Errors
    /// As [`xhost_store::Store::request`].
    pub fn request(&self, digest: &Digest) -> Result<Option<StoredRequest>, ReadError> {
        match self {
            Store::Own(store) => store.request(digest),
            Store::Served(served) => served.request(digest),
        }
    }

    /// Every request that came with its answer, as [`xhost_store::Store::requests`] gives them.
    pub fn requests(
        &self,
    ) -> Box<dyn Iterator<Item = Result<(Digest, StoredRequest), ReadError>> + '_> {
        match self {
            Store::Own(store) => Box::new(store.requests()),
            Store::Served(served) => Box::new(served.requests()),
        }
    }

    /// How many requests have an answer.
    ///
    /// # Errors
    /// As [`xhost_store::Store::len`].
    #[expect(
        clippy::len_without_is_empty,
        reason = "nobody asks whether there is none"
    )]
    pub fn len(&self) -> Result<u64, ReadError> {
        match self {
            Store::Own(store) => store.len(),
            Store::Served(served) => served.len(),
        }
    }

    /// What the store holds.
    ///
    /// # Errors
    /// As [`xhost_store::Store::stat`].
    pub fn stat(&self) -> Result<Stat, ReadError> {
        match self {
            Store::Own(store) => store.stat(),
            Store::Served(served) => served.stat(),
        }
    }

    /// Stores answers, durably.
    ///
    /// # Errors
    /// As [`xhost_store::Store::commit`].
    pub fn commit(&self, entries: &[Entry]) -> Result<Vec<Put>, WriteError> {
        self.commit_group(&Group {
            entries,
            ..Group::default()
        })
    }

    /// As [`xhost_store::Store::commit_group`].
    ///
    /// # Errors
    /// The same. Where the process that has the store is gone, the group may be stored or not.
    pub fn commit_group(&self, group: &Group<'_>) -> Result<Vec<Put>, WriteError> {
        match self {
            Store::Own(store) => store.commit_group(group),
            Store::Served(served) => served.commit_group(group),
        }
    }

    /// Notes that a run begins.
    ///
    /// # Errors
    /// As [`xhost_store::Store::begin_run`].
    pub fn begin_run(&self, run: Run) -> Result<Begun, WriteError> {
        match self {
            Store::Own(store) => store.begin_run(run),
            Store::Served(served) => served.begin_run(run),
        }
    }

    /// Notes that a run ended with all of its trials.
    ///
    /// # Errors
    /// As [`xhost_store::Store::end_run`].
    pub fn end_run(&self, begun: Begun, ended_ms: u64) -> Result<(), WriteError> {
        match self {
            Store::Own(store) => store.end_run(begun, ended_ms),
            Store::Served(served) => served.end_run(begun, ended_ms),
        }
    }

    /// Changes the journal, durably. Only for whoever has reserved the batches.
    ///
    /// # Errors
    /// As [`xhost_store::Store::journal`].
    pub fn journal(&self, changes: &[Change]) -> Result<(), WriteError> {
        match self {
            Store::Own(store) => store.journal(changes),
            Store::Served(served) => served.journal(changes),
        }
    }

    /// The journal's value of a key.
    ///
    /// # Errors
    /// As [`xhost_store::Store::journal_get`].
    pub fn journal_get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        match self {
            Store::Own(store) => store.journal_get(key),
            Store::Served(served) => served.journal_get(key),
        }
    }

    /// Entries of the journal.
    ///
    /// # Errors
    /// As [`xhost_store::Store::journal_scan`].
    pub fn journal_scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, ReadError> {
        match self {
            Store::Own(store) => store.journal_scan(prefix, after, limit),
            Store::Served(served) => served.journal_scan(prefix, after, limit),
        }
    }

    /// Makes this process the only one that speaks to providers about batches: two that read one journal would send what
    /// the other is about to send.
    ///
    /// # Errors
    /// Who has that right, in words.
    pub fn reserve_batches(&self) -> Result<(), String> {
        match self {
            Store::Own(_) => Ok(()),
            Store::Served(served) => served.reserve_batches(),
        }
    }

    /// Waits until the process that has the store is gone, and says so in words; for ever where that is this one.
    pub async fn lost(&self) -> String {
        match self {
            Store::Own(_) => std::future::pending().await,
            Store::Served(served) => served.lost().await,
        }
    }
}

#[cfg(test)]
mod tests;
