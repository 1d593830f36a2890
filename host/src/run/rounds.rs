//! Passes over a run's trials. In a live run there is one. Where answers come with batches, trials that wait for one are
//! made again when some have come, until none waits: plugins are pure, so making a trial again means nothing. What is
//! remembered of a trial that is done is one bit.

use super::track::Purse;
use super::{Process, reap, start};
use crate::batch::{Batches, Settled};
use crate::event::Event;
use crate::experiment::Mode;
use crate::lane::{Asker, Lane};
use crate::plan::{Config, Plan};
use crate::stop::StopReason;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::mpsc;

/// From so many requests on, half the price is worth the wait.
const AUTO_BATCH_FROM: u64 = 1_000;

/// What the passes of a run know.
pub(super) struct Pass {
    done: Vec<AtomicU64>,
    deferred: AtomicU64,
    auto_is_live: AtomicBool,
    batches: Arc<Batches>,
}

impl Pass {
    fn new(trials: u64, batches: Arc<Batches>) -> Pass {
        let words = usize::try_from(trials.div_ceil(64)).unwrap_or(usize::MAX);
        Pass {
            done: (0..words).map(|_| AtomicU64::new(0)).collect(),
            deferred: AtomicU64::new(0),
            auto_is_live: AtomicBool::new(batches.options().auto_is_live),
            batches,
        }
    }

    /// Whether a trial is in the results.
    pub fn is_done(&self, ordinal: u64) -> bool {
        let word = self.done.get((ordinal / 64) as usize);
        word.is_some_and(|word| word.load(Ordering::Relaxed) & (1 << (ordinal % 64)) != 0)
    }

    /// A trial is in the results.
    pub fn done(&self, ordinal: u64) {
        if let Some(word) = self.done.get((ordinal / 64) as usize) {
            word.fetch_or(1 << (ordinal % 64), Ordering::Relaxed);
        }
    }

    /// A trial waits for a batch.
    pub fn deferred(&self) {
        self.deferred.fetch_add(1, Ordering::Relaxed);
    }

    /// Where a config's requests without an answer go.
    pub fn batches_for(&self, config: &Config) -> Option<&Batches> {
        match config.mode {
            Mode::Live => None,
            Mode::Batch => Some(&self.batches),
            Mode::Auto if self.auto_is_live.load(Ordering::Relaxed) => None,
            Mode::Auto => Some(&self.batches),
        }
    }
}

/// Makes all trials that can be made.
///
/// # Errors
/// Why the run, or one of its models, ended early.
pub(super) async fn make(
    plan: Arc<Plan>,
    process: Process,
    started: (u64, Purse),
    events: mpsc::Sender<Event>,
) -> Result<(), StopReason> {
    let asker = Asker::new(0, events.clone());
    let ended = passes(&plan, &process, started, &asker).await;
    process.batches.leave(&asker);
    ended
}

async fn passes(
    plan: &Arc<Plan>,
    process: &Process,
    started: (u64, Purse),
    asker: &Asker,
) -> Result<(), StopReason> {
    let batches = &process.batches;
    let pass = Arc::new(Pass::new(plan.trials, Arc::clone(batches)));
    let mut first = None;
    let mut auto = auto_lanes(plan);
    loop {
        let since = batches.resolved();
        pass.deferred.store(0, Ordering::Relaxed);
        let mut tracks = start(plan, process, (started.0, &started.1), &asker.events, &pass);
        let ended = reap(&mut tracks, &process.stop).await;
        first = first.or(ended);
        let deferred = pass.deferred.load(Ordering::Relaxed);
        if deferred == 0 || process.stop.reason().is_some() {
            return first.map_or(Ok(()), Err);
        }
        if !auto.is_empty() {
            decide(&std::mem::take(&mut auto), &pass, asker).await?;
            if pass.auto_is_live.load(Ordering::Relaxed) {
                continue;
            }
        }
        match batches.settle(asker, since).await? {
            Settled::Progress => {}
            Settled::Submitted => {
                return Err(StopReason::Detached(format!(
                    "{deferred} trials wait for their batches; `xhost resume` with the results' folder, or the same command, \
                     goes on when they are done, and `xhost status` shows where they are"
                )));
            }
        }
    }
}

/// The lanes of all configs whose mode is to be chosen.
fn auto_lanes(plan: &Plan) -> Vec<Arc<Lane>> {
    let auto = plan
        .configs
        .iter()
        .filter(|config| config.mode == Mode::Auto);
    auto.flat_map(|config| {
        let judges = config.judges.values().map(|judge| &judge.lane);
        std::iter::once(&config.lane).chain(judges)
    })
    .cloned()
    .collect()
}

/// Chooses, and says why in one line. What waits in a batch already decides for batches.
async fn decide(lanes: &[Arc<Lane>], pass: &Pass, asker: &Asker) -> Result<(), StopReason> {
    if pass.auto_is_live.load(Ordering::Relaxed) {
        return Ok(());
    }
    let waiting = pass.batches.waiting(lanes);
    let travelling = pass.batches.outstanding() > waiting;
    let message = if travelling {
        "mode auto: batch, for answers are on their way in batches already".to_owned()
    } else if waiting >= AUTO_BATCH_FROM {
        format!(
            "mode auto: batch, for {waiting} requests have no answer yet (batch from {AUTO_BATCH_FROM} on: half the price, \
             and up to a day's wait); `--mode live` sends them now"
        )
    } else {
        pass.batches.withdraw(lanes)?;
        pass.auto_is_live.store(true, Ordering::Relaxed);
        format!(
            "mode auto: live, for only {waiting} requests have no answer yet (batch from {AUTO_BATCH_FROM} on)"
        )
    };
    asker.emit(Event::Notice { message }).await;
    Ok(())
}
