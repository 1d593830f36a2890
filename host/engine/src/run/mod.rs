//! A run: the tracks make trials, and one loop hands whatever happens to the listeners. The loop owns the run's state;
//! trials own nothing that outlives them. Memory follows the concurrency window: rows, trials and results are streams.

/// What is kept on disk of a run, and counted for its summary.
mod ledger;

/// What lines of the results are counted in.
mod counts;

/// The trials of one model, row by row.
mod track;

/// Passes over the trials: until no answer is to come with a batch.
mod rounds;

/// The run's batches, for whoever looks at its folder.
mod batches;

/// How far the run is, for the same.
mod standing;

pub use batches::{BATCHES, Line as BatchLine, note_cancelled};
pub use ledger::{Ledger, LedgerError};
pub use standing::{ConfigStanding, STATUS, Standing, State};
pub use track::Window;

use crate::answers::Answers;
use crate::batch::Batches;
use crate::event::Event;
use crate::plan::{Block, Plan};
use crate::progress::Progress;
use crate::stop::{Stop, StopReason};
use crate::summary::Summary;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Events that may wait for the loop; past that, trials wait. Each may carry a trial with a long answer.
const QUEUE: usize = 128;

/// How often results become visible to other processes, and the progress is drawn.
const TICK: Duration = Duration::from_millis(200);

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// What it came to.
    pub summary: Summary,
    /// Why it ended early, if it did.
    pub stopped: Option<StopReason>,
}

/// What the runs of a process share.
#[derive(Clone)]
pub struct Process {
    /// Where answers come from.
    pub answers: Arc<Answers>,
    /// Where answers wait to come from.
    pub batches: Arc<Batches>,
    /// How many trials are under way.
    pub window: Arc<Window>,
    /// Ends them all.
    pub stop: Stop,
}

/// Makes all trials of a plan that can be made.
///
/// # Errors
/// Where the results cannot be written.
pub async fn run(
    plan: &Arc<Plan>,
    process: &Process,
    mut ledger: Ledger,
    progress: &mut Progress,
) -> Result<Ended, LedgerError> {
    let stop = &process.stop;
    let answers = &process.answers;
    let run_started_ms = match answers.begin_run(ledger.as_noted()).await {
        Ok(Some(begun)) => {
            ledger.begin(begun);
            begun.started_ms
        }
        Ok(None) => 0,
        Err(reason) => {
            stop.request(reason);
            0
        }
    };
    let (events, mut inbox) = mpsc::channel(QUEUE);
    let account = Arc::clone(ledger.account());
    if let Err(reason) = process.batches.enter(&account) {
        stop.request(reason);
    }
    let purse = track::Purse {
        account: Arc::clone(&account),
        enough: ledger.enough(),
    };
    let mut tracks = JoinSet::new();
    tracks.spawn(rounds::make(
        Arc::clone(plan),
        process.clone(),
        (run_started_ms, purse),
        (events.clone(), ledger.known()),
    ));
    let started = Event::Started {
        experiment: plan.name.clone(),
        plan: plan.digest.clone(),
        trials: plan.trials,
        configs: plan.configs.len(),
    };
    let warnings = plan.warnings.iter().map(|message| Event::Warning {
        message: message.clone(),
    });
    for event in std::iter::once(started).chain(warnings) {
        ledger
            .take(&event)
            .unwrap_or_else(|error| stop.request(error.reason()));
        progress.take(&event);
    }
    drop(events);
    note(&mut ledger, process).await;
    let mut tick = tokio::time::interval(TICK);
    let mut told = false;
    loop {
        let event = tokio::select! {
            event = inbox.recv() => event,
            _ = tick.tick() => {
                ledger.flush().unwrap_or_else(|error| stop.request(error.reason()));
                progress.spent(account.spent(), account.spent_by_config());
                progress.draw();
                continue;
            }
            reason = stop.requested(), if !told => {
                told = true;
                Some(Event::Stopping { reason: reason.to_string() })
            }
        };
        let Some(event) = event else { break };
        ledger
            .take(&event)
            .unwrap_or_else(|error| stop.request(error.reason()));
        progress.take(&event);
        note(&mut ledger, process).await;
    }
    let stopped = reap(&mut tracks, stop).await;
    let last = ledger.last_touched();
    let summary = ledger.finish(plan, |event| progress.take(event))?;
    match last {
        // What is noted only says what `gc` may drop: the results are whole without it.
        Some(last) if summary.complete => drop(answers.end_run(last, ledger::now_ms()).await),
        Some(last) => answers.touched(last).await,
        None => {}
    }
    progress.finish();
    Ok(Ended { summary, stopped })
}

/// Has the ledger write trials of earlier processes whose turn has come, and notes in the store what was touched.
async fn note(ledger: &mut Ledger, process: &Process) {
    loop {
        let more = ledger.write_known().unwrap_or_else(|error| {
            process.stop.request(error.reason());
            false
        });
        if let Some(touched) = ledger.next_touched() {
            process.answers.touched(touched).await;
        }
        if !more {
            return;
        }
    }
}

/// One task for each model and set of rows.
fn start(
    plan: &Arc<Plan>,
    process: &Process,
    (run_started_ms, purse): (u64, &track::Purse),
    events: &mpsc::Sender<Event>,
    pass: &Arc<rounds::Pass>,
) -> JoinSet<Result<(), StopReason>> {
    let Process {
        answers,
        batches: _,
        window,
        stop,
    } = process;
    let of_block = |block: &'_ Block| {
        let (first, stride) = (block.first, block.stride);
        block
            .tracks()
            .into_iter()
            .map(move |members| track::Track {
                first,
                run_started_ms,
                stride,
                members,
            })
            .collect::<Vec<_>>()
    };
    let all: Vec<_> = plan
        .blocks
        .iter()
        .flat_map(|block| of_block(block).into_iter().map(move |track| (block, track)))
        .collect();
    all.iter().for_each(|_| window.enter());
    let mut tracks = JoinSet::new();
    for (block, track) in all {
        let rows = track::rows(&block.dataset);
        let purse = purse.clone();
        let (answers, window) = (Arc::clone(answers), Arc::clone(window));
        tracks.spawn(track::feed(
            track,
            rows,
            answers,
            window,
            stop.clone(),
            (events.clone(), purse, Arc::clone(pass)),
        ));
    }
    tracks
}

/// The reason why the run, or one of its models, ended early.
async fn reap(tracks: &mut JoinSet<Result<(), StopReason>>, stop: &Stop) -> Option<StopReason> {
    let mut first = stop.reason();
    while let Some(ended) = tracks.join_next().await {
        let reason = match ended {
            Ok(result) => result.err(),
            Err(error) => Some(StopReason::Internal(format!(
                "a track ended by itself: {error}"
            ))),
        };
        first = first.or(reason);
    }
    first
}
