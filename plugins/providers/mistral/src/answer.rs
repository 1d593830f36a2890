//! From a body to a completion. Any JSON may come; what is not as expected is left out or explained, never a panic.

use crate::failure;
use provider_text::tool;
use serde_json::{Map, Value};
use xhost_plugin::{Completion, Fault, FaultKind, Part, StopReason, Usage};

/// Reads the first choice; the request asks for no other.
pub fn decode(body: &Value) -> Result<Completion, Fault> {
    if let Some(fault) = failure::within_success(body) {
        return Err(fault);
    }
    let choice = body.get("choices").and_then(|choices| choices.get(0));
    let choice = choice.ok_or_else(|| Fault::malformed("the answer has no `choices`"))?;
    let message = choice.get("message").and_then(Value::as_object);
    let message =
        message.ok_or_else(|| Fault::malformed("the answer's first choice has no `message`"))?;
    let word = choice["finish_reason"].as_str();
    if word == Some("error") {
        let words = "the model stopped with an error (finish_reason: error)";
        return Err(Fault::new(FaultKind::Overloaded, words));
    }
    let (parts, other) = parts(message);
    let stop_reason = stop_reason(word, &parts);
    let word = word.filter(|_| stop_reason == StopReason::Other);
    Ok(Completion {
        stop_reason,
        usage: usage(&body["usage"]),
        model: body["model"].as_str().unwrap_or_default().into(),
        extra: extra(choice, word, other),
        parts,
    })
}

/// And what the contract has no part for, such as references; that goes to `extra`.
fn parts(message: &Map<String, Value>) -> (Vec<Part>, Vec<Value>) {
    let (mut parts, mut other) = (Vec::new(), Vec::new());
    match message.get("content") {
        Some(Value::String(text)) if !text.is_empty() => parts.push(Part::text(text)),
        Some(Value::Array(pieces)) => {
            for piece in pieces {
                match part(piece) {
                    Some(part) => parts.push(part),
                    None => other.push(piece.clone()),
                }
            }
        }
        _ => {}
    }
    let calls = message.get("tool_calls").and_then(Value::as_array);
    parts.extend(calls.into_iter().flatten().filter_map(tool::call));
    (parts, other)
}

fn part(piece: &Value) -> Option<Part> {
    match piece["type"].as_str()? {
        "text" => piece["text"].as_str().map(Part::text),
        "thinking" => {
            let thoughts = piece["thinking"].as_array()?.iter();
            let thoughts = thoughts.filter_map(|thought| thought["text"].as_str());
            Some(Part::Reasoning(thoughts.collect()))
        }
        _ => None,
    }
}

fn stop_reason(word: Option<&str>, parts: &[Part]) -> StopReason {
    let calls = || parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    match word {
        Some("stop") => StopReason::End,
        Some("length" | "model_length") => StopReason::MaxTokens,
        Some("tool_calls") => StopReason::ToolCalls,
        None if calls() => StopReason::ToolCalls,
        _ => StopReason::Other,
    }
}

fn usage(usage: &Value) -> Usage {
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64);
    let cached =
        count("/prompt_tokens_details/cached_tokens").or_else(|| count("/num_cached_tokens"));
    Usage {
        input: count("/prompt_tokens").unwrap_or(0),
        output: count("/completion_tokens").unwrap_or(0),
        cache_read: cached.unwrap_or(0),
        cache_write: 0,
        reasoning: count("/completion_tokens_details/reasoning_tokens").unwrap_or(0),
    }
}

fn extra(choice: &Value, word: Option<&str>, other: Vec<Value>) -> Option<String> {
    let mut extra = Map::new();
    for name in ["logprobs", "prompt_logprobs"] {
        if let Some(told) = choice.get(name).filter(|told| !told.is_null()) {
            extra.insert(name.into(), told.clone());
        }
    }
    if let Some(word) = word {
        extra.insert("finish_reason".into(), word.into());
    }
    if !other.is_empty() {
        extra.insert("other_content".into(), other.into());
    }
    (!extra.is_empty()).then(|| Value::Object(extra).to_string())
}

#[cfg(test)]
mod tests;
