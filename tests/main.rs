//! The integration tests: the real program, as a user starts it, against its own simulator, with real plugins.

mod support;

/// The whole main job on real data, cold, warm, killed and large.
mod gsm8k;

/// What the README shows.
mod readme;

/// What a run does with settings, files and results.
mod run;

/// How fast requests leave.
mod lane;

/// Batches: as live, nothing paid for twice.
mod batch;

/// Every end of a batch.
mod batch_ends;

/// Batches that a user leaves, looks at, cancels, adopts and pays for.
mod batch_steer;

/// Batches that are large.
mod batch_large;

/// A run of batches, killed everywhere.
mod crash;

/// Plans, budgets, early ends and the machine.
mod spend;

/// A large run in a small control group.
mod cgroup;

/// What calls cost, against litellm.
mod prices;

/// Plugins by other people, in three languages.
mod guests;

/// Plugin authors, from nothing to a verdict.
mod authors;

/// Plugins given to others, and got from them.
mod sharing;

/// Which plugins an experiment uses, and goes on using.
mod pins;

/// Plugins that mean harm.
mod hostile;

/// Runs carried away and made again.
mod bundles;

/// What a person reads who did something wrong.
mod errors;

/// What the built-in providers send, against definitions that we did not write.
mod providers;

/// Providers' live calls and batches, against servers that we did not write.
mod peers;

/// The TypeScript types of the contract, and whether they are current.
mod typescript;

/// Prebuilt components are what their sources say.
mod prebuilt;

/// Rules of the architecture.
mod tidy;

/// Which stored answers a run uses.
mod cache;

/// A store that several processes share, and the gateway.
mod serve;

/// The store's own commands.
mod store;

/// What people have from other tools.
mod imports;

/// Memory that does not grow with what passes through.
mod flat;
/// Stores kept in order, killed, and on disks that forbid.
mod upkeep;

/// The program killed again and again.
mod kills;
