//! The one loop that speaks to providers about batches: of all lanes, configs and runs. It sends what waits, asks where
//! things stand at growing intervals, and reads what came.

use super::Batches;
use super::ingest::{Broken, Tracker};
use super::journal::{self, Entry, Stage};
use super::submit::{Pending, now_ms};
use crate::event::Event;
use crate::lane::{Asker, ErrandError, Lane, Trouble};
use crate::plugin::bindings::batch::State as BatchState;
use crate::plugin::bindings::provider::{Fault, FaultKind};
use crate::record::TrialFailure;
use crate::stop::StopReason;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The first look comes soon, later ones ever later.
const FIRST_POLL: Duration = Duration::from_millis(500);
const LAST_POLL: Duration = Duration::from_secs(60);

/// When nothing is due.
const IDLE: Duration = Duration::from_secs(3_600);

/// How often a batch that does not fit the account's limit is tried in smaller parts.
const TOO_MANY_TOKENS: u32 = 10;

/// What the loop knows of a lane.
pub(super) struct Desk {
    pub account: usize,
    pub lane: Arc<Lane>,
    pub pending: Vec<Pending>,
    pub travelling: Vec<Travelling>,
    pub canaried: bool,
    pub token_room: u64,
    pub refused_for_tokens: u32,
    pub hold_until: Option<Instant>,
}

/// A batch that the provider has.
pub(super) struct Travelling {
    pub mark: String,
    pub entry: Entry,
    pub due: Instant,
    pub interval: Duration,
    pub spilled: bool,
    pub tracker: Option<Tracker>,
    pub failures: u32,
}

impl Travelling {
    pub fn new(mark: String, entry: Entry) -> Travelling {
        Travelling {
            mark,
            entry,
            due: Instant::now() + jittered(FIRST_POLL),
            interval: FIRST_POLL,
            spilled: false,
            tracker: None,
            failures: 0,
        }
    }

    fn again(&mut self, at_least: Duration) {
        self.interval = (self.interval * 3 / 2).min(LAST_POLL);
        self.due = Instant::now() + jittered(self.interval).max(at_least);
    }

    fn id(&self) -> &str {
        self.entry.id.as_deref().unwrap_or_default()
    }
}

/// Between four and five quarters: clients that start together must not ask together.
fn jittered(wait: Duration) -> Duration {
    let part = chance();
    wait + wait.mul_f64(part / 4.0)
}

/// A number from 0 to 1 by chance; which one matters to nobody.
pub(super) fn chance() -> f64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let hash = RandomState::new().build_hasher().finish();
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

impl Batches {
    /// Works until the run ends. Whatever is under way then stands in the journal.
    pub async fn drive(self: Arc<Self>) {
        let mut desks = Vec::new();
        loop {
            let round = self.run.or(self.round(&mut desks)).await;
            let next = match round {
                Ok(Ok(next)) => next,
                Ok(Err(reason)) => {
                    self.run.request(reason);
                    break;
                }
                Err(_) => break,
            };
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep_until(next.into()) => {}
                _ = self.run.requested() => break,
            }
        }
        self.resolved.send_modify(|_| {});
    }

    async fn round(&self, desks: &mut Vec<Desk>) -> Result<Instant, StopReason> {
        self.open_desks(desks);
        let mut next = Instant::now() + IDLE;
        for desk in desks {
            let ended = match desk.lane.stop.reason() {
                Some(reason) => Err(reason),
                None => self.tend(desk).await,
            };
            match ended {
                Ok(due) => next = next.min(due),
                Err(
                    reason @ (StopReason::Disk(_)
                    | StopReason::Internal(_)
                    | StopReason::Experiment(_)),
                ) => return Err(reason),
                Err(reason) => {
                    desk.lane.stop.request(reason);
                    self.abandon(desk);
                }
            }
        }
        Ok(next)
    }

    fn open_desks(&self, desks: &mut Vec<Desk>) {
        let mut state = self.state();
        for account in desks.len()..state.accounts.len() {
            let one = &mut state.accounts[account];
            let mut desk = Desk {
                account,
                lane: Arc::clone(&one.lane),
                pending: Vec::new(),
                travelling: Vec::new(),
                canaried: false,
                token_room: self.options.enqueued_tokens.unwrap_or(u64::MAX),
                refused_for_tokens: 0,
                hold_until: None,
            };
            for (mark, entry) in one.found.drain(..) {
                if entry.id.is_some() {
                    let mut travelling = Travelling::new(mark, entry);
                    travelling.due = Instant::now();
                    desk.travelling.push(travelling);
                } else {
                    desk.pending.push(Pending {
                        mark,
                        entry,
                        packed: None,
                        tries: 0,
                        not_before: Instant::now(),
                        doubt: true,
                    });
                }
            }
            desks.push(desk);
        }
    }

    /// The lane ended: its requests stay unanswered, its batches in the journal.
    fn abandon(&self, desk: &mut Desk) {
        desk.pending.clear();
        desk.travelling.clear();
        let count = {
            let mut state = self.state();
            let account = &mut state.accounts[desk.account];
            account.flush = false;
            // A spool that cannot be read holds nothing that anybody will ask for.
            let _ = account.spool.clear();
            account.open.drain().count() as u64
        };
        self.resolved.send_modify(|resolved| *resolved += count);
    }

    async fn tend(&self, desk: &mut Desk) -> Result<Instant, StopReason> {
        self.send_pending(desk).await?;
        self.send_waiting(desk).await?;
        let now = Instant::now();
        let mut travelling = std::mem::take(&mut desk.travelling).into_iter();
        let mut kept = Vec::new();
        let mut ended = Ok(());
        for mut one in travelling.by_ref() {
            if one.due > now {
                kept.push(one);
                continue;
            }
            match self.look(desk, &mut one).await {
                Ok(true) => {}
                Ok(false) => kept.push(one),
                Err(reason) => {
                    kept.push(one);
                    ended = Err(reason);
                    break;
                }
            }
        }
        kept.extend(travelling);
        desk.travelling = kept;
        ended?;
        // A batch that ended may have made room for the next.
        self.send_waiting(desk).await?;
        let due = desk.travelling.iter().map(|one| one.due);
        let sent = desk.pending.iter().map(|one| one.not_before);
        let next = due.chain(sent).chain(desk.hold_until).min();
        Ok(next.unwrap_or_else(|| Instant::now() + IDLE))
    }

    /// Asks where a batch stands, and reads it where it ended. Whether it is done with.
    async fn look(&self, desk: &mut Desk, one: &mut Travelling) -> Result<bool, StopReason> {
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
                    None => self.tracker(&one.mark)?,
                };
                let began = Instant::now();
                match self
                    .ingest(desk.account, &lane, results, &mut tracker)
                    .await
                {
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
        self.conclude(desk.account, tracker, one.spilled);
        Ok(true)
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
            self.resolve(desk.account, tracker.requests());
            return Ok(true);
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
                let tracker = self.tracker(&one.mark)?;
                one.entry.stage = Stage::Dropped;
                journal::note(&self.store, &one.mark, &one.entry)?;
                self.conclude(desk.account, tracker, false);
                Ok(true)
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
        let tracker = self.tracker(&one.mark)?;
        one.entry.stage = Stage::Dropped;
        journal::note(&self.store, &one.mark, &one.entry)?;
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
            self.resolve(desk.account, tracker.requests());
            return Ok(());
        }
        let (cause, message) = desk.lane.explain(fault);
        let failure = TrialFailure::new(cause, message);
        self.fail_all(desk.account, tracker.requests(), &failure);
        Ok(())
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

    pub(super) async fn tell(&self, one: &Travelling, state: &'static str, done: u64, failed: u64) {
        self.emit(|| Event::Batch {
            id: one.id().to_owned(),
            model: one.entry.model.clone(),
            state,
            requests: one.entry.requests,
            done,
            failed,
            since_ms: one.entry.since_ms,
        })
        .await;
    }

    /// Tells every run that listens.
    pub(super) async fn emit(&self, event: impl Fn() -> Event) {
        let listeners: Vec<Asker> = self.state().listeners.clone();
        for listener in listeners {
            listener.emit(event()).await;
        }
    }
}

async fn poll(lane: &Lane, id: &str) -> Result<BatchState, ErrandError> {
    let request = lane.provider.poll(id).await?;
    let response = lane.errand(request).await?;
    Ok(lane.provider.read_poll(id, response).await?)
}
