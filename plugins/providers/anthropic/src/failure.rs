//! What a failure means. Anthropic's page "Errors".

use provider_text::failure::unexplained;
use serde_json::Value;
use xhost_plugin::{Fault, FaultKind, HttpResponse, lasting, retry_after_ms};

/// Reads an answer whose status is not 2xx.
pub fn diagnose(response: &HttpResponse) -> Fault {
    let body = serde_json::from_str(&response.body).unwrap_or(Value::Null);
    let kind = by_words(&body).unwrap_or_else(|| by_status(response.status, &body));
    let waits = matches!(kind, FaultKind::RateLimited | FaultKind::Overloaded);
    Fault::new(kind, words(response, &body))
        .retry_after(retry_after_ms(&response.headers).filter(|_| waits))
}

/// An error under the status 200.
pub fn within_success(body: &Value) -> Option<Fault> {
    let is_error =
        body["type"] == "error" || body.get("error").is_some_and(|error| !error.is_null());
    is_error.then(|| Fault::new(by_words(body).unwrap_or(FaultKind::Malformed), text(body)))
}

/// Spent, whatever the status: waiting does not help, though some come as 429.
fn by_words(body: &Value) -> Option<FaultKind> {
    let error = &body["error"];
    let code = error["details"]["error_code"].as_str().unwrap_or_default();
    let is_spent = matches!(
        code,
        "enforced_spend_limit_reached" | "contract_spend_limit_reached"
    );
    // Older accounts get this as a 400 like any other, told apart by its words alone.
    let no_credit = error["message"]
        .as_str()
        .is_some_and(|message| message.contains("credit balance is too low"));
    match error["type"].as_str() {
        _ if is_spent || no_credit => Some(FaultKind::Exhausted),
        Some("billing_error") => Some(FaultKind::Exhausted),
        Some("authentication_error" | "permission_error") => Some(FaultKind::Denied),
        Some("overloaded_error" | "api_error" | "timeout_error" | "conflict_error") => {
            Some(FaultKind::Overloaded)
        }
        Some("rate_limit_error") => Some(FaultKind::RateLimited),
        Some("request_too_large" | "invalid_request_error") => Some(FaultKind::Rejected),
        // The only thing that a message can name and the API not find is the model.
        Some("not_found_error") => Some(FaultKind::Denied),
        _ => None,
    }
}

/// A proxy's answer, or an error type of tomorrow.
fn by_status(status: u16, body: &Value) -> FaultKind {
    match status {
        // Nothing that speaks this API is at this address.
        404 if body["error"].is_null() => FaultKind::Denied,
        status => provider_text::failure::by_status(status),
    }
}

fn words(response: &HttpResponse, body: &Value) -> String {
    if body["error"]["message"].is_string() {
        return text(body);
    }
    unexplained(response)
}

/// The provider's words and the most exact of its codes.
fn text(body: &Value) -> String {
    let error = &body["error"];
    let message = lasting(
        error["message"]
            .as_str()
            .unwrap_or("an error without words"),
    );
    match error["details"]["error_code"]
        .as_str()
        .or(error["type"].as_str())
    {
        Some(code) => format!("{message} ({code})"),
        None => message,
    }
}

#[cfg(test)]
mod tests;
