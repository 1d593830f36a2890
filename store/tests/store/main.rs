//! The store's promises, through its public interface and, where bytes are promised, through a redb handle of its own.

/// Answers, a source of seeded numbers, folders, storages that remember or fail.
mod support;

/// Bytes that stay readable for years.
mod format;

/// Put, get, first write wins.
mod answers;

/// Records that changed, or that somebody made to do harm.
mod damage;

/// Storages that fail at the n-th call.
mod failure;

/// Power cuts.
mod powercut;

/// What can be wrong with a path.
mod opening;

/// Small commits that only the log has.
mod log;

/// Spill files.
mod spills;

/// Requests, the journal, runs.
mod notes;

/// Dictionaries.
mod dictionaries;

/// Flipped bits.
mod flips;

/// Stores written anew, and streams.
mod copies;

/// Blobs beside the store.
mod blobs;

/// Properties of the digest.
mod digests;
