//! What a failure means. Google's page "Troubleshooting", the codes of `google.rpc.Code`, and the details of
//! `google/rpc/error_details.proto`.

use provider_text::failure::{by_status, unexplained};
use serde_json::Value;
use xhost_plugin::{Fault, FaultKind, HttpResponse, lasting, retry_after_ms};

/// Reads an answer whose status is not 2xx.
pub fn diagnose(response: &HttpResponse) -> Fault {
    let body = serde_json::from_str(&response.body).unwrap_or(Value::Null);
    // Some of Google's servers put their one error into a list.
    let error = &body.get(0).unwrap_or(&body)["error"];
    if !error.is_object() {
        let kind = match response.status {
            // Nothing that speaks this API is at this address.
            404 => FaultKind::Denied,
            status => by_status(status),
        };
        let wait = retry_after_ms(&response.headers).filter(|_| passes(kind));
        return Fault::new(kind, unexplained(response)).retry_after(wait);
    }
    let fault = of_status(error, response.status);
    let wait = fault
        .retry_after_ms
        .or_else(|| retry_after_ms(&response.headers));
    let wait = wait.filter(|_| passes(fault.kind));
    fault.retry_after(wait)
}

/// An error under the status 200, as gateways send it.
pub fn within_success(body: &Value) -> Option<Fault> {
    let error = body.get("error").filter(|error| !error.is_null())?;
    Some(of_status(error, 0))
}

fn passes(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::RateLimited | FaultKind::Overloaded)
}

/// A `google.rpc.Status`, whose code is a number of HTTP's in answers, and one of `google.rpc.Code` in results of batches.
pub fn of_status(error: &Value, status: u16) -> Fault {
    let code = error["code"]
        .as_u64()
        .and_then(|code| u16::try_from(code).ok());
    let word = match (error["status"].as_str(), code) {
        (Some(word), _) => word,
        (None, Some(code)) => rpc_word(code),
        (None, None) => "",
    };
    let status = match (status, code) {
        (0, Some(code)) => code,
        (status, _) => status,
    };
    let (kind, why) = kind(word, status, error);
    let message = error["message"]
        .as_str()
        .unwrap_or("an error without words");
    // How long to wait is said as a number, too, and differs from call to call.
    let message = message.split("Please retry in").next().unwrap_or(message);
    let words = match word {
        "" => lasting(message),
        word => format!("{} ({word})", lasting(message)),
    };
    let wait = detail(error, "RetryInfo").and_then(|info| seconds(info["retryDelay"].as_str()?));
    Fault::new(kind, words + why).retry_after(wait.filter(|_| passes(kind)))
}

fn kind(word: &str, status: u16, error: &Value) -> (FaultKind, &'static str) {
    let said = |words: &str| {
        error["message"]
            .as_str()
            .is_some_and(|text| text.contains(words))
    };
    let kind = match word {
        "RESOURCE_EXHAUSTED" => return exhausted(error),
        "UNAVAILABLE" | "DEADLINE_EXCEEDED" | "INTERNAL" | "ABORTED" | "CANCELLED" | "UNKNOWN" => {
            FaultKind::Overloaded
        }
        // Google's word for a file or a batch that is not there.
        "PERMISSION_DENIED" if said("may not exist") => FaultKind::Rejected,
        "UNAUTHENTICATED" | "PERMISSION_DENIED" | "FAILED_PRECONDITION" => FaultKind::Denied,
        "INVALID_ARGUMENT" if said("API key") || reason(error) == "API_KEY_INVALID" => {
            FaultKind::Denied
        }
        // A model, and not a batch or a file.
        "NOT_FOUND" if said("models/") => FaultKind::Denied,
        "INVALID_ARGUMENT" | "NOT_FOUND" | "ALREADY_EXISTS" | "OUT_OF_RANGE" | "UNIMPLEMENTED"
        | "DATA_LOSS" => FaultKind::Rejected,
        _ => by_status(status),
    };
    (kind, "")
}

/// A minute's quota fills again; a day's does at midnight in California, whatever the delay that comes with it says; and a
/// quota of nothing, or credit that is gone, never does.
fn exhausted(error: &Value) -> (FaultKind, &'static str) {
    let violations = detail(error, "QuotaFailure").map(|failure| &failure["violations"]);
    let violations = violations.and_then(Value::as_array).into_iter().flatten();
    let mut ids = violations.filter_map(|violation| violation["quotaId"].as_str());
    let message = error["message"].as_str().unwrap_or_default();
    let spent = [
        "spending cap",
        "spend cap",
        "credits are depleted",
        "prepay",
    ];
    if spent.iter().any(|words| message.contains(words)) {
        (FaultKind::Exhausted, "")
    } else if message.contains("limit: 0,") || message.ends_with("limit: 0") {
        (
            FaultKind::Exhausted,
            "; the account's quota for this model is 0",
        )
    } else if ids.any(|id| id.contains("PerDay")) {
        let why = "; the day's quota is used up, and comes back at midnight Pacific time";
        (FaultKind::Exhausted, why)
    } else {
        (FaultKind::RateLimited, "")
    }
}

fn detail<'a>(error: &'a Value, kind: &str) -> Option<&'a Value> {
    let details = error["details"].as_array()?.iter();
    let is = |detail: &&Value| {
        let name = detail["@type"].as_str().unwrap_or_default();
        name.rsplit('.').next() == Some(kind)
    };
    details.into_iter().find(is)
}

fn reason(error: &Value) -> &str {
    let info = detail(error, "ErrorInfo");
    info.and_then(|info| info["reason"].as_str())
        .unwrap_or_default()
}

/// A duration as JSON writes protobuf's, such as `22s` or `45.578569677s`, in milliseconds.
fn seconds(text: &str) -> Option<u64> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then_some((seconds * 1_000.0).ceil() as u64)
}

fn rpc_word(code: u16) -> &'static str {
    match code {
        1 => "CANCELLED",
        2 => "UNKNOWN",
        3 => "INVALID_ARGUMENT",
        4 => "DEADLINE_EXCEEDED",
        5 => "NOT_FOUND",
        6 => "ALREADY_EXISTS",
        7 => "PERMISSION_DENIED",
        8 => "RESOURCE_EXHAUSTED",
        9 => "FAILED_PRECONDITION",
        10 => "ABORTED",
        11 => "OUT_OF_RANGE",
        12 => "UNIMPLEMENTED",
        13 => "INTERNAL",
        14 => "UNAVAILABLE",
        15 => "DATA_LOSS",
        16 => "UNAUTHENTICATED",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
