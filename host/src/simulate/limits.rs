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
    accounts: Mutex<HashMap<String, Vec<(Dimension, Bucket)>>>,
}

/// What a call takes from its buckets, in tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// Of the prompt.
    pub input: u64,
    /// Of the answer.
    pub output: u64,
    /// The most that the answer may have, where the request says so.
    pub most_output: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dimension {
    Requests,
    Tokens,
    Input,
    Output,
}

struct Bucket {
    capacity: f64,
    level: f64,
    since: Instant,
}

/// Where a key stands.
#[derive(Debug)]
pub(super) struct Standing(Vec<(Dimension, State)>);

#[derive(Clone, Copy, Debug)]
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
            accounts: Mutex::default(),
        }
    }

    /// Takes one request, or refuses and says when to come again.
    pub(super) fn take(
        &self,
        dialect: Dialect,
        account: &str,
        cost: Cost,
        now: Instant,
    ) -> Result<Standing, Refusal> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let buckets = accounts
            .entry(format!("{dialect:?}\n{account}"))
            .or_insert_with(|| self.buckets(dialect, now));
        buckets.iter_mut().for_each(|(_, bucket)| bucket.fill(now));
        let waits = buckets.iter().filter_map(|(dimension, bucket)| {
            let wait = bucket.wait(cost.of(*dimension, dialect))?;
            Some((*dimension, wait))
        });
        let longest = waits.max_by_key(|(_, wait)| *wait);
        let endless = buckets
            .iter()
            .find(|(dimension, bucket)| {
                dialect == Dialect::OpenAi && cost.of(*dimension, dialect) > bucket.capacity
            })
            .map(|(dimension, _)| *dimension);
        match (endless, longest) {
            (Some(dimension), _) => Err(too_fast(dialect, dimension, None, standing(buckets))),
            (None, Some((dimension, wait))) => {
                Err(too_fast(dialect, dimension, Some(wait), standing(buckets)))
            }
            (None, None) => {
                for (dimension, bucket) in &mut *buckets {
                    bucket.level = (bucket.level - cost.of(*dimension, dialect)).max(0.0);
                }
                Ok(standing(buckets))
            }
        }
    }

    /// OpenAI counts tokens of both directions in one bucket, Anthropic each direction and their sum.
    fn buckets(&self, dialect: Dialect, now: Instant) -> Vec<(Dimension, Bucket)> {
        let requests = self.requests_per_minute.map(f64::from);
        let tokens = self.tokens_per_minute.map(f64::from);
        let limits = match dialect {
            Dialect::OpenAi => vec![(Dimension::Requests, requests), (Dimension::Tokens, tokens)],
            Dialect::Anthropic => vec![
                (Dimension::Requests, requests),
                (Dimension::Input, tokens),
                (Dimension::Output, tokens),
                (Dimension::Tokens, tokens.map(|limit| 2.0 * limit)),
            ],
        };
        let bucket = |(dimension, limit): (Dimension, Option<f64>)| {
            limit.map(|limit| (dimension, Bucket::full(limit, now)))
        };
        limits.into_iter().filter_map(bucket).collect()
    }
}

impl Cost {
    /// OpenAI takes the most that an answer may have before there is one, Anthropic what it has.
    fn of(self, dimension: Dimension, dialect: Dialect) -> f64 {
        let tokens = match (dimension, dialect) {
            (Dimension::Requests, _) => 1,
            (Dimension::Tokens, Dialect::OpenAi) => self.input.saturating_add(self.most_output),
            (Dimension::Tokens, Dialect::Anthropic) => self.input + self.output,
            (Dimension::Input, _) => self.input,
            (Dimension::Output, _) => self.output,
        };
        tokens as f64
    }
}

fn standing(buckets: &[(Dimension, Bucket)]) -> Standing {
    let states = buckets
        .iter()
        .map(|(dimension, bucket)| (*dimension, bucket.state()));
    Standing(states.collect())
}

fn too_fast(
    dialect: Dialect,
    dimension: Dimension,
    wait: Option<Duration>,
    standing: Standing,
) -> Refusal {
    let (kind, code) = match (dialect, dimension) {
        (Dialect::Anthropic, _) => ("rate_limit_error", None),
        (Dialect::OpenAi, Dimension::Requests) => ("requests", Some("rate_limit_exceeded")),
        (Dialect::OpenAi, _) => ("tokens", Some("rate_limit_exceeded")),
    };
    let message = match wait {
        Some(_) => "Rate limit reached",
        None => "Request too large: it takes more than a minute's tokens",
    };
    Refusal {
        kind,
        code,
        retry_after: wait.map(|wait| wait.as_secs_f64().ceil() as u64),
        standing: Some(standing),
        ..Refusal::new(429, message)
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

    fn per_second(&self) -> f64 {
        self.capacity / 60.0
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        self.level = (self.level + passed * self.per_second()).min(self.capacity);
        self.since = now;
    }

    /// How long until `cost` is there, if it is not. What is larger than the bucket goes when the bucket is full.
    fn wait(&self, cost: f64) -> Option<Duration> {
        let missing = cost.min(self.capacity) - self.level;
        (missing > 1e-9).then(|| Duration::from_secs_f64(missing / self.per_second()))
    }

    fn state(&self) -> State {
        State {
            limit: self.capacity as u64,
            remaining: self.level as u64,
            full_in: Duration::from_secs_f64((self.capacity - self.level) / self.per_second()),
        }
    }
}

impl Standing {
    /// The headers that each provider sends.
    pub(super) fn headers(&self, dialect: Dialect) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        for (dimension, state) in &self.0 {
            let Some([limit, remaining, reset]) = names(dialect, *dimension) else {
                continue;
            };
            headers.push((limit, state.limit.to_string()));
            headers.push((remaining, state.remaining.to_string()));
            headers.push((reset, state.reset(dialect)));
        }
        headers
    }
}

impl State {
    fn reset(self, dialect: Dialect) -> String {
        match dialect {
            Dialect::OpenAi => format!("{}ms", self.full_in.as_millis()),
            Dialect::Anthropic => {
                // Whole seconds, and never before the bucket is full.
                let full = SystemTime::now() + self.full_in + Duration::from_millis(999);
                humantime::format_rfc3339_seconds(full).to_string()
            }
        }
    }
}

type Names = [&'static str; 3];

fn names(dialect: Dialect, dimension: Dimension) -> Option<Names> {
    Some(match (dialect, dimension) {
        (Dialect::OpenAi, Dimension::Requests) => OPENAI_REQUESTS,
        (Dialect::OpenAi, Dimension::Tokens) => OPENAI_TOKENS,
        (Dialect::OpenAi, Dimension::Input | Dimension::Output) => return None,
        (Dialect::Anthropic, Dimension::Requests) => ANTHROPIC_REQUESTS,
        (Dialect::Anthropic, Dimension::Tokens) => ANTHROPIC_TOKENS,
        (Dialect::Anthropic, Dimension::Input) => ANTHROPIC_INPUT,
        (Dialect::Anthropic, Dimension::Output) => ANTHROPIC_OUTPUT,
    })
}

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
    "anthropic-ratelimit-tokens-limit",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
];
const ANTHROPIC_INPUT: Names = [
    "anthropic-ratelimit-input-tokens-limit",
    "anthropic-ratelimit-input-tokens-remaining",
    "anthropic-ratelimit-input-tokens-reset",
];
const ANTHROPIC_OUTPUT: Names = [
    "anthropic-ratelimit-output-tokens-limit",
    "anthropic-ratelimit-output-tokens-remaining",
    "anthropic-ratelimit-output-tokens-reset",
];

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Cost = Cost {
        input: 10,
        output: 20,
        most_output: 40,
    };

    #[test]
    fn a_minute_lets_through_what_the_limit_says_and_then_tells_when_to_come_again() {
        let (limits, start) = (Limits::new(Some(60), None), Instant::now());
        let take = |account, now| limits.take(Dialect::OpenAi, account, COST, now);
        let let_through = (0..100).filter(|_| take("k", start).is_ok()).count();
        assert_eq!(let_through, 60);
        let refused = take("k", start).expect_err("the bucket is empty");
        assert_eq!((refused.status, refused.retry_after), (429, Some(1)));
        let told = refused
            .standing
            .expect("it stands")
            .headers(Dialect::OpenAi);
        assert!(told.contains(&("x-ratelimit-remaining-requests", "0".into())));
        assert!(take("k", start + Duration::from_secs(1)).is_ok());
        assert!(take("other", start).is_ok(), "another key has its own");
    }

    #[test]
    fn each_provider_counts_tokens_in_its_own_way() {
        let check = |dialect, expected: &[(&'static str, &str)]| {
            let limits = Limits::new(None, Some(100));
            let standing = limits.take(dialect, "k", COST, Instant::now());
            let headers = standing.expect("there is room").headers(dialect);
            for (name, value) in expected {
                assert!(
                    headers.contains(&(*name, (*value).to_owned())),
                    "{headers:?}"
                );
            }
        };
        check(Dialect::OpenAi, &[("x-ratelimit-remaining-tokens", "50")]);
        check(
            Dialect::Anthropic,
            &[
                ("anthropic-ratelimit-input-tokens-remaining", "90"),
                ("anthropic-ratelimit-output-tokens-remaining", "80"),
                ("anthropic-ratelimit-tokens-remaining", "170"),
            ],
        );
    }

    #[test]
    fn what_takes_more_than_a_minute_is_never_let_through_by_openai() {
        let limits = Limits::new(None, Some(30));
        let refused = limits.take(Dialect::OpenAi, "k", COST, Instant::now());
        let refused = refused.expect_err("it is too large");
        assert_eq!((refused.kind, refused.retry_after), ("tokens", None));
    }
}
