//! The gate of a lane. A refusal for speed closes it for everybody until the provider's time is over; then one call leaves
//! as a probe, and the others follow when it is let in. Pure: time is an argument.

use std::time::{Duration, Instant};

/// A refusal comes at once. A probe that is out for so long has been let in, however long its answer takes.
const LET_IN: Duration = Duration::from_secs(2);

/// The gate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gate {
    state: State,
    /// When it closed last: refusals of calls that left before belong to the same episode.
    closed: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Until(Instant),
    Probing {
        since: Instant,
    },
}

/// What a refusal meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The first of an episode.
    First,
    /// Of an episode that is known.
    Known,
}

impl Gate {
    /// How long nothing may leave; zero for open, or for the probe's turn.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        match self.state {
            State::Open => Duration::ZERO,
            State::Until(until) => until.saturating_duration_since(now),
            State::Probing { since } if now >= since + LET_IN => {
                self.state = State::Open;
                Duration::ZERO
            }
            State::Probing { since } => (since + LET_IN).saturating_duration_since(now),
        }
    }

    /// Something leaves.
    pub(super) fn leave(&mut self, now: Instant) {
        if let State::Until(_) = self.state {
            self.state = State::Probing { since: now };
        }
    }

    /// A call that left at `left` was refused, and is to wait until `until`.
    pub(super) fn refused(&mut self, now: Instant, left: Instant, until: Instant) -> Refusal {
        let known = self.closed.is_some_and(|closed| left <= closed);
        match (self.state, known) {
            (State::Until(earlier), _) => {
                self.state = State::Until(earlier.max(until));
                Refusal::Known
            }
            // It left before the gate closed: what it says was heard already.
            (State::Open | State::Probing { .. }, true) => Refusal::Known,
            (State::Probing { .. }, false) => {
                self.close(now, until);
                Refusal::Known
            }
            (State::Open, false) => {
                self.close(now, until);
                Refusal::First
            }
        }
    }

    /// A call that left at `left` was let in. Whether that opened the gate.
    pub(super) fn let_in(&mut self, left: Instant) -> bool {
        let State::Probing { since } = self.state else {
            return false;
        };
        let opened = left >= since;
        if opened {
            self.state = State::Open;
        }
        opened
    }

    fn close(&mut self, now: Instant, until: Instant) {
        self.state = State::Until(until);
        self.closed = Some(now);
    }
}
