//! Google's words: `POST …/models/MODEL:generateContent` (the API reference, "Generating content"), put into OpenAI's on the
//! way in and out of them on the way back, so that there is one simulator. Its batches are not simulated.

use super::{Dialect, Refusal, Shared, checked_call, json};
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json as value};

/// The end of the path.
pub(super) const CALL: &str = ":generateContent";

pub(super) async fn call(
    shared: &Shared,
    path: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response {
    let in_flight = shared.stats.arrive();
    let answered = async {
        let asked = in_openai_words(path, body)?;
        let asked = Bytes::from(asked.to_string());
        checked_call(
            shared,
            Dialect::OpenAi,
            path,
            (headers, in_flight.number),
            &asked,
        )
        .await
    };
    let response = match answered.await {
        Ok((completion, _)) => json(200, &in_googles_words(&completion)),
        Err(refusal) => {
            shared.stats.refused(refusal.status);
            json(refusal.status, &error(&refusal))
        }
    };
    drop(in_flight);
    response
}

fn invalid(message: &str) -> Refusal {
    Refusal::invalid(message)
}

fn in_openai_words(path: &str, body: &Bytes) -> Result<Value, Refusal> {
    let asked: Value = serde_json::from_slice(body)
        .map_err(|e| invalid(&format!("Invalid JSON payload received. {e}")))?;
    let contents = asked["contents"].as_array();
    let contents = contents.filter(|contents| !contents.is_empty());
    let contents = contents.ok_or_else(|| invalid("* contents: contents is not specified"))?;
    let messages = contents.iter().map(|content| {
        let role = match content["role"].as_str() {
            None | Some("user") => Ok("user"),
            Some("model") => Ok("assistant"),
            Some(_) => Err(invalid("Please use a valid role: user, model.")),
        };
        Ok(value!({"role": role?, "content": content["parts"]}))
    });
    let config = &asked["generationConfig"];
    let known = config["maxOutputTokens"]
        .as_u64()
        .is_none_or(|most| most > 0);
    if !known {
        return Err(invalid("max_output_tokens must be positive."));
    }
    Ok(value!({
        "model": model(path),
        "messages": messages.collect::<Result<Vec<_>, Refusal>>()?,
        "max_tokens": config["maxOutputTokens"],
        "temperature": config["temperature"],
        "top_p": config["topP"],
        "stop": config["stopSequences"],
        // What else was asked makes it another request, with another answer.
        "metadata": {"system": asked["systemInstruction"], "config": config, "tools": asked["tools"]},
    }))
}

fn model(path: &str) -> &str {
    let name = path.trim_end_matches(CALL);
    name.rsplit('/').next().unwrap_or(name)
}

fn in_googles_words(completion: &Value) -> Value {
    let choice = &completion["choices"][0];
    let reason = match choice["finish_reason"].as_str() {
        Some("length") => "MAX_TOKENS",
        _ => "STOP",
    };
    let usage = &completion["usage"];
    value!({
        "candidates": [{
            "content": {"role": "model", "parts": [{"text": choice["message"]["content"]}]},
            "finishReason": reason,
            "index": 0,
        }],
        "usageMetadata": {
            "promptTokenCount": usage["prompt_tokens"],
            "candidatesTokenCount": usage["completion_tokens"],
            "totalTokenCount": usage["total_tokens"],
        },
        "modelVersion": completion["model"],
        "responseId": completion["id"],
    })
}

fn error(refusal: &Refusal) -> Value {
    let word = match refusal.status {
        400 | 413 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    };
    let info = |seconds: u64| {
        let kind = "type.googleapis.com/google.rpc.RetryInfo";
        value!({"@type": kind, "retryDelay": format!("{seconds}s")})
    };
    let details: Vec<Value> = refusal.retry_after.map(info).into_iter().collect();
    value!({"error": {
        "code": refusal.status,
        "message": refusal.message,
        "status": word,
        "details": details,
    }})
}
