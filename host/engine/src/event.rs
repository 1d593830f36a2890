//! Everything that happens in a run, as one closed list. The run's loop hands each event to the listeners: results,
//! summary and progress. They match it without `_`, so that a new event cannot be overlooked.

use crate::prices::Money;
use crate::record::Trial;
use serde::{Deserialize, Serialize};
use xhost_store::Digest;

/// What happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run begins.
    Started {
        /// The experiment's name.
        experiment: String,
        /// The identity of what is run.
        plan: String,
        /// Its trials.
        trials: u64,
        /// Its configs.
        configs: usize,
    },
    /// A call left.
    CallStarted {
        /// The config whose trial asks first; others may wait for the same answer.
        config: usize,
    },
    /// A call came back, or did not.
    CallEnded {
        /// The config whose trial asked first.
        config: usize,
        /// The request.
        digest: Digest,
        /// The HTTP status; none where there was no answer.
        status: Option<u16>,
        /// How long it took, in milliseconds.
        latency_ms: u64,
        /// Which attempt it was, from 1.
        attempt: u32,
    },
    /// A call will be sent again.
    Retry {
        /// The config whose trial asked first.
        config: usize,
        /// The request.
        digest: Digest,
        /// Why.
        cause: &'static str,
        /// The words for it.
        message: String,
        /// How long is waited, in milliseconds.
        wait_ms: u64,
    },
    /// A lane learned its limits, or changed its pace.
    Limits {
        /// The model that the lane leads to.
        model: String,
        /// What changed.
        #[serde(flatten)]
        change: LimitChange,
    },
    /// Where a batch stands.
    Batch {
        /// The provider's name for it.
        id: String,
        /// The model of its requests.
        model: String,
        /// `submitted`, `running`, `ingested` or `failed`.
        state: &'static str,
        /// Its requests.
        requests: u64,
        /// Those that the provider is done with, as far as it says.
        done: u64,
        /// Those that failed.
        failed: u64,
        /// When it was submitted, in milliseconds since 1970-01-01 UTC.
        since_ms: u64,
        /// What its answers cost that were read so far, in dollars; none where a price is not known.
        cost_usd: Option<Money>,
    },
    /// Requests were packed into a batch.
    BatchPacked {
        /// Their model.
        model: String,
        /// How many.
        requests: u64,
        /// Bytes of the upload.
        bytes: u64,
        /// How long it took, in milliseconds.
        took_ms: u64,
    },
    /// A batch's results were read.
    BatchRead {
        /// The provider's name for it.
        id: String,
        /// Its requests.
        requests: u64,
        /// Those that were answered, or failed for good.
        decided: u64,
        /// Lines that named no request of ours, or one again, or were broken.
        useless_lines: u64,
        /// How long it took, in milliseconds.
        took_ms: u64,
    },
    /// A trial ended, well or not.
    TrialEnded {
        /// The config.
        config: usize,
        /// Where the answers came from.
        #[serde(flatten)]
        origins: Origins,
        /// The trial.
        #[serde(flatten)]
        trial: TrialSummary,
        /// What goes into the results.
        #[serde(skip)]
        record: Box<Trial>,
    },
    /// Something that the user should know, and that stops nothing.
    Warning {
        /// The words.
        message: String,
    },
    /// Something that the user may want to know.
    Notice {
        /// The words.
        message: String,
    },
    /// No further call leaves.
    Stopping {
        /// Why.
        reason: String,
    },
    /// The run ended.
    Ended {
        /// Trials in the results.
        trials: u64,
        /// The digest of the results; none where trials are missing.
        run_digest: Option<String>,
    },
}

/// What changed in how fast a lane may send.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum LimitChange {
    /// The provider's headers state a limit that was not known.
    Learned {
        /// What is counted.
        dimension: &'static str,
        /// The most within the window.
        limit: u64,
        /// The window that the numbers say.
        window_seconds: u64,
    },
    /// The provider refused a call for speed: the lane waits, then goes slower.
    Refused {
        /// How long nothing leaves, in milliseconds.
        wait_ms: u64,
        /// The share of the pace that is left.
        pace: f64,
    },
    /// The first call after a refusal was let in.
    Opened,
    /// The service is overloaded: fewer calls are in flight.
    Narrowed {
        /// The most from now on.
        concurrency: usize,
    },
    /// Nothing leaves for a long time, such as until a limit of the day has room again.
    Parked {
        /// How long, in milliseconds.
        wait_ms: u64,
    },
    /// The user set other limits.
    Set,
}

/// Where a trial's answers came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origins {
    /// From the store.
    pub hits: u64,
    /// From another trial's call that was in flight.
    pub shared: u64,
    /// From calls of its own.
    pub calls: u64,
}

impl Origins {
    /// Adds those of another trial.
    pub fn add(&mut self, other: Origins) {
        self.hits += other.hits;
        self.shared += other.shared;
        self.calls += other.calls;
    }
}

/// The short form of a trial in the event log; the whole stands in the results.
#[derive(Debug, Serialize)]
pub struct TrialSummary {
    /// Its place in the results.
    pub ordinal: u64,
    /// The sample.
    pub sample: String,
    /// The epoch.
    pub epoch: u32,
    /// The failure's cause, if it failed.
    pub failure: Option<&'static str>,
}
