//! Documents, schemas and pointers.

use super::*;
use serde_json::json;
use xhost_plugin::{Sample, Value as Verdict, glue};

fn judge(params: &Value, answer: &str, targets: &[&str]) -> Result<Score, Refusal> {
    let sample = targets.iter().fold(Sample::new("s", ""), |sample, target| {
        sample.target(*target)
    });
    let judged = glue::scorer::judge::<Json>(
        &params.to_string(),
        Subject::new(sample, answer),
        Vec::new(),
    )?;
    match judged {
        Judgement::Done(mut scores) => Ok(scores.remove(0)),
        Judgement::Ask(_) => panic!("it asks nobody"),
    }
}

/// `expect` is what was extracted where it is right, and the explanation's beginning where it is wrong.
#[track_caller]
fn check(params: &Value, answer: &str, targets: &[&str], expect: Result<&str, &str>) {
    let score = judge(params, answer, targets).expect("a verdict");
    assert_eq!(score.value, Verdict::Boolean(expect.is_ok()), "{score:?}");
    match expect {
        Ok(extracted) => assert_eq!(score.extracted.as_deref(), Some(extracted)),
        Err(reason) => assert!(
            score
                .explanation
                .as_deref()
                .is_some_and(|text| text.starts_with(reason)),
            "{score:?}"
        ),
    }
}

#[test]
fn json_is_found_in_the_whole_or_in_a_fenced_block() {
    let fenced = "First:\n```json\n{\"a\": 1}\n```\nthen\n```python\nx\n```\nand\n```\n[2]\n```\n";
    check(&json!({}), " {\"a\": 1}\n", &[], Ok("{\"a\":1}"));
    check(&json!({}), fenced, &[], Ok("{\"a\":1}"));
    check(&json!({}), "```\n[2]\n```", &[], Ok("[2]"));
    check(
        &json!({}),
        "```json\n[1]\n```\n```JSON\n[2]\n````",
        &[],
        Ok("[2]"),
    );
    check(
        &json!({"from": "whole"}),
        fenced,
        &[],
        Err("it is not JSON: expected value"),
    );
    check(
        &json!({"from": "fenced"}),
        "[2]",
        &[],
        Err("there is no fenced block"),
    );
    check(&json!({}), "```json\n[1]", &[], Err("it is not JSON"));
    check(
        &json!({}),
        "{\"a\": }",
        &[],
        Err("it is not JSON: expected value at line 1 column 7"),
    );
    check(&json!({}), "", &[], Err("it is not JSON"));
    check(
        &json!({}),
        &"[".repeat(100_000),
        &[],
        Err("it is not JSON: recursion limit"),
    );
}

#[test]
fn a_schema_must_be_satisfied() {
    let schema = json!({"schema": {
        "type": "object",
        "required": ["n"],
        "properties": {"n": {"type": "integer", "minimum": 1}, "d": {"$ref": "#/$defs/d"}},
        "$defs": {"d": {"type": "string", "pattern": "^\\d+$"}},
    }});
    check(
        &schema,
        "{\"n\": 1.0, \"d\": \"12\"}",
        &[],
        Ok("{\"n\":1.0,\"d\":\"12\"}"),
    );
    check(
        &schema,
        "{\"n\": 0}",
        &[],
        Err("`/n`: 0 is less than the minimum of 1"),
    );
    check(&schema, "{\"n\": 1, \"d\": \"x\"}", &[], Err("`/d`: "));
    check(
        &schema,
        "{}",
        &[],
        Err("the whole: \"n\" is a required property"),
    );
}

#[test]
fn the_value_at_a_pointer_is_compared_with_the_targets() {
    let answer = r#"{"a": {"b/c": ["x", 18.0, 12345678901234567890, {"k": 1, "l": 2}, "42"]}}"#;
    let at = |index: u32| json!({"pointer": format!("/a/b~1c/{index}")});
    check(&at(0), answer, &["y", "x"], Ok("\"x\""));
    check(&at(0), answer, &["\"x\""], Ok("\"x\""));
    check(&at(1), answer, &["18"], Ok("18.0"));
    check(
        &at(2),
        answer,
        &["12345678901234567891"],
        Err("the value at `/a/b~1c/2` is no target"),
    );
    check(
        &at(3),
        answer,
        &[r#"{"l": 2.0, "k": 1}"#],
        Ok("{\"k\":1,\"l\":2}"),
    );
    check(&at(4), answer, &["42"], Err("the value at"));
    check(
        &at(5),
        answer,
        &["42"],
        Err("there is nothing at `/a/b~1c/5`"),
    );
    check(&json!({"pointer": ""}), "[1]", &["[1]"], Ok("[1]"));
}

#[test]
fn parameters_that_make_no_sense_are_refused() {
    let refused =
        |params: Value, targets: &[&str]| judge(&params, "1", targets).expect_err("it is refused");
    let bad = |params: Value, expect: &str| {
        let refusal = refused(params, &["1"]);
        assert!(matches!(refusal, Refusal::BadParams(_)), "{refusal:?}");
        assert!(refusal.message().starts_with(expect), "{refusal:?}");
    };
    bad(
        json!({"pointer": "answer"}),
        "`pointer` is `answer`; write a JSON Pointer",
    );
    bad(json!({"pointer": "/a~2"}), "`pointer` is `/a~2`");
    bad(json!({"schema": {"type": "whole"}}), "`schema`: ");
    bad(
        json!({"schema": {"$ref": "https://example.com/x"}}),
        "`schema`: ",
    );
    bad(json!({"schemas": {}}), "`schemas`: unknown field");
    assert!(matches!(
        refused(json!({"pointer": ""}), &[]),
        Refusal::BadInput(_)
    ));
}
