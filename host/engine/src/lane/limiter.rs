//! When a lane's next call may leave: the pace in every dimension, the gate, the window, and a start that is not abrupt.
//! Pure: time is an argument, so that whole hours of traffic are simulated in a test.

use super::estimate::Expected;
use super::gate::{Gate, Refusal};
use super::meter::Meter;
use super::ramp::{Ramp, TOO_SUDDEN, Traffic};
use super::window::Window;
use crate::event::LimitChange;
use crate::plugin::bindings::provider::{Allowance, Dimension};
use std::time::{Duration, Instant};

/// What the user says about a lane's pace; `None` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaceLimits {
    /// Requests a minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens a minute, both directions.
    pub tokens_per_minute: Option<u64>,
    /// Tokens a minute that are sent.
    pub input_tokens_per_minute: Option<u64>,
    /// Tokens a minute that come back.
    pub output_tokens_per_minute: Option<u64>,
}

/// How a lane begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Growing: providers refuse traffic that appears from nowhere.
    Gentle,
    /// At once: a server on this machine has nobody else to protect.
    Abrupt,
}

/// What a refusal leaves of the pace, and what comes back every two seconds without one.
const CUT: f64 = 0.85;
const LEAST_FACTOR: f64 = 0.05;
const RECOVERY: f64 = 0.03;
const RECOVERY_TIME: Duration = Duration::from_secs(2);

/// The limits of one lane and where they stand.
#[derive(Debug)]
pub struct Limiter {
    /// In the order of [`DIMENSIONS`].
    meters: [Meter; 4],
    gate: Gate,
    window: Window,
    start: Start,
    ramp: Ramp,
    traffic: Traffic,
    factor: f64,
    recovered: Option<Instant>,
}

const DIMENSIONS: [Dimension; 4] = [
    Dimension::Requests,
    Dimension::Tokens,
    Dimension::InputTokens,
    Dimension::OutputTokens,
];

/// When the next call may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Now.
    Now,
    /// Not before then.
    At(Instant),
    /// When one comes back.
    Back,
}

/// A call that left, as the limiter remembers it.
#[derive(Clone, Copy, Debug)]
pub struct Departure {
    left: Instant,
    /// What was taken of each meter.
    cost: [f64; 4],
    /// What had left of each, this call included.
    spent: [f64; 4],
}

/// How a call came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered, with the tokens that went in and came out.
    Answered {
        /// Tokens sent.
        input: u64,
        /// Tokens received.
        output: u64,
    },
    /// Refused for speed; nothing leaves for so long.
    Refused(Duration),
    /// Refused for growing too fast, though within the limits; nothing leaves for so long.
    TooSudden(Duration),
    /// The service is ill, or cannot be reached.
    Ill,
    /// Neither: the request itself was at fault, or nobody waits for it any more.
    Other,
}

impl Limiter {
    /// A lane at its start.
    #[must_use]
    pub fn new(limits: PaceLimits, start: Start) -> Limiter {
        Limiter {
            meters: wishes(limits).map(Meter::new),
            gate: Gate::default(),
            window: Window::default(),
            start,
            ramp: Ramp::default(),
            traffic: Traffic::default(),
            factor: 1.0,
            recovered: None,
        }
    }

    /// Other limits from now on.
    pub fn set(&mut self, limits: PaceLimits) {
        for (meter, wish) in self.meters.iter_mut().zip(wishes(limits)) {
            meter.wish(wish);
        }
    }

    /// Calls in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.window.in_flight()
    }

    /// When a call that takes so much may leave.
    pub fn turn(&mut self, now: Instant, expected: &Expected) -> Turn {
        self.recover(now);
        if let Some(until) = self.ramp.alone_until(now, self.start) {
            return Turn::At(until);
        }
        let limits_known = self.meters.iter().any(Meter::is_known);
        if !self.window.has_room(limits_known) {
            return Turn::Back;
        }
        let mut wait = self.gate.wait(now).max(self.ramp.wait(now));
        let cost = self.cost(expected);
        for (meter, cost) in self.meters.iter_mut().zip(cost) {
            wait = wait.max(meter.wait(now, cost, self.factor));
        }
        if wait.is_zero() {
            Turn::Now
        } else {
            Turn::At(now + wait)
        }
    }

    /// It leaves. To be called when its turn is now.
    pub fn depart(&mut self, now: Instant, expected: &Expected) -> Departure {
        let cost = self.cost(expected);
        let mut spent = [0.0; 4];
        for ((meter, cost), spent) in self.meters.iter_mut().zip(cost).zip(&mut spent) {
            meter.take(cost);
            *spent = meter.spent();
        }
        self.gate.leave(now);
        self.window.leave();
        self.ramp.leave(now);
        self.traffic.leave(now);
        Departure {
            left: now,
            cost,
            spent,
        }
    }

    /// It is not in flight any more; what that means is told to [`Limiter::settle`].
    pub fn back(&mut self) {
        self.window.back();
    }

    /// Learns from how it came back, with the most calls that the process allows. What changed is appended.
    pub fn settle(
        &mut self,
        now: Instant,
        departure: &Departure,
        outcome: Outcome,
        ceiling: usize,
        changes: &mut Vec<LimitChange>,
    ) {
        match outcome {
            Outcome::Answered { input, output } => {
                self.correct(departure, input, output);
                self.let_in(now, departure, changes);
                self.window.well(ceiling);
            }
            Outcome::Refused(wait) => {
                self.ramp.nothing_learned();
                self.refused(now, departure, wait, changes);
            }
            Outcome::TooSudden(wait) => self.too_sudden(now, departure, wait, changes),
            Outcome::Ill => {
                self.ramp.nothing_learned();
                if let Some(concurrency) = self.window.ill(now, departure.left) {
                    changes.push(LimitChange::Narrowed { concurrency });
                }
            }
            Outcome::Other => self.let_in(now, departure, changes),
        }
    }

    /// Learns from the headers of an answer.
    pub fn read(
        &mut self,
        now: Instant,
        departure: &Departure,
        allowances: &[Allowance],
        changes: &mut Vec<LimitChange>,
    ) {
        for allowance in allowances {
            let index = place(allowance.dimension);
            let at = (departure.left, departure.spent[index]);
            let Some(learned) = self.meters[index].read(now, at, allowance) else {
                continue;
            };
            changes.push(LimitChange::Learned {
                dimension: name(allowance.dimension),
                limit: learned.limit as u64,
                window_seconds: (learned.limit / learned.per_second).round() as u64,
            });
        }
    }

    /// Calls for tokens of both directions are charged with the most that may come back, as their providers do; where
    /// directions are counted apart, with what will probably come.
    fn cost(&self, expected: &Expected) -> [f64; 4] {
        let &Expected {
            input,
            output,
            most_output,
            bytes: _,
        } = expected;
        let apart = self.meters[2].is_told() || self.meters[3].is_told();
        let back = if apart {
            output
        } else {
            most_output.unwrap_or(output)
        };
        [1, input.saturating_add(back), input, output].map(|count| count as f64)
    }

    fn correct(&mut self, departure: &Departure, input: u64, output: u64) {
        // A provider that counts nothing leaves the estimate standing.
        if input == 0 {
            return;
        }
        let used = [1, input.saturating_add(output), input, output];
        for ((meter, taken), used) in self.meters.iter_mut().zip(departure.cost).zip(used) {
            // No call takes a thousand times what was expected: that is a mistake, or means to stop us.
            meter.correct(taken, (used as f64).min(1_000.0 * taken.max(1.0)));
        }
    }

    fn let_in(&mut self, now: Instant, departure: &Departure, changes: &mut Vec<LimitChange>) {
        self.ramp.let_in(now, self.start);
        if self.gate.let_in(departure.left) {
            changes.push(LimitChange::Opened);
        }
    }

    fn refused(
        &mut self,
        now: Instant,
        departure: &Departure,
        wait: Duration,
        changes: &mut Vec<LimitChange>,
    ) {
        let refusal = self.gate.refused(now, departure.left, now + wait);
        if refusal == Refusal::First {
            self.factor = (self.factor * CUT).max(LEAST_FACTOR);
            self.recovered = Some(now + wait);
            self.window.refused();
            changes.push(LimitChange::Refused {
                wait_ms: wait.as_millis() as u64,
                pace: self.factor,
            });
        }
    }

    /// The limits are as they were: what is refused is how fast the traffic came to them.
    fn too_sudden(
        &mut self,
        now: Instant,
        departure: &Departure,
        wait: Duration,
        changes: &mut Vec<LimitChange>,
    ) {
        if self.gate.refused(now, departure.left, now + wait) != Refusal::First {
            return;
        }
        self.ramp = Ramp::slow(self.traffic.per_second(now), now + wait);
        self.window.refused();
        changes.push(LimitChange::Refused {
            wait_ms: wait.as_millis() as u64,
            pace: TOO_SUDDEN,
        });
    }

    fn recover(&mut self, now: Instant) {
        while self.factor < 1.0
            && let Some(since) = self.recovered
            && now >= since + RECOVERY_TIME
        {
            self.factor = (self.factor + RECOVERY).min(1.0);
            self.recovered = Some(since + RECOVERY_TIME);
        }
    }
}

fn wishes(limits: PaceLimits) -> [Option<f64>; 4] {
    let PaceLimits {
        requests_per_minute,
        tokens_per_minute,
        input_tokens_per_minute,
        output_tokens_per_minute,
    } = limits;
    [
        requests_per_minute.map(f64::from),
        tokens_per_minute.map(|limit| limit as f64),
        input_tokens_per_minute.map(|limit| limit as f64),
        output_tokens_per_minute.map(|limit| limit as f64),
    ]
}

fn place(dimension: Dimension) -> usize {
    DIMENSIONS
        .iter()
        .position(|known| *known == dimension)
        .unwrap_or(0)
}

fn name(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Requests => "requests",
        Dimension::Tokens => "tokens",
        Dimension::InputTokens => "input-tokens",
        Dimension::OutputTokens => "output-tokens",
    }
}

#[cfg(test)]
mod simulation;

#[cfg(test)]
mod tests;
