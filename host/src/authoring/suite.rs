//! Cases in, verdicts out, and a diff for what differs. Every case runs twice, in fresh instances with other random
//! numbers: a verdict must follow from its arguments alone.

use super::case::Case;
use super::verdict;
use crate::plugin::{CallSeed, Plugin, Trace};
use serde_json::{Map, Value};

/// What a case came to.
pub struct Outcome {
    /// What the plugin said.
    pub verdict: Value,
    /// What differs from what was expected, a line for each place. Empty if nothing does.
    pub differs: Vec<String>,
    /// What the last call did, with the guest's own words in full.
    pub trace: Trace,
}

/// Runs the cases, one after another.
pub async fn run(plugin: &Plugin, cases: &[Case]) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(cases.len());
    for case in cases {
        let (observed, observer) = plugin.observed();
        let verdict = verdict::of(&observed, case, CallSeed([1; 32])).await;
        let trace = observer.last();
        let again = verdict::of(plugin, case, CallSeed([2; 32])).await;
        let mut differs = Vec::new();
        if again == verdict {
            match &case.expect {
                Some(expect) => compare("", expect, &verdict, &mut differs),
                None => differs.push("nothing is expected: --update writes what it says".into()),
            }
        } else {
            differs.push(
                "two runs differ; the second has other random numbers, on which no verdict may depend:".into(),
            );
            compare("", &verdict, &again, &mut differs);
        }
        outcomes.push(Outcome {
            verdict,
            differs,
            trace,
        });
    }
    outcomes
}

/// The file with every case expecting what was said.
#[must_use]
pub fn updated(cases: &[Case], outcomes: &[Outcome]) -> String {
    let line = |(case, outcome): (&Case, &Outcome)| {
        let mut written = case.written.clone();
        // An expectation that holds stays as it was written, short as it may be.
        if !outcome.differs.is_empty() {
            written.insert("expect".into(), outcome.verdict.clone());
        }
        format!("{}\n", Value::Object(written))
    };
    cases.iter().zip(outcomes).map(line).collect()
}

/// Only what is written is compared: an expectation may leave out what does not matter. A score may be written as its
/// value alone.
fn compare(path: &str, expect: &Value, said: &Value, differs: &mut Vec<String>) {
    let place = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match (expect, said) {
        (Value::Object(expect), Value::Object(said)) => {
            for (name, expect) in expect {
                match said.get(name) {
                    Some(said) => compare(&place(name), expect, said, differs),
                    None => differs.push(missing(&place(name), expect, said)),
                }
            }
        }
        (Value::Array(expect), Value::Array(said)) if expect.len() == said.len() => {
            for (index, (expect, said)) in expect.iter().zip(said).enumerate() {
                compare(&place(&index.to_string()), expect, said, differs);
            }
        }
        (plain, Value::Object(score))
            if path.starts_with("scores.") && score.contains_key("value") && !plain.is_object() =>
        {
            compare(path, plain, &score["value"], differs);
        }
        (Value::String(part), Value::String(whole)) if matches!(path, "failed" | "refused") => {
            if !whole.contains(part.as_str()) {
                differs.push(format!("{path}: expected `{part}` in: {whole}"));
            }
        }
        (expect, said) if same(expect, said) => {}
        (expect, said) => differs.push(format!("{path}: expected {expect}, is {said}")),
    }
}

/// `1` and `1.0` are the same score.
fn same(expect: &Value, said: &Value) -> bool {
    match (expect.as_f64(), said.as_f64()) {
        (Some(expect), Some(said)) => expect.to_bits() == said.to_bits() || expect == said,
        _ => expect == said,
    }
}

fn missing(place: &str, expect: &Value, said: &Map<String, Value>) -> String {
    let there: Vec<&str> = said.keys().map(String::as_str).collect();
    format!(
        "{place}: expected {expect}, is not there; there is {}",
        there.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(expect: &Value, said: &Value, differs: &[&str]) {
        let mut found = Vec::new();
        compare("", expect, said, &mut found);
        assert_eq!(found, differs);
    }

    #[test]
    fn what_is_expected_may_be_a_part_and_every_place_that_differs_is_named() {
        let said =
            json!({"scores": {"f1": {"value": 1.0, "extracted": "4"}, "ok": {"value": true}}});
        check(&json!({"scores": {"ok": true}}), &said, &[]);
        check(&json!({"scores": {"f1": 1}}), &said, &[]);
        check(
            &json!({"scores": {"ok": false, "f1": {"value": 1, "extracted": "5"}, "no": 1}}),
            &said,
            &[
                "scores.ok: expected false, is true",
                r#"scores.f1.extracted: expected "5", is "4""#,
                r#"scores.no: expected 1, is not there; there is f1, ok"#,
            ],
        );
        check(
            &json!({"answer": "4"}),
            &json!({"asks": []}),
            &[r#"answer: expected "4", is not there; there is asks"#],
        );
        check(
            &json!({"failed": "panicked"}),
            &json!({"failed": "trapped: it panicked here"}),
            &[],
        );
        check(
            &json!({"refused": "x"}),
            &json!({"refused": "y"}),
            &["refused: expected `x` in: y"],
        );
        check(
            &json!({"asks": [1]}),
            &json!({"asks": [1, 2]}),
            &["asks: expected [1], is [1,2]"],
        );
    }
}
