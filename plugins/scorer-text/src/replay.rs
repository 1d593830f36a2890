//! The rows of `cases.jsonl`: what Inspect's own scorers said. See the README beside it.

use serde_json::Value as Json;
use xhost_plugin::{Judgement, Refusal, Sample, Score, Scorer, Subject, Value, glue};

/// Judges every row of a scorer by the plugin, and compares.
///
/// # Panics
/// With every row that comes out otherwise, and where the file has fewer than 200 rows of this scorer.
pub fn check<S: Scorer>(scorer: &str) {
    let rows = rows(scorer);
    assert!(rows.len() >= 200, "{} rows of {scorer}", rows.len());
    let wrong: Vec<String> = rows.iter().filter_map(difference::<S>).collect();
    let count = wrong.len();
    assert!(
        wrong.is_empty(),
        "{count} rows differ:\n{}",
        wrong.join("\n")
    );
}

fn rows(scorer: &str) -> Vec<Json> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/agreement/cases.jsonl");
    let text = std::fs::read_to_string(path).expect("cases.jsonl is beside the README");
    let rows = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"));
    rows.filter(|row: &Json| row["scorer"] == scorer).collect()
}

fn difference<S: Scorer>(row: &Json) -> Option<String> {
    let found = match judge::<S>(row) {
        Ok(score) => json(&score.value),
        Err(refusal) if row["expected"].is_null() => {
            assert!(matches!(refusal, Refusal::BadInput(_)), "{refusal:?}");
            Json::Null
        }
        Err(refusal) => return Some(format!("{refusal:?} for {row}")),
    };
    (found != row["expected"]).then(|| format!("{found} for {row}"))
}

/// A judge's reply, where the row has one, is the answer to the one question that the scorer asks.
fn judge<S: Scorer>(row: &Json) -> Result<Score, Refusal> {
    let text = |value: &Json| value.as_str().expect("a text").to_owned();
    let mut sample =
        Sample::new("row", "the question").row(row.get("fields").unwrap_or(&Json::Null));
    sample.targets = row["targets"]
        .as_array()
        .expect("a list")
        .iter()
        .map(text)
        .collect();
    let subject = || Subject::new(sample.clone(), text(&row["answer"]));
    let params = row["params"].to_string();
    let mut step = glue::scorer::judge::<S>(&params, subject(), Vec::new())?;
    if let (Judgement::Ask(questions), Some(reply)) = (&step, row.get("judge")) {
        let exchange = xhost_plugin::Exchange::new(questions[0].prompt.clone(), text(reply));
        step = glue::scorer::judge::<S>(&params, subject(), vec![exchange])?;
    }
    match step {
        Judgement::Done(mut scores) => Ok(scores.remove(0)),
        Judgement::Ask(_) => panic!("it asks for a reply that the row has not: {row}"),
    }
}

fn json(value: &Value) -> Json {
    match value {
        Value::Number(number) => Json::from(*number),
        Value::Boolean(verdict) => Json::from(*verdict),
        Value::Label(label) => Json::from(label.as_str()),
    }
}
