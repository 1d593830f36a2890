//! From messages to what the API calls contents.

use crate::content::call::CallId;
use provider_text::request::misplaced;
use serde_json::{Map, Value, json};
use xhost_plugin::{Media, Message, Part, Refusal, Role, ToolCall, ToolResult};

/// The names of calls.
pub mod call;

/// The system messages at the start, which have a member of their own, and the rest.
pub fn split(messages: &[Message]) -> (&[Message], &[Message]) {
    let start = messages
        .iter()
        .take_while(|message| message.role == Role::System)
        .count();
    messages.split_at(start)
}

/// The value of `systemInstruction`; `None` where there are no rules.
pub fn system(messages: &[Message]) -> Result<Option<Value>, Refusal> {
    let parts = messages.iter().flat_map(|message| &message.parts);
    let parts = parts.map(|part| match part {
        Part::Text(text) => Ok(json!({"text": text})),
        other => Err(misplaced(other, "system")),
    });
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    Ok((!parts.is_empty()).then(|| json!({"parts": parts})))
}

/// All other messages. Tool results that follow upon each other are one turn: the API wants the results of one turn together.
pub fn contents(messages: &[Message]) -> Result<Vec<Value>, Refusal> {
    let mut contents: Vec<Value> = Vec::with_capacity(messages.len());
    let mut previous = None;
    for (at, message) in messages.iter().enumerate() {
        let encode = |part| encode(part, message.role, &messages[..at]);
        let parts = message.parts.iter().map(encode);
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let mut parts: Vec<Value> = parts.into_iter().flatten().collect();
        let same_turn = message.role == Role::Tool && previous == Some(Role::Tool);
        previous = Some(message.role);
        match contents
            .last_mut()
            .and_then(|last| last["parts"].as_array_mut())
        {
            Some(turn) if same_turn => turn.append(&mut parts),
            _ => contents.push(json!({"role": role_name(message.role)?, "parts": parts})),
        }
    }
    Ok(contents)
}

fn role_name(role: Role) -> Result<&'static str, Refusal> {
    match role {
        Role::User | Role::Tool => Ok("user"),
        Role::Assistant => Ok("model"),
        Role::System => Err(Refusal::unsupported(
            "the API takes system messages at the start of a conversation only",
        )),
    }
}

/// `None` for reasoning: the API takes a summary of thoughts for what the model said.
fn encode(part: &Part, role: Role, before: &[Message]) -> Result<Option<Value>, Refusal> {
    match (part, role) {
        (Part::Text(text), Role::User | Role::Assistant | Role::System) => {
            Ok(Some(json!({"text": text})))
        }
        (Part::Media(media), Role::User) => inline(media).map(Some),
        (Part::ToolCall(call), Role::Assistant) => function_call(call).map(Some),
        (Part::ToolResult(result), Role::Tool) => function_response(result, before).map(Some),
        (Part::Reasoning(_), Role::Assistant) => Ok(None),
        (part, role) => Err(misplaced(part, role.as_str())),
    }
}

fn function_call(call: &ToolCall) -> Result<Value, Refusal> {
    let args: Result<Map<String, Value>, _> = serde_json::from_str(&call.arguments);
    let args = args.map_err(|_| {
        Refusal::bad_input(format!(
            "the arguments of the call of `{}` are no object",
            call.name
        ))
    })?;
    let CallId { own, signature } = CallId::read(&call.id);
    let mut function = Map::new();
    function.extend(own.map(|id| ("id".into(), id.into())));
    function.insert("name".into(), call.name.as_str().into());
    function.insert("args".into(), args.into());
    let mut part = Map::new();
    part.insert("functionCall".into(), function.into());
    part.extend(signature.map(|signature| ("thoughtSignature".into(), signature.into())));
    Ok(part.into())
}

/// The API wants the tool's name again, which stands in the call.
fn function_response(result: &ToolResult, before: &[Message]) -> Result<Value, Refusal> {
    let parts = before.iter().rev().flat_map(|message| &message.parts);
    let mut calls = parts.filter_map(|part| match part {
        Part::ToolCall(call) if call.id == result.call_id => Some(call),
        _ => None,
    });
    let call = calls.next().ok_or_else(|| {
        Refusal::bad_input(format!(
            "there is a result of the tool call `{}`, and no such call before it",
            result.call_id
        ))
    })?;
    let key = if result.is_error { "error" } else { "output" };
    let mut function = Map::new();
    function.extend(
        CallId::read(&call.id)
            .own
            .map(|id| ("id".into(), id.into())),
    );
    function.insert("name".into(), call.name.as_str().into());
    function.insert("response".into(), json!({ key: result.text }));
    Ok(json!({"functionResponse": function}))
}

fn inline(media: &Media) -> Result<Value, Refusal> {
    let known = ["image/", "audio/", "video/", "text/"];
    let mime = media.mime.as_str();
    if mime != "application/pdf" && !known.iter().any(|kind| mime.starts_with(kind)) {
        return Err(Refusal::unsupported(format!(
            "the API takes images, audio, video, text and application/pdf, not {mime}"
        )));
    }
    Ok(json!({"inlineData": {"mimeType": mime, "data": media.base64()}}))
}
