//! One dimension of a lane's pace: requests, or tokens of one kind. A bucket of ours that fills at 0.98 of the limit and
//! holds a second's worth, behind it what is known of the provider's own bucket. Pure: time is an argument.

use super::reading::Reading;
use crate::plugin::bindings::provider::Allowance;
use std::time::{Duration, Instant};

/// Servers count in ways of their own; this much less than the limit keeps clear of their edges.
pub(super) const HEADROOM: f64 = 0.98;

/// Our bucket holds what this many seconds bring; a minute's worth at once is what servers call abuse.
const BURST: f64 = 1.0;

/// Below this share of the provider's bucket the pace gives way: somebody else uses it too.
const LOW: f64 = 0.1;

/// A limit whose window is longer is a budget and not a pace: it may be used as fast as the others allow.
const LONGEST_PACE: f64 = 3_000.0;

/// However little is left, now and then a call finds out.
const LEAST_SHARE: f64 = 0.02;

/// One dimension.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    /// A second, as the user sets it.
    wished: Option<f64>,
    server: Option<Server>,
    level: f64,
    since: Option<Instant>,
    /// Everything that ever left.
    spent: f64,
}

/// The provider's own bucket, as its headers tell.
#[derive(Clone, Copy, Debug)]
struct Server {
    limit: f64,
    per_second: f64,
    level: f64,
    /// When the level was that.
    at: Instant,
    /// When the call left that told so.
    told: Instant,
}

/// A limit as it was just learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Learned {
    pub(super) limit: f64,
    pub(super) per_second: f64,
}

impl Meter {
    pub(super) fn new(per_minute: Option<f64>) -> Meter {
        Meter {
            wished: per_minute.map(|limit| limit / 60.0),
            server: None,
            // Cut to the bucket's size when there is one.
            level: f64::INFINITY,
            since: None,
            spent: 0.0,
        }
    }

    pub(super) fn wish(&mut self, per_minute: Option<f64>) {
        self.wished = per_minute.map(|limit| limit / 60.0);
    }

    /// Whether anything limits this dimension.
    pub(super) fn is_known(&self) -> bool {
        self.wished.is_some() || self.server.is_some()
    }

    pub(super) fn is_told(&self) -> bool {
        self.server.is_some()
    }

    pub(super) fn spent(&self) -> f64 {
        self.spent
    }

    /// How long until `cost` may leave; zero for at once. `factor` is what earlier refusals left of the pace.
    pub(super) fn wait(&mut self, now: Instant, cost: f64, factor: f64) -> Duration {
        self.refill(now, factor);
        let paced = self.pace(factor).map_or(0.0, |rate| {
            let needed = cost.min(capacity(rate));
            (needed - self.level) / rate
        });
        let budget = self.server.filter(Server::is_budget).map_or(0.0, |server| {
            (cost.min(server.limit) - server.level) / server.per_second
        });
        let seconds = paced.max(budget);
        if seconds <= 1e-6 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(seconds.min(86_400.0))
    }

    pub(super) fn take(&mut self, cost: f64) {
        self.level -= cost;
        self.spent += cost;
        if let Some(server) = &mut self.server {
            server.level -= cost;
        }
    }

    /// Gives back what was taken too much, or takes what was too little.
    pub(super) fn correct(&mut self, taken: f64, used: f64) {
        self.level += taken - used;
    }

    /// What the answer to a call says that left at `left`, when `spent` had left with it. Some what is new.
    pub(super) fn read(
        &mut self,
        now: Instant,
        (left, spent): (Instant, f64),
        allowance: &Allowance,
    ) -> Option<Learned> {
        let reading = Reading::new(allowance)?;
        let before = self.server;
        if before.is_some_and(|before| before.told > left) {
            return None;
        }
        let same = before.filter(|before| before.limit == reading.limit);
        let per_second = reading
            .per_second(same.map(|before| before.per_second))
            .or(same.map(|before| before.per_second))?;
        // The provider wrote the headers when the call came or when it was answered. Either way what left later is still
        // to be taken off, and what flows in meanwhile is to be added.
        let flight = now.saturating_duration_since(left).as_secs_f64();
        let level = reading.remaining + flight * per_second - (self.spent - spent);
        self.server = Some(Server {
            limit: reading.limit,
            per_second,
            level: level.min(reading.limit),
            at: now,
            told: left,
        });
        let news = before.is_none_or(|before| {
            before.limit != reading.limit || (before.per_second / per_second - 1.0).abs() > 0.1
        });
        news.then_some(Learned {
            limit: reading.limit,
            per_second,
        })
    }

    fn refill(&mut self, now: Instant, factor: f64) {
        let passed = self.since.map_or(0.0, |since| {
            now.saturating_duration_since(since).as_secs_f64()
        });
        self.since = Some(self.since.map_or(now, |since| since.max(now)));
        if let Some(server) = &mut self.server {
            let passed = now.saturating_duration_since(server.at).as_secs_f64();
            server.level = (server.level + passed * server.per_second).min(server.limit);
            server.at = server.at.max(now);
        }
        if let Some(rate) = self.pace(factor) {
            self.level = (self.level + passed * rate).min(capacity(rate));
        }
    }

    /// What may leave in a second.
    fn pace(&self, factor: f64) -> Option<f64> {
        let server = self.server.filter(|server| !server.is_budget());
        let told = server.map(|server| server.per_second * server.share());
        let rate = match (self.wished, told) {
            (Some(wished), Some(told)) => wished.min(told),
            (wished, told) => wished.or(told)?,
        };
        Some((rate * HEADROOM * factor).max(1e-6))
    }
}

impl Server {
    fn is_budget(&self) -> bool {
        self.limit / self.per_second > LONGEST_PACE
    }

    /// The less is left of the provider's bucket, the less is taken of what flows in: so that several processes on one
    /// account share it, and none runs into the wall.
    fn share(&self) -> f64 {
        (self.level / (LOW * self.limit)).clamp(LEAST_SHARE, 1.0)
    }
}

/// One call must fit, however slow the pace.
fn capacity(rate: f64) -> f64 {
    (rate * BURST).max(1.0)
}
