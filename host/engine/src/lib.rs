//! From an experiment to its results: what xhost runs, without its commands.
//!
//! ```text
//! experiment.yaml + overrides -> plan -> trials (a stream, never a list)
//!   trial: prompt plugin -> prompt -> provider plugin `encode` -> request -> digest -> store?
//!            hit  --------------------------------------------------------------> response
//!            miss -> single flight -> lane (pace, gate, retries) -> HTTP -> store put -> response
//!          provider plugin `decode` -> completion -> (next prompt, or) scorer plugin -> scores
//! events -> results | summary | progress
//! ```
//!
//! *experiment*: a file. *config*: one cell of its sweep. *sample*: one row of the dataset. *epoch*: one repeat, from 1.
//! *trial*: config x sample x epoch. *request*: what is sent to a model. *digest*: blake3 of the canonical request.
//! *response*: the provider's body, kept as it came. *score*: what a scorer says. *lane*: how requests travel. *run*: one
//! execution of an experiment, resumable. *event*: anything that happens in a run.
//!
//! The modules below stand in the order in which data passes; a module uses only those above it (`tests/tidy.rs`).

/// Text from elsewhere, safe to show.
pub mod text;

/// JSON that means the same to everybody who reads it.
pub mod json;

/// Where two documents differ.
pub mod difference;

/// Sorting what may not fit into memory.
pub mod sort;

/// Credentials: read in one place, shown in none.
pub mod secret;

/// Ending early, with a reason.
pub mod stop;

/// What this process may use of the machine.
pub mod machine;

/// The store, this process's own or one that it shares.
pub mod store;

/// Experiments as written.
pub mod experiment;

/// Rows as a stream.
pub mod dataset;

/// WASM components that can only compute.
pub mod plugin;

/// What is sent to a model, and its digest.
pub mod request;

/// The one file that opens sockets for providers.
pub mod http;

/// Plugins from elsewhere: artifacts in registries, files at URLs.
pub mod registry;

/// Which plugins the experiments of a folder use: `xhost.lock`.
pub mod pins;

/// A trial as the results tell it.
pub mod record;

/// What models cost.
pub mod prices;

/// What a run may spend, and has spent.
pub mod budget;

/// Everything that happens in a run.
pub mod event;

/// The live lane: pace, gate, retries.
pub mod lane;

/// Which stored answers a run uses.
pub mod cache;

/// When the disk refuses.
pub mod disk;

/// The batch lane: packed, submitted, polled, read, and never sent twice.
pub mod batch;

/// What a run recorded of its trials.
pub mod recorded;

/// Answers: from the store, from a call in flight, or from a lane.
pub mod answers;

/// Experiments, resolved.
pub mod plan;

/// What a run needs to be made again.
pub mod kept;

/// One trial, from the sample to its scores.
pub mod trial;

/// Why a trial would have to pay.
pub mod why;

/// What a run will ask, take and cost.
pub mod forecast;

/// Below the memory limit.
pub mod governor;

/// Ending when the answer is known.
pub mod until;

/// Ordered result files.
pub mod results;

/// What a run came to.
pub mod summary;

/// What a person sees meanwhile.
pub mod progress;

/// The run: one loop, and the listeners of its events.
pub mod run;
