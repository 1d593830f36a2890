//! A trial as the results tell it: a line of `trials.jsonl`. Nothing in it depends on when, how fast or from where an
//! answer came, so a replay writes the same bytes.

use crate::plugin::bindings::scorer::{Score, Value as ScoreValue};
use crate::plugin::{Failure, FailureKind, types};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::sync::Arc;
use xhost_store::{Digest, ResponseDigest};

/// One trial.
#[derive(Debug, Serialize)]
pub struct Trial {
    /// The swept settings and their values.
    pub config: Arc<Map<String, Value>>,
    /// The sample's id.
    pub sample: String,
    /// The repeat, from 1.
    pub epoch: u32,
    /// The answer; none where the trial failed before there was one.
    pub answer: Option<String>,
    /// The verdicts, in the order of the scorers.
    pub scores: Vec<Verdict>,
    /// The requests behind it and their answers, in the order in which they were asked.
    pub requests: Vec<Exchange>,
    /// The tokens of these requests.
    pub usage: Usage,
    /// What went wrong first; none where nothing did.
    pub failure: Option<TrialFailure>,
}

/// One verdict.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// The scorer's label in the experiment.
    pub scorer: Arc<str>,
    /// The measure.
    pub name: String,
    /// A number, a boolean or a label.
    pub value: Value,
    /// What the scorer read as the answer.
    pub extracted: Option<String>,
    /// Why, for a person.
    pub explanation: Option<String>,
    /// What else the scorer said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra: Option<Box<RawValue>>,
}

impl Verdict {
    /// A plugin's score under its scorer's label.
    #[must_use]
    pub fn new(scorer: Arc<str>, score: Score) -> Verdict {
        let value = match score.value {
            ScoreValue::Number(number) => Value::from(number),
            ScoreValue::Boolean(boolean) => Value::from(boolean),
            ScoreValue::Label(label) => Value::from(label),
        };
        let extra = score
            .extra
            .and_then(|text| RawValue::from_string(text).ok());
        Verdict {
            scorer,
            name: score.name,
            value,
            extracted: score.extracted,
            explanation: score.explanation,
            extra,
        }
    }
}

/// A request and its answer, by name.
#[derive(Clone, Debug, Serialize)]
pub struct Exchange {
    /// The request.
    pub digest: Digest,
    /// The provider's bytes.
    pub response: ResponseDigest,
}

/// Tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// All of the input.
    pub input: u64,
    /// All of the output.
    pub output: u64,
    /// The part of the input that came from the provider's cache.
    pub cache_read: u64,
    /// The part of the input that went into the provider's cache.
    pub cache_write: u64,
    /// The part of the output that was reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// Adds a completion's tokens. A hostile provider's numbers stop at the top.
    pub fn add(&mut self, usage: &types::Usage) {
        let types::Usage {
            input,
            output,
            cache_read,
            cache_write,
            reasoning,
        } = usage;
        self.input = self.input.saturating_add(*input);
        self.output = self.output.saturating_add(*output);
        self.cache_read = self.cache_read.saturating_add(*cache_read);
        self.cache_write = self.cache_write.saturating_add(*cache_write);
        self.reasoning = self.reasoning.saturating_add(*reasoning);
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Usage) {
        self.add(&types::Usage {
            input: other.input,
            output: other.output,
            cache_read: other.cache_read,
            cache_write: other.cache_write,
            reasoning: other.reasoning,
        });
    }
}

/// Why a trial has no answer, or not all of its scores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialFailure {
    /// Which kind of failure.
    pub cause: Cause,
    /// The words; they name the plugin and its version where one is to blame.
    pub message: String,
    /// The scorer whose scores are missing; none where the trial has no answer.
    pub scorer: Option<Arc<str>>,
}

/// Every way in which a trial can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A plugin said no.
    PluginRefusal,
    /// A plugin crashed or broke the contract.
    PluginTrap,
    /// A plugin used up one of its limits.
    PluginLimit,
    /// The host could not call a plugin.
    Host,
    /// The provider refused for too long, for speed.
    RateLimited,
    /// The provider was ill for too long.
    Overloaded,
    /// The provider says that this request will never work.
    Rejected,
    /// The provider broke its own protocol.
    Malformed,
    /// No answer in time, every time.
    Timeout,
    /// No connection, every time.
    Unreachable,
}

impl Cause {
    /// Whether it came from a provider, and so cannot come again in a replay by itself.
    #[must_use]
    pub fn is_of_a_provider(self) -> bool {
        match self {
            Cause::RateLimited
            | Cause::Overloaded
            | Cause::Rejected
            | Cause::Malformed
            | Cause::Timeout
            | Cause::Unreachable => true,
            Cause::PluginRefusal | Cause::PluginTrap | Cause::PluginLimit | Cause::Host => false,
        }
    }

    /// The word in the results.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Cause::PluginRefusal => "plugin-refusal",
            Cause::PluginTrap => "plugin-trap",
            Cause::PluginLimit => "plugin-limit",
            Cause::Host => "host",
            Cause::RateLimited => "rate-limited",
            Cause::Overloaded => "overloaded",
            Cause::Rejected => "rejected",
            Cause::Malformed => "malformed",
            Cause::Timeout => "timeout",
            Cause::Unreachable => "unreachable",
        }
    }
}

impl TrialFailure {
    /// A failure before there was an answer.
    #[must_use]
    pub fn new(cause: Cause, message: String) -> TrialFailure {
        TrialFailure {
            cause,
            message,
            scorer: None,
        }
    }
}

impl From<Failure> for TrialFailure {
    fn from(failure: Failure) -> TrialFailure {
        let cause = match failure.kind {
            FailureKind::Refusal | FailureKind::BadParams => Cause::PluginRefusal,
            FailureKind::Trap => Cause::PluginTrap,
            FailureKind::Limit => Cause::PluginLimit,
            FailureKind::Host => Cause::Host,
        };
        TrialFailure::new(cause, failure.to_string())
    }
}
