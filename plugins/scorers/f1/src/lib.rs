//! `f1`: the harmonic mean of precision and recall of the answer's words against a target's, the best target's. Values agree
//! with Inspect's `f1`, which is that of SQuAD with numbers taken as numbers.

use schemars::JsonSchema;
use scorer_text::squad::{normalized_without, token};
use scorer_text::subject::{beginning, targets};
use serde::Deserialize;
use std::collections::HashMap;
use xhost_plugin::{Exchange, Judgement, Refusal, Score, Scorer, Subject, export_scorer};

struct F1;

export_scorer!(F1);

/// Parameters of `f1`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(crate = "schemars")]
pub struct Params {
    /// Words that do not count, besides the articles.
    stop_words: Vec<String>,
}

/// The words of a text and how often each stands there.
struct Words {
    text: String,
    total: usize,
}

/// How an answer compares with one target.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Overlap {
    precision: f64,
    recall: f64,
    f1: f64,
}

impl Scorer for F1 {
    type Params = Params;

    fn judge(params: Params, subject: Subject, _: Vec<Exchange>) -> Result<Judgement, Refusal> {
        let targets = targets(&subject.sample)?;
        let stop_words: Vec<String> = params.stop_words.iter().map(|word| token(word)).collect();
        let answer = Words::of(&subject.answer, &stop_words);
        let counts = answer.counts();
        let best = targets
            .iter()
            .map(|target| Words::of(target, &stop_words))
            .filter(|target| target.total > 0)
            .map(|target| overlap(&counts, answer.total, &target))
            .fold(Overlap::default(), |best, next| {
                if next.f1 > best.f1 { next } else { best }
            });
        let score = Score::number("f1", two_places(best.f1))
            .extracted(beginning(&answer.text))
            .extra("precision", best.precision)
            .extra("recall", best.recall);
        Ok(Judgement::of(score))
    }
}

impl Words {
    fn of(text: &str, stop_words: &[String]) -> Words {
        let text = normalized_without(text, stop_words);
        let total = scorer_text::chars::words(&text).count();
        Words { text, total }
    }

    fn counts(&self) -> HashMap<&str, usize> {
        let mut counts = HashMap::new();
        for word in scorer_text::chars::words(&self.text) {
            *counts.entry(word).or_default() += 1;
        }
        counts
    }
}

fn overlap(answer: &HashMap<&str, usize>, total: usize, target: &Words) -> Overlap {
    let shared = target.counts().into_iter().map(|(word, count)| {
        let given = answer.get(word).copied().unwrap_or_default();
        given.min(count)
    });
    let shared = shared.sum::<usize>() as f64;
    // An answer without words is wrong in none of them.
    let precision = if total == 0 {
        1.0
    } else {
        shared / total as f64
    };
    let recall = shared / target.total as f64;
    let f1 = match precision + recall {
        0.0 => 0.0,
        sum => 2.0 * precision * recall / sum,
    };
    Overlap {
        precision,
        recall,
        f1,
    }
}

/// Rounded to two places as Inspect does, on the number's exact decimal expansion.
fn two_places(number: f64) -> f64 {
    format!("{number:.2}").parse().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use xhost_plugin::{Sample, Value};

    #[track_caller]
    fn check(stop_words: &[&str], answer: &str, targets: &[&str], f1: f64) {
        let sample = targets.iter().fold(Sample::new("s", ""), |sample, target| {
            sample.target(*target)
        });
        let params = Params {
            stop_words: stop_words.iter().map(|word| (*word).to_owned()).collect(),
        };
        let Ok(Judgement::Done(scores)) =
            F1::judge(params, Subject::new(sample, answer), Vec::new())
        else {
            panic!("a value");
        };
        assert_eq!(scores[0].value, Value::Number(f1), "{answer}");
    }

    #[test]
    fn words_count_as_often_as_they_stand_there() {
        check(&[], "The quick brown fox", &["brown fox"], 0.8);
        check(&[], "fox fox fox", &["fox"], 0.5);
        check(&[], "a cat", &["dog", "cat"], 1.0);
        check(&[], "", &["dog"], 0.0);
        check(&[], "the", &["the"], 0.0);
        check(&["Of"], "king of Spain", &["king Spain"], 1.0);
    }

    #[test]
    fn a_sample_without_targets_is_refused() {
        let refused = F1::judge(
            Params::default(),
            Subject::new(Sample::new("s", ""), "x"),
            Vec::new(),
        );
        assert!(matches!(refused, Err(Refusal::BadInput(_))));
    }

    #[test]
    fn values_agree_with_inspect() {
        scorer_text::replay::check::<F1>("f1");
    }
}
