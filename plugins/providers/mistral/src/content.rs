//! From messages to what the API calls messages.

use crate::params::Params;
use provider_text::request::misplaced;
use serde_json::{Map, Value, json};
use xhost_plugin::{Media, Message, Part, Refusal, Role};

/// All messages. A tool's answers become one message each. An assistant's message at the end is the beginning of the
/// answer, which the API wants to be told.
pub fn messages(params: &Params, messages: &[Message]) -> Result<Vec<Value>, Refusal> {
    let mut encoded = Vec::with_capacity(messages.len());
    for message in messages {
        match message.role {
            Role::System => encoded.push(spoken("system", message)?),
            Role::User => encoded.push(spoken("user", message)?),
            Role::Assistant => encoded.push(assistant(params, message)?),
            Role::Tool => encoded.extend(tool(message)?),
        }
    }
    if let Some(last) = encoded.last_mut()
        && last["role"] == "assistant"
    {
        last["prefix"] = true.into();
    }
    Ok(encoded)
}

fn spoken(role: &str, message: &Message) -> Result<Value, Refusal> {
    let parts = message.parts.iter().map(|part| match part {
        Part::Text(text) => Ok(text_part(text)),
        Part::Media(media) if role == "user" => media_part(media),
        other => Err(misplaced(other, role)),
    });
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    Ok(json!({"role": role, "content": content(parts)}))
}

fn assistant(params: &Params, message: &Message) -> Result<Value, Refusal> {
    let (mut parts, mut calls) = (Vec::new(), Vec::new());
    for part in &message.parts {
        match part {
            Part::Text(text) => parts.push(text_part(text)),
            Part::Reasoning(text) if params.give_back_reasoning => {
                parts.push(json!({"type": "thinking", "thinking": [text_part(text)]}));
            }
            Part::Reasoning(_) => {}
            Part::ToolCall(call) => calls.push(json!({
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            })),
            Part::Media(_) | Part::ToolResult(_) => return Err(misplaced(part, "assistant")),
        }
    }
    let mut encoded = Map::new();
    encoded.insert("role".into(), "assistant".into());
    encoded.insert("content".into(), content(parts));
    if !calls.is_empty() {
        encoded.insert("tool_calls".into(), calls.into());
    }
    Ok(Value::Object(encoded))
}

fn tool(message: &Message) -> Result<Vec<Value>, Refusal> {
    let results = message.parts.iter().map(|part| match part {
        Part::ToolResult(result) => {
            Ok(json!({"role": "tool", "tool_call_id": result.call_id, "content": result.text}))
        }
        other => Err(misplaced(other, "tool")),
    });
    results.collect()
}

/// One text is a plain string.
fn content(mut parts: Vec<Value>) -> Value {
    match parts.as_mut_slice() {
        [] => "".into(),
        [only] if only["type"] == "text" => only["text"].take(),
        _ => parts.into(),
    }
}

fn text_part(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn media_part(media: &Media) -> Result<Value, Refusal> {
    match media.mime.as_str() {
        mime if mime.starts_with("image/") => {
            Ok(json!({"type": "image_url", "image_url": media.data_url()}))
        }
        mime if mime.starts_with("audio/") => {
            Ok(json!({"type": "input_audio", "input_audio": media.base64()}))
        }
        "application/pdf" => Ok(json!({"type": "document_url", "document_url": media.data_url()})),
        mime => Err(Refusal::unsupported(format!(
            "the API takes images, audio and application/pdf, not {mime}"
        ))),
    }
}
