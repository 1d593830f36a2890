//! Verdicts, by hand and from Inspect.

use super::*;
use serde_json::{Value as Json, json};
use xhost_plugin::{Sample, Value, glue};

#[track_caller]
fn check(params: &Json, answer: &str, targets: &[&str], correct: bool, extracted: &str) {
    let sample = targets.iter().fold(Sample::new("s", ""), |sample, target| {
        sample.target(*target)
    });
    let judged = glue::scorer::judge::<Match>(
        &params.to_string(),
        Subject::new(sample, answer),
        Vec::new(),
    );
    let Ok(Judgement::Done(scores)) = judged else {
        panic!("a verdict");
    };
    assert_eq!(scores[0].value, Value::Boolean(correct), "{answer}");
    assert_eq!(scores[0].extracted.as_deref(), Some(extracted), "{answer}");
}

#[test]
fn a_target_stands_where_it_should() {
    let end = "It is \"Paris\".";
    check(&json!({}), end, &["paris"], true, end);
    check(&json!({"ignore_case": false}), end, &["paris"], false, end);
    check(&json!({"location": "begin"}), end, &["it is"], true, end);
    check(
        &json!({"location": "exact"}),
        " Paris.\n",
        &["Rome", "paris!"],
        true,
        "Paris.",
    );
    check(&json!({"location": "any"}), end, &["s \"p"], true, end);
    check(&json!({}), "25", &["5"], true, "25");
}

#[test]
fn numbers_are_compared_as_numbers() {
    let numeric = json!({"numeric": true});
    check(&numeric, "it is 25", &["5"], false, "25");
    check(&numeric, "it is \\$1,234.50.", &["1234.5"], true, "1234.5");
    check(&numeric, "**42** apples", &["42"], true, "42");
    check(&numeric, "60%", &["60"], false, "60%");
    check(&numeric, "about ~42", &["42"], false, "about ~42");
    check(&numeric, "(42)!", &["42.0"], true, "42");
    check(&numeric, "十二", &["12"], true, "12");
    check(&numeric, "2½", &["2.5"], true, "2.5");
    check(&numeric, "10²", &["100"], true, "100");
    check(&numeric, "−5", &["-5"], true, "-5");
    check(&numeric, "a Number", &["number"], true, "a Number");
    check(
        &json!({"numeric": true, "location": "begin"}),
        "1 of 2",
        &["1"],
        true,
        "1",
    );
    check(
        &json!({"numeric": true, "location": "any"}),
        "1 of 2 of 3",
        &["2"],
        true,
        "2",
    );
    check(
        &json!({"numeric": true, "location": "exact"}),
        "1 000",
        &["1000"],
        true,
        "1000",
    );
    check(
        &json!({"numeric": true, "location": "exact"}),
        "(42)",
        &["42"],
        false,
        "(42)",
    );
}

#[test]
fn no_text_makes_it_panic() {
    for text in [
        "",
        "⁻²",
        "½½",
        "e",
        "1e",
        "--",
        "。",
        "万亿",
        "²",
        "0⁻¹",
        "9⁹⁹⁹",
        "....",
        "点五",
    ] {
        for target in [text, "1"] {
            let subject = Subject::new(Sample::new("s", "").target(target), text);
            let params = r#"{"numeric": true}"#;
            assert!(glue::scorer::judge::<Match>(params, subject, Vec::new()).is_ok());
        }
    }
}

#[test]
fn verdicts_agree_with_inspect() {
    scorer_text::replay::check::<Match>("match");
}
