//! What to do about a call that failed: fail the trial, stop the model, or wait and ask again. Pure but for the jitter.

use super::{Outcome, Trouble};
use crate::http::TransportError;
use crate::plugin::bindings::provider::FaultKind;
use crate::record::{Cause, TrialFailure};
use crate::stop::StopReason;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;

/// A provider that says "too fast" is not ill: asking again is free, so it may say so very often.
const RATE_LIMIT_ATTEMPTS: u32 = 200;

/// "At once" is no time to wait: whoever says so again and again gets the back-off instead.
const SHORTEST_WAIT: Duration = Duration::from_millis(20);

/// No provider asks for more; a header that does is a mistake or an attack.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// The codes by which providers say that traffic grew too fast, though it is within the limits: OpenAI's page "Error codes",
/// Anthropic's page "Rate limits". A provider plugin puts the code in parentheses behind the words.
const TOO_SUDDEN: [&str; 2] = ["(slow_down)", "(ramp_limit_exceeded)"];

/// How many connections to a server that never answered are tried before the run ends.
const FIRST_CONNECTIONS: u32 = 3;

/// What is left of a request's patience.
#[derive(Debug)]
pub struct Patience {
    retries_left: u32,
    rate_limits_left: u32,
    connections_left: u32,
    backoff: ExponentialBackoff,
}

/// What to do.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// The trial fails.
    Fail(TrialFailure),
    /// No further call leaves on this lane.
    Stop(StopReason),
    /// Ask again.
    Retry {
        /// Why.
        cause: Cause,
        /// After so long.
        wait: Duration,
    },
    /// Ask again after so long; the lane is to grow slowly from now on.
    SlowDown(Duration),
}

impl Verdict {
    /// What it means for the lane.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Verdict::Fail(failure) => outcome(failure.cause, Duration::ZERO),
            Verdict::Stop(_) => Outcome::Other,
            Verdict::Retry { cause, wait } => outcome(*cause, *wait),
            Verdict::SlowDown(wait) => Outcome::TooSudden(*wait),
        }
    }
}

fn outcome(cause: Cause, wait: Duration) -> Outcome {
    match cause {
        Cause::RateLimited => Outcome::Refused(wait),
        Cause::Overloaded | Cause::Timeout | Cause::Unreachable => Outcome::Ill,
        _ => Outcome::Other,
    }
}

impl Patience {
    /// A request's patience at its start.
    #[must_use]
    pub fn new(retries: u32) -> Patience {
        Patience {
            retries_left: retries,
            rate_limits_left: RATE_LIMIT_ATTEMPTS,
            connections_left: FIRST_CONNECTIONS.min(retries),
            backoff: backoff(),
        }
    }

    /// Decides. `ever_answered` says whether this lane ever got an answer: where it did not, no connection means that
    /// the address is wrong, not that the network hiccups.
    pub fn decide(&mut self, trouble: &Trouble, ever_answered: bool) -> Verdict {
        let message = trouble.message();
        match trouble {
            Trouble::Fault(fault) => {
                let asked = fault
                    .retry_after_ms
                    .map(|ms| Duration::from_millis(ms).min(LONGEST_WAIT));
                match fault.kind {
                    FaultKind::RateLimited => self.rate_limited(asked, message),
                    FaultKind::Overloaded => self.again(Cause::Overloaded, asked, message),
                    FaultKind::Exhausted => Verdict::Stop(StopReason::Exhausted(format!(
                        "{message}; add credit or raise the limit in the provider's console"
                    ))),
                    FaultKind::Denied => Verdict::Stop(StopReason::Denied(message)),
                    FaultKind::Rejected => {
                        Verdict::Fail(TrialFailure::new(Cause::Rejected, message))
                    }
                    FaultKind::Malformed => {
                        Verdict::Fail(TrialFailure::new(Cause::Malformed, message))
                    }
                }
            }
            Trouble::Transport(TransportError::Unreachable { .. }) if !ever_answered => {
                self.first_connection(&message)
            }
            Trouble::Transport(TransportError::Unreachable { .. }) => {
                self.again(Cause::Unreachable, None, message)
            }
            Trouble::Transport(TransportError::Timeout { .. }) => {
                self.again(Cause::Timeout, None, message)
            }
            Trouble::Transport(TransportError::Broken { .. }) => {
                self.again(Cause::Overloaded, None, message)
            }
            Trouble::Transport(
                TransportError::Redirect { .. } | TransportError::TooLarge { .. },
            ) => Verdict::Fail(TrialFailure::new(Cause::Malformed, message)),
        }
    }

    fn rate_limited(&mut self, asked: Option<Duration>, message: String) -> Verdict {
        let Some(left) = self.rate_limits_left.checked_sub(1) else {
            return Verdict::Fail(TrialFailure::new(Cause::RateLimited, message));
        };
        self.rate_limits_left = left;
        let wait = match asked {
            Some(asked) if asked >= SHORTEST_WAIT => asked,
            Some(_) | None => self.next_wait(),
        };
        if TOO_SUDDEN.iter().any(|code| message.ends_with(code)) {
            return Verdict::SlowDown(wait);
        }
        Verdict::Retry {
            cause: Cause::RateLimited,
            wait,
        }
    }

    fn again(&mut self, cause: Cause, asked: Option<Duration>, message: String) -> Verdict {
        let Some(left) = self.retries_left.checked_sub(1) else {
            return Verdict::Fail(TrialFailure::new(cause, message));
        };
        self.retries_left = left;
        let wait = asked.unwrap_or_default().max(self.next_wait());
        Verdict::Retry { cause, wait }
    }

    fn first_connection(&mut self, message: &str) -> Verdict {
        let Some(left) = self.connections_left.checked_sub(1) else {
            let advice = "check `model.base_url` and whether the server runs";
            return Verdict::Stop(StopReason::Unreachable(format!("{message}; {advice}")));
        };
        self.connections_left = left;
        Verdict::Retry {
            cause: Cause::Unreachable,
            wait: self.next_wait(),
        }
    }

    fn next_wait(&mut self) -> Duration {
        self.backoff.next().unwrap_or(Duration::from_secs(30))
    }
}

/// 0.5 s, doubled up to 30 s, each with up to as much again by chance: clients that fail together must not return
/// together.
fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(30))
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests;
