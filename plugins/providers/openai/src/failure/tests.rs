//! The table of errors, as servers send them.

use super::*;
use serde_json::json;
use xhost_plugin::Header;

fn fault(status: u16, body: &str, headers: &[(&str, &str)]) -> Fault {
    let headers = headers
        .iter()
        .map(|&(name, value)| Header::new(name, value))
        .collect();
    diagnose(&HttpResponse {
        status,
        headers,
        body: body.into(),
    })
}

#[test]
fn every_error_says_what_to_do() {
    let check = |status: u16, kind: &str, code: &str, expect: FaultKind| {
        let body = json!({"error": {"message": "m", "type": kind, "param": null, "code": code}});
        assert_eq!(
            fault(status, &body.to_string(), &[]).kind,
            expect,
            "{status} {kind} {code}"
        );
    };
    check(
        400,
        "invalid_request_error",
        "context_length_exceeded",
        FaultKind::Rejected,
    );
    check(
        400,
        "invalid_request_error",
        "content_filter",
        FaultKind::Rejected,
    );
    check(
        400,
        "invalid_request_error",
        "billing_hard_limit_reached",
        FaultKind::Exhausted,
    );
    check(
        401,
        "invalid_request_error",
        "invalid_api_key",
        FaultKind::Denied,
    );
    check(402, "", "402", FaultKind::Exhausted);
    check(403, "insufficient_permissions", "", FaultKind::Denied);
    check(
        404,
        "invalid_request_error",
        "model_not_found",
        FaultKind::Denied,
    );
    check(404, "", "DeploymentNotFound", FaultKind::Denied);
    check(404, "", "404", FaultKind::Rejected);
    check(408, "", "", FaultKind::Overloaded);
    check(409, "", "", FaultKind::Overloaded);
    check(413, "", "rate_limit_exceeded", FaultKind::Rejected);
    check(422, "", "", FaultKind::Rejected);
    check(429, "tokens", "rate_limit_exceeded", FaultKind::RateLimited);
    check(429, "rate_limit_error", "slow_down", FaultKind::RateLimited);
    check(429, "", "429", FaultKind::RateLimited);
    check(
        429,
        "insufficient_quota",
        "insufficient_quota",
        FaultKind::Exhausted,
    );
    for code in [
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
    ] {
        check(429, "insufficient_quota", code, FaultKind::Exhausted);
    }
    check(
        429,
        "",
        "organization_usage_limit_exceeded",
        FaultKind::Exhausted,
    );
    check(498, "", "", FaultKind::Overloaded);
    check(500, "server_error", "", FaultKind::Overloaded);
    check(
        503,
        "service_unavailable_error",
        "server_is_overloaded",
        FaultKind::Overloaded,
    );
    check(529, "", "", FaultKind::Overloaded);
    check(302, "", "", FaultKind::Malformed);
}

#[test]
fn the_providers_words_are_kept_in_whichever_form_they_come() {
    let check = |status: u16, body: &str, expect: &str| {
        assert_eq!(fault(status, body, &[]).message, expect, "{body}");
    };
    check(
        400,
        r#"{"error": {"message": "Bad", "type": "t", "code": "c"}}"#,
        "Bad (c)",
    );
    check(
        400,
        r#"{"error": {"message": "Bad", "type": "t", "code": null}}"#,
        "Bad (t)",
    );
    check(
        402,
        r#"{"error": {"message": "Insufficient credits", "code": 402}}"#,
        "Insufficient credits (402)",
    );
    check(400, r#"{"error": "model not loaded"}"#, "model not loaded");
    check(
        422,
        r#"{"detail": [{"msg": "field required"}]}"#,
        r#"[{"msg":"field required"}]"#,
    );
    check(
        400,
        r#"{"object": "error", "message": "Bad", "type": "t", "code": 40}"#,
        "Bad (40)",
    );
    check(
        400,
        r#"[{"error": {"message": "Bad", "code": 400}}]"#,
        "Bad (400)",
    );
    check(
        502,
        "<html>Bad gateway 12:00:01</html>",
        "HTTP 502 without an explanation",
    );
    check(503, "no healthy upstream", "HTTP 503: no healthy upstream");
    check(
        404,
        "<html>",
        "HTTP 404 without an explanation; check `model.base_url`",
    );
    check(
        500,
        r#"{"error": {"message": "Oops, include req_12ab in your mail."}}"#,
        "Oops, include … in your mail.",
    );
    check(500, "", "HTTP 500 without an explanation");
}

#[test]
fn what_waiting_does_not_help_is_not_waited_for() {
    let too_large =
        "Request too large for m on tokens per min (TPM): Limit 10000, Requested 12000.";
    let body =
        json!({"error": {"message": too_large, "type": "tokens", "code": "rate_limit_exceeded"}})
            .to_string();
    assert_eq!(fault(429, &body, &[]).kind, FaultKind::Rejected);
    let flagged = r#"{"error": {"message": "Your input was flagged", "code": 403}}"#;
    assert_eq!(fault(403, flagged, &[]).kind, FaultKind::Rejected);
    assert_eq!(fault(404, "<html>", &[]).kind, FaultKind::Denied);
}

#[test]
fn the_time_to_wait_comes_with_faults_that_pass() {
    let check = |status: u16, headers: &[(&str, &str)], expect| {
        assert_eq!(
            fault(status, "", headers).retry_after_ms,
            expect,
            "{status} {headers:?}"
        );
    };
    check(429, &[("retry-after", "56")], Some(56_000));
    check(
        503,
        &[("retry-after", "2"), ("retry-after-ms", "1500")],
        Some(1_500),
    );
    check(400, &[("retry-after", "56")], None);
    check(429, &[], None);
}

#[test]
fn no_body_makes_it_panic() {
    for body in [
        "null",
        "[]",
        "[null]",
        "3",
        "\"x\"",
        r#"{"error": []}"#,
        r#"{"error": {"message": {}, "code": []}}"#,
    ] {
        for status in [0, 200, 400, 404, 429, 500, 999] {
            drop(fault(status, body, &[]));
        }
    }
}
