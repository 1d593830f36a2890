//! What a failure means. OpenAI's page "Error codes", and what its relatives do otherwise.

use provider_text::failure::{by_status, unexplained};
use serde_json::Value;
use xhost_plugin::{Fault, FaultKind, HttpResponse, lasting, retry_after_ms};

/// Reads an answer whose status is not 2xx.
pub fn diagnose(response: &HttpResponse) -> Fault {
    let body = serde_json::from_str(&response.body).unwrap_or(Value::Null);
    let error = Error::of(&body);
    let kind = kind(response.status, &error);
    let waits = matches!(kind, FaultKind::RateLimited | FaultKind::Overloaded);
    Fault::new(kind, error.words(response))
        .retry_after(retry_after_ms(&response.headers).filter(|_| waits))
}

/// An error under the status 200, as OpenRouter and others send it once an answer has begun.
pub fn within_success(body: &Value) -> Option<Fault> {
    if body.get("error").is_none_or(Value::is_null) {
        return None;
    }
    let error = Error::of(body);
    let status = error
        .code
        .parse()
        .ok()
        .filter(|status| (400..600).contains(status));
    let kind = match status {
        Some(status) => kind(status, &error),
        None => by_code(&error).unwrap_or(FaultKind::Malformed),
    };
    let words = if error.message.is_empty() {
        "an error without words".into()
    } else {
        error.text()
    };
    Some(Fault::new(kind, words))
}

/// What the body says, in whichever form.
struct Error {
    message: String,
    kind: String,
    code: String,
}

impl Error {
    /// `{"error": {"message", "type", "code"}}`; the same in a list (Gemini), without the `error` (Mistral), or with a
    /// text in its place (Ollama); `{"detail": ...}` (FastAPI).
    fn of(body: &Value) -> Error {
        let body = body.get(0).unwrap_or(body);
        let error = match &body["error"] {
            Value::Null => body,
            error => error,
        };
        let message = [error, &error["message"], &error["detail"], &body["message"]]
            .into_iter()
            .find_map(Value::as_str);
        let nested = || {
            error
                .get("message")
                .or(error.get("detail"))
                .map(Value::to_string)
        };
        Error {
            message: message
                .map(str::to_owned)
                .or_else(nested)
                .unwrap_or_default(),
            kind: word(&error["type"]),
            code: word(&error["code"]),
        }
    }

    fn is(&self, words: &[&str]) -> bool {
        words.contains(&self.code.as_str()) || words.contains(&self.kind.as_str())
    }

    /// The provider's words and code.
    fn text(&self) -> String {
        let message = lasting(&self.message);
        match [&self.code, &self.kind]
            .into_iter()
            .find(|word| !word.is_empty())
        {
            Some(code) => format!("{message} ({code})"),
            None => message,
        }
    }

    fn words(&self, response: &HttpResponse) -> String {
        if self.message.is_empty() {
            return unexplained(response);
        }
        self.text()
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::String(word) => word.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

const EXHAUSTED: &[&str] = &[
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
    "billing_not_active",
];

fn by_code(error: &Error) -> Option<FaultKind> {
    // More tokens than a minute's limit holds never fit, however long one waits.
    let never_fits = error.message.starts_with("Request too large");
    if error.is(EXHAUSTED) {
        Some(FaultKind::Exhausted)
    } else if never_fits {
        Some(FaultKind::Rejected)
    } else if error.is(&["slow_down", "rate_limit_exceeded", "rate_limit_error"]) {
        Some(FaultKind::RateLimited)
    } else if error.is(&["invalid_api_key", "model_not_found", "DeploymentNotFound"]) {
        Some(FaultKind::Denied)
    } else if error.is(&[
        "server_is_overloaded",
        "server_error",
        "service_unavailable_error",
    ]) {
        Some(FaultKind::Overloaded)
    } else {
        None
    }
}

fn kind(status: u16, error: &Error) -> FaultKind {
    match (status, by_code(error)) {
        (
            400..=499,
            Some(kind @ (FaultKind::Exhausted | FaultKind::Denied | FaultKind::Rejected)),
        ) => kind,
        // OpenRouter's, for an input that its moderation refuses, concerns this request alone.
        (403, _) if error.message.contains("moderation") || error.message.contains("flagged") => {
            FaultKind::Rejected
        }
        // Nothing that speaks this API is at this address.
        (404, _) if error.message.is_empty() => FaultKind::Denied,
        // Groq's word for a flexible tier without capacity.
        (498, _) => FaultKind::Overloaded,
        // A 402 is no credit, with OpenRouter and DeepSeek.
        (status, _) => by_status(status),
    }
}

#[cfg(test)]
mod tests;
