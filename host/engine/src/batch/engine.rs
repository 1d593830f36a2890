//! The one loop that speaks to providers about batches: of all lanes, configs and runs. It sends what waits, asks where
//! things stand at growing intervals, and reads what came.

use super::Batches;
use super::journal::Entry;
use super::submit::Pending;
use super::tracker::Tracker;
use crate::event::Event;
use crate::lane::{Asker, Lane};
use crate::stop::StopReason;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The first look comes soon, later ones ever later.
pub(super) const FIRST_POLL: Duration = Duration::from_millis(500);
const LAST_POLL: Duration = Duration::from_secs(60);

/// When nothing is due.
const IDLE: Duration = Duration::from_secs(3_600);

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
    /// Whether an earlier process submitted it, and this one has not looked at it yet.
    pub unseen: bool,
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
            unseen: false,
        }
    }

    pub(super) fn again(&mut self, at_least: Duration) {
        self.interval = (self.interval * 3 / 2).min(LAST_POLL);
        self.due = Instant::now() + jittered(self.interval).max(at_least);
    }

    pub(super) fn id(&self) -> &str {
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
                    (travelling.due, travelling.unseen) = (Instant::now(), true);
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
            account.unseen = 0;
            std::mem::take(&mut account.open)
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
        let looking = self.look_at_batches();
        for mut one in travelling.by_ref() {
            if one.due > now {
                kept.push(one);
                continue;
            }
            let looked = self.look(desk, &mut one).await;
            if std::mem::take(&mut one.unseen) {
                self.state().accounts[desk.account].unseen -= 1;
            }
            match looked {
                Ok(true) => {}
                Ok(false) => kept.push(one),
                Err(reason) => {
                    kept.push(one);
                    ended = Err(reason);
                    break;
                }
            }
        }
        drop(looking);
        kept.extend(travelling);
        desk.travelling = kept;
        ended?;
        // A batch that ended may have made room for the next.
        self.send_waiting(desk).await?;
        // Whoever does not want to wait for answers waits for this.
        self.resolved.send_modify(|_| {});
        let due = desk.travelling.iter().map(|one| one.due);
        let sent = desk.pending.iter().map(|one| one.not_before);
        let next = due.chain(sent).chain(desk.hold_until).min();
        Ok(next.unwrap_or_else(|| Instant::now() + IDLE))
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
            cost_usd: one.entry.spent.known(),
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
