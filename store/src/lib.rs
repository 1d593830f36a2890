//! The content-addressed store of xhost: one redb file of answers that were paid for.
//!
//! ```text
//! request digest --idx-1--> sequence --rec-1--> record: header | meta | body (zstd)
//! ```
//!
//! What is promised: `commit` returns after the answers are durable; every read verifies the record against the digest
//! that it was asked for, so a damaged or misplaced record is an error and never a wrong answer; the first answer to a
//! request stays. Knows no network, no clock and no environment.

#![forbid(unsafe_code)]

/// The names of requests and of answers.
mod digest;

/// What is stored.
mod answer;

/// The bytes of a record.
mod record;

/// How a store file is made and opened.
mod open;

/// Reads and commits.
mod store;

/// Where answers go when the disk refuses.
mod spill;

#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use digest::{Digest, DigestError, ResponseDigest};
pub use open::{OpenError, Options};
pub use record::RecordError;
pub use spill::{Absorbed, Spill};
pub use store::{Put, ReadError, Store, WriteError};
