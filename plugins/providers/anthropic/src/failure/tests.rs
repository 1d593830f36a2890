//! The table of errors, as the API sends them.

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

fn error(kind: &str, message: &str) -> String {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_01x"})
        .to_string()
}

#[test]
fn every_error_says_what_to_do() {
    let check = |status: u16, kind: &str, expect: FaultKind| {
        let fault = fault(status, &error(kind, "m"), &[]);
        assert_eq!(
            (fault.kind, fault.message),
            (expect, format!("m ({kind})")),
            "{status}"
        );
    };
    check(400, "invalid_request_error", FaultKind::Rejected);
    check(401, "authentication_error", FaultKind::Denied);
    check(402, "billing_error", FaultKind::Exhausted);
    check(403, "permission_error", FaultKind::Denied);
    check(404, "not_found_error", FaultKind::Denied);
    check(409, "conflict_error", FaultKind::Overloaded);
    check(413, "request_too_large", FaultKind::Rejected);
    check(429, "rate_limit_error", FaultKind::RateLimited);
    check(500, "api_error", FaultKind::Overloaded);
    check(504, "timeout_error", FaultKind::Overloaded);
    check(529, "overloaded_error", FaultKind::Overloaded);
    check(418, "teapot_error", FaultKind::Rejected);
    check(404, "teapot_error", FaultKind::Rejected);
    check(302, "teapot_error", FaultKind::Malformed);
}

#[test]
fn what_is_spent_is_not_waited_for() {
    let check = |code: &str, expect: FaultKind| {
        let details = json!({"error_code": code});
        let body =
            json!({"error": {"type": "rate_limit_error", "message": "m", "details": details}})
                .to_string();
        let fault = fault(429, &body, &[("retry-after", "3")]);
        assert_eq!((fault.kind, fault.message), (expect, format!("m ({code})")));
        assert_eq!(
            fault.retry_after_ms.is_some(),
            expect == FaultKind::RateLimited
        );
    };
    check("enforced_spend_limit_reached", FaultKind::Exhausted);
    check("contract_spend_limit_reached", FaultKind::Exhausted);
    check("ramp_limit_exceeded", FaultKind::RateLimited);
    let spent = error(
        "invalid_request_error",
        "Your credit balance is too low to access the API.",
    );
    assert_eq!(fault(400, &spent, &[]).kind, FaultKind::Exhausted);
}

#[test]
fn a_proxys_answer_is_read_by_its_status() {
    let check = |status: u16, body: &str, kind: FaultKind, message: &str| {
        let fault = fault(status, body, &[]);
        assert_eq!((fault.kind, fault.message.as_str()), (kind, message));
    };
    check(
        502,
        "<html>",
        FaultKind::Overloaded,
        "HTTP 502 without an explanation",
    );
    check(
        503,
        "no healthy upstream",
        FaultKind::Overloaded,
        "HTTP 503: no healthy upstream",
    );
    check(
        404,
        "<html>",
        FaultKind::Denied,
        "HTTP 404 without an explanation; check `model.base_url`",
    );
    check(
        401,
        "",
        FaultKind::Denied,
        "HTTP 401 without an explanation",
    );
    check(
        429,
        r#"{"error": "slow"}"#,
        FaultKind::RateLimited,
        "HTTP 429 without an explanation",
    );
}

#[test]
fn no_body_makes_it_panic() {
    for body in [
        "null",
        "[]",
        "3",
        "\"x\"",
        r#"{"error": []}"#,
        r#"{"error": {"message": {}, "details": 3}}"#,
    ] {
        for status in [0, 200, 400, 404, 429, 500, 999] {
            drop(fault(status, body, &[]));
        }
    }
}
