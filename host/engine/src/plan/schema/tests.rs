//! What parameters and schemas are told.

use super::*;
use serde_json::json;

fn told(schema: &Value, params: &Value) -> Option<(String, String)> {
    let schema = Schema::new(schema).expect("it is a schema");
    let wrong = schema.compiled.first_wrong(params);
    wrong.map(|wrong| schema.told(&wrong))
}

#[track_caller]
fn check(params: &Value, expect: &str) {
    let schema = json!({
        "type": "object",
        "properties": {
            "tolerance": {"type": "number", "minimum": 0},
            "take": {"enum": ["first", "last"]},
            "limits": {"type": "array", "items": {"type": "integer"}},
            "deep": {"type": "object", "properties": {"x": {}}, "additionalProperties": false, "required": ["x"]},
        },
        "additionalProperties": false,
    });
    let told = told(&schema, params).map(|(path, what)| format!("{path}: {what}"));
    assert_eq!(told.as_deref().unwrap_or(""), expect);
}

#[test]
fn the_wrong_field_is_named_by_its_path() {
    check(&json!({"tolerance": 0.5, "limits": [1, 2]}), "");
    check(
        &json!({"tolerance": "x"}),
        r#".tolerance: "x" is not of type "number""#,
    );
    check(
        &json!({"limits": [1, "2"]}),
        r#".limits.1: "2" is not of type "integer""#,
    );
    check(
        &json!({"deep": {"x": 1, "y": 1}}),
        ".deep.y: there is no such key",
    );
    check(&json!({"deep": {}}), ".deep.x: is missing");
    check(
        &json!({"tolerence": 1}),
        ".tolerence: there is no such param; did you mean `tolerance`? It takes tolerance, take, limits, deep",
    );
    check(
        &json!({"zzzzzz": 1}),
        ".zzzzzz: there is no such param. It takes tolerance, take, limits, deep",
    );
}
