//! `status.json` in a run's folder: how far the run is, for whoever looks while another process holds the store. Written
//! anew every second at most; a hint, which nothing depends on: the results say what is true. How far they are whole is
//! told too, for a run that is gone on with, which compares them.

use crate::budget::Account;
use crate::event::{Event, Origins};
use crate::plan::Plan;
use crate::prices::Money;
use crate::results::{Checkpoint, Folder};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::io;
use std::sync::Arc;

/// The file's name.
pub const STATUS: &str = "status.json";

/// How often it is written, in milliseconds.
const EVERY_MS: u64 = 1_000;

/// Where a run is on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A process makes its trials, or was killed while it did.
    #[default]
    Running,
    /// It ended early; the same command goes on.
    Stopped,
    /// Every trial is in the results, or enough of them.
    Ended,
}

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The experiment's name.
    pub experiment: String,
    /// Where it is on its way.
    pub state: State,
    /// Why it ended early, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Trials in all.
    pub trials: u64,
    /// Trials that have ended, in this process.
    pub done: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// Where answers came from.
    #[serde(flatten)]
    pub origins: Origins,
    /// Calls that were sent again.
    pub retries: u64,
    /// What the calls of this run have cost so far, those of its earlier processes too, in dollars; none where a price is not
    /// known. Calls in flight and batches that are not read are not in it.
    pub cost_usd: Option<Money>,
    /// Tokens that were asked and answered by those calls.
    pub tokens_spent: u64,
    /// How far the results are whole: a run that is gone on with takes them over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<Checkpoint>,
    /// One for each config, in the order of the sweep.
    #[serde(default)]
    pub configs: Vec<ConfigStanding>,
    /// The process that makes the trials.
    pub process: u32,
    /// When this was written, in milliseconds since 1970-01-01 UTC.
    pub updated_ms: u64,
}

/// One config of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigStanding {
    /// The swept settings and their values.
    pub config: Arc<Map<String, Value>>,
    /// Its trials in all.
    pub trials: u64,
    /// Those that have ended, in this process.
    pub done: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// What its calls have cost so far; none where a price is not known. A call that several configs wait for is that of the
    /// one which asked first.
    pub cost_usd: Option<Money>,
}

impl Standing {
    /// A run that begins.
    pub(super) fn new(plan: &Plan) -> Standing {
        let mut configs = vec![ConfigStanding::default(); plan.configs.len()];
        for block in &plan.blocks {
            for (config, _) in &block.members {
                configs[config.index].config = Arc::clone(&config.axes);
                configs[config.index].trials = block.dataset.len() * u64::from(config.epochs);
            }
        }
        Standing {
            experiment: plan.name.clone(),
            trials: plan.trials,
            configs,
            process: std::process::id(),
            ..Standing::default()
        }
    }

    /// Takes a trial of an earlier process, which asked so much.
    pub(super) fn recall(&mut self, requests: u64) {
        self.done += 1;
        self.origins.hits += requests;
    }

    /// Takes what happened.
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::TrialEnded {
                config,
                origins,
                trial,
                ..
            } => {
                let failed = u64::from(trial.failure.is_some());
                self.done += 1;
                self.failures += failed;
                self.origins.add(*origins);
                if let Some(config) = self.configs.get_mut(*config) {
                    config.done += 1;
                    config.failures += failed;
                }
            }
            Event::Retry { .. } => self.retries += 1,
            Event::Stopping { reason } => {
                self.state = State::Stopped;
                self.reason = Some(reason.clone());
            }
            Event::Ended { run_digest, .. } => {
                self.state = match run_digest {
                    Some(_) => State::Ended,
                    None => State::Stopped,
                };
            }
            Event::Started { .. }
            | Event::CallStarted { .. }
            | Event::CallEnded { .. }
            | Event::Limits { .. }
            | Event::Batch { .. }
            | Event::BatchPacked { .. }
            | Event::BatchRead { .. }
            | Event::Notice { .. }
            | Event::Warning { .. } => {}
        }
    }

    /// Writes the file, where it is time.
    pub(super) fn write_sometimes(
        &mut self,
        folder: &Folder,
        account: &Account,
        now_ms: u64,
    ) -> io::Result<()> {
        match now_ms.saturating_sub(self.updated_ms) >= EVERY_MS {
            true => self.write(folder, account, now_ms),
            false => Ok(()),
        }
    }

    /// Writes the file.
    pub(super) fn write(
        &mut self,
        folder: &Folder,
        account: &Account,
        now_ms: u64,
    ) -> io::Result<()> {
        let spent = account.spent();
        self.cost_usd = spent.known();
        for (config, spent) in self.configs.iter_mut().zip(account.spent_by_config()) {
            config.cost_usd = spent.known();
        }
        self.tokens_spent = spent.tokens;
        self.updated_ms = now_ms;
        folder.write_soon(STATUS, self)
    }
}
