//! What came of an import: counted by reason, with the first places, in memory that does not grow with the files.

use super::{Left, Place, Why};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Places that are shown for each reason.
const SHOWN: usize = 3;

/// Experiments that are shown.
const EXPERIMENTS: usize = 8;

/// What came of an import.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Answers that are stored now and were not before.
    pub stored: u64,
    /// The same answers were there.
    pub there: u64,
    /// Other answers were there, and stay.
    pub conflicts: u64,
    /// Requests in the words of an experiment.
    pub as_experiments_ask: u64,
    /// Requests as they were, for which an experiment has no words.
    pub as_they_were: Examples,
    /// What is not in the store, by reason.
    pub left_out: BTreeMap<Why, Examples>,
    /// The servers that the answers are from.
    pub endpoints: BTreeSet<String>,
    /// `model` of experiments that find the answers, the first ones.
    pub experiments: Vec<Value>,
}

/// How many there are, and the first ones.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Examples {
    /// How many.
    pub count: u64,
    /// The first ones.
    pub first: Vec<Example>,
}

/// One of many.
#[derive(Clone, Debug, Serialize)]
pub struct Example {
    /// Where it stands.
    pub place: Place,
    /// What there is to say.
    pub detail: String,
}

impl Examples {
    pub(super) fn add(&mut self, place: &Place, detail: &str) {
        self.count += 1;
        if self.first.len() < SHOWN {
            self.first.push(Example {
                place: place.clone(),
                detail: crate::text::plain(detail),
            });
        }
    }
}

impl Report {
    /// Answers that the store has.
    #[must_use]
    pub fn usable(&self) -> u64 {
        self.stored + self.there + self.conflicts
    }

    /// Whether a file is not what it was once.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.left_out.keys().any(|why| why.is_damage())
    }

    pub(super) fn leave(&mut self, left: &Left) {
        let examples = self.left_out.entry(left.why).or_default();
        examples.add(&left.place, &left.detail);
    }

    pub(super) fn finds(&mut self, model: Value) {
        if self.experiments.len() < EXPERIMENTS && !self.experiments.contains(&model) {
            self.experiments.push(model);
        }
    }

    /// A hostile file names a thousand servers.
    pub(super) fn endpoint(&mut self, name: &str) {
        if self.endpoints.len() < EXPERIMENTS {
            self.endpoints.insert(crate::text::plain(name));
        }
    }
}
