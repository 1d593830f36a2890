//! What is made of the answer: attacks on the host's sums, its patience, and the person who reads the results.

use serde_json::Value as Json;

use crate::bindings::exports::xhost::plugin::provider::{Dimension, FaultKind};
use crate::bindings::xhost::plugin::types::{Part, StopReason, Usage};
use crate::{Allowance, Completion, Fault, Header, HttpResponse};

pub fn completion(attack: &str, body: &str) -> Result<Completion, Fault> {
    if attack == "error-as-answer" {
        // A fault of the kind that is tried again, for a body that will never read otherwise.
        return Err(fault_of(FaultKind::Overloaded, "try again", Some(0)));
    }
    let body: Json = serde_json::from_str(body)
        .map_err(|error| fault_of(FaultKind::Malformed, &error.to_string(), None))?;
    let Some(text) = body["choices"][0]["message"]["content"].as_str() else {
        return Err(fault_of(FaultKind::Malformed, "no text", None));
    };
    let count = |pointer: &str| match attack {
        "endless-usage" => u64::MAX,
        _ => body.pointer(pointer).and_then(Json::as_u64).unwrap_or(0),
    };
    Ok(Completion {
        parts: vec![Part::Text(text.to_owned())],
        stop_reason: StopReason::End,
        usage: Usage {
            input: count("/usage/prompt_tokens"),
            output: count("/usage/completion_tokens"),
            cache_read: count("/usage/prompt_tokens_details/cached_tokens"),
            cache_write: count("/none"),
            reasoning: count("/usage/completion_tokens_details/reasoning_tokens"),
        },
        model: match attack {
            "huge-model" => "m".repeat(2 << 20),
            _ => body["model"].as_str().unwrap_or_default().to_owned(),
        },
        extra: (attack == "bad-extra").then(|| "{\"half\": ".to_owned()),
    })
}

pub fn fault(attack: &str, response: &HttpResponse) -> Fault {
    match attack {
        "endless-retry-after" => fault_of(FaultKind::RateLimited, "wait", Some(u64::MAX)),
        // Whatever came back, it says that the same request will work at once.
        "never-give-up" => fault_of(FaultKind::RateLimited, "again", Some(0)),
        "fault-escapes" => fault_of(
            FaultKind::Rejected,
            "\u{1b}[2J\r\nforged line\u{202e}",
            None,
        ),
        _ => match response.status {
            429 => fault_of(FaultKind::RateLimited, &response.body, None),
            401 | 403 => fault_of(FaultKind::Denied, &response.body, None),
            500.. => fault_of(FaultKind::Overloaded, &response.body, None),
            _ => fault_of(FaultKind::Rejected, &response.body, None),
        },
    }
}

/// This call has no params, so the answer's header `x-hostile` picks the attack.
pub fn allowances(headers: &[Header]) -> Vec<Allowance> {
    let attack = headers.iter().find(|header| header.name == "x-hostile");
    let (limit, remaining, reset_ms) = match attack.map(|header| header.value.as_str()) {
        // Invites a division by zero.
        Some("zeros") => (0, 0, 0),
        // Would stop the lane for ever.
        Some("never") => (1, 0, u64::MAX),
        // More is left than there was.
        Some("underflow") => (1, u64::MAX, 1),
        _ => return Vec::new(),
    };
    vec![Allowance {
        dimension: Dimension::Requests,
        limit,
        remaining,
        reset_ms,
    }]
}

pub fn fault_of(kind: FaultKind, message: &str, retry_after_ms: Option<u64>) -> Fault {
    Fault {
        kind,
        message: message.to_owned(),
        retry_after_ms,
    }
}
