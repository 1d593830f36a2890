//! OpenAI's words: `POST /v1/chat/completions` and the errors around it (the API reference, "Chat completions").

use super::{Asked, Refusal, Replies, cut, tokens};
use serde_json::{Value, json};

pub(super) fn read(body: &Value) -> Result<Asked, Refusal> {
    let model = body["model"]
        .as_str()
        .ok_or_else(|| Refusal::invalid("you must provide a model parameter"))?;
    let messages = body["messages"]
        .as_array()
        .filter(|messages| !messages.is_empty());
    let messages =
        messages.ok_or_else(|| Refusal::invalid("Missing required parameter: 'messages'."))?;
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
        return Err(Refusal::invalid(format!(
            "Invalid value for 'messages[{wrong}].role'."
        )));
    }
    for name in ["temperature", "top_p"] {
        if !body[name].is_null()
            && !body[name]
                .as_f64()
                .is_some_and(|value| (0.0..=2.0).contains(&value))
        {
            return Err(Refusal::invalid(format!(
                "Invalid '{name}': a number from 0 to 2 is expected."
            )));
        }
    }
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
    })
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

pub(super) fn completion(asked: &Asked, reply: &str, input_tokens: u64, number: u64) -> Value {
    let (content, was_cut) = cut(reply, asked.most_tokens);
    let choice = |index: u64| {
        json!({
            "index": index,
            "message": { "role": "assistant", "content": content, "refusal": null, "annotations": [] },
            "logprobs": null,
            "finish_reason": if was_cut { "length" } else { "stop" },
        })
    };
    let output_tokens = tokens(content) * asked.choices;
    json!({
        "id": format!("chatcmpl-sim{number:08}"),
        "object": "chat.completion",
        "created": 1_790_000_000 + number,
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
    let names = replies.map(Replies::models).unwrap_or_default();
    let model = |name: &&str| json!({ "id": name, "object": "model", "created": 1_790_000_000, "owned_by": "xhost" });
    json!({ "object": "list", "data": names.iter().map(model).collect::<Vec<_>>() })
}

pub(super) fn error(refusal: &Refusal) -> Value {
    json!({ "error": { "message": refusal.message, "type": refusal.kind, "param": null, "code": refusal.code } })
}
