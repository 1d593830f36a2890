//! The table of errors, as the API's servers send them.

use super::*;
use serde_json::json;
use xhost_plugin::Header;

fn fault(status: u16, body: &Value) -> Fault {
    diagnose(&HttpResponse {
        status,
        headers: Vec::new(),
        body: body.to_string(),
    })
}

fn error(code: u16, status: &str, message: &str, details: &Value) -> Value {
    json!({"error": {"code": code, "message": message, "status": status, "details": details}})
}

#[test]
fn every_error_says_what_to_do() {
    let check = |code: u16, word: &str, message: &str, expect: FaultKind| {
        let fault = fault(code, &error(code, word, message, &json!([])));
        assert_eq!(fault.kind, expect, "{code} {word} {message}");
        assert_eq!(fault.message, format!("{message} ({word})"));
    };
    check(
        400,
        "INVALID_ARGUMENT",
        "Unknown name \"x\"",
        FaultKind::Rejected,
    );
    check(
        400,
        "INVALID_ARGUMENT",
        "API key not valid. Please pass a valid API key.",
        FaultKind::Denied,
    );
    check(
        400,
        "FAILED_PRECONDITION",
        "User location is not supported",
        FaultKind::Denied,
    );
    check(401, "UNAUTHENTICATED", "No.", FaultKind::Denied);
    check(403, "PERMISSION_DENIED", "No.", FaultKind::Denied);
    check(
        403,
        "PERMISSION_DENIED",
        "You do not have permission to access the File x or it may not exist.",
        FaultKind::Rejected,
    );
    check(
        404,
        "NOT_FOUND",
        "models/x is not found for API version v1beta",
        FaultKind::Denied,
    );
    check(
        404,
        "NOT_FOUND",
        "Requested entity was not found.",
        FaultKind::Rejected,
    );
    check(
        429,
        "RESOURCE_EXHAUSTED",
        "Resource has been exhausted (e.g. check quota).",
        FaultKind::RateLimited,
    );
    check(
        429,
        "RESOURCE_EXHAUSTED",
        "Your project has exceeded its monthly spending cap.",
        FaultKind::Exhausted,
    );
    check(
        499,
        "CANCELLED",
        "The operation was cancelled.",
        FaultKind::Overloaded,
    );
    check(500, "INTERNAL", "Internal error.", FaultKind::Overloaded);
    check(
        503,
        "UNAVAILABLE",
        "The model is overloaded.",
        FaultKind::Overloaded,
    );
    check(504, "DEADLINE_EXCEEDED", "Too long.", FaultKind::Overloaded);
}

fn quota(id: &str) -> Value {
    json!([
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure",
         "violations": [{"quotaMetric": "generativelanguage.googleapis.com/x", "quotaId": id, "quotaValue": "60"}]},
        {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "22.5s"},
    ])
}

/// The delay of a day's quota is a few seconds, too, and no help.
#[test]
fn a_quota_of_the_minute_is_waited_for_and_one_of_the_day_ends_the_run() {
    let told = "You exceeded your current quota, please check your plan and billing details.";
    let check = |message: &str, id: &str, kind: FaultKind, words: &str, wait: Option<u64>| {
        let fault = fault(429, &error(429, "RESOURCE_EXHAUSTED", message, &quota(id)));
        assert_eq!((fault.kind, fault.retry_after_ms), (kind, wait), "{id}");
        assert_eq!(fault.message, format!("{told} (RESOURCE_EXHAUSTED){words}"));
    };
    check(
        &format!("{told} Please retry in 22.5s."),
        "GenerateRequestsPerMinutePerProjectPerModel",
        FaultKind::RateLimited,
        "",
        Some(22_500),
    );
    check(
        told,
        "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
        FaultKind::Exhausted,
        "; the day's quota is used up, and comes back at midnight Pacific time",
        None,
    );
    let nothing =
        format!("{told}\n* Quota exceeded for metric: x, limit: 0, model: m\nPlease retry in 4s.");
    let fault = fault(
        429,
        &error(429, "RESOURCE_EXHAUSTED", &nothing, &quota("PerMinute")),
    );
    assert_eq!(
        (fault.kind, fault.retry_after_ms),
        (FaultKind::Exhausted, None)
    );
}

#[test]
fn an_error_may_stand_in_a_list_or_be_a_proxys() {
    let listed = json!([error(503, "UNAVAILABLE", "Busy.", &json!([]))]);
    assert_eq!(fault(503, &listed).message, "Busy. (UNAVAILABLE)");
    let proxy = |status: u16, body: &str| {
        diagnose(&HttpResponse {
            status,
            headers: vec![Header::new("retry-after", "3")],
            body: body.into(),
        })
    };
    let busy = proxy(503, "upstream");
    assert_eq!(
        (busy.kind, busy.retry_after_ms),
        (FaultKind::Overloaded, Some(3_000))
    );
    assert_eq!(busy.message, "HTTP 503: upstream");
    let nowhere = proxy(404, "<html>");
    assert_eq!(
        (nowhere.kind, nowhere.retry_after_ms),
        (FaultKind::Denied, None)
    );
}

#[test]
fn a_number_of_rpc_stands_for_its_word() {
    let check = |code: u16, kind: FaultKind, words: &str| {
        let fault = of_status(&json!({"code": code, "message": "m"}), 0);
        assert_eq!((fault.kind, fault.message.as_str()), (kind, words));
    };
    check(3, FaultKind::Rejected, "m (INVALID_ARGUMENT)");
    check(8, FaultKind::RateLimited, "m (RESOURCE_EXHAUSTED)");
    check(13, FaultKind::Overloaded, "m (INTERNAL)");
    check(400, FaultKind::Rejected, "m");
    check(503, FaultKind::Overloaded, "m");
}

#[test]
fn no_body_makes_it_panic() {
    for body in [
        json!(null),
        json!([]),
        json!([[]]),
        json!("x"),
        json!({"error": {"details": [{}, 3], "status": "RESOURCE_EXHAUSTED"}}),
        json!({"error": {"code": -1, "message": []}}),
        error(
            429,
            "RESOURCE_EXHAUSTED",
            "",
            &json!([{"@type": "x.RetryInfo", "retryDelay": "é"}]),
        ),
        error(
            429,
            "RESOURCE_EXHAUSTED",
            "",
            &json!([{"@type": "x.QuotaFailure", "violations": {}}]),
        ),
    ] {
        for status in [0, 200, 400, 404, 429, 500, 999] {
            drop(fault(status, &body));
        }
        drop(within_success(&body));
    }
}
