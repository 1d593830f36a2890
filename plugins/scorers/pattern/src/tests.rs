//! Verdicts, by hand and from Inspect.

use super::*;
use serde_json::{Value as Json, json};
use xhost_plugin::{Sample, Value, glue};

fn judge(params: &Json, answer: &str, targets: &[&str]) -> Result<(bool, Option<String>), Refusal> {
    let sample = targets.iter().fold(Sample::new("s", ""), |sample, target| {
        sample.target(*target)
    });
    let judged = glue::scorer::judge::<Matched>(
        &params.to_string(),
        Subject::new(sample, answer),
        Vec::new(),
    )?;
    let Judgement::Done(mut scores) = judged else {
        panic!("it asks nobody");
    };
    let score = scores.remove(0);
    Ok((score.value == Value::Boolean(true), score.extracted))
}

#[test]
fn groups_are_compared_with_the_targets() {
    let check = |params: Json, answer: &str, correct: bool, extracted: Option<&str>| {
        let expect = Ok((correct, extracted.map(str::to_owned)));
        assert_eq!(
            judge(&params, answer, &["Yes", "no"]),
            expect,
            "{params} {answer}"
        );
    };
    check(
        json!({"pattern": r"is (\w+)"}),
        "it IS YES",
        true,
        Some("YES"),
    );
    check(
        json!({"pattern": r"is (\w+)", "ignore_case": false}),
        "it is YES",
        false,
        Some("YES"),
    );
    check(
        json!({"pattern": r"(\w+) or (\w+)"}),
        "maybe or no",
        true,
        Some("maybe, no"),
    );
    check(
        json!({"pattern": r"(\w+) or (\w+)", "match_all": true}),
        "maybe or no",
        false,
        Some("maybe, no"),
    );
    check(
        json!({"pattern": r"(\w+) or (\w+)", "match_all": true}),
        "yes or no",
        true,
        Some("yes, no"),
    );
    check(json!({"pattern": r"\w+$"}), "I say no", true, Some("no"));
    check(json!({"pattern": r"(x)?y"}), "y", false, None);
    check(json!({"pattern": r"z"}), "y", false, None);
}

#[test]
fn what_cannot_be_judged_is_refused() {
    let refused =
        |params: Json, targets: &[&str]| judge(&params, "x", targets).expect_err("it is refused");
    assert!(matches!(
        refused(json!({"pattern": "(?=x)"}), &["x"]),
        Refusal::BadParams(_)
    ));
    assert!(matches!(refused(json!({}), &["x"]), Refusal::BadParams(_)));
    assert!(matches!(
        refused(json!({"pattern": "x"}), &[]),
        Refusal::BadInput(_)
    ));
}

#[test]
fn verdicts_agree_with_inspect() {
    scorer_text::replay::check::<Matched>("pattern");
}
