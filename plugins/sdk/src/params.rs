//! A plugin's parameters: from the experiment's JSON to the plugin's own struct, and the schema that the host checks them
//! against before anything is paid for.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// For a plugin without parameters. Whoever sets one is told that there is none.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
#[schemars(title = "no parameters")]
pub struct NoParams {}

/// The JSON Schema of `P`, as text.
#[must_use]
pub fn schema<P: JsonSchema>() -> String {
    let mut schema = schemars::schema_for!(P).to_value();
    unwrap_lines(&mut schema);
    schema.to_string()
}

/// A comment's line breaks are where the source's lines end, which is of no concern to whoever reads the schema.
fn unwrap_lines(schema: &mut Value) {
    match schema {
        Value::Object(entries) => {
            for (key, value) in entries {
                match value {
                    Value::String(text) if key == "description" => *text = text.replace('\n', " "),
                    value => unwrap_lines(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(unwrap_lines),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Reads parameters.
///
/// # Errors
/// The place in them, and what was expected there.
pub fn read<P: DeserializeOwned>(json: &str) -> Result<P, String> {
    let mut reader = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let reason = without_position(&error.into_inner().to_string());
        if path == "." {
            reason
        } else {
            format!("`{path}`: {reason}")
        }
    })
}

/// The line and column are those of the host's JSON, which nobody wrote and nobody sees.
fn without_position(message: &str) -> String {
    let end = message.rfind(" at line ").unwrap_or(message.len());
    message[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Params {
        #[serde(default)]
        #[expect(dead_code, reason = "only its reading is tested")]
        limits: Vec<u32>,
    }

    #[test]
    fn an_error_names_the_place_and_what_is_expected_there() {
        let check =
            |json: &str, expect: &str| assert_eq!(read::<Params>(json).unwrap_err(), expect);
        check(
            r#"{"limits": [1, -2]}"#,
            "`limits[1]`: invalid value: integer `-2`, expected u32",
        );
        check(
            r#"{"limit": 1}"#,
            "`limit`: unknown field `limit`, expected `limits`",
        );
        assert!(read::<Params>("{}").is_ok());
    }

    #[test]
    fn nobody_sets_parameters_where_there_are_none() {
        assert!(read::<NoParams>("{}").is_ok());
        assert!(
            read::<NoParams>(r#"{"x": 1}"#)
                .unwrap_err()
                .contains("unknown field `x`")
        );
        let schema: Value = serde_json::from_str(&schema::<NoParams>()).unwrap();
        assert_eq!(schema["additionalProperties"], false);
    }
}
