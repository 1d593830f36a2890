//! `includes`: right where a target stands anywhere in the answer. Verdicts agree with Inspect's `includes`.

use schemars::JsonSchema;
use scorer_text::chars::casefold;
use scorer_text::subject::{beginning, targets};
use serde::Deserialize;
use std::borrow::Cow;
use xhost_plugin::{Exchange, Judgement, Refusal, Score, Scorer, Subject, export_scorer};

struct Includes;

export_scorer!(Includes);

/// Parameters of `includes`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(crate = "schemars")]
pub struct Params {
    /// Whether upper and lower case are the same.
    ignore_case: bool,
}

impl Default for Params {
    fn default() -> Params {
        Params { ignore_case: true }
    }
}

impl Scorer for Includes {
    type Params = Params;

    fn judge(params: Params, subject: Subject, _: Vec<Exchange>) -> Result<Judgement, Refusal> {
        let fold = |text| match params.ignore_case {
            true => casefold(text),
            false => Cow::Borrowed(text),
        };
        let targets = targets(&subject.sample)?;
        let answer = fold(&subject.answer);
        let hit = targets
            .iter()
            .find(|target| answer.contains(&*fold(target)));
        let score = Score::boolean("correct", hit.is_some());
        Ok(Judgement::of(match hit {
            Some(target) => score.extracted(beginning(target)),
            None => score.explanation("no target stands in the answer"),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xhost_plugin::{Sample, Value};

    #[track_caller]
    fn check(ignore_case: bool, answer: &str, targets: &[&str], found: Option<&str>) {
        let sample = targets.iter().fold(Sample::new("s", ""), |sample, target| {
            sample.target(*target)
        });
        let subject = Subject::new(sample, answer);
        let Ok(Judgement::Done(scores)) =
            Includes::judge(Params { ignore_case }, subject, Vec::new())
        else {
            panic!("a verdict");
        };
        assert_eq!(scores[0].value, Value::Boolean(found.is_some()), "{answer}");
        assert_eq!(scores[0].extracted.as_deref(), found, "{answer}");
    }

    #[test]
    fn a_target_may_stand_anywhere() {
        check(true, "It is PARIS.", &["Rome", "Paris"], Some("Paris"));
        check(false, "It is PARIS.", &["Paris"], None);
        check(true, "a STRASSE", &["Straße"], Some("Straße"));
        check(true, "", &[""], Some(""));
        check(true, "", &["x"], None);
    }

    #[test]
    fn a_sample_without_targets_is_refused() {
        let subject = Subject::new(Sample::new("s", ""), "x");
        let refused = Includes::judge(Params::default(), subject, Vec::new());
        assert!(matches!(refused, Err(Refusal::BadInput(_))));
    }

    #[test]
    fn verdicts_agree_with_inspect() {
        scorer_text::replay::check::<Includes>("includes");
    }
}
