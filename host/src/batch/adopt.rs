//! What a finished batch of ours holds, taken into any store: its lines name their requests' digests, so it explains
//! itself, on a new machine too.

use super::ingest::{Broken, Tracker};
use super::journal::{self, Stage};
use super::{Batches, Options};
use crate::lane::{ErrandError, Lane};
use crate::plugin::bindings::batch::State as BatchState;
use crate::stop::{Stop, StopReason};
use std::sync::Arc;
use std::time::Duration;
use xhost_store::Store;

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
    let unreachable = |error: ErrandError| match error {
        ErrandError::Stopped(reason) => reason,
        ErrandError::Trouble(_) => StopReason::Unreachable(error.message()),
    };
    let polled = async {
        let request = lane.provider.poll(id).await?;
        let response = lane.errand(request).await?;
        Ok(lane.provider.read_poll(id, response).await?)
    };
    let results = match polled.await.map_err(unreachable)? {
        BatchState::Ended(results) => results,
        BatchState::Running(counts) => {
            return Err(StopReason::Experiment(format!(
                "the batch {id} has not ended: {} of {} requests are done; come back later",
                counts.done, counts.total
            )));
        }
        BatchState::Failed(fault) => {
            return Err(StopReason::Experiment(format!(
                "the batch {id} holds no answers: {}",
                fault.message
            )));
        }
    };
    let batches = Batches::new(Arc::clone(store), Stop::default(), Options::default());
    let account = batches.account(&mut batches.state(), lane)?;
    let mut tracker = Tracker::of_any();
    match batches.ingest(account, lane, results, &mut tracker).await {
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
    /// The provider's name for it.
    pub id: String,
    /// Its requests.
    pub requests: u64,
    /// Those that were answered before; their answers are in the store.
    pub answers: u64,
}

/// Cancels a lane's batches, waits until the provider is done with them, and keeps what they answered.
///
/// # Errors
/// Where the provider cannot be asked, or the store cannot be written.
pub async fn cancel(store: &Arc<Store>, lane: &Arc<Lane>) -> Result<Vec<Cancelled>, StopReason> {
    let mut cancelled = Vec::new();
    for (mark, mut entry) in journal::of_lane(store, lane)? {
        let Some(id) = entry.id.clone() else { continue };
        let request = lane.provider.cancel(&id).await;
        let request = request.map_err(|e| StopReason::Experiment(e.to_string()))?;
        // One that has ended by itself cannot be cancelled, and is read all the same.
        let _ = lane.errand(request).await;
        let mut wait = Duration::from_millis(500);
        let adopted = loop {
            match adopt(store, lane, &id).await {
                Err(StopReason::Experiment(message)) if message.contains("has not ended") => {
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(30));
                }
                other => break other?,
            }
        };
        entry.stage = Stage::Ingested;
        journal::note(store, &mark, &entry)?;
        cancelled.push(Cancelled {
            id,
            requests: entry.requests,
            answers: adopted.answers,
        });
    }
    Ok(cancelled)
}
