//! What a run came to: `summary.json` and the table at its end. The verdicts are read from the very lines that stand in
//! `trials.jsonl`, in their order; where answers came from is read from the events.

/// The numbers.
mod statistics;

/// The table for a person.
mod table;

pub use statistics::{Estimate, Moments};
pub use table::render;

use crate::event::Origins;
use crate::prices::Money;
use crate::record::Usage;
use crate::until;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `summary.json`.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// The experiment's name.
    pub experiment: String,
    /// The identity of what was run.
    pub plan: String,
    /// Whether every trial is in the results.
    pub complete: bool,
    /// The digest of the results; none where trials are missing.
    pub run_digest: Option<String>,
    /// One for each config, in the order of the sweep.
    pub configs: Vec<ConfigSummary>,
    /// How far a run came that may end early; none where it may not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<until::Reached>,
    /// Over all configs.
    pub totals: Totals,
}

/// One config.
#[derive(Debug, Serialize)]
pub struct ConfigSummary {
    /// The swept settings and their values.
    pub config: Arc<Map<String, Value>>,
    /// Trials in the results.
    pub trials: u64,
    /// How many trials failed, by cause.
    pub failures: BTreeMap<String, u64>,
    /// One for each scorer and measure.
    pub scorers: Vec<ScorerSummary>,
    /// Where answers came from.
    #[serde(flatten)]
    pub origins: Origins,
    /// Tokens of the answers, wherever they came from.
    pub tokens: Usage,
    /// What this config's calls have cost, in dollars, as [`Totals::cost_usd`] is meant. A call that several configs wait for
    /// is that of the one which asked first. Batches, and a run's calls before this was told apart, are in the totals alone.
    pub cost_usd: Option<Money>,
}

/// One measure of one scorer.
#[derive(Debug, Serialize)]
pub struct ScorerSummary {
    /// The scorer's label.
    pub scorer: String,
    /// The measure's name; none where the scorer never answered.
    pub name: Option<String>,
    /// How many scores there are.
    pub n: u64,
    /// Their mean; none for labels.
    pub mean: Option<f64>,
    /// Its standard error, clustered by sample.
    pub stderr: Option<f64>,
    /// A 95 % interval of the mean.
    pub interval: Option<(f64, f64)>,
    /// How many trials have no such score, because they or the scorer failed.
    pub failures: u64,
    /// How often each label was given.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, u64>,
}

/// Over all configs.
#[derive(Debug, Default, Serialize)]
pub struct Totals {
    /// Trials in the results.
    pub trials: u64,
    /// Trials that failed.
    pub failures: u64,
    /// Answers from the store.
    pub hits: u64,
    /// Answers from another trial's call that was in flight.
    pub shared: u64,
    /// Answers from calls of this run.
    pub calls: u64,
    /// Calls that were sent again.
    pub retries: u64,
    /// Tokens of the answers, wherever they came from.
    pub tokens: Usage,
    /// What the calls of this run have cost, those of its earlier processes too, in dollars; none where a price is not known.
    /// In a rehearsal, what they would have cost.
    pub cost_usd: Option<Money>,
    /// The most memory that the process held, in bytes, where the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// How long it took.
    pub seconds: f64,
}

/// Gathers what a summary says of one config.
pub struct Tally {
    config: Arc<Map<String, Value>>,
    scorers: Vec<Arc<str>>,
    trials: u64,
    failures: BTreeMap<String, u64>,
    measures: Vec<Measure>,
    tokens: Usage,
    /// Where answers came from.
    pub origins: Origins,
}

struct Measure {
    scorer: String,
    name: String,
    moments: Moments,
    labels: BTreeMap<String, u64>,
    n: u64,
}

/// The most labels, and measures, that are counted by name: a scorer may make up a new one for every trial.
const LABELS: usize = 100;
const MEASURES: usize = 100;

/// Characters of a label's or a measure's name that tell it from others.
const NAME: usize = 200;

/// What is not counted by name.
const OTHER_LABELS: &str = "(other labels)";
const OTHER_MEASURES: &str = "(other measures)";

/// What a summary reads in a line of the results.
#[derive(Deserialize)]
struct Told {
    scores: Vec<ToldScore>,
    usage: ToldUsage,
    failure: Option<ToldFailure>,
}

#[derive(Deserialize)]
struct ToldScore {
    scorer: String,
    name: String,
    value: Value,
}

#[derive(Deserialize)]
struct ToldFailure {
    cause: String,
}

#[derive(Deserialize)]
struct ToldUsage {
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
    reasoning: u64,
}

impl Tally {
    /// Nothing gathered yet.
    #[must_use]
    pub fn new(config: Arc<Map<String, Value>>, scorers: Vec<Arc<str>>) -> Tally {
        let (failures, measures) = (BTreeMap::new(), Vec::new());
        Tally {
            config,
            scorers,
            trials: 0,
            failures,
            measures,
            tokens: Usage::default(),
            origins: Origins::default(),
        }
    }

    /// Takes a line of the results; `sample` tells samples apart.
    pub fn line(&mut self, sample: u64, bytes: &[u8]) {
        let Ok(Told {
            scores,
            usage,
            failure,
        }) = serde_json::from_slice(bytes)
        else {
            return;
        };
        let ToldUsage {
            input,
            output,
            cache_read,
            cache_write,
            reasoning,
        } = usage;
        self.tokens.merge(&Usage {
            input,
            output,
            cache_read,
            cache_write,
            reasoning,
        });
        self.trials += 1;
        if let Some(failure) = failure {
            *self.failures.entry(failure.cause).or_default() += 1;
        }
        for score in scores {
            self.measure(score.scorer, score.name)
                .add(sample, &score.value);
        }
    }

    fn measure(&mut self, scorer: String, name: String) -> &mut Measure {
        let position = |name: &str| {
            let is_it = |measure: &Measure| measure.scorer == scorer && measure.name == name;
            self.measures.iter().position(is_it)
        };
        let mut name = cut(name);
        let mut known = position(&name);
        let of_scorer = |measure: &&Measure| measure.scorer == scorer;
        if known.is_none() && self.measures.iter().filter(of_scorer).count() >= MEASURES {
            name = OTHER_MEASURES.to_owned();
            known = position(&name);
        }
        let index = known.unwrap_or_else(|| {
            let (moments, labels) = (Moments::default(), BTreeMap::new());
            self.measures.push(Measure {
                scorer,
                name,
                moments,
                labels,
                n: 0,
            });
            self.measures.len() - 1
        });
        &mut self.measures[index]
    }

    /// Adds where a trial's answers came from.
    pub fn origins(&mut self, origins: Origins) {
        self.origins.add(origins);
    }

    /// The config's part of the summary, but for its cost, which is the account's to say.
    #[must_use]
    pub fn summary(&self) -> ConfigSummary {
        let of_scorer = |label: &Arc<str>| {
            let own: Vec<_> = self
                .measures
                .iter()
                .filter(|measure| *measure.scorer == **label)
                .collect();
            match own.as_slice() {
                [] => vec![ScorerSummary::without_scores(label, self.trials)],
                own => own
                    .iter()
                    .map(|measure| measure.summary(self.trials))
                    .collect(),
            }
        };
        ConfigSummary {
            config: Arc::clone(&self.config),
            trials: self.trials,
            failures: self.failures.clone(),
            scorers: self.scorers.iter().flat_map(of_scorer).collect(),
            origins: self.origins,
            tokens: self.tokens,
            cost_usd: Some(Money::default()),
        }
    }
}

impl Measure {
    fn add(&mut self, sample: u64, value: &Value) {
        self.n += 1;
        match value {
            // Different measures have no mean together.
            _ if self.name == OTHER_MEASURES => {}
            Value::Bool(boolean) => self
                .moments
                .add(sample, f64::from(u8::from(*boolean)), true),
            Value::Number(number) => {
                self.moments
                    .add(sample, number.as_f64().unwrap_or(0.0), false);
            }
            Value::String(label) => {
                let label = cut(label.clone());
                let counted = self.labels.len() < LABELS || self.labels.contains_key(&label);
                let label = if counted { label } else { OTHER_LABELS.into() };
                *self.labels.entry(label).or_default() += 1;
            }
            Value::Null | Value::Array(_) | Value::Object(_) => {}
        }
    }

    fn summary(&self, trials: u64) -> ScorerSummary {
        let Estimate {
            mean,
            stderr,
            interval,
            n: _,
        } = self.moments.estimate();
        ScorerSummary {
            scorer: self.scorer.clone(),
            name: Some(self.name.clone()),
            n: self.n,
            mean,
            stderr,
            interval,
            failures: trials.saturating_sub(self.n),
            labels: self.labels.clone(),
        }
    }
}

impl ScorerSummary {
    fn without_scores(scorer: &str, trials: u64) -> ScorerSummary {
        let (mean, stderr, interval) = (None, None, None);
        let (scorer, labels) = (scorer.to_owned(), BTreeMap::new());
        ScorerSummary {
            scorer,
            name: None,
            n: 0,
            mean,
            stderr,
            interval,
            failures: trials,
            labels,
        }
    }
}

impl Totals {
    /// The sums over these configs.
    #[must_use]
    pub fn of(configs: &[ConfigSummary]) -> Totals {
        let mut totals = Totals::default();
        for config in configs {
            totals.trials += config.trials;
            totals.failures += config.failures.values().sum::<u64>();
            totals.hits += config.origins.hits;
            totals.shared += config.origins.shared;
            totals.calls += config.origins.calls;
            totals.tokens.merge(&config.tokens);
        }
        totals
    }
}

/// A name, short enough to be kept until the end.
fn cut(name: String) -> String {
    match name.char_indices().nth(NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    }
}

/// The most memory that this process has held, in bytes; `None` where the system does not tell.
#[must_use]
pub fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}

#[cfg(test)]
mod tests;
