//! OpenAI's words: `POST /v1/chat/completions` and the errors around it (the API reference, "Chat completions").

use super::reply::{End, Reply};
use super::{Asked, Refusal, Replies};
use serde_json::{Value, json};

pub(super) fn read(body: &Value) -> Result<Asked, Refusal> {
    let model = body["model"]
        .as_str()
        .ok_or_else(|| Refusal::invalid("you must provide a model parameter"))?;
    let messages = body["messages"]
        .as_array()
        .filter(|messages| !messages.is_empty());
    let messages = messages.ok_or_else(|| {
        Refusal::invalid("Missing required parameter: 'messages'.")
            .param("messages", Some("missing_required_parameter"))
    })?;
    if body["stream"] == true {
        return Err(Refusal::invalid(
            "streams are not simulated; leave `stream` out",
        ));
    }
    let known = ["system", "developer", "user", "assistant", "tool"];
    if let Some(wrong) = messages
        .iter()
        .position(|message| !known.contains(&message["role"].as_str().unwrap_or("")))
    {
        let place = format!("messages[{wrong}].role");
        let refusal = Refusal::invalid(format!("Invalid value for '{place}'."));
        return Err(refusal.param(&place, Some("invalid_value")));
    }
    between(body, "temperature", 2)?;
    between(body, "top_p", 1)?;
    let last = messages.iter().rfind(|message| message["role"] == "user");
    let most_tokens = [&body["max_completion_tokens"], &body["max_tokens"]]
        .into_iter()
        .find_map(Value::as_u64);
    Ok(Asked {
        model: model.to_owned(),
        last_user_text: last
            .map(|message| text(&message["content"]))
            .unwrap_or_default(),
        most_tokens,
        choices: body["n"].as_u64().unwrap_or(1).clamp(1, 128),
        stop: one_or_many(&body["stop"]),
    })
}

fn between(body: &Value, name: &str, most: u32) -> Result<(), Refusal> {
    let given = &body[name];
    if given.is_null() {
        return Ok(());
    }
    let (message, code) = match given.as_f64() {
        Some(value) if value < 0.0 => (
            format!("decimal below minimum value. Expected a value >= 0, but got {given} instead."),
            "decimal_below_min_value",
        ),
        Some(value) if value > f64::from(most) => (
            format!(
                "decimal above maximum value. Expected a value <= {most}, but got {given} instead."
            ),
            "decimal_above_max_value",
        ),
        Some(_) => return Ok(()),
        None => ("Expected a decimal.".to_owned(), "invalid_type"),
    };
    Err(Refusal::invalid(format!("Invalid '{name}': {message}")).param(name, Some(code)))
}

/// A text, or a list of texts.
fn one_or_many(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match value {
        Value::Array(values) => values.iter().filter_map(text).collect(),
        one => text(one).into_iter().collect(),
    }
}

/// A message's text: a string, or the text parts of a list.
pub(super) fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect(),
        _ => String::new(),
    }
}

pub(super) fn completion(asked: &Asked, reply: &Reply<'_>, input_tokens: u64, name: u64) -> Value {
    let reason = match reply.end {
        End::Done | End::Stop(_) => "stop",
        End::Length => "length",
    };
    let choice = |index: u64| {
        json!({
            "index": index,
            "message": { "role": "assistant", "content": reply.text, "refusal": null, "annotations": [] },
            "logprobs": null,
            "finish_reason": reason,
        })
    };
    let output_tokens = reply.tokens() * asked.choices;
    json!({
        "id": format!("chatcmpl-sim{name:012x}"),
        "object": "chat.completion",
        "created": 1_790_000_000 + name % 86_400,
        "model": asked.model,
        "choices": (0..asked.choices).map(choice).collect::<Vec<_>>(),
        "usage": {
            "prompt_tokens": input_tokens,
            "completion_tokens": output_tokens,
            "total_tokens": input_tokens + output_tokens,
            "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0 },
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
    })
}

pub(super) fn models(replies: Option<&Replies>) -> Value {
    let model = |name: &&str| json!({ "id": name, "object": "model", "created": 1_790_000_000, "owned_by": "xhost" });
    let models: Vec<Value> = names(replies).iter().map(model).collect();
    json!({ "object": "list", "data": models })
}

/// The models that replies are recorded of; without any, every name is one.
pub(super) fn names(replies: Option<&Replies>) -> Vec<&str> {
    replies.map_or_else(|| vec!["simulated"], Replies::models)
}

pub(super) fn error(refusal: &Refusal) -> Value {
    json!({ "error": {
        "message": refusal.message,
        "type": refusal.kind,
        "param": refusal.param,
        "code": refusal.code,
    } })
}
