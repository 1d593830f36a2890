//! Plugins: WASM components that can do nothing but compute. Loads them (`load`), answers with typed calls (`calls`),
//! and keeps every instance in a sandbox (`sandbox`) that lives for one call. Never does I/O on a plugin's behalf.
//!
//! Called by `plan` (loading, schemas, `describe`) and by `trial` (everything else).

/// The Rust view of `wit/`.
pub mod bindings;

/// The engine: how components are compiled and where instances live.
mod engine;

/// What one instance may use, and what it left behind.
mod sandbox;

/// Files and sockets, which no guest gets.
mod absent;

/// Code that this machine has compiled before.
mod compiled;

/// A look at a component's bytes before anything compiles them.
pub mod inspect;

/// Why a call gave no result: four different things.
mod failure;

/// Whether its functions have the types of the contract.
mod fit;

/// What computing costs a guest.
mod fuel;

/// A component that is ready to be called.
mod load;

/// What a call did besides its result.
mod observe;

/// The calls of the contract, each in a fresh instance on a worker thread.
mod calls;

/// The calls of the contract's batch half.
mod batch_calls;

/// The plugins that are part of this program.
pub mod builtin;

pub use batch_calls::Line as BatchLine;
pub use bindings::types;
pub use calls::{CallSeed, Params, Provider};
pub(crate) use calls::{weigh_completion, weigh_prompt};
pub use compiled::{COMPILE, COMPILER_MEMORY, COMPILER_SECONDS};
pub use engine::{Compiled, Engine, EngineError};
pub use failure::{Failure, FailureKind};
pub use inspect::{Kind, LoadError};
pub use load::{Plugin, PluginDigest, read, read_known};
pub use observe::{Observer, Trace};

#[cfg(test)]
mod tests;
