//! What a failure means. Mistral's page "Errors", and what its servers were seen to say.

use crate::limits;
use provider_text::failure::{by_status, unexplained};
use serde_json::Value;
use xhost_plugin::{Fault, FaultKind, HttpResponse, lasting, retry_after_ms};

/// Reads an answer whose status is not 2xx.
pub fn diagnose(response: &HttpResponse) -> Fault {
    let body = serde_json::from_str(&response.body).unwrap_or(Value::Null);
    let error = Error::of(&body);
    let (kind, why) = kind(response, &error);
    let words = if error.message.is_empty() {
        unexplained(response)
    } else {
        error.text()
    };
    let waits = matches!(kind, FaultKind::RateLimited | FaultKind::Overloaded);
    let wait = retry_after_ms(&response.headers).or_else(|| limits::until_reset(&response.headers));
    Fault::new(kind, format!("{words}{why}")).retry_after(wait.filter(|_| waits))
}

/// An error under the status 200, as gateways send it.
pub fn within_success(body: &Value) -> Option<Fault> {
    let is_error =
        body["object"] == "error" || body.get("error").is_some_and(|error| !error.is_null());
    is_error.then(|| {
        let error = Error::of(body);
        let words = if error.message.is_empty() {
            "an error without words".into()
        } else {
            error.text()
        };
        Fault::new(error.kind().unwrap_or(FaultKind::Malformed), words)
    })
}

/// What the body says: `{"object": "error", "message", "type", "code"}`, `{"message"}` alone, `{"detail"}` where the request
/// did not validate, or the same within `error` or `message`.
struct Error {
    message: String,
    kind: String,
    code: String,
}

impl Error {
    fn of(body: &Value) -> Error {
        let error = match &body["error"] {
            Value::Null => body,
            error => error,
        };
        let said = [
            error,
            &error["message"],
            &error["detail"],
            &error["message"]["detail"],
        ];
        let nested = || {
            said[1..]
                .iter()
                .find(|said| !said.is_null() && !said.is_object())
        };
        let message = said.iter().find_map(|said| said.as_str());
        Error {
            message: message
                .map(str::to_owned)
                .or_else(|| nested().map(|said| said.to_string()))
                .unwrap_or_default(),
            kind: word(&error["type"]),
            code: word(&error["code"]),
        }
    }

    /// Where its words say it, whatever the status.
    fn kind(&self) -> Option<FaultKind> {
        // The server has too little for everybody, and says so with the status of a limit.
        if self.message.contains("capacity exceeded") || self.code == "3505" {
            return Some(FaultKind::Overloaded);
        }
        match (self.kind.as_str(), self.code.as_str()) {
            ("rate_limited", _) | (_, "1300") => Some(FaultKind::RateLimited),
            ("invalid_model", _) | (_, "1500") => Some(FaultKind::Denied),
            _ => None,
        }
    }

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
}

fn word(value: &Value) -> String {
    match value {
        Value::String(word) => word.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// And what is to be added to the words.
fn kind(response: &HttpResponse, error: &Error) -> (FaultKind, &'static str) {
    if response.status == 429 {
        if limits::has_none(&response.headers) {
            return (
                FaultKind::Exhausted,
                "; the account's limit for this model is 0",
            );
        }
        if limits::month_is_over(&response.headers) {
            return (FaultKind::Exhausted, "; the month's tokens are used up");
        }
    }
    let kind = match response.status {
        // Nothing that speaks this API is at this address.
        404 if error.message.is_empty() => FaultKind::Denied,
        401..=403 => by_status(response.status),
        status => error.kind().unwrap_or_else(|| by_status(status)),
    };
    (kind, "")
}

#[cfg(test)]
mod tests;
