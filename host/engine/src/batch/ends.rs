//! What is done about a batch when the provider was asked where it stands: it waits, is read, was refused, or is gone.

use super::Batches;
use super::engine::{Desk, FIRST_POLL, Travelling};
use super::ingest::{Broken, Paying};
use super::journal::{self, Stage};
use super::submit::now_ms;
use super::tracker::Tracker;
use crate::event::Event;
use crate::lane::{ErrandError, Lane, Trouble};
use crate::plugin::bindings::batch::State as BatchState;
use crate::plugin::bindings::provider::{Fault, FaultKind};
use crate::record::TrialFailure;
use crate::stop::StopReason;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a batch that does not fit the account's limit is tried in smaller parts.
const TOO_MANY_TOKENS: u32 = 10;

impl Batches {
    /// Asks where a batch stands, and reads it where it ended. Whether it is done with.
    pub(super) async fn look(
        &self,
        desk: &mut Desk,
        one: &mut Travelling,
    ) -> Result<bool, StopReason> {
        let lane = Arc::clone(&desk.lane);
        self.spill(&lane, one).await;
        let state = match poll(&lane, one.id()).await {
            Ok(state) => state,
            Err(ErrandError::Stopped(reason)) => return Err(reason),
            Err(ErrandError::Trouble(trouble)) => return self.poll_failed(desk, one, &trouble),
        };
        one.failures = 0;
        match state {
            BatchState::Running(counts) => {
                self.tell(one, "running", counts.done, counts.failed).await;
                one.again(Duration::ZERO);
                Ok(false)
            }
            BatchState::Failed(fault) => self.batch_failed(desk, one, fault).await.map(|()| true),
            BatchState::Ended(results) => {
                if one.entry.stage != Stage::Ended {
                    one.entry.stage = Stage::Ended;
                    journal::note(&self.store, &one.mark, &one.entry)?;
                }
                let mut tracker = match one.tracker.take() {
                    Some(tracker) => tracker,
                    None => self.tracker(&one.mark, &one.entry)?,
                };
                let began = Instant::now();
                let payer = self.payer(desk.account);
                let payer = payer.filter(|payer| one.entry.is_paid_by(payer));
                let paying = Paying {
                    payer: payer.as_deref(),
                    batch: Some((&one.mark, &mut one.entry)),
                };
                match self.ingest(&lane, results, &mut tracker, paying).await {
                    Ok(()) => self.ended(desk, one, tracker, began).await,
                    Err(Broken::Stop(reason)) => Err(reason),
                    Err(Broken::Again(why)) => {
                        one.tracker = Some(tracker);
                        self.read_again(one, &why)
                    }
                }
            }
        }
    }

    /// All results were read.
    async fn ended(
        &self,
        desk: &mut Desk,
        one: &mut Travelling,
        tracker: Tracker,
        began: Instant,
    ) -> Result<bool, StopReason> {
        if one.entry.unproven && tracker.ours == 0 && one.entry.requests > 0 {
            return self.not_ours(desk, one, tracker);
        }
        let answered = tracker.decided();
        one.entry.stage = Stage::Ingested;
        journal::note(&self.store, &one.mark, &one.entry)?;
        let id = one.id().to_owned();
        self.emit(|| Event::BatchRead {
            id: id.clone(),
            requests: one.entry.requests,
            decided: answered,
            useless_lines: tracker.useless,
            took_ms: began.elapsed().as_millis() as u64,
        })
        .await;
        self.tell(one, "ingested", answered, one.entry.requests - answered)
            .await;
        self.release(desk.account, &one.entry);
        self.conclude(tracker, one.spilled).map(|()| true)
    }

    /// A candidate of a provider that keeps no marks was another program's: the next one, or nobody has it.
    fn not_ours(
        &self,
        desk: &Desk,
        one: &mut Travelling,
        tracker: Tracker,
    ) -> Result<bool, StopReason> {
        if one.entry.candidates.is_empty() {
            one.entry.stage = Stage::Dropped;
            journal::note(&self.store, &one.mark, &one.entry)?;
            self.release(desk.account, &one.entry);
            return self.resolve(tracker.requests()).map(|()| true);
        }
        one.entry.id = Some(one.entry.candidates.remove(0));
        one.entry.stage = Stage::Submitted;
        journal::note(&self.store, &one.mark, &one.entry)?;
        one.due = Instant::now();
        one.tracker = None;
        Ok(false)
    }

    fn read_again(&self, one: &mut Travelling, why: &str) -> Result<bool, StopReason> {
        one.failures += 1;
        if one.failures > 30 {
            return Err(StopReason::Unreachable(format!(
                "the results of the batch {} cannot be read: {why}",
                one.id()
            )));
        }
        one.again(Duration::ZERO);
        Ok(false)
    }

    fn poll_failed(
        &self,
        desk: &Desk,
        one: &mut Travelling,
        trouble: &Trouble,
    ) -> Result<bool, StopReason> {
        let Trouble::Fault(fault) = trouble else {
            return self.read_again(one, &trouble.message());
        };
        match fault.kind {
            FaultKind::RateLimited | FaultKind::Overloaded | FaultKind::Malformed => {
                let wait = fault.retry_after_ms.map_or(0, |ms| ms.min(3_600_000));
                let ended = self.read_again(one, &fault.message);
                one.due = one.due.max(Instant::now() + Duration::from_millis(wait));
                ended
            }
            FaultKind::Exhausted => Err(StopReason::Exhausted(fault.message.clone())),
            // An id that nobody knows any more, or that another account's key made, is lost.
            FaultKind::Denied if !fault.message.contains("404") => {
                Err(StopReason::Denied(fault.message.clone()))
            }
            FaultKind::Denied | FaultKind::Rejected => {
                let tracker = self.tracker(&one.mark, &one.entry)?;
                one.entry.stage = Stage::Dropped;
                // Its answers may have been paid for, and nobody will see them.
                let lost = one.entry.bound.minus(one.entry.spent);
                one.entry.spent = one.entry.spent.plus(lost);
                journal::note(&self.store, &one.mark, &one.entry)?;
                self.release(desk.account, &one.entry);
                if let Some(payer) = self.payer(desk.account) {
                    payer.spend(lost);
                }
                self.conclude(tracker, false).map(|()| true)
            }
        }
    }

    /// The provider took none of it.
    async fn batch_failed(
        &self,
        desk: &mut Desk,
        one: &mut Travelling,
        fault: Fault,
    ) -> Result<(), StopReason> {
        let tracker = self.tracker(&one.mark, &one.entry)?;
        one.entry.stage = Stage::Dropped;
        journal::note(&self.store, &one.mark, &one.entry)?;
        self.release(desk.account, &one.entry);
        self.tell(one, "failed", 0, one.entry.requests).await;
        let others: u64 = desk
            .travelling
            .iter()
            .filter(|other| other.mark != one.mark)
            .map(|other| other.entry.tokens)
            .sum();
        let passes = fault.kind == FaultKind::RateLimited;
        if passes && desk.refused_for_tokens < TOO_MANY_TOKENS {
            // Either others must end first, or less fits than was thought.
            desk.refused_for_tokens += u32::from(others == 0);
            let fits = if others > 0 {
                others
            } else {
                one.entry.tokens / 2
            };
            desk.token_room = desk.token_room.min(fits.max(1));
            desk.hold_until = Some(Instant::now() + Duration::from_millis(500));
            return self.resolve(tracker.requests());
        }
        let (cause, message) = desk.lane.explain(fault);
        let failure = TrialFailure::new(cause, message);
        self.fail_all(tracker.requests(), &failure)
    }

    /// Stragglers are cancelled before they are sent live: what the provider did meanwhile is taken, so nothing is paid for
    /// twice.
    async fn spill(&self, lane: &Lane, one: &mut Travelling) {
        let Some(after) = self.options.spill_after else {
            return;
        };
        let age = now_ms().saturating_sub(one.entry.since_ms);
        if one.spilled || u128::from(age) < after.as_millis() {
            return;
        }
        let cancelled = async {
            let request = lane.provider.cancel(one.id()).await?;
            lane.errand(request).await
        };
        // One that just ended cannot be cancelled any more: the next look reads it.
        one.spilled = cancelled.await.is_ok();
        one.interval = FIRST_POLL;
    }
}

/// Asks where a batch stands.
pub(super) async fn poll(lane: &Lane, id: &str) -> Result<BatchState, ErrandError> {
    let request = lane.provider.poll(id).await?;
    let response = lane.errand(request).await?;
    Ok(lane.provider.read_poll(id, response).await?)
}
