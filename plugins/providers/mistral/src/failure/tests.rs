//! The table of errors, as servers send them.

use super::*;
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
fn every_error_says_what_to_do_in_the_providers_words() {
    let check = |status: u16, body: &str, kind: FaultKind, words: &str| {
        let fault = fault(status, body, &[]);
        assert_eq!(
            (fault.kind, fault.message.as_str()),
            (kind, words),
            "{status} {body}"
        );
    };
    check(
        429,
        r#"{"object":"error","message":"Rate limit exceeded","type":"rate_limited","param":null,"code":"1300","raw_status_code":429}"#,
        FaultKind::RateLimited,
        "Rate limit exceeded (1300)",
    );
    check(
        429,
        r#"{"message":"Requests rate limit exceeded"}"#,
        FaultKind::RateLimited,
        "Requests rate limit exceeded",
    );
    let capacity = r#"{"object":"error","message":"Service tier capacity exceeded for this model.","type":"invalid_request_error","param":null,"code":null}"#;
    for status in [429, 503] {
        check(
            status,
            capacity,
            FaultKind::Overloaded,
            "Service tier capacity exceeded for this model. (invalid_request_error)",
        );
    }
    check(
        400,
        r#"{"object":"error","message":"Invalid model: x","type":"invalid_model","param":null,"code":"1500"}"#,
        FaultKind::Denied,
        "Invalid model: x (1500)",
    );
    check(
        401,
        r#"{"detail":"Unauthorized"}"#,
        FaultKind::Denied,
        "Unauthorized",
    );
    check(
        402,
        r#"{"message":"No credit"}"#,
        FaultKind::Exhausted,
        "No credit",
    );
    check(
        422,
        r#"{"object":"error","message":{"detail":[{"type":"missing","loc":["body","messages"]}]},"type":"invalid_request_error","code":null}"#,
        FaultKind::Rejected,
        r#"[{"type":"missing","loc":["body","messages"]}] (invalid_request_error)"#,
    );
    check(
        404,
        "<html>",
        FaultKind::Denied,
        "HTTP 404 without an explanation; check `model.base_url`",
    );
    check(
        404,
        r#"{"detail":"Job not found"}"#,
        FaultKind::Rejected,
        "Job not found",
    );
    check(
        500,
        r#"{"object":"error","message":"Internal","type":"internal_server_error","code":"3000"}"#,
        FaultKind::Overloaded,
        "Internal (3000)",
    );
}

#[test]
fn what_waiting_does_not_help_is_not_waited_for() {
    let limited = r#"{"message":"Rate limit exceeded","code":"1300"}"#;
    let check = |headers: &[(&str, &str)], kind: FaultKind, words: &str| {
        let fault = fault(429, limited, headers);
        assert_eq!(
            (fault.kind, fault.message.as_str()),
            (kind, words),
            "{headers:?}"
        );
    };
    check(
        &[
            ("x-ratelimit-limit-req-minute", "0"),
            ("x-ratelimit-remaining-req-minute", "0"),
        ],
        FaultKind::Exhausted,
        "Rate limit exceeded (1300); the account's limit for this model is 0",
    );
    check(
        &[
            ("x-ratelimit-limit-tokens-month", "9"),
            ("x-ratelimit-remaining-tokens-month", "0"),
        ],
        FaultKind::Exhausted,
        "Rate limit exceeded (1300); the month's tokens are used up",
    );
    check(
        &[
            ("x-ratelimit-limit-req-minute", "50"),
            ("x-ratelimit-remaining-req-minute", "0"),
        ],
        FaultKind::RateLimited,
        "Rate limit exceeded (1300)",
    );
}

#[test]
fn the_time_to_wait_comes_with_faults_that_pass() {
    let check = |status: u16, headers: &[(&str, &str)], expect| {
        let wait = fault(status, "", headers).retry_after_ms;
        assert_eq!(wait, expect, "{status} {headers:?}");
    };
    check(429, &[("retry-after", "12")], Some(12_000));
    check(429, &[("ratelimit-reset", "39")], Some(39_000));
    check(
        429,
        &[("ratelimit-reset", "39"), ("retry-after", "1")],
        Some(1_000),
    );
    check(400, &[("retry-after", "12")], None);
    check(429, &[("ratelimit-reset", "soon")], None);
}

#[test]
fn no_body_makes_it_panic() {
    for body in [
        "null",
        "[]",
        "3",
        "\"x\"",
        r#"{"error": []}"#,
        r#"{"message": {"detail": {}}}"#,
        r#"{"detail": 3, "code": {}}"#,
    ] {
        for status in [0, 200, 400, 404, 429, 500, 999] {
            drop(fault(status, body, &[]));
        }
    }
}
