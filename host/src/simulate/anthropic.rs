//! Anthropic's words: `POST /v1/messages` in both versions of the API (the API reference, "Messages", and its migration
//! guide to 2026-10-21).

use super::reply::{End, Reply};
use super::{Asked, Refusal, Replies, openai};
use axum::http::HeaderMap;
use serde_json::{Value, json};

pub(super) fn read(body: &Value, headers: &HeaderMap) -> Result<Asked, Refusal> {
    let version = headers
        .get("anthropic-version")
        .and_then(|value| value.to_str().ok());
    let version =
        version.ok_or_else(|| Refusal::invalid("anthropic-version: header is required"))?;
    match version {
        "2026-10-21" => refuse_sampling(body)?,
        "2023-06-01" => {}
        other => {
            return Err(Refusal::invalid(format!(
                "anthropic-version: \"{other}\" is not a valid version"
            )));
        }
    }
    let required = |name: &str| Refusal::invalid(format!("{name}: Field required"));
    let model = body["model"].as_str().ok_or_else(|| required("model"))?;
    let most_tokens = body["max_tokens"]
        .as_u64()
        .ok_or_else(|| required("max_tokens"))?;
    let messages = body["messages"]
        .as_array()
        .ok_or_else(|| required("messages"))?;
    if messages.is_empty() {
        return Err(Refusal::invalid(
            "messages: at least one message is required",
        ));
    }
    if body["stream"] == true {
        return Err(Refusal::invalid(
            "streams are not simulated; leave `stream` out",
        ));
    }
    if let Some(wrong) = messages.iter().position(|message| {
        !["user", "assistant", "system"].contains(&message["role"].as_str().unwrap_or(""))
    }) {
        return Err(Refusal::invalid(format!(
            "messages.{wrong}.role: Input should be 'user' or 'assistant'"
        )));
    }
    let last = messages.iter().rfind(|message| message["role"] == "user");
    Ok(Asked {
        model: model.to_owned(),
        last_user_text: last
            .map(|message| openai::text(&message["content"]))
            .unwrap_or_default(),
        most_tokens: Some(most_tokens),
        choices: 1,
        stop: stop_sequences(body),
    })
}

/// Since 2026-10-21 sampling parameters are refused, even at their defaults.
fn refuse_sampling(body: &Value) -> Result<(), Refusal> {
    let given = ["temperature", "top_p", "top_k"]
        .into_iter()
        .find(|name| !body[*name].is_null());
    given.map_or(Ok(()), |name| {
        Err(Refusal::invalid(format!(
            "{name}: Extra inputs are not permitted"
        )))
    })
}

fn stop_sequences(body: &Value) -> Vec<String> {
    let given = body["stop_sequences"].as_array().into_iter().flatten();
    given
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

pub(super) fn message(asked: &Asked, reply: &Reply<'_>, input_tokens: u64, name: u64) -> Value {
    let (reason, sequence) = match reply.end {
        End::Done => ("end_turn", None),
        End::Length => ("max_tokens", None),
        End::Stop(text) => ("stop_sequence", Some(text)),
    };
    json!({
        "id": format!("msg_sim{name:012x}"),
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [{ "type": "text", "text": reply.text }],
        "stop_reason": reason,
        "stop_sequence": sequence,
        "usage": {
            "input_tokens": input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": { "ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0 },
            "output_tokens": reply.tokens(),
            "service_tier": "standard",
        },
    })
}

pub(super) fn models(replies: Option<&Replies>) -> Value {
    let names = openai::names(replies);
    let model = |name: &&str| {
        json!({
            "type": "model",
            "id": name,
            "display_name": name,
            "lifecycle": "active",
            "created_at": "2026-01-01T00:00:00Z",
        })
    };
    json!({
        "data": names.iter().map(model).collect::<Vec<_>>(),
        "has_more": false,
        "first_id": names.first(),
        "last_id": names.last(),
    })
}

pub(super) fn error(refusal: &Refusal, request_id: &str) -> Value {
    let mut error = json!({ "type": refusal.kind, "message": refusal.message });
    if let (Some(code), "rate_limit_error") = (refusal.code, refusal.kind) {
        error["details"] = json!({ "error_code": code });
    }
    json!({ "type": "error", "error": error, "request_id": request_id })
}
