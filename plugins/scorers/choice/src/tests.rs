//! Verdicts, by hand and from Inspect.

use super::*;
use serde_json::{Value as Json, json};
use xhost_plugin::{Sample, Value, glue};

fn judge(
    params: &Json,
    answer: &str,
    targets: &[&str],
    choices: usize,
) -> Result<(bool, Option<String>), Refusal> {
    let row = json!({"choices": vec!["x"; choices]});
    let sample = targets
        .iter()
        .fold(Sample::new("s", "").row(&row), |sample, target| {
            sample.target(*target)
        });
    let judged = glue::scorer::judge::<Choice>(
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

#[track_caller]
fn check(params: &Json, answer: &str, targets: &[&str], correct: bool, extracted: Option<&str>) {
    assert_eq!(
        judge(params, answer, targets, 4),
        Ok((correct, extracted.map(str::to_owned))),
        "{answer}"
    );
}

#[test]
fn one_letter_is_read_from_what_models_write() {
    check(&json!({}), "It is so.\nANSWER: B", &["B"], true, Some("B"));
    check(
        &json!({}),
        "ANSWER: A\nNo:\nanswer : b.",
        &["B"],
        true,
        Some("B"),
    );
    check(&json!({}), "**ANSWER: C**", &["C"], true, Some("C"));
    check(&json!({}), "ANSWER: $D$", &["D"], true, Some("D"));
    check(&json!({}), "ANSWER: (A)", &["A"], true, Some("A"));
    check(&json!({}), "ANSWER: B because", &["B"], false, None);
    check(&json!({}), "ANSWER: E", &["A"], false, None);
    check(&json!({}), "ANSWER: A, B", &["A"], false, None);
    check(&json!({}), "", &["A"], false, None);
}

#[test]
fn several_letters_are_read_where_the_target_has_several() {
    check(
        &json!({}),
        "ANSWER: C and A",
        &["A", "C"],
        true,
        Some("A, C"),
    );
    check(&json!({}), "ANSWER: AC", &["A,C"], true, Some("A, C"));
    check(&json!({}), "ANSWER: A", &["AC"], false, Some("A"));
    check(
        &json!({"multiple": false}),
        "ANSWER: A, C",
        &["AC"],
        false,
        None,
    );
    check(
        &json!({"multiple": true}),
        "ANSWER: A, C",
        &["A"],
        false,
        Some("A, C"),
    );
}

#[test]
fn a_bare_letter_is_an_answer_unless_it_may_not_be() {
    for answer in ["B", " (b).\n", "**B**", "$B$"] {
        check(&json!({}), answer, &["B"], true, Some("B"));
        check(&json!({"bare": false}), answer, &["B"], false, None);
    }
    check(&json!({}), "A red one", &["A"], false, None);
    check(&json!({}), "A, C", &["A", "C"], true, Some("A, C"));
}

#[test]
fn a_letter_may_be_read_whatever_stands_behind_it() {
    check(
        &json!({"read": "letter"}),
        "ANSWER: B because",
        &["b"],
        true,
        Some("B"),
    );
    check(
        &json!({"read": "letter"}),
        "ANSWER: Berlin",
        &["B"],
        false,
        None,
    );
    check(
        &json!({"read": "letter"}),
        "ANSWER: B\nANSWER:",
        &["B"],
        false,
        None,
    );
}

#[test]
fn a_target_that_is_no_choice_is_refused() {
    for target in ["E", "é", "", "27"] {
        assert!(
            matches!(
                judge(&json!({}), "A", &[target], 4),
                Err(Refusal::BadInput(_))
            ),
            "{target}"
        );
    }
    assert_eq!(
        judge(&json!({}), "ANSWER: 2", &["2"], 30),
        Ok((true, Some("2".to_owned())))
    );
}

#[test]
fn verdicts_agree_with_inspect() {
    scorer_text::replay::check::<Choice>("choice");
}
