//! The trials of one model, row by row. A window bounds how many are under way; the next row is read when one ends.

use super::rounds::Pass;
use crate::answers::Answers;
use crate::budget::Account;
use crate::dataset::{Dataset, DatasetError, Sample};
use crate::event::{Event, TrialSummary};
use crate::lane::{Asker, Ceiling};
use crate::plan::{Config, guest_sample};
use crate::stop::{Stop, StopReason};
use crate::trial::{self, Outcome, Trial};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

/// Trials that build a prompt or judge while others have a call in flight, or an answer that is not stored yet. Where nobody
/// calls, because answers come with batches, there are no more.
const BESIDE_CALLS: usize = 32;

/// How many trials of the whole process may be under way. Each track that still has trials to make gets an equal part, so
/// a slow model does not fill the window.
pub struct Window {
    ceiling: Arc<Ceiling>,
    tracks: AtomicUsize,
}

impl Window {
    /// A window that follows the most calls in flight.
    #[must_use]
    pub fn new(ceiling: Arc<Ceiling>) -> Window {
        Window {
            ceiling,
            tracks: AtomicUsize::new(0),
        }
    }

    /// Another track begins. To be called for all tracks before the first one makes a trial.
    pub(super) fn enter(&self) {
        self.tracks.fetch_add(1, Ordering::Relaxed);
    }

    fn leave(&self) {
        self.tracks.fetch_sub(1, Ordering::Relaxed);
    }

    fn part(&self) -> usize {
        let trials = self.ceiling.limit() + BESIDE_CALLS;
        (trials / self.tracks.load(Ordering::Relaxed).max(1)).max(1)
    }
}

/// Who pays for a run's calls, and whether more of them are needed.
#[derive(Clone)]
pub(super) struct Purse {
    pub account: Arc<Account>,
    pub enough: Arc<AtomicBool>,
}

/// Rows that are read ahead.
const ROWS_AHEAD: usize = 32;

/// Configs that ask the same model about the same rows.
pub(super) struct Track {
    /// The place of the block's first trial.
    pub first: u64,
    /// When the run was begun.
    pub run_started_ms: u64,
    /// Trials of one sample in the block.
    pub stride: u64,
    /// The configs, and each one's place within a sample's trials.
    pub members: Vec<(Arc<Config>, u64)>,
}

/// Reads rows on a thread that may wait for the disk.
pub(super) fn rows(dataset: &Dataset) -> mpsc::Receiver<Result<Sample, DatasetError>> {
    let (sender, receiver) = mpsc::channel(ROWS_AHEAD);
    let rows = dataset.rows();
    tokio::task::spawn_blocking(move || {
        for row in rows {
            if sender.blocking_send(row).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Makes the track's trials.
///
/// # Errors
/// The reason why it ended early. Trials that were under way have ended by then.
pub(super) async fn feed(
    track: Track,
    mut rows: mpsc::Receiver<Result<Sample, DatasetError>>,
    answers: Arc<Answers>,
    window: Arc<Window>,
    stop: Stop,
    (events, purse, pass): (mpsc::Sender<Event>, Purse, Arc<Pass>),
) -> Result<(), StopReason> {
    let Some((config, _)) = track.members.first() else {
        return Ok(());
    };
    let lane = Arc::clone(&config.lane);
    let mut under_way = JoinSet::new();
    let mut ended = Ok(());
    let mut number = 0;
    while let Some(row) = rows.recv().await {
        if purse.enough.load(Ordering::Relaxed) {
            break;
        }
        let sample = match row {
            Ok(sample) => Arc::new(guest_sample(sample)),
            Err(error) => {
                ended = Err(StopReason::Experiment(error.to_string()));
                break;
            }
        };
        ended = admit(
            &track,
            number,
            &sample,
            &window,
            (&lane.stop, &stop),
            &mut under_way,
            (&answers, &events, &purse.account, &pass),
        )
        .await;
        if ended.is_err() {
            break;
        }
        number += 1;
    }
    // A failed row concerns the run; calls that are under way are paid for and are let finish.
    if let Err(reason @ (StopReason::Experiment(_) | StopReason::Disk(_))) = &ended {
        stop.request(reason.clone());
    }
    window.leave();
    let mut result = ended;
    while let Some(joined) = under_way.join_next().await {
        result = result.and(undecided(joined, &stop));
    }
    result
}

type Joined = Result<(), StopReason>;

/// Starts every trial of one sample, each when the window has room.
async fn admit(
    track: &Track,
    number: u64,
    sample: &Arc<crate::plugin::types::Sample>,
    window: &Window,
    (lane_stop, stop): (&Stop, &Stop),
    under_way: &mut JoinSet<Joined>,
    (answers, events, account, pass): (
        &Arc<Answers>,
        &mpsc::Sender<Event>,
        &Arc<Account>,
        &Arc<Pass>,
    ),
) -> Result<(), StopReason> {
    for (config, offset) in &track.members {
        for epoch in 1..=config.epochs {
            let ordinal = track.first + number * track.stride + offset + u64::from(epoch - 1);
            if !pass.is_due(ordinal)? {
                continue;
            }
            let most = match pass.calls_nobody(config) {
                true => window.part().min(BESIDE_CALLS),
                false => window.part(),
            };
            while under_way.len() >= most {
                if let Some(joined) = stop.or(lane_stop.or(under_way.join_next())).await?? {
                    undecided(joined, stop)?;
                }
            }
            let trial = Trial {
                config: Arc::clone(config),
                sample: Arc::clone(sample),
                epoch,
                ordinal,
                run_started_ms: track.run_started_ms,
            };
            let asker = Asker::new(config.index, events.clone()).paid_by(Arc::clone(account));
            under_way.spawn(make(trial, Arc::clone(answers), asker, Arc::clone(pass)));
        }
    }
    Ok(())
}

async fn make(
    trial: Trial,
    answers: Arc<Answers>,
    asker: Asker,
    pass: Arc<Pass>,
) -> Result<(), StopReason> {
    let ordinal = trial.ordinal;
    let outbox = pass.outbox(&trial.config);
    let made = trial::run(&trial, &answers, &asker, Some(outbox)).await?;
    let Some(Outcome { record, origins }) = made else {
        return pass.deferred(ordinal);
    };
    let summary = TrialSummary {
        ordinal: trial.ordinal,
        sample: record.sample.clone(),
        epoch: record.epoch,
        failure: record.failure.as_ref().map(|failure| failure.cause.text()),
    };
    let ended = Event::TrialEnded {
        config: asker.config,
        origins,
        trial: summary,
        record: Box::new(record),
    };
    asker.emit(ended).await;
    Ok(())
}

/// Why a trial was not decided. Parameters that a plugin refuses, and faults of this program, end the whole run.
fn undecided(joined: Result<Joined, JoinError>, stop: &Stop) -> Result<(), StopReason> {
    let reason = match joined {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(reason)) => reason,
        Err(error) => StopReason::Internal(format!("a trial ended by itself: {error}")),
    };
    if matches!(
        reason,
        StopReason::Experiment(_)
            | StopReason::Internal(_)
            | StopReason::Disk(_)
            | StopReason::Missing(_)
    ) {
        stop.request(reason.clone());
    }
    Err(reason)
}
