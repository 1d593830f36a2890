//! Token buckets as the providers have them: continuous refill, one bucket for each key, model and dimension, and headers
//! that tell their state. Pure but for the map: time is an argument.

use super::{Dialect, Refusal};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// All buckets.
pub(super) struct Limits {
    requests_per_minute: Option<u32>,
    tokens_per_minute: Option<u32>,
    buckets: Mutex<HashMap<String, Buckets>>,
}

struct Buckets {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

struct Bucket {
    capacity: f64,
    level: f64,
    since: Instant,
}

/// Where a key stands after a call that was let through.
pub(super) struct Standing {
    requests: Option<State>,
    tokens: Option<State>,
}

#[derive(Clone, Copy)]
struct State {
    limit: u64,
    remaining: u64,
    full_in: Duration,
}

impl Limits {
    pub(super) fn new(requests_per_minute: Option<u32>, tokens_per_minute: Option<u32>) -> Limits {
        Limits {
            requests_per_minute,
            tokens_per_minute,
            buckets: Mutex::default(),
        }
    }

    /// Takes one request with so many tokens, or refuses and says when to come again.
    pub(super) fn take(
        &self,
        key: &str,
        model: &str,
        tokens: u64,
        now: Instant,
    ) -> Result<Standing, Refusal> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let new = |limit: Option<u32>| limit.map(|limit| Bucket::full(f64::from(limit), now));
        let own = buckets
            .entry(format!("{key}\n{model}"))
            .or_insert_with(|| Buckets {
                requests: new(self.requests_per_minute),
                tokens: new(self.tokens_per_minute),
            });
        let wait = [(&mut own.requests, 1.0), (&mut own.tokens, tokens as f64)]
            .into_iter()
            .filter_map(|(bucket, cost)| bucket.as_mut().and_then(|bucket| bucket.wait(cost, now)))
            .max();
        if let Some(wait) = wait {
            return Err(too_fast(wait));
        }
        let pay =
            |bucket: &mut Option<Bucket>, cost: f64| bucket.as_mut().map(|bucket| bucket.pay(cost));
        Ok(Standing {
            requests: pay(&mut own.requests, 1.0),
            tokens: pay(&mut own.tokens, tokens as f64),
        })
    }
}

fn too_fast(wait: Duration) -> Refusal {
    Refusal {
        status: 429,
        kind: "rate_limit_error",
        code: Some("rate_limit_exceeded"),
        message: "Rate limit reached".into(),
        retry_after: Some(wait.as_secs_f64().ceil() as u64),
    }
}

impl Bucket {
    fn full(capacity: f64, now: Instant) -> Bucket {
        Bucket {
            capacity,
            level: capacity,
            since: now,
        }
    }

    /// How long until `cost` is there, if it is not. What is larger than the bucket goes when the bucket is full.
    fn wait(&mut self, cost: f64, now: Instant) -> Option<Duration> {
        let per_second = self.capacity / 60.0;
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        self.level = (self.level + passed * per_second).min(self.capacity);
        self.since = now;
        let missing = cost.min(self.capacity) - self.level;
        (missing > 1e-9).then(|| Duration::from_secs_f64(missing / per_second))
    }

    fn pay(&mut self, cost: f64) -> State {
        self.level = (self.level - cost).max(0.0);
        let full_in = Duration::from_secs_f64((self.capacity - self.level) / self.capacity * 60.0);
        State {
            limit: self.capacity as u64,
            remaining: self.level as u64,
            full_in,
        }
    }
}

impl Standing {
    /// The headers that each provider sends.
    pub(super) fn headers(&self, dialect: Dialect, number: u64) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        match dialect {
            Dialect::OpenAi => {
                headers.push(("x-request-id", format!("req_sim{number:08}")));
                for (state, names) in [
                    (self.requests, OPENAI_REQUESTS),
                    (self.tokens, OPENAI_TOKENS),
                ] {
                    push(&mut headers, state, names, |state| {
                        format!("{}ms", state.full_in.as_millis())
                    });
                }
            }
            Dialect::Anthropic => {
                headers.push(("request-id", format!("req_sim{number:08}")));
                let instant = |state: State| {
                    let full = SystemTime::now() + state.full_in;
                    humantime::format_rfc3339_seconds(full).to_string()
                };
                for (state, names) in [
                    (self.requests, ANTHROPIC_REQUESTS),
                    (self.tokens, ANTHROPIC_TOKENS),
                ] {
                    push(&mut headers, state, names, instant);
                }
            }
        }
        headers
    }
}

type Names = [&'static str; 3];

const OPENAI_REQUESTS: Names = [
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
];
const OPENAI_TOKENS: Names = [
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
];
const ANTHROPIC_REQUESTS: Names = [
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
];
const ANTHROPIC_TOKENS: Names = [
    "anthropic-ratelimit-input-tokens-limit",
    "anthropic-ratelimit-input-tokens-remaining",
    "anthropic-ratelimit-input-tokens-reset",
];

fn push(
    headers: &mut Vec<(&'static str, String)>,
    state: Option<State>,
    [limit, remaining, reset]: Names,
    text: impl Fn(State) -> String,
) {
    if let Some(state) = state {
        headers.push((limit, state.limit.to_string()));
        headers.push((remaining, state.remaining.to_string()));
        headers.push((reset, text(state)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_lets_through_what_the_limit_says_and_then_tells_when_to_come_again() {
        let (limits, start) = (Limits::new(Some(60), None), Instant::now());
        let let_through = (0..100)
            .filter(|_| limits.take("k", "m", 1, start).is_ok())
            .count();
        assert_eq!(let_through, 60);
        let refused = limits
            .take("k", "m", 1, start)
            .err()
            .expect("the bucket is empty");
        assert_eq!((refused.status, refused.retry_after), (429, Some(1)));
        assert!(
            limits
                .take("k", "m", 1, start + Duration::from_secs(1))
                .is_ok()
        );
        assert!(
            limits.take("other", "m", 1, start).is_ok(),
            "another key has a bucket of its own"
        );
    }
}
