//! What the simulator says, request by request.

/// A lane against the simulator, in virtual time.
mod pace;

use super::*;
use serde_json::json;

fn shared(options: Options) -> Shared {
    let Options {
        replies,
        latency,
        requests_per_minute,
        tokens_per_minute,
        fail_rate,
        refusals,
        seed,
        key,
        batches,
        forgetful,
    } = options;
    let limits = Limits::new(requests_per_minute, tokens_per_minute);
    Shared {
        replies,
        latency,
        limits,
        faults: Faults::new(fail_rate, seed),
        refusals,
        key,
        stats: stats::Counters::new(forgetful),
        batches: batches::Batches::new(batches),
    }
}

async fn ask(shared: &Shared, dialect: Dialect, version: Option<&str>, body: &str) -> (u16, Value) {
    let mut headers = HeaderMap::new();
    if let Some(version) = version {
        headers.insert(
            "anthropic-version",
            version.parse().expect("a header's value"),
        );
    }
    let response = call(
        shared,
        dialect,
        "/v1",
        &headers,
        &Bytes::from(body.to_owned()),
    )
    .await;
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), BODY_LIMIT)
        .await
        .expect("a body");
    (status, serde_json::from_slice(&body).expect("JSON"))
}

#[tokio::test]
async fn requests_that_a_provider_would_refuse_are_refused_in_its_words() {
    let shared = shared(Options::default());
    let table = [
        (
            Dialect::OpenAi,
            None,
            "{",
            "We could not parse the JSON body",
        ),
        (
            Dialect::OpenAi,
            None,
            "{}",
            "you must provide a model parameter",
        ),
        (
            Dialect::OpenAi,
            None,
            r#"{"model":"m"}"#,
            "Missing required parameter: 'messages'.",
        ),
        (
            Dialect::OpenAi,
            None,
            r#"{"model":"m","messages":[{"role":"x"}]}"#,
            "Invalid value for 'messages[0].role'.",
        ),
        (
            Dialect::Anthropic,
            None,
            "{}",
            "anthropic-version: header is required",
        ),
        (
            Dialect::Anthropic,
            Some("2023-06-01"),
            r#"{"model":"m"}"#,
            "max_tokens: Field required",
        ),
        (
            Dialect::Anthropic,
            Some("2026-10-21"),
            r#"{"model":"m","temperature":1}"#,
            "temperature: Extra inputs are not permitted",
        ),
    ];
    for (dialect, version, body, expected) in table {
        let (status, answer) = ask(&shared, dialect, version, body).await;
        let message = answer["error"]["message"].as_str().expect("a message");
        assert!(
            status == 400 && message.starts_with(expected),
            "{body}: {answer}"
        );
    }
}

#[tokio::test]
async fn the_longest_recorded_text_in_the_last_user_message_gives_the_reply() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("replies.jsonl");
    let rows = [
        ("m", "two", "short"),
        ("m", "two plus two", "long"),
        ("other", "two", "other"),
    ];
    let rows = rows.map(|(model, contains, reply)| {
        json!({ "model": model, "contains": contains, "reply": reply }).to_string()
    });
    std::fs::write(&path, rows.join("\n")).expect("it can be written");
    let shared = shared(Options {
        replies: Some(Replies::load(&path).expect("replies")),
        ..Options::default()
    });
    let body = |text: &str| {
        json!({ "model": "m", "messages": [{ "role": "user", "content": text }, { "role": "assistant", "content": "two plus two" }] }).to_string()
    };
    let (_, answer) = ask(
        &shared,
        Dialect::OpenAi,
        None,
        &body("What is two plus two?"),
    )
    .await;
    assert_eq!(answer["choices"][0]["message"]["content"], "long");
    let (_, answer) = ask(&shared, Dialect::OpenAi, None, &body("two?")).await;
    assert_eq!(answer["choices"][0]["message"]["content"], "short");
    let (status, answer) = ask(&shared, Dialect::OpenAi, None, &body("three?")).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (404, &json!("no_recorded_reply"))
    );
}

#[tokio::test]
async fn what_is_answered_twice_is_counted_and_a_cut_answer_says_so() {
    let shared = shared(Options::default());
    let body = r#"{"model":"m","max_tokens":2,"messages":[{"role":"user","content":"x"}]}"#;
    for _ in 0..3 {
        let (_, answer) = ask(&shared, Dialect::OpenAi, None, body).await;
        assert_eq!(answer["choices"][0]["finish_reason"], "length");
        assert_eq!(answer["usage"]["completion_tokens"], 2);
    }
    let (status, answer) = ask(&shared, Dialect::Anthropic, Some("2023-06-01"), body).await;
    assert_eq!(
        (status, &answer["stop_reason"]),
        (200, &json!("max_tokens"))
    );
    let stats = shared.stats.snapshot();
    assert_eq!(
        (
            stats.calls,
            stats.answered,
            stats.distinct,
            stats.repeated,
            stats.most_in_flight
        ),
        (4, 4, 1, 3, 1)
    );
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let error = bind(SocketAddr::from(([0, 0, 0, 0], 0)), Options::default())
        .await
        .err()
        .expect("it is refused");
    assert!(error.to_string().contains("127.0.0.1"));
}
