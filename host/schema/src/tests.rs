//! What a schema cannot do to whoever holds a value against it.

use super::*;
use serde_json::{Map, json};

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
    let schema = Schema::new(&tree).expect("it is a schema");
    assert_eq!(schema.first_wrong(&json!({"left": {"left": {}}})), None);
    let wrong = Wrong {
        path: "/left".into(),
        what: Trouble::Unknown("right".into()),
    };
    let value = json!({"left": {"right": {}}});
    assert_eq!(schema.first_wrong(&value), Some(wrong));
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
    let schema = Schema::new(&json!({"properties": {"x": {"pattern": "^(a+)+$"}}}));
    let long = json!({"x": "a".repeat(50_000) + "!"});
    assert!(schema.expect("a schema").first_wrong(&long).is_some());
    refused(&json!({"pattern": r"(a)\1"}), "");
}
