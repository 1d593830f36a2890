//! What parameters and schemas are told, and what a schema cannot do to the host.

use super::*;
use serde_json::json;

fn told(schema: &Value, params: &Value) -> Option<(String, String)> {
    let schema = Schema::new(schema).expect("it is a schema");
    let error = schema.validator.iter_errors(params).next();
    error.map(|error| schema.told(&error))
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

#[track_caller]
fn refused(schema: &Value, expect: &str) {
    let error = Schema::new(schema).err().expect("it is refused");
    assert!(error.contains(expect), "{error}");
}

#[test]
fn a_schema_without_an_end_or_with_another_document_is_refused() {
    let endless = "refers to itself without an end";
    refused(&json!({"$ref": "#"}), endless);
    refused(&json!({"allOf": [{"anyOf": [{"$ref": "#"}]}]}), endless);
    refused(&json!({"not": {"$ref": "#"}}), endless);
    refused(&json!({"dependentSchemas": {"a": {"$ref": "#"}}}), endless);
    let two = json!({"a": {"oneOf": [{"$ref": "#/$defs/b"}]}, "b": {"if": {"$ref": "#/$defs/a"}}});
    refused(
        &json!({"properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": two}),
        endless,
    );
    refused(
        &json!({"$ref": "https://example.com/schema"}),
        "is to no part of it",
    );
    refused(
        &json!({"$ref": "file:///etc/passwd"}),
        "is to no part of it",
    );
    refused(
        &json!({"allOf": [{"$id": "x", "$ref": "#"}]}),
        "it uses `$id`",
    );
    refused(&json!({"$dynamicRef": "#x"}), "it uses `$dynamicRef`");
    refused(&json!({"type": 7}), "");
}

#[test]
fn a_schema_may_refer_to_itself_through_a_value() {
    let tree = json!({"type": "object", "properties": {"left": {"$ref": "#"}}, "additionalProperties": false});
    assert_eq!(told(&tree, &json!({"left": {"left": {}}})), None);
    let (path, _) = told(&tree, &json!({"left": {"right": {}}})).expect("it is wrong");
    assert_eq!(path, ".left.right");
}

#[test]
fn references_that_double_at_each_step_are_refused_and_not_followed() {
    let mut parts = Map::new();
    for step in 0..60 {
        let next = json!({"$ref": format!("#/$defs/{}", step + 1)});
        parts.insert(step.to_string(), json!({"allOf": [next.clone(), next]}));
    }
    parts.insert("60".into(), json!(true));
    refused(&json!({"$ref": "#/$defs/0", "$defs": parts}), "grows past");
}

#[test]
fn a_pattern_takes_linear_time() {
    let schema = json!({"properties": {"x": {"pattern": "^(a+)+$"}}});
    let long = "a".repeat(50_000) + "!";
    assert!(told(&schema, &json!({"x": long})).is_some());
    refused(&json!({"pattern": r"(a)\1"}), "");
}
