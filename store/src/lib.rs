//! The content-addressed store of xhost: one redb file of answers that were paid for.
//!
//! ```text
//! request digest --idx-1--> sequence --rec-1--> record: header | meta | body
//!
//! commit: answers -> first write wins -> records -> one durable commit -> acknowledged
//! get:    digest -> record -> verified against the digest that was asked for -> answer
//! disk refuses: answers -> spill file -> (next start) absorb_spills -> commit
//! ```
//!
//! What is promised: `commit` returns after the answers are durable; every read verifies the record against the digest
//! that it was asked for, so a damaged or misplaced record is an error and never a wrong answer; the first answer to a
//! request stays. Knows no network, no clock and no environment.
//!
//! *digest*: names a request. *answer*: the provider's bytes and what is known of them. *record*: an answer as bytes.
//! *sequence*: the number of a record, in the order of writing. *holder*: the process that has the file open.
//! *spill*: a file of answers that the store could not take.

#![forbid(unsafe_code)]

/// The names of requests and of answers.
mod digest;

/// What is stored.
mod answer;

/// The fixed first bytes of a record.
mod header;

/// What can go wrong with a record, a read, a commit.
mod fault;

/// How a body is packed.
mod codec;

/// The bytes of a record.
mod record;

/// Small commits, durable before the tables are.
mod log;

/// The tables of a store file.
mod tables;

/// A request as bytes, and its digest.
mod request;

/// The bytes of a stored request.
mod packed;

/// Files and folders that survive a crash, and who holds a store.
mod place;

/// What reads look into, from one commit to the next.
mod view;

/// redb's handle on the file, and its failures.
mod handle;

/// What a small commit changes, as bytes.
mod rows;

/// The dictionaries of a store.
mod shelf;

/// What a crash left in the log.
mod recover;

/// Reads.
mod store;

/// Plugins and rows, each a file beside the store.
mod blobs;

/// What a commit takes.
mod entry;

/// What the batch lane must know after a crash.
mod journal;

/// Which runs there were, and what they touched.
mod runs;

/// Commits.
mod commit;

/// How dictionaries come about.
mod train;

/// All that is stored, one after the other.
mod walk;

/// How a store file is made and opened.
mod open;

/// A storage over another one that stays as it is.
mod overlay;

/// Looks at all of a store.
mod verify;

/// A store written anew.
mod copy;

/// Answers as a stream of lines.
mod stream;

/// What a store holds, in numbers.
mod stat;

/// Where answers go when the disk refuses.
mod spill;

/// How spilled answers come back.
mod absorb;

/// Entry points for fuzzers.
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;

pub use absorb::Absorbed;
pub use answer::Answer;
pub use blobs::{BlobDigest, BlobError, Blobs};
pub use commit::Put;
pub use copy::{Copied, CopyError, Keep, Old, copy};
pub use digest::{Digest, DigestError, ResponseDigest};
pub use entry::{Entry, Group, Wish};
pub use fault::{ReadError, RecordError, WriteError};
pub use journal::{Change, JournalEntry};
pub use open::{OpenError, Options};
pub use request::{Sent, StoredRequest};
pub use runs::{Begun, Run, RunId, Touched};
pub use spill::Spill;
pub use stat::Stat;
pub use store::Store;
pub use stream::{Imported, LineError, StreamError, parse_line, write_line};
pub use tables::StoreId;
pub use verify::{Finding, Report, Trouble, verify, verify_storage};
pub use walk::Stored;
