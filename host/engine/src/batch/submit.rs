//! Sending a batch, and finding out whether one was sent. No provider of ours has a key that makes a second submission
//! harmless, so what may have been sent is looked for in the provider's list before it is sent again.

use super::journal::{self, Entry, Stage};
use super::{Batches, pack::Packed};
use crate::lane::{ErrandError, Lane, Trouble};
use crate::plugin::bindings::batch::{Listed, Submission, SubmitStep};
use crate::plugin::bindings::provider::{Fault, FaultKind};
use crate::stop::StopReason;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use xhost_store::Digest;

/// How far the provider's clock may be from ours.
const SKEW_MS: u64 = 5 * 60_000;

/// Pages of the provider's list that are read; at a hundred a page, more than a day's batches.
const PAGES: usize = 50;

/// Acts of one submission.
const STEPS: usize = 8;

/// How often one submission is tried.
const TRIES: u32 = 12;

/// A batch on its way.
pub(super) struct Pending {
    pub mark: String,
    pub entry: Entry,
    /// What is sent; none where an earlier process was killed while it sent.
    pub packed: Option<Packed>,
    pub tries: u32,
    pub not_before: Instant,
    /// Whether the provider may have it already.
    pub doubt: bool,
}

/// What came of a try.
pub(super) enum Tried {
    Submitted(Pending),
    /// Not yet.
    Later(Pending),
    /// Never, for the provider's reason.
    Refused(Pending, Fault),
    /// An earlier process's, and the provider has nothing of it: these requests are free.
    Absent(Pending, Vec<Digest>),
}

/// How an act of a submission failed.
enum Failed {
    /// Nothing was made of it.
    Wait(Duration, String),
    /// Something may have been.
    Doubt(String),
    Refused(Fault),
    Stop(StopReason),
}

pub(super) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_millis() as u64)
}

/// How long a provider may still be working on a submission whose answer did not come.
fn grace_ms(lane: &Lane) -> u64 {
    let timeout = lane.settings().timeout.min(Duration::from_secs(60));
    2 * timeout.as_millis() as u64
}

impl Pending {
    fn later(mut self, wait: Duration, why: &str) -> Result<Tried, StopReason> {
        self.tries += 1;
        if self.tries > TRIES {
            return Err(StopReason::Unreachable(format!(
                "a batch of {} requests could not be submitted: {why}",
                self.entry.requests
            )));
        }
        self.not_before = Instant::now() + wait;
        Ok(Tried::Later(self))
    }

    fn back_off(&self) -> Duration {
        Duration::from_millis(500 << self.tries.min(7))
    }
}

impl Batches {
    /// One try, or one look at what the provider has.
    pub(super) async fn try_submit(
        &self,
        lane: &Lane,
        mut pending: Pending,
    ) -> Result<Tried, StopReason> {
        if pending.doubt {
            match self.find(lane, &pending).await {
                Ok(found) if !found.is_empty() => return self.adopt_found(pending, &found),
                Ok(_) => {}
                Err(Failed::Stop(reason)) => return Err(reason),
                Err(Failed::Wait(wait, why)) => return pending.later(wait, &why),
                Err(Failed::Doubt(why)) => {
                    let wait = pending.back_off();
                    return pending.later(wait, &why);
                }
                Err(Failed::Refused(fault)) => {
                    return Err(StopReason::Unreachable(format!(
                        "a batch may have been submitted before, and the provider does not list its batches: {}",
                        fault.message
                    )));
                }
            }
            let passed = now_ms().saturating_sub(pending.entry.since_ms);
            let grace = grace_ms(lane);
            if passed < grace {
                let wait = Duration::from_millis((grace - passed).min(1_000));
                pending.not_before = Instant::now() + wait;
                return Ok(Tried::Later(pending));
            }
            pending.doubt = false;
        }
        let Some(packed) = &pending.packed else {
            let digests = journal::manifest(&self.store, &pending.mark)?;
            pending.entry.stage = Stage::Dropped;
            journal::note(&self.store, &pending.mark, &pending.entry)?;
            return Ok(Tried::Absent(pending, digests));
        };
        pending.entry.stage = Stage::Submitting;
        pending.entry.since_ms = now_ms();
        journal::note(&self.store, &pending.mark, &pending.entry)?;
        match send(lane, &pending.mark, packed).await {
            Ok(id) => {
                pending.entry.stage = Stage::Submitted;
                pending.entry.id = Some(id);
                journal::note(&self.store, &pending.mark, &pending.entry)?;
                Ok(Tried::Submitted(pending))
            }
            Err(Failed::Stop(reason)) => {
                pending.entry.stage = Stage::Dropped;
                journal::note(&self.store, &pending.mark, &pending.entry)?;
                Err(reason)
            }
            Err(Failed::Refused(fault)) => {
                pending.entry.stage = Stage::Dropped;
                journal::note(&self.store, &pending.mark, &pending.entry)?;
                Ok(Tried::Refused(pending, fault))
            }
            Err(Failed::Wait(wait, why)) => {
                let wait = wait.max(pending.back_off());
                pending.later(wait, &why)
            }
            Err(Failed::Doubt(why)) => {
                pending.doubt = true;
                pending.later(Duration::from_millis(200), &why)
            }
        }
    }

    /// Where the mark was found it is ours; else there are candidates, and their lines will tell.
    fn adopt_found(&self, mut pending: Pending, found: &[Listed]) -> Result<Tried, StopReason> {
        let mut ids = found.iter().map(|listed| listed.id.clone());
        pending.entry.id = ids.next();
        pending.entry.candidates = ids.collect();
        pending.entry.unproven = found.iter().all(|listed| listed.mark.is_none());
        pending.entry.stage = Stage::Submitted;
        journal::note(&self.store, &pending.mark, &pending.entry)?;
        Ok(Tried::Submitted(pending))
    }

    /// What the provider lists that may be this batch.
    async fn find(&self, lane: &Lane, pending: &Pending) -> Result<Vec<Listed>, Failed> {
        let known: Vec<String> = journal::entries(&self.store)
            .map_err(Failed::Stop)?
            .into_iter()
            // What only its lines can prove may yet be another's, and then it is a candidate here.
            .filter(|(_, entry)| !entry.unproven || entry.stage == Stage::Ingested)
            .filter_map(|(_, entry)| entry.id)
            .collect();
        let oldest = pending.entry.since_ms.saturating_sub(SKEW_MS);
        let (mut candidates, mut cursor) = (Vec::new(), None);
        for _ in 0..PAGES {
            let request = lane.provider.list_page(cursor).await;
            let request = request.map_err(|e| Failed::from(ErrandError::from(e)))?;
            let response = lane.errand(request).await.map_err(Failed::from)?;
            let page = lane.provider.read_page(response).await;
            let page = page
                .map_err(|e| Failed::from(ErrandError::from(e)))?
                .map_err(Failed::Refused)?;
            let is_last = page
                .batches
                .last()
                .is_some_and(|last| last.created_at_ms < oldest);
            for listed in page.batches {
                match &listed.mark {
                    Some(mark) if *mark == pending.mark => return Ok(vec![listed]),
                    Some(_) => {}
                    None => {
                        let count = listed.total == 0 || listed.total == pending.entry.requests;
                        let recent = listed.created_at_ms >= oldest;
                        if count && recent && !known.contains(&listed.id) {
                            candidates.push(listed);
                        }
                    }
                }
            }
            cursor = page.next;
            if is_last || cursor.is_none() {
                break;
            }
        }
        Ok(candidates)
    }
}

/// All acts of one submission; the batch's id.
async fn send(lane: &Lane, mark: &str, packed: &Packed) -> Result<String, Failed> {
    let mut responses = Vec::new();
    for _ in 0..STEPS {
        let submission = Submission {
            mark: mark.to_owned(),
            model: lane.model.to_string(),
            requests: packed.digests.len() as u64,
            bytes: packed.bytes,
        };
        let step = lane.provider.submit(submission, responses.clone()).await;
        let step = step.map_err(|e| Failed::from(ErrandError::from(e)))?;
        let response = match step {
            SubmitStep::Submitted(id) => return Ok(id),
            SubmitStep::Failed(fault) => return Err(Failed::Refused(fault)),
            SubmitStep::Upload(upload) => {
                let boundary = format!("xhost-{mark}");
                lane.upload(upload, &packed.file, &boundary).await
            }
            SubmitStep::Send(request) => lane.errand(request).await,
        };
        responses.push(response.map_err(Failed::from)?);
    }
    let name = lane.provider.plugin.name();
    Err(Failed::Stop(StopReason::Experiment(format!(
        "provider `{name}` broke the contract: a submission of more than {STEPS} acts"
    ))))
}

impl From<ErrandError> for Failed {
    fn from(error: ErrandError) -> Failed {
        use crate::http::TransportError;
        let message = error.message();
        match error {
            ErrandError::Stopped(reason) => Failed::Stop(reason),
            ErrandError::Trouble(Trouble::Transport(
                TransportError::Unreachable { .. } | TransportError::Redirect { .. },
            )) => Failed::Wait(Duration::from_millis(500), message),
            ErrandError::Trouble(Trouble::Transport(
                TransportError::Timeout { .. }
                | TransportError::Broken { .. }
                | TransportError::TooLarge { .. },
            )) => Failed::Doubt(message),
            ErrandError::Trouble(Trouble::Fault(fault)) => {
                let wait = fault.retry_after_ms.map_or(0, |ms| ms.min(3_600_000));
                match fault.kind {
                    FaultKind::RateLimited => Failed::Wait(Duration::from_millis(wait), message),
                    FaultKind::Overloaded | FaultKind::Malformed => Failed::Doubt(message),
                    FaultKind::Exhausted => Failed::Stop(StopReason::Exhausted(message)),
                    FaultKind::Denied => Failed::Stop(StopReason::Denied(message)),
                    FaultKind::Rejected => Failed::Refused(fault),
                }
            }
        }
    }
}
