//! `exact`: right where the answer is a target, but for case, punctuation, articles and spaces; numbers are equal however they
//! are written. Verdicts agree with Inspect's `exact`.

use schemars::JsonSchema;
use scorer_text::squad::normalized;
use scorer_text::subject::{beginning, targets};
use serde::Deserialize;
use xhost_plugin::{Exchange, Judgement, Refusal, Score, Scorer, Subject, export_scorer};

struct Exact;

export_scorer!(Exact);

/// Parameters of `exact`: there are none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "schemars")]
pub struct Params {}

impl Scorer for Exact {
    type Params = Params;

    fn judge(_: Params, subject: Subject, _: Vec<Exchange>) -> Result<Judgement, Refusal> {
        let targets = targets(&subject.sample)?;
        let answer = normalized(&subject.answer);
        let hit = targets.iter().find(|target| equal(&answer, target));
        let explanation = match hit {
            Some(target) => format!("the answer is `{}`", beginning(target)),
            None => "the answer is no target".to_owned(),
        };
        let score = Score::boolean("correct", hit.is_some());
        Ok(Judgement::of(
            score.extracted(beginning(&answer)).explanation(explanation),
        ))
    }
}

/// A target of which nothing is left, such as `the`, is nobody's answer.
fn equal(answer: &str, target: &str) -> bool {
    let target = normalized(target);
    !target.is_empty() && target == answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use xhost_plugin::{Sample, Value};

    #[track_caller]
    fn check(answer: &str, targets: &[&str], correct: bool) {
        let sample = targets.iter().fold(Sample::new("s", ""), |sample, target| {
            sample.target(*target)
        });
        let Ok(Judgement::Done(scores)) =
            Exact::judge(Params {}, Subject::new(sample, answer), Vec::new())
        else {
            panic!("a verdict");
        };
        assert_eq!(scores[0].value, Value::Boolean(correct), "{answer}");
    }

    #[test]
    fn what_does_not_count_makes_no_difference() {
        check("The  answer!", &["answer"], true);
        check("1,000", &["1000.0"], true);
        check("Straße", &["no", "STRASSE"], true);
        check("the answer is 4", &["4"], false);
        check("", &["a"], false);
    }

    #[test]
    fn a_sample_without_targets_is_refused() {
        let refused = Exact::judge(
            Params {},
            Subject::new(Sample::new("s", ""), "x"),
            Vec::new(),
        );
        assert!(matches!(refused, Err(Refusal::BadInput(_))));
    }

    #[test]
    fn verdicts_agree_with_inspect() {
        scorer_text::replay::check::<Exact>("exact");
    }
}
