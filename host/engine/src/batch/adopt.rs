//! What a finished batch of ours holds, taken into any store: its lines name their requests' digests, so it explains
//! itself, on a new machine too.

use super::ingest::{Broken, Paying};
use super::journal::{self, Entry, Stage};
use super::tracker::Tracker;
use super::{Batches, Options};
use crate::budget::{self, Amount};
use crate::lane::{ErrandError, Lane};
use crate::plugin::bindings::batch::{Results, State as BatchState};
use crate::stop::{Stop, StopReason};
use crate::store::Store;
use std::sync::Arc;
use std::time::Duration;

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Answers that the store has now.
    pub answers: u64,
    /// Lines without an answer.
    pub failed: u64,
    /// Lines that are not ours, or broken.
    pub useless: u64,
}

/// Takes a batch's answers into the store.
///
/// # Errors
/// Where it has not ended, or cannot be read.
pub async fn adopt(store: &Arc<Store>, lane: &Arc<Lane>, id: &str) -> Result<Adopted, StopReason> {
    match look(lane, id).await? {
        BatchState::Ended(results) => read(store, lane, id, results, Paying::default()).await,
        BatchState::Running(counts) => Err(StopReason::Experiment(format!(
            "the batch {id} has not ended: {} of {} requests are done; come back later",
            counts.done, counts.total
        ))),
        BatchState::Failed(fault) => Err(StopReason::Experiment(format!(
            "the batch {id} holds no answers: {}",
            fault.message
        ))),
    }
}

async fn look(lane: &Lane, id: &str) -> Result<BatchState, StopReason> {
    let state = super::ends::poll(lane, id).await;
    state.map_err(|error| match error {
        ErrandError::Stopped(reason) => reason,
        ErrandError::Trouble(_) => StopReason::Unreachable(error.message()),
    })
}

async fn read(
    store: &Arc<Store>,
    lane: &Arc<Lane>,
    id: &str,
    results: Vec<Results>,
    paying: Paying<'_>,
) -> Result<Adopted, StopReason> {
    let batches = Batches::new(Arc::clone(store), Stop::default(), Options::default());
    batches.account(&mut batches.state(), lane, None)?;
    let mut tracker = Tracker::of_any();
    match batches.ingest(lane, results, &mut tracker, paying).await {
        Ok(()) => Ok(Adopted {
            answers: tracker.answers,
            failed: tracker.ours - tracker.answers,
            useless: tracker.useless,
        }),
        Err(Broken::Stop(reason)) => Err(reason),
        Err(Broken::Again(why)) => Err(StopReason::Unreachable(format!(
            "the results of the batch {id} cannot be read: {why}; what was read is kept: come back"
        ))),
    }
}

/// A batch that was cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// The provider's name for it; none where it is not known whether the provider has it.
    pub id: Option<String>,
    /// Its requests.
    pub requests: u64,
    /// Those that were answered before; their answers are in the store.
    pub answers: u64,
    /// What they cost.
    pub spent: Amount,
}

/// Cancels a lane's batches, waits until the provider is done with them, and keeps what they answered.
///
/// # Errors
/// Where the provider cannot be asked, or the store cannot be written.
pub async fn cancel(
    store: &Arc<Store>,
    lane: &Arc<Lane>,
    payer: &budget::Account,
) -> Result<Vec<Cancelled>, StopReason> {
    store.reserve_batches().map_err(StopReason::Disk)?;
    let mut cancelled = Vec::new();
    for (mark, mut entry) in journal::of_lane(store, lane)? {
        let (id, requests) = (entry.id.clone(), entry.requests);
        let answers = match &id {
            Some(id) => cancel_one(store, lane, id, (&mark, &mut entry), payer).await?,
            None => 0,
        };
        cancelled.push(Cancelled {
            id,
            requests,
            answers,
            spent: entry.spent,
        });
    }
    Ok(cancelled)
}

async fn cancel_one(
    store: &Arc<Store>,
    lane: &Arc<Lane>,
    id: &str,
    (mark, entry): (&str, &mut Entry),
    payer: &budget::Account,
) -> Result<u64, StopReason> {
    let request = lane.provider.cancel(id).await;
    let request = request.map_err(|e| StopReason::Experiment(e.to_string()))?;
    // One that has ended by itself cannot be cancelled, and is read all the same.
    let _ = lane.errand(request).await;
    let mut wait = Duration::from_millis(500);
    let (stage, answers) = loop {
        match look(lane, id).await? {
            BatchState::Running(_) => {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(30));
            }
            BatchState::Failed(_) => break (Stage::Dropped, 0),
            BatchState::Ended(results) => {
                let paying = Paying {
                    payer: Some(payer),
                    batch: Some((mark, entry)),
                };
                let adopted = read(store, lane, id, results, paying).await?;
                break (Stage::Ingested, adopted.answers);
            }
        }
    };
    entry.stage = stage;
    journal::note(store, mark, entry).map(|()| answers)
}
