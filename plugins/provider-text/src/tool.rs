//! Tools and their calls in OpenAI's form, which is Mistral's too.

use crate::request::json;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use xhost_plugin::{Part, Refusal, Tool, ToolCall};

/// A tool that a model may ask for: `{"type": "function", "function": {...}}`.
#[derive(Serialize)]
pub struct Declared<'a> {
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    parameters: Box<RawValue>,
}

/// All tools of a prompt, their schemas as they were written.
///
/// # Errors
/// Where a schema is no JSON.
pub fn declared(tools: &[Tool]) -> Result<Vec<Declared<'_>>, Refusal> {
    tools.iter().map(declare).collect()
}

fn declare(tool: &Tool) -> Result<Declared<'_>, Refusal> {
    let Tool {
        name,
        description,
        parameters,
    } = tool;
    let function = Function {
        name,
        description,
        parameters: schema(name, parameters)?,
    };
    Ok(Declared {
        r#type: "function",
        function,
    })
}

/// The schema of a tool.
///
/// # Errors
/// Where it is no JSON.
pub fn schema(name: &str, parameters: &str) -> Result<Box<RawValue>, Refusal> {
    json(&format!("the schema of the tool `{name}`"), parameters)
}

/// A call: `{"id", "function": {"name", "arguments"}}`. `None` where it names no tool.
#[must_use]
pub fn call(call: &Value) -> Option<Part> {
    let function = &call["function"];
    let name = function["name"].as_str().filter(|name| !name.is_empty())?;
    Some(Part::ToolCall(ToolCall {
        id: call["id"].as_str().unwrap_or_default().into(),
        name: name.into(),
        arguments: arguments(&function["arguments"]),
    }))
}

/// Text that is no JSON, which models do write, becomes a JSON string, so that it can be looked at.
#[must_use]
pub fn arguments(arguments: &Value) -> String {
    match arguments {
        Value::Null => "{}".into(),
        Value::String(text) if text.trim().is_empty() => "{}".into(),
        Value::String(text) if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => {
            text.clone()
        }
        other => other.to_string(),
    }
}
