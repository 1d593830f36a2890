//! Which foreign bodies are requests of an experiment, and which stay what they were.

use super::{Desk, Pen, Spelling, Unwritten, Wishes};
use crate::foreign::{Address, Api, At, Found, Place, Why};
use crate::plugin::Engine;
use serde_json::{Value, json};
use std::path::Path;

fn found(request: &str) -> Found {
    Found {
        place: Place {
            file: Path::new("f").into(),
            at: At::Line(1),
        },
        order: 1,
        api: None,
        address: Address::At("https://host/v1".into()),
        headers: Vec::new(),
        request: request.into(),
        response: r#"{"choices":[]}"#.into(),
        draw: None,
        asked_ms: None,
        latency_ms: 0,
    }
}

fn anthropic(request: &str) -> Found {
    Found {
        response: r#"{"type":"message"}"#.into(),
        asked_ms: Some(1),
        ..found(request)
    }
}

fn desk(wishes: Wishes) -> Desk {
    let engine = Engine::new(None).expect("the engine starts");
    Desk::new(&engine, wishes)
}

fn left(pen: Result<Pen, Unwritten>) -> (Why, String) {
    match pen {
        Ok(_) => panic!("it is written"),
        Err(Unwritten::Wishes(error)) => panic!("{error}"),
        Err(Unwritten::Left(left)) => (left.why, left.detail),
    }
}

enum Expected {
    /// The body that is sent, and `sampling` and `params` of the experiment that sends it.
    Ours(&'static str, Value, Value),
    /// The body as it was, compact, and where it differs.
    Theirs(&'static str, &'static str),
}

use Expected::{Ours, Theirs};

async fn check(desk: &mut Desk, found: &Found, expected: &Expected) {
    let request = &found.request;
    let pen = desk.pen(found).await.expect(request);
    let written = pen.write().await.expect(request);
    let sent = String::from_utf8_lossy(&written.request.body).into_owned();
    match (expected, written.spelling) {
        (Ours(body, sampling, params), Spelling::Ours(model)) => {
            assert_eq!(sent, *body);
            let of = |key: &str| model.get(key).cloned().unwrap_or(json!({}));
            assert_eq!(
                (&of("sampling"), &of("params")),
                (sampling, params),
                "{request}"
            );
        }
        (Theirs(body, at), Spelling::Theirs(place)) => {
            assert_eq!((sent.as_str(), place.as_str()), (*body, *at));
        }
        (Ours(..), Spelling::Theirs(place)) => panic!("{request} differs at {place}"),
        (Theirs(..), Spelling::Ours(model)) => panic!("{request} is {model}"),
    }
}

#[tokio::test]
async fn chat_completions_are_what_an_experiment_asks_or_stay_what_they_were() {
    let mut desk = desk(Wishes::default());
    let user = r#"[{"role":"user","content":"Hä?"}]"#;
    let tool = r#"{"type":"function","function":{"name":"f","parameters":{"b":1.0,"a":2}}}"#;
    for (request, expected) in [
        // Another order of keys, other spellings of the same numbers and texts.
        (
            format!(r#"{{ "temperature": 0, "seed": 7, "max_completion_tokens": 64, "messages": {user}, "model": "m" }}"#)
                .replace("ä", "\\u00e4"),
            Ours(
                r#"{"model":"m","messages":[{"role":"user","content":"Hä?"}],"max_completion_tokens":64,"temperature":0.0,"seed":7}"#,
                json!({"max_tokens": 64, "temperature": 0.0, "seed": 7}),
                json!({}),
            ),
        ),
        // Only older servers' word, and an old role.
        (
            r#"{"model":"m","messages":[{"role":"developer","content":"R"}],"max_tokens":5,"stop":["a"]}"#.into(),
            Ours(
                r#"{"model":"m","messages":[{"role":"developer","content":"R"}],"max_tokens":5,"stop":["a"]}"#,
                json!({"max_tokens": 5, "stop": ["a"]}),
                json!({"max_tokens_key": "max_tokens", "system_role": "developer"}),
            ),
        ),
        // What only `extra` can say; numbers that no float holds.
        (
            format!(r#"{{"logit_bias":{{"50256":-100}},"model":"m","messages":{user},"stop":"x","big":12345678901234567890123,"stream":false}}"#),
            Ours(
                r#"{"model":"m","messages":[{"role":"user","content":"Hä?"}],"logit_bias":{"50256":-100},"stop":"x","big":12345678901234567890123}"#,
                json!({"extra": {"logit_bias": {"50256": -100}, "stop": "x", "big": 12345678901234567890123_u128 as f64}}),
                json!({}),
            ),
        ),
        // A conversation with a tool: the order within its schema is kept.
        (
            format!(
                r#"{{"model":"m","tools":[{tool}],"messages":[{{"role":"assistant","content":null,"tool_calls":[{{"type":"function","id":"1","function":{{"arguments":"{{}}","name":"f"}}}}]}},{{"role":"tool","content":"4","tool_call_id":"1"}}]}}"#
            ),
            Ours(
                r#"{"model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"4"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"b":1.0,"a":2}}}]}"#,
                json!({}),
                json!({}),
            ),
        ),
        // No experiment has a word for it.
        (
            r#"{"model":"m", "messages":[{"role":"user","name":"Ann","content":"?"}]}"#.into(),
            Theirs(
                r#"{"model":"m","messages":[{"role":"user","name":"Ann","content":"?"}]}"#,
                "/messages/0/name",
            ),
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"?"}]}]}"#.into(),
            Theirs(
                r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"?"}]}]}"#,
                "/messages/0/content",
            ),
        ),
        (
            r#"{"model":"m","messages":[{"role":"other","content":"?"}]}"#.into(),
            Theirs(
                r#"{"model":"m","messages":[{"role":"other","content":"?"}]}"#,
                "/messages",
            ),
        ),
    ] {
        check(&mut desk, &found(&request), &expected).await;
    }
}

#[tokio::test]
async fn messages_are_what_an_experiment_asks_or_stay_what_they_were() {
    let mut desk = desk(Wishes::default());
    let old = json!({"api_version": "2023-06-01"});
    for (request, expected) in [
        (
            r#"{"max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"Q"}]}],"model":"m","stream":false,"system":[{"type":"text","text":"R"}],"tools":[]}"#,
            Ours(
                r#"{"model":"m","max_tokens":9,"system":"R","messages":[{"role":"user","content":"Q"}],"tools":[]}"#,
                json!({"max_tokens": 9, "extra": {"tools": []}}),
                old.clone(),
            ),
        ),
        // A cache mark can be said outright in `system`, and nowhere in a turn.
        (
            r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Q"}],"system":[{"type":"text","text":"R","cache_control":{}}]}"#,
            Ours(
                r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Q"}],"system":[{"type":"text","text":"R","cache_control":{}}]}"#,
                json!({"max_tokens": 9, "extra": {"system": [{"type": "text", "text": "R", "cache_control": {}}]}}),
                old.clone(),
            ),
        ),
        (
            r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"Q","cache_control":{}}]}]}"#,
            Theirs(
                r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"Q","cache_control":{}}]}]}"#,
                "/messages/0/content",
            ),
        ),
        (
            r#"{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{"n":1.50}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"4"}]}]}"#,
            Ours(
                r#"{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{"n":1.50}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"4"}]}]}"#,
                json!({"max_tokens": 9}),
                old.clone(),
            ),
        ),
    ] {
        check(&mut desk, &anthropic(request), &expected).await;
    }
}

#[tokio::test]
async fn headers_and_addresses_are_a_part_of_the_request_and_what_is_not_known_is_asked_for() {
    let mut plain = desk(Wishes::default());
    let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Q"}]}"#;
    let unknown = Found {
        asked_ms: None,
        ..anthropic(body)
    };
    assert_eq!(left(plain.pen(&unknown).await).0, Why::NoVersion);
    let said = Found {
        headers: vec![
            ("anthropic-version".into(), "2026-10-21".into()),
            ("anthropic-beta".into(), "x, y".into()),
        ],
        ..unknown.clone()
    };
    let written = plain.pen(&said).await.expect("a pen").write().await;
    let request = written.map(|written| written.request).expect("a request");
    let expected = [
        ("anthropic-beta", "x,y"),
        ("anthropic-version", "2026-10-21"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(request.headers, expected);
    assert_eq!(
        (request.endpoint.as_str(), request.target.as_str()),
        ("https://host", "/v1/v1/messages")
    );
    let elsewhere = Found {
        address: Address::Of("groq/m".into()),
        ..found(body)
    };
    assert_eq!(left(plain.pen(&elsewhere).await).0, Why::NoAddress);
    let mut told = desk(Wishes {
        base_url: Some("https://api.groq.com/openai/v1".into()),
        endpoint: Some("groq".into()),
        model: Some("m".into()),
        ..Wishes::default()
    });
    let pen = told.pen(&elsewhere).await.expect("a pen");
    let request = pen
        .write()
        .await
        .map(|written| written.request)
        .expect("a request");
    assert_eq!(
        (request.endpoint.as_str(), request.target.as_str()),
        ("groq", "/openai/v1/chat/completions")
    );
    let other = found(&body.replace("\"m\"", "\"n\""));
    assert_eq!(left(told.pen(&other).await).0, Why::OtherModel);
}

#[tokio::test]
async fn what_is_no_request_of_a_known_form_is_left_out() {
    let mut desk = desk(Wishes::default());
    for (request, why) in [
        ("{", Why::Damaged),
        ("[]", Why::Damaged),
        (r#"{"messages":[],"messages":[]}"#, Why::Damaged),
        (r#"{"input":"?"}"#, Why::OtherApi),
        (r#"{"messages":[],"stream":true}"#, Why::OtherForm),
        (r#"{"messages":[],"n":2}"#, Why::OtherForm),
    ] {
        let (found, detail) = left(desk.pen(&found(request)).await);
        assert_eq!(found, why, "{request}: {detail}");
    }
    let silent = Found {
        response: "{}".into(),
        ..found(r#"{"messages":[]}"#)
    };
    assert_eq!(left(desk.pen(&silent).await).0, Why::OtherApi);
    let said = Found {
        api: Some(Api::OpenAi),
        ..silent
    };
    assert!(desk.pen(&said).await.is_ok());
}
