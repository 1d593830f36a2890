//! Passes over a run's trials. In a live run there is one. Where answers come with batches, trials that wait for one are
//! made again when some have come, until none waits: plugins are pure, so making a trial again means nothing. What is
//! remembered of a trial that waits is a number, on disk.

use super::track::Purse;
use super::{Process, reap, start};
use crate::batch::{self, Batches, Outbox, Settled, Takes};
use crate::event::Event;
use crate::experiment::Mode;
use crate::lane::{Asker, Lane};
use crate::plan::{Config, Plan};
use crate::results::Known;
use crate::stop::StopReason;
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;

/// From so many requests on, half the price is worth the wait.
const AUTO_BATCH_FROM: u64 = 1_000;

/// What the passes of a run know.
pub(super) struct Pass {
    /// From 1.
    number: AtomicU32,
    waited: OnceLock<File>,
    deferred: AtomicU64,
    auto_is_live: AtomicBool,
    batches: Arc<Batches>,
    /// Trials that an earlier process made.
    known: Option<Arc<Known>>,
}

impl Pass {
    fn new(batches: Arc<Batches>, known: Option<Arc<Known>>) -> Pass {
        Pass {
            number: AtomicU32::new(0),
            waited: OnceLock::new(),
            deferred: AtomicU64::new(0),
            auto_is_live: AtomicBool::new(batches.options().auto_is_live),
            batches,
            known,
        }
    }

    fn begin(&self) {
        self.number.fetch_add(1, Ordering::Relaxed);
        self.deferred.store(0, Ordering::Relaxed);
    }

    /// Whether a trial is to be made in this pass: in the first one all are that no earlier process made, then those that
    /// waited in the one before.
    pub fn is_due(&self, ordinal: u64) -> Result<bool, StopReason> {
        let pass = self.number.load(Ordering::Relaxed);
        if pass == 1 {
            let known = self.known.as_ref().map(|known| known.has(ordinal));
            let known = known.unwrap_or(Ok(false)).map_err(|e| batch::disk(&e))?;
            return Ok(!known);
        }
        let Some(waited) = self.waited.get() else {
            return Ok(false);
        };
        let mut bytes = [0; 4];
        let read = waited.read_at(&mut bytes, ordinal * 4);
        read.map_err(|e| batch::disk(&e))?;
        Ok(u32::from_le_bytes(bytes) == pass - 1)
    }

    /// A trial waits for a batch. What is remembered of it is the number of this pass, on disk.
    pub fn deferred(&self, ordinal: u64) -> Result<(), StopReason> {
        let waited = match self.waited.get() {
            Some(waited) => waited,
            None => {
                let scratch = self.batches.scratch()?;
                self.waited.get_or_init(|| scratch)
            }
        };
        let pass = self.number.load(Ordering::Relaxed).to_le_bytes();
        let written = waited.write_all_at(&pass, ordinal * 4);
        written.map_err(|e| batch::disk(&e))?;
        self.deferred.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Whether all of a config's answers come with batches.
    pub fn calls_nobody(&self, config: &Config) -> bool {
        let judges = config.judges.values().map(|judge| &judge.lane);
        let mut lanes = std::iter::once(&config.lane).chain(judges);
        self.outbox(config).takes == Takes::All
            && self.batches.options().spill_after.is_none()
            && lanes.all(|lane| lane.takes_batches())
    }

    /// Where a config's requests without an answer go.
    pub fn outbox(&self, config: &Config) -> Outbox<'_> {
        let takes = match config.mode {
            Mode::Live => Takes::Others,
            Mode::Batch => Takes::All,
            Mode::Auto if self.auto_is_live.load(Ordering::Relaxed) => Takes::Others,
            Mode::Auto => Takes::All,
        };
        Outbox {
            batches: &self.batches,
            takes,
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
    (events, known): (mpsc::Sender<Event>, Option<Arc<Known>>),
) -> Result<(), StopReason> {
    let asker = Asker::new(0, events);
    let pass = Arc::new(Pass::new(Arc::clone(&process.batches), known));
    let ended = passes(&plan, &process, started, &asker, &pass).await;
    process.batches.leave(&asker);
    ended
}

async fn passes(
    plan: &Arc<Plan>,
    process: &Process,
    started: (u64, Purse),
    asker: &Asker,
    pass: &Arc<Pass>,
) -> Result<(), StopReason> {
    let batches = &process.batches;
    for config in plan.configs.iter().filter(|one| one.mode != Mode::Live) {
        if config.lane.takes_batches() {
            batches.know(&config.lane, &started.1.account)?;
        }
    }
    let mut first = None;
    let mut auto = auto_lanes(plan);
    if let Some(message) = without_choice(plan, &auto, pass) {
        asker.emit(Event::Notice { message }).await;
        auto.clear();
    }
    loop {
        let since = batches.resolved();
        pass.begin();
        let mut tracks = start(plan, process, (started.0, &started.1), &asker.events, pass);
        let ended = reap(&mut tracks, &process.stop).await;
        first = first.or(ended);
        let deferred = pass.deferred.load(Ordering::Relaxed);
        if deferred == 0 || process.stop.reason().is_some() {
            return first.map_or(Ok(()), Err);
        }
        if !auto.is_empty() {
            decide(&std::mem::take(&mut auto), pass, asker).await?;
            if pass.auto_is_live.load(Ordering::Relaxed) {
                continue;
            }
        }
        match batches.settle(asker, since).await? {
            Settled::Progress => {}
            Settled::Submitted { held } => {
                let held = match held {
                    0 => String::new(),
                    held => format!(
                        "; {held} requests are not submitted yet, for the account's limit or the budget has no room for \
                         them before batches end: going on submits them"
                    ),
                };
                return Err(StopReason::Detached(format!(
                    "{deferred} trials wait for their batches{held}; `xhost resume` with the results' folder, or the same \
                     command, goes on when they are done, and `xhost status` shows where they are"
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

/// Why there is nothing to choose between.
fn without_choice(plan: &Plan, auto: &[Arc<Lane>], pass: &Pass) -> Option<String> {
    if auto.is_empty() {
        return None;
    }
    if pass.auto_is_live.load(Ordering::Relaxed) {
        return Some("mode auto: live, for a rehearsal waits for nobody".to_owned());
    }
    if auto.iter().any(|lane| lane.takes_batches()) {
        return None;
    }
    let of_auto = plan.configs.iter().filter(|one| one.mode == Mode::Auto);
    let names: BTreeSet<&str> = of_auto.map(|one| one.lane.provider.plugin.name()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    Some(format!(
        "mode auto: live, for the provider takes no batches ({})",
        names.join(", ")
    ))
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
