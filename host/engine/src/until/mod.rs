//! Stopping early, when the answer is known well enough: `--until "accuracy ± 0.02"`. The decision follows from the ordered
//! results alone, row by row, so the same command stops at the same row however calls come back. All configs and scorers
//! that are meant must be narrow enough, so that differences between configs stay differences on the same rows.
//!
//! What makes it valid: the interval holds at all times at once (`interval`), and rows come in an order that says nothing of
//! them, for which `dataset.shuffle` is needed. What it is an interval of is the mean over what rows are drawn from.

/// The interval.
mod interval;

pub use interval::{ALPHA, Sequence};

use crate::plan::Plan;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::str::FromStr;

/// When a run may end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Until {
    /// A scorer, a measure, or both.
    pub name: String,
    /// Half the width that an interval may have.
    pub half_width: f64,
}

/// It cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` does not say when to stop: write a scorer or a measure and half a width between 0 and 0.5, such as `accuracy ± 0.02`"
)]
pub struct UntilError(String);

impl FromStr for Until {
    type Err = UntilError;

    fn from_str(text: &str) -> Result<Until, UntilError> {
        let wrong = || UntilError(text.chars().take(80).collect());
        let parts = ["±", "+-", "+/-"]
            .iter()
            .find_map(|sign| text.split_once(sign));
        let (name, width) = parts.ok_or_else(wrong)?;
        let name = name.trim().to_owned();
        let half_width: f64 = width.trim().parse().map_err(|_| wrong())?;
        match half_width > 0.0 && half_width < 0.5 && !name.is_empty() {
            true => Ok(Until { name, half_width }),
            false => Err(wrong()),
        }
    }
}

/// Whether the results may end after a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// More lines follow.
    On,
    /// This was the last.
    Enough,
}

impl From<()> for Flow {
    fn from((): ()) -> Flow {
        Flow::On
    }
}

/// Watches the ordered results of one run.
#[derive(Debug)]
pub struct Monitor {
    until: Until,
    configs: usize,
    stride: u64,
    series: Vec<Series>,
    samples: u64,
    is_reached: bool,
    strange: Option<String>,
}

#[derive(Debug)]
struct Series {
    config: usize,
    scorer: String,
    measure: String,
    sequence: Sequence,
    /// Of the row that is being read: the sum over its epochs, and how many.
    row: (f64, u32),
}

/// How far a run came that may end early.
#[derive(Debug, Serialize)]
pub struct Reached {
    /// What was wanted.
    #[serde(flatten)]
    pub until: Until,
    /// Whether it was reached.
    pub reached: bool,
    /// Rows that were looked at.
    pub samples: u64,
    /// Why it cannot be reached; none where it can.
    pub trouble: Option<String>,
    /// One for each config and measure that is meant.
    pub measures: Vec<Narrowed>,
}

/// A measure and its interval.
#[derive(Debug, Serialize)]
pub struct Narrowed {
    /// The config's place in the sweep.
    pub config: usize,
    /// The scorer.
    pub scorer: String,
    /// The measure.
    pub measure: String,
    /// Rows with a score.
    pub n: u64,
    /// The mean over rows.
    pub mean: f64,
    /// Its interval, at the level of 95 % at all times at once.
    pub interval: (f64, f64),
}

/// Why a run may not end early.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The order of rows may say something of them.
    #[error(
        "`--until` needs rows in an order that says nothing of them: add `dataset.shuffle={{seed: 1}}`, or `shuffle: {{seed: 1}}` under `dataset`"
    )]
    Ordered,
    /// Rows of several datasets.
    #[error("`--until` needs one dataset for all configs: run them apart")]
    Datasets,
    /// Nothing of that name.
    #[error("`--until` names `{0}`, and there is no scorer")]
    NoScorer(String),
}

#[derive(Deserialize)]
struct Told {
    scores: Vec<Score>,
}

#[derive(Deserialize)]
struct Score {
    scorer: String,
    name: String,
    value: Value,
}

impl Monitor {
    /// A monitor of this plan's results.
    ///
    /// # Errors
    /// Where an early end would not be valid.
    pub fn new(until: Until, plan: &Plan) -> Result<Monitor, Unfit> {
        let [block] = plan.blocks.as_slice() else {
            return Err(Unfit::Datasets);
        };
        if !plan.is_shuffled {
            return Err(Unfit::Ordered);
        }
        if plan.configs.iter().any(|config| config.scorers.is_empty()) {
            return Err(Unfit::NoScorer(until.name));
        }
        Ok(Monitor::over(until, plan.configs.len(), block.stride))
    }

    fn over(until: Until, configs: usize, stride: u64) -> Monitor {
        Monitor {
            until,
            configs,
            stride,
            series: Vec::new(),
            samples: 0,
            is_reached: false,
            strange: None,
        }
    }

    /// Takes the next line of the ordered results.
    pub fn line(&mut self, ordinal: u64, config: usize, bytes: &[u8]) -> Flow {
        if let Ok(Told { scores }) = serde_json::from_slice(bytes) {
            for score in scores {
                self.score(config, score);
            }
        }
        if !(ordinal + 1).is_multiple_of(self.stride.max(1)) {
            return Flow::On;
        }
        self.end_row()
    }

    fn score(&mut self, config: usize, score: Score) {
        let Score {
            scorer,
            name: measure,
            value,
        } = score;
        if !self.means(&scorer, &measure) {
            return;
        }
        let value = match value {
            Value::Bool(boolean) => f64::from(u8::from(boolean)),
            Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
            Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => f64::NAN,
        };
        if !(0.0..=1.0).contains(&value) {
            self.strange.get_or_insert_with(|| {
                format!("`{scorer}` gives `{measure}` values that are not between 0 and 1")
            });
            return;
        }
        let same = |series: &Series| {
            series.config == config && series.scorer == scorer && series.measure == measure
        };
        let place = self.series.iter().position(same).unwrap_or_else(|| {
            self.series.push(Series {
                config,
                scorer,
                measure,
                sequence: Sequence::default(),
                row: (0.0, 0),
            });
            self.series.len() - 1
        });
        let (sum, count) = &mut self.series[place].row;
        *sum += value;
        *count += 1;
    }

    /// One observation of a row is the mean over its epochs: answers to one row are not independent.
    fn end_row(&mut self) -> Flow {
        self.samples += 1;
        for series in &mut self.series {
            let (sum, count) = std::mem::take(&mut series.row);
            if count > 0 {
                series.sequence.add(sum / f64::from(count));
            }
        }
        let has_any = |config: usize| self.series.iter().any(|series| series.config == config);
        let narrow = |series: &Series| series.sequence.half_width() <= self.until.half_width;
        let all = (0..self.configs).all(has_any) && self.series.iter().all(narrow);
        self.is_reached = all && self.strange.is_none();
        if self.is_reached {
            Flow::Enough
        } else {
            Flow::On
        }
    }

    /// `accuracy` also means what scorers that say right or wrong call `correct`.
    fn means(&self, scorer: &str, measure: &str) -> bool {
        let name = self.until.name.as_str();
        let both = name
            .split_once([' ', '.'])
            .is_some_and(|parts| parts == (scorer, measure));
        name == scorer || name == measure || both || (name == "accuracy" && measure == "correct")
    }

    /// How far it came.
    #[must_use]
    pub fn told(&self) -> Reached {
        let missing = (self.series.is_empty() && self.samples > 0)
            .then(|| format!("no scorer gave a score called `{}`", self.until.name));
        let narrowed = |series: &Series| Narrowed {
            config: series.config,
            scorer: series.scorer.clone(),
            measure: series.measure.clone(),
            n: series.sequence.n(),
            mean: series.sequence.mean(),
            interval: series.sequence.interval(),
        };
        Reached {
            until: self.until.clone(),
            reached: self.is_reached,
            samples: self.samples,
            trouble: self.strange.clone().or(missing),
            measures: self.series.iter().map(narrowed).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
