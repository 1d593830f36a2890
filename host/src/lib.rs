//! xhost runs experiments against language-model APIs in one small process.
//!
//! What it runs is `xhost_engine`, whose modules are shown here as they are there. Below stands what a run does not need: its
//! files carried, converted and explained, servers of its own, the authors' tools, and the command line. A crate of its own
//! because it works once for each command: it is built without optimising, in a fifth of the time.
//!
//! A module uses only those above it (`tests/tidy.rs`).

pub use xhost_engine::*;

/// What the machine allows, and a checklist.
pub mod doctor;

/// A recorded run, made again.
pub mod replay;

/// A run that one can carry away.
pub mod bundle;

/// What people have from other tools.
pub mod foreign;

/// A model API on this machine, for rehearsals and tests.
pub mod simulate;

/// A store that several processes share, and a gateway for programs that speak a provider's words.
pub mod serve;

/// Plugins from their authors' side: new projects, builds, cases, measurements.
pub mod authoring;

/// The command line.
pub mod cli;

/// Entry points for fuzzers.
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
