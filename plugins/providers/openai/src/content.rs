//! From messages to what the API calls messages.

use crate::params::Params;
use provider_text::request::misplaced;
use serde_json::{Map, Value, json};
use xhost_plugin::{Media, Message, Part, Refusal, Role};

/// All messages. A tool's answers become one message each.
pub fn messages(params: &Params, messages: &[Message]) -> Result<Vec<Value>, Refusal> {
    let mut encoded = Vec::with_capacity(messages.len());
    for message in messages {
        match message.role {
            Role::System => encoded.push(spoken(params.system_role.as_str(), message)?),
            Role::User => encoded.push(spoken("user", message)?),
            Role::Assistant => encoded.push(assistant(params, message)?),
            Role::Tool => encoded.extend(tool(message)?),
        }
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
    let (mut texts, mut calls, mut reasoning) = (Vec::new(), Vec::new(), String::new());
    for part in &message.parts {
        match part {
            Part::Text(text) => texts.push(text_part(text)),
            Part::Reasoning(text) => reasoning.push_str(text),
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
    let is_only_calls = texts.is_empty() && !calls.is_empty();
    encoded.insert(
        "content".into(),
        if is_only_calls {
            Value::Null
        } else {
            content(texts)
        },
    );
    if let (Some(field), false) = (params.give_back_reasoning, reasoning.is_empty()) {
        encoded.insert(field.as_str().into(), reasoning.into());
    }
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

/// One text is a plain string: some servers know nothing else.
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
    let sound = |format: &str| json!({"type": "input_audio", "input_audio": {"data": media.base64(), "format": format}});
    match media.mime.as_str() {
        mime if mime.starts_with("image/") => {
            Ok(json!({"type": "image_url", "image_url": {"url": media.data_url()}}))
        }
        "audio/wav" | "audio/x-wav" | "audio/wave" => Ok(sound("wav")),
        "audio/mpeg" | "audio/mp3" => Ok(sound("mp3")),
        "application/pdf" => Ok(
            json!({"type": "file", "file": {"filename": "document.pdf", "file_data": media.data_url()}}),
        ),
        mime => Err(Refusal::unsupported(format!(
            "the API takes images, audio/wav, audio/mpeg and application/pdf, not {mime}"
        ))),
    }
}
