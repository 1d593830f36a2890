//! From a body to a completion. Any JSON may come; what is not as expected is left out or explained, never a panic.

use crate::content::call::CallId;
use crate::failure;
use serde_json::{Map, Value};
use xhost_plugin::{Completion, Fault, FaultKind, Part, StopReason, ToolCall, Usage};

/// Reads the first candidate; the request asks for no other. A prompt that was blocked has none, and is an answer.
pub fn decode(body: &Value) -> Result<Completion, Fault> {
    if let Some(fault) = failure::within_success(body) {
        return Err(fault);
    }
    let candidate = body["candidates"].get(0).unwrap_or(&Value::Null);
    let blocked = body["promptFeedback"]["blockReason"].is_string();
    if !candidate.is_object() && !blocked {
        return Err(Fault::malformed("the answer has no `candidates`"));
    }
    let word = candidate["finishReason"].as_str();
    if word == Some("PUP_LIMITED_DISABLED") {
        let words = "the account is limited or disabled (PUP_LIMITED_DISABLED)";
        return Err(Fault::new(FaultKind::Denied, words));
    }
    let (parts, other) = parts(&candidate["content"]["parts"]);
    let stop_reason = match candidate.is_object() {
        true => stop_reason(word, &parts),
        false => StopReason::Filtered,
    };
    let word = word.filter(|_| matches!(stop_reason, StopReason::Other | StopReason::Filtered));
    Ok(Completion {
        stop_reason,
        usage: usage(&body["usageMetadata"]),
        model: body["modelVersion"].as_str().unwrap_or_default().into(),
        extra: extra(body, candidate, word, other),
        parts,
    })
}

/// And what the contract has no part for, such as code that ran; that goes to `extra`.
fn parts(told: &Value) -> (Vec<Part>, Vec<Value>) {
    let (mut parts, mut other) = (Vec::new(), Vec::new());
    for (at, piece) in told.as_array().into_iter().flatten().enumerate() {
        match part(at, piece) {
            Some(part) => parts.push(part),
            None => other.push(piece.clone()),
        }
    }
    (parts, other)
}

fn part(at: usize, piece: &Value) -> Option<Part> {
    if let Some(text) = piece["text"].as_str() {
        return Some(match piece["thought"] == true {
            true => Part::Reasoning(text.into()),
            false => Part::text(text),
        });
    }
    let call = piece["functionCall"].as_object()?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let (id, signature) = (text(call.get("id")), text(piece.get("thoughtSignature")));
    Some(Part::ToolCall(ToolCall {
        id: CallId::write(at, id.as_deref(), signature.as_deref()),
        name: text(call.get("name"))?,
        arguments: call
            .get("args")
            .map_or_else(|| "{}".into(), Value::to_string),
    }))
}

fn stop_reason(word: Option<&str>, parts: &[Part]) -> StopReason {
    let calls = || parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    match word {
        Some("STOP") if calls() => StopReason::ToolCalls,
        Some("STOP") => StopReason::End,
        Some("MAX_TOKENS") => StopReason::MaxTokens,
        Some(
            "SAFETY"
            | "RECITATION"
            | "LANGUAGE"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION"
            | "ESCALATION"
            | "MODEL_ARMOR",
        ) => StopReason::Filtered,
        _ => StopReason::Other,
    }
}

/// The API counts thoughts beside the candidate's tokens, and results of its own tools beside the prompt's.
fn usage(usage: &Value) -> Usage {
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    let reasoning = count("thoughtsTokenCount");
    Usage {
        input: count("promptTokenCount").saturating_add(count("toolUsePromptTokenCount")),
        output: count("candidatesTokenCount").saturating_add(reasoning),
        cache_read: count("cachedContentTokenCount"),
        cache_write: 0,
        reasoning,
    }
}

fn extra(body: &Value, candidate: &Value, word: Option<&str>, other: Vec<Value>) -> Option<String> {
    let mut extra = Map::new();
    let told = [
        "finishMessage",
        "avgLogprobs",
        "logprobsResult",
        "citationMetadata",
        "groundingMetadata",
        "urlContextMetadata",
    ];
    for name in told {
        if let Some(told) = candidate.get(name).filter(|told| !told.is_null()) {
            extra.insert(name.into(), told.clone());
        }
    }
    if let Some(word) = word {
        extra.insert("finishReason".into(), word.into());
    }
    if let Some(reason) = body["promptFeedback"]["blockReason"].as_str() {
        extra.insert("blockReason".into(), reason.into());
    }
    if !other.is_empty() {
        extra.insert("other_parts".into(), other.into());
    }
    (!extra.is_empty()).then(|| Value::Object(extra).to_string())
}

#[cfg(test)]
mod tests;
