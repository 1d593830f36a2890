//! Who waits for a lane, and who is next: calls that were refused, then those of trials under way, then new ones; among
//! equals each config in turn. One of those who wait drives: it sleeps until the limiter lets the next one go. So a
//! thousand that wait cost one timer, and no task of its own outlives them.

use super::Asker;
use super::ceiling::{Ceiling, Permit};
use super::estimate::Expected;
use super::limiter::{Departure, Limiter, Outcome, PaceLimits, Turn};
use crate::event::{Event, LimitChange};
use crate::plugin::bindings::provider::Allowance;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// What goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// It was sent before, and refused or lost.
    Again,
    /// A later turn, or a judge's call, of a trial that has answers already.
    UnderWay,
    /// A trial's first.
    New,
}

/// A wait that a person wants to know of.
const LONG: Duration = Duration::from_secs(60);

/// The queue before one lane.
pub(super) struct Queue {
    /// For the events.
    model: Arc<str>,
    state: Mutex<State>,
    /// Held by the one who drives.
    seat: tokio::sync::Mutex<()>,
    /// Rings when something changed that the driver must see.
    bell: Notify,
    ceiling: Arc<Ceiling>,
}

struct State {
    limiter: Limiter,
    waiting: [Shares; 3],
    told_of: Option<Instant>,
    /// The user set other limits, and no event says so yet.
    set: bool,
}

/// The configs that wait, in turn.
#[derive(Default)]
struct Shares {
    configs: VecDeque<(Asker, VecDeque<Waiting>)>,
}

struct Waiting {
    expected: Expected,
    asker: Asker,
    go: oneshot::Sender<Pass>,
}

/// A place in the queue. Whoever gives it up takes everything of theirs with them: a run ends when nobody holds its events.
struct Place<'a> {
    queue: &'a Queue,
    left: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.left {
            let mut state = self.queue.state();
            state.waiting.iter_mut().for_each(Shares::forget_gone);
        }
    }
}

/// Leave to send one call. What was reserved for it is settled when the call's fate is known; without that, it counts as
/// a call whose answer nobody waits for.
pub(super) struct Pass {
    queue: Arc<Queue>,
    departure: Option<Departure>,
    is_in_flight: bool,
    permit: Option<Permit>,
}

/// The time of the lane: tokio's, so that tests can move it.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Queue {
    pub(super) fn new(model: Arc<str>, limiter: Limiter, ceiling: Arc<Ceiling>) -> Arc<Queue> {
        let state = State {
            limiter,
            waiting: Default::default(),
            told_of: None,
            set: false,
        };
        Arc::new(Queue {
            model,
            state: Mutex::new(state),
            seat: tokio::sync::Mutex::default(),
            bell: Notify::new(),
            ceiling,
        })
    }

    /// Waits for this call's turn.
    pub(super) async fn turn(
        self: &Arc<Queue>,
        expected: Expected,
        urgency: Urgency,
        asker: &Asker,
    ) -> Pass {
        // Dropped last, when the receiver is gone already.
        let mut place = Place {
            queue: self,
            left: false,
        };
        let (go, mut gone) = oneshot::channel();
        let waiting = Waiting {
            expected,
            asker: asker.clone(),
            go,
        };
        self.state().waiting[urgency as usize].push(waiting);
        self.bell.notify_one();
        loop {
            tokio::select! {
                biased;
                pass = &mut gone => match pass {
                    Ok(pass) => {
                        place.left = true;
                        return pass;
                    }
                    // The state keeps every sender until it is used.
                    Err(_) => std::future::pending::<()>().await,
                },
                never = self.drive() => match never {},
            }
        }
    }

    /// Other limits from now on.
    pub(super) fn set(&self, limits: PaceLimits) {
        let mut state = self.state();
        state.limiter.set(limits);
        state.set = true;
        drop(state);
        self.bell.notify_one();
    }

    async fn drive(self: &Arc<Queue>) -> Infallible {
        let _seat = self.seat.lock().await;
        loop {
            let turn = self.state().next(now());
            match turn {
                None | Some(Turn::Back) => self.bell.notified().await,
                Some(Turn::At(at)) => {
                    self.tell_of_long_wait(at);
                    tokio::select! {
                        () = self.bell.notified() => {}
                        () = tokio::time::sleep_until(at.into()) => {}
                    }
                }
                Some(Turn::Now) => {
                    // The permit comes last: a lane that waits for its pace takes no room from the others.
                    let permit = self.ceiling.acquire().await;
                    self.grant(permit);
                }
            }
        }
    }

    /// Lets the next one go, if it is still its turn.
    fn grant(self: &Arc<Queue>, permit: Permit) {
        let now = now();
        let mut state = self.state();
        if state.next(now) != Some(Turn::Now) {
            return;
        }
        let Some(waiting) = state.take() else { return };
        let departure = state.limiter.depart(now, &waiting.expected);
        drop(state);
        let pass = Pass {
            queue: Arc::clone(self),
            departure: Some(departure),
            is_in_flight: true,
            permit: Some(permit),
        };
        // Whoever stopped waiting drops the pass, which gives its place back.
        drop(waiting.go.send(pass));
    }

    fn tell_of_long_wait(&self, until: Instant) {
        let wait = until.saturating_duration_since(now());
        if wait < LONG {
            return;
        }
        let mut state = self.state();
        if state.told_of.is_some_and(|told| until <= told + LONG) {
            return;
        }
        state.told_of = Some(until);
        let Some(asker) = state.head().map(|waiting| waiting.asker.clone()) else {
            return;
        };
        drop(state);
        let change = LimitChange::Parked {
            wait_ms: wait.as_millis() as u64,
        };
        // A full queue of events has no room for news; the next wait is told again.
        let _ = asker.events.try_send(Event::Limits {
            model: self.model.to_string(),
            change,
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// When the next one may go; `None` where nobody waits.
    fn next(&mut self, now: Instant) -> Option<Turn> {
        let expected = self.head()?.expected;
        Some(self.limiter.turn(now, &expected))
    }

    fn head(&self) -> Option<&Waiting> {
        self.waiting.iter().find_map(Shares::head)
    }

    fn take(&mut self) -> Option<Waiting> {
        self.waiting.iter_mut().find_map(Shares::take)
    }
}

impl Shares {
    fn push(&mut self, waiting: Waiting) {
        let mut known = self.configs.iter_mut();
        match known.find(|(asker, _)| asker.is_of_one_config(&waiting.asker)) {
            Some((_, queue)) => queue.push_back(waiting),
            None => self
                .configs
                .push_back((waiting.asker.clone(), VecDeque::from([waiting]))),
        }
    }

    fn head(&self) -> Option<&Waiting> {
        self.configs.front().and_then(|(_, queue)| queue.front())
    }

    /// The head; its config goes to the end of the line.
    fn take(&mut self) -> Option<Waiting> {
        let (asker, mut queue) = self.configs.pop_front()?;
        let taken = queue.pop_front();
        if !queue.is_empty() {
            self.configs.push_back((asker, queue));
        }
        taken
    }

    fn forget_gone(&mut self) {
        for (_, queue) in &mut self.configs {
            queue.retain(|waiting| !waiting.go.is_closed());
        }
        self.configs.retain(|(_, queue)| !queue.is_empty());
    }
}

impl Pass {
    /// The call is not in flight any more; what it means is not known yet. Its permit stays out: what came back is paid for,
    /// and is not in the store.
    pub(super) fn landed(&mut self) {
        if std::mem::take(&mut self.is_in_flight) {
            self.queue.state().limiter.back();
            self.queue.bell.notify_one();
        }
    }

    /// What the headers of the answer say about the limits.
    pub(super) fn read(&self, allowances: &[Allowance]) -> Vec<LimitChange> {
        let mut changes = Vec::new();
        if let Some(departure) = &self.departure {
            let mut state = self.queue.state();
            state
                .limiter
                .read(now(), departure, allowances, &mut changes);
        }
        changes
    }

    /// The call's fate is known: what was reserved is corrected, and the lane learns. The permit is for whoever has an
    /// answer to store.
    pub(super) fn settle(mut self, outcome: Outcome) -> (Vec<LimitChange>, Option<Permit>) {
        self.landed();
        (self.conclude(outcome), self.permit.take())
    }

    fn conclude(&mut self, outcome: Outcome) -> Vec<LimitChange> {
        let mut changes = Vec::new();
        if let Some(departure) = self.departure.take() {
            let ceiling = self.queue.ceiling.limit();
            let mut state = self.queue.state();
            state
                .limiter
                .settle(now(), &departure, outcome, ceiling, &mut changes);
            if std::mem::take(&mut state.set) {
                changes.push(LimitChange::Set);
            }
            drop(state);
            self.queue.bell.notify_one();
        }
        changes
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.landed();
        self.conclude(Outcome::Other);
    }
}

#[cfg(test)]
mod tests;
