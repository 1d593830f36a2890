//! How fast a lane may send: requests and tokens a minute as the user sets them, and a gate that a provider's "wait"
//! closes for everybody. Pure: time is an argument.

use std::time::{Duration, Instant};

/// Servers count in windows of their own; this much less than the limit keeps clear of their edges.
const HEADROOM: f64 = 0.98;

/// The pace of one lane.
#[derive(Debug, Default)]
pub struct Pace {
    requests: Option<Meter>,
    tokens: Option<Meter>,
    closed_until: Option<Instant>,
}

impl Pace {
    /// A pace of so many requests and tokens a minute; `None` sets no limit.
    #[must_use]
    pub fn new(requests_per_minute: Option<u32>, tokens_per_minute: Option<u64>) -> Pace {
        let meter = |per_minute: f64| Meter::new(per_minute * HEADROOM / 60.0);
        Pace {
            requests: requests_per_minute.map(|limit| meter(f64::from(limit))),
            tokens: tokens_per_minute.map(|limit| meter(limit as f64)),
            closed_until: None,
        }
    }

    /// Takes a place for one request with so many tokens, and says when it may leave. Places are given in the order in
    /// which they were asked for.
    pub fn reserve(&mut self, now: Instant, tokens: u64) -> Instant {
        let requests = self.requests.as_mut().map(|meter| meter.reserve(now, 1.0));
        let tokens = self
            .tokens
            .as_mut()
            .map(|meter| meter.reserve(now, tokens as f64));
        [requests, tokens]
            .into_iter()
            .flatten()
            .fold(now, Instant::max)
    }

    /// Closes the gate: nothing leaves before then.
    pub fn close_until(&mut self, until: Instant) {
        self.closed_until = Some(
            self.closed_until
                .map_or(until, |earlier| earlier.max(until)),
        );
    }

    /// When the gate opens, if it is closed.
    #[must_use]
    pub fn opens_at(&self, now: Instant) -> Option<Instant> {
        self.closed_until.filter(|until| *until > now)
    }
}

/// The generic cell rate algorithm: the time at which everything taken so far is paid off, and how much of that may be
/// owed.
#[derive(Debug)]
struct Meter {
    per_second: f64,
    paid_off: Option<Instant>,
}

impl Meter {
    /// A second's worth may leave at once; a minute's worth is what servers call abuse.
    const BURST: Duration = Duration::from_secs(1);

    fn new(per_second: f64) -> Meter {
        Meter {
            per_second,
            paid_off: None,
        }
    }

    fn reserve(&mut self, now: Instant, cost: f64) -> Instant {
        let start = self.paid_off.map_or(now, |paid_off| paid_off.max(now));
        self.paid_off =
            Some(start + Duration::from_secs_f64((cost / self.per_second).min(86_400.0)));
        start
            .checked_sub(Self::BURST)
            .map_or(now, |earliest| earliest.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn departures(mut pace: Pace, count: u32, tokens: u64) -> Vec<f64> {
        let start = Instant::now();
        (0..count)
            .map(|_| (pace.reserve(start, tokens) - start).as_secs_f64())
            .collect()
    }

    #[test]
    fn a_minute_never_holds_more_than_the_limit() {
        let leave = departures(Pace::new(Some(600), None), 700, 1);
        for start in 0..100 {
            let window = leave
                .iter()
                .filter(|at| **at >= f64::from(start) && **at < f64::from(start) + 60.0)
                .count();
            assert!(
                window <= 600,
                "{window} requests within a minute from second {start}"
            );
        }
        assert!(
            leave[699] < 72.0,
            "the pace keeps close to its limit: {}",
            leave[699]
        );
    }

    #[test]
    fn tokens_hold_back_what_requests_would_let_through() {
        let leave = departures(Pace::new(Some(6_000), Some(60_000)), 100, 1_000);
        assert!(leave[99] > 98.0, "{}", leave[99]);
    }

    #[test]
    fn the_gate_opens_when_the_last_wait_is_over() {
        let now = Instant::now();
        let mut pace = Pace::new(None, None);
        pace.close_until(now + Duration::from_secs(9));
        pace.close_until(now + Duration::from_secs(3));
        assert_eq!(pace.opens_at(now), Some(now + Duration::from_secs(9)));
        assert_eq!(pace.opens_at(now + Duration::from_secs(9)), None);
    }
}
