//! From a body to a completion. Any JSON may come; what is not as expected is left out or explained, never a panic.

use crate::failure;
use serde_json::{Map, Value};
use xhost_plugin::{Completion, Fault, Part, StopReason, ToolCall, Usage};

/// Reads a message.
pub fn decode(body: &Value) -> Result<Completion, Fault> {
    if let Some(fault) = failure::within_success(body) {
        return Err(fault);
    }
    let blocks = body.get("content").and_then(Value::as_array);
    let blocks = blocks.ok_or_else(|| Fault::malformed("the answer has no `content`"))?;
    let word = body["stop_reason"].as_str();
    let stop_reason = stop_reason(word);
    let mut extra = Map::new();
    if let (StopReason::Other, Some(word)) = (stop_reason, word) {
        extra.insert("stop_reason".into(), word.into());
    }
    if let Some(sequence) = body["stop_sequence"].as_str() {
        extra.insert("stop_sequence".into(), sequence.into());
    }
    let other: Vec<_> = blocks
        .iter()
        .filter(|block| part(block).is_none())
        .cloned()
        .collect();
    if !other.is_empty() {
        extra.insert("other_content".into(), other.into());
    }
    Ok(Completion {
        parts: blocks.iter().filter_map(part).collect(),
        stop_reason,
        usage: usage(&body["usage"]),
        model: body["model"].as_str().unwrap_or_default().into(),
        extra: (!extra.is_empty()).then(|| Value::Object(extra).to_string()),
    })
}

/// `None` for what the contract has no part for, such as a server tool's results; it goes to `extra`.
fn part(block: &Value) -> Option<Part> {
    let text = |key: &str| block[key].as_str().map(str::to_owned);
    match block["type"].as_str()? {
        "text" => text("text").map(Part::Text),
        "thinking" => text("thinking").map(Part::Reasoning),
        "tool_use" => Some(Part::ToolCall(ToolCall {
            id: text("id").unwrap_or_default(),
            name: text("name")?,
            arguments: block
                .get("input")
                .map_or_else(|| "{}".into(), Value::to_string),
        })),
        _ => None,
    }
}

fn stop_reason(word: Option<&str>) -> StopReason {
    match word {
        Some("end_turn") => StopReason::End,
        Some("max_tokens" | "model_context_window_exceeded") => StopReason::MaxTokens,
        Some("stop_sequence") => StopReason::StopSequence,
        Some("tool_use") => StopReason::ToolCalls,
        Some("refusal") => StopReason::Filtered,
        _ => StopReason::Other,
    }
}

/// The API counts cached input apart; here it is part of the input.
fn usage(usage: &Value) -> Usage {
    let count = |key: &str| usage[key].as_u64().unwrap_or(0);
    let (cache_read, cache_write) = (
        count("cache_read_input_tokens"),
        count("cache_creation_input_tokens"),
    );
    Usage {
        input: count("input_tokens")
            .saturating_add(cache_read)
            .saturating_add(cache_write),
        output: count("output_tokens"),
        cache_read,
        cache_write,
        reasoning: usage["output_tokens_details"]["thinking_tokens"]
            .as_u64()
            .unwrap_or(0),
    }
}

#[cfg(test)]
mod tests;
