//! Answers and verdicts, by hand and from the published ones of GSM8K.

use super::*;
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use xhost_plugin::{Sample, Value};

fn judge(params: Json, answer: &str, targets: &[&str]) -> Result<(bool, Option<String>), Refusal> {
    let params: Params = serde_json::from_value(params).expect("parameters");
    let targets = targets.iter().map(|target| (*target).to_owned()).collect();
    let sample = Sample {
        id: "s".into(),
        input: String::new(),
        targets,
        fields: "{}".into(),
    };
    let Judgement::Done(mut scores) =
        Numeric::judge(params, Subject::new(sample, answer), Vec::new())?
    else {
        panic!("it asks nobody");
    };
    let score = scores.remove(0);
    Ok((score.value == Value::Boolean(true), score.extracted))
}

#[track_caller]
fn check(answer: &str, target: &str, correct: bool, extracted: Option<&str>) {
    let expected = Ok((correct, extracted.map(str::to_owned)));
    assert_eq!(judge(json!({}), answer, &[target]), expected, "{answer}");
}

#[test]
fn the_last_number_is_the_answer_however_it_is_written() {
    check("She has 3 boxes of 6, so 18.", "18", true, Some("18"));
    check("$1,234,567.80 in all", "1234567.8", true, Some("1234567.8"));
    check("1,23", "23", true, Some("23"));
    check("1,2345", "2345", true, Some("2345"));
    check("It is 18.00%.", "18", true, Some("18"));
    check("-5", "-5", true, Some("-5"));
    check("it falls to −$5", "-5", true, Some("-5"));
    check("10-5", "5", true, Some("5"));
    check("about 1.5e3 or so", "1500", true, Some("1500"));
    check("2e", "2", true, Some("2"));
    check(".5", "0.5", true, Some("0.5"));
    check("0.0", "0", true, Some("0"));
    check("v1.2.3", "3", true, Some("3"));
    check("no idea", "18", false, None);
    check("", "18", false, None);
    check(
        "90071992547409931",
        "90071992547409930",
        false,
        Some("90071992547409931"),
    );
    check("4 < 5", "#### 5", true, Some("5"));
}

#[test]
fn a_marker_names_the_number_and_tolerances_widen_the_target() {
    let check = |params: Json, answer: &str, correct: bool| {
        assert_eq!(
            judge(params, answer, &["18"]).map(|(correct, _)| correct),
            Ok(correct),
            "{answer}"
        );
    };
    check(json!({"marker": "A:"}), "A: 3 A: 18 of 20", true);
    check(json!({"marker": "A:"}), "18", false);
    check(json!({"take": "first"}), "18 of 20", true);
    check(json!({"tolerance": 0.5}), "18.5", true);
    check(json!({"tolerance": 0.5}), "18.51", false);
    check(json!({"relative_tolerance": 0.1}), "16.2", true);
    check(json!({"relative_tolerance": 0.1}), "16.1", false);
}

#[test]
fn what_cannot_be_judged_is_refused_with_what_to_change() {
    let refused =
        |params: Json, targets: &[&str]| judge(params, "1", targets).expect_err("it is refused");
    assert!(matches!(
        refused(json!({"tolerance": -1.0}), &["1"]),
        Refusal::BadParams(_)
    ));
    assert!(matches!(
        refused(json!({"marker": ""}), &["1"]),
        Refusal::BadParams(_)
    ));
    assert!(matches!(refused(json!({}), &["one"]), Refusal::BadInput(_)));
    assert!(matches!(refused(json!({}), &[]), Refusal::BadInput(_)));
}

#[test]
fn any_target_will_do_and_no_text_makes_it_panic() {
    assert_eq!(
        judge(json!({}), "7", &["5", "7"]),
        Ok((true, Some("7".into())))
    );
    for text in [
        "1e999999999999999999",
        "..1..",
        "−",
        "-$-1",
        "€1",
        "1,",
        ",1,111",
        "e5",
        "١٢",
    ] {
        let _ = judge(json!({}), text, &["1"]);
    }
}

/// Cobbe et al. 2021: the authors' verdicts on the answers of two models to the 1,319 test questions.
#[test]
fn the_published_verdicts_of_gsm8k_come_out_exactly() {
    let Some(folder) = shared_data() else {
        eprintln!("NOT RUN: there is no gsm8k in $XHOST_SHARED_DATA or ../shared/data");
        return;
    };
    let rows = |name: &str| {
        let text = std::fs::read_to_string(folder.join(name)).expect("it is there");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect::<Vec<Json>>()
    };
    let text = |value: &Json| value.as_str().expect("a text").to_owned();
    let targets: HashMap<String, String> = rows("test.jsonl")
        .iter()
        .map(|row| (text(&row["id"]), text(&row["target"])))
        .collect();
    let mut right: HashMap<String, u32> = HashMap::new();
    for row in rows("replies.jsonl") {
        let (correct, _) = judge(
            json!({}),
            &text(&row["reply"]),
            &[&targets[&text(&row["id"])]],
        )
        .expect("a verdict");
        assert_eq!(correct, row["is_correct"] == true, "{row}");
        *right.entry(text(&row["model"])).or_default() += u32::from(correct);
    }
    assert_eq!(
        (right["6b_finetuning"], right["175b_finetuning"]),
        (286, 458)
    );
}

fn shared_data() -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3)?;
    let beside = repository.parent().map(|parent| parent.join("shared/data"));
    let named = std::env::var_os("XHOST_SHARED_DATA").map(PathBuf::from);
    [named, beside]
        .into_iter()
        .flatten()
        .map(|folder| folder.join("gsm8k"))
        .find(|folder| folder.exists())
}
