//! From a body to a completion. Any JSON may come; what is not as expected is left out or explained, never a panic.

use crate::failure;
use provider_text::tool;
use serde_json::{Map, Value};
use xhost_plugin::{Completion, Fault, Part, StopReason, Usage};

/// Reads the first choice; the request asks for no other.
pub fn decode(body: &Value) -> Result<Completion, Fault> {
    if let Some(fault) = failure::within_success(body) {
        return Err(fault);
    }
    let choice = body.get("choices").and_then(|choices| choices.get(0));
    let choice = choice.ok_or_else(|| Fault::malformed("the answer has no `choices`"))?;
    if let Some(fault) = failure::within_success(choice) {
        return Err(fault);
    }
    let message = choice.get("message").and_then(Value::as_object);
    let message =
        message.ok_or_else(|| Fault::malformed("the answer's first choice has no `message`"))?;
    let refusal = text(message.get("refusal"));
    let mut parts = parts(message);
    parts.extend(refusal.map(Part::text));
    let (stop_reason, word) = match refusal {
        Some(_) => (StopReason::Filtered, None),
        None => stop_reason(choice, &parts),
    };
    Ok(Completion {
        stop_reason,
        parts,
        usage: usage(body.get("usage").unwrap_or(&Value::Null)),
        model: text(body.get("model")).unwrap_or_default().to_owned(),
        extra: extra(choice, word),
    })
}

fn parts(message: &Map<String, Value>) -> Vec<Part> {
    let mut parts = Vec::new();
    let reasoning =
        text(message.get("reasoning_content")).or_else(|| text(message.get("reasoning")));
    parts.extend(reasoning.map(|text| Part::Reasoning(text.into())));
    match message.get("content") {
        Some(Value::String(text)) if !text.is_empty() => parts.push(Part::text(text)),
        Some(Value::Array(pieces)) => parts.extend(pieces.iter().filter_map(piece)),
        _ => {}
    }
    let calls = message.get("tool_calls").and_then(Value::as_array);
    parts.extend(calls.into_iter().flatten().filter_map(tool::call));
    parts
}

/// Mistral's reasoning models answer in pieces.
fn piece(piece: &Value) -> Option<Part> {
    match piece["type"].as_str()? {
        "text" => text(piece.get("text")).map(Part::text),
        "thinking" => {
            let thoughts = piece["thinking"].as_array()?;
            Some(Part::Reasoning(
                thoughts
                    .iter()
                    .filter_map(|thought| text(thought.get("text")))
                    .collect(),
            ))
        }
        _ => None,
    }
}

/// With the provider's own word where it is none of ours. vLLM names the stop sequence in `stop_reason`.
fn stop_reason<'a>(choice: &'a Value, parts: &[Part]) -> (StopReason, Option<&'a str>) {
    match choice["finish_reason"].as_str() {
        Some("stop") if choice["stop_reason"].is_string() => (StopReason::StopSequence, None),
        Some("stop") => (StopReason::End, None),
        Some("length") => (StopReason::MaxTokens, None),
        Some("tool_calls" | "function_call") => (StopReason::ToolCalls, None),
        Some("content_filter") => (StopReason::Filtered, None),
        None if parts.iter().any(|part| matches!(part, Part::ToolCall(_))) => {
            (StopReason::ToolCalls, None)
        }
        word => (StopReason::Other, word),
    }
}

fn usage(usage: &Value) -> Usage {
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64);
    let cached =
        count("/prompt_tokens_details/cached_tokens").or_else(|| count("/prompt_cache_hit_tokens"));
    Usage {
        input: count("/prompt_tokens").unwrap_or(0),
        output: count("/completion_tokens").unwrap_or(0),
        cache_read: cached.unwrap_or(0),
        cache_write: count("/prompt_tokens_details/cache_write_tokens").unwrap_or(0),
        reasoning: count("/completion_tokens_details/reasoning_tokens").unwrap_or(0),
    }
}

fn extra(choice: &Value, word: Option<&str>) -> Option<String> {
    let mut extra = Map::new();
    if let Some(logprobs) = choice
        .get("logprobs")
        .filter(|logprobs| !logprobs.is_null())
    {
        extra.insert("logprobs".into(), logprobs.clone());
    }
    if let Some(word) = word {
        extra.insert("finish_reason".into(), word.into());
    }
    (!extra.is_empty()).then(|| Value::Object(extra).to_string())
}

/// Text that says something.
fn text(value: Option<&Value>) -> Option<&str> {
    value
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
