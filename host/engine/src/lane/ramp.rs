//! How traffic grows: the first call alone, then ever more, until limits alone hold it. Where a provider says that it grew
//! too fast, it begins again at half, slowly. Pure: time is an argument.

use super::limiter::Start;
use std::time::{Duration, Instant};

/// The first call goes alone, to learn the limits, but a model that thinks for minutes does not hold everybody back.
const ALONE: Duration = Duration::from_secs(10);

/// A gentle start: 20 calls a second, which grow by half in two seconds. It is over when it would let so many through that
/// limits alone decide.
const FIRST: Slope = Slope {
    from: 20.0,
    growth: 1.5,
    time: 2.0,
    until: 100_000.0,
    burst: 1.0,
};

/// What is left of the traffic that grew too fast; it takes a quarter of an hour to be what it was.
pub(super) const TOO_SUDDEN: f64 = 0.5;
const SLOW_GROWTH_TIME: f64 = 900.0;
const SLOW_BURST: f64 = 0.05;

/// Traffic is measured over so many seconds.
const MEASURED: f64 = 5.0;

/// Where a lane is at its start.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ramp {
    /// No call was let in yet; when the one left that is out.
    Alone(Option<Instant>),
    Growing {
        slope: Slope,
        since: Instant,
        level: f64,
        filled: Instant,
    },
    Over,
}

/// Calls a second that grow by `growth` in `time` seconds, until there are so many that nothing holds them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slope {
    from: f64,
    growth: f64,
    time: f64,
    until: f64,
    /// Those of so many seconds may leave at once.
    burst: f64,
}

/// How many calls leave in a second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    since: Option<Instant>,
    count: f64,
    /// Of the last five seconds.
    last: f64,
}

impl Traffic {
    pub(super) fn leave(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let age = now.saturating_duration_since(since).as_secs_f64();
        if age >= MEASURED {
            *self = Traffic {
                since: Some(now),
                count: 0.0,
                last: self.count / age,
            };
        }
        self.count += 1.0;
    }

    /// Of now, or of the five seconds before: whichever is more.
    pub(super) fn per_second(&self, now: Instant) -> f64 {
        let age = self
            .since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.last.max(self.count / age.as_secs_f64().max(1.0))
    }
}

impl Default for Ramp {
    fn default() -> Ramp {
        Ramp::Alone(None)
    }
}

impl Ramp {
    /// Slow, after traffic of so many calls a second that grew too fast.
    pub(super) fn slow(before: f64, since: Instant) -> Ramp {
        let from = (TOO_SUDDEN * before).max(TOO_SUDDEN);
        let slope = Slope {
            from,
            growth: 1.0 / TOO_SUDDEN,
            time: SLOW_GROWTH_TIME,
            until: from / TOO_SUDDEN,
            burst: SLOW_BURST,
        };
        Ramp::growing(slope, since)
    }

    /// Until when the first call is alone; none where it is not, or not any more.
    pub(super) fn alone_until(&mut self, now: Instant, start: Start) -> Option<Instant> {
        let Ramp::Alone(Some(first)) = *self else {
            return None;
        };
        let until = first + ALONE;
        if now < until {
            return Some(until);
        }
        self.let_in(now, start);
        None
    }

    /// A call was let in: others may follow.
    pub(super) fn let_in(&mut self, now: Instant, start: Start) {
        if let Ramp::Alone(_) = self {
            *self = match start {
                Start::Abrupt => Ramp::Over,
                Start::Gentle => Ramp::growing(FIRST, now),
            };
        }
    }

    fn growing(slope: Slope, since: Instant) -> Ramp {
        let level = (slope.from * slope.burst).max(1.0);
        Ramp::Growing {
            slope,
            since,
            level,
            filled: since,
        }
    }

    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        let Ramp::Growing {
            slope,
            since,
            level,
            filled,
        } = self
        else {
            return Duration::ZERO;
        };
        let age = now.saturating_duration_since(*since).as_secs_f64();
        let rate = slope.from * slope.growth.powf(age / slope.time);
        if rate > slope.until {
            *self = Ramp::Over;
            return Duration::ZERO;
        }
        let passed = now.saturating_duration_since(*filled).as_secs_f64();
        *filled = now.max(*filled);
        *level = (*level + passed * rate).min((rate * slope.burst).max(1.0));
        let missing = 1.0 - *level;
        if missing <= 1e-6 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(missing / rate)
    }

    /// Another one goes alone.
    pub(super) fn nothing_learned(&mut self) {
        if let Ramp::Alone(first) = self {
            *first = None;
        }
    }

    pub(super) fn leave(&mut self, now: Instant) {
        match self {
            Ramp::Alone(first) => *first = first.or(Some(now)),
            Ramp::Growing { level, .. } => *level -= 1.0,
            Ramp::Over => {}
        }
    }
}
