//! Bodies as the API sends them, and as none should.

use super::*;
use serde_json::json;

fn answer(parts: &Value, reason: &Value) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": reason, "index": 0}],
           "modelVersion": "m-1"})
}

#[test]
fn an_answer_is_read_with_its_thoughts_calls_and_usage() {
    let parts = json!([
        {"text": "hm", "thought": true},
        {"text": "4"},
        {"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "c2ln"},
        {"functionCall": {"id": "c2", "name": "g"}},
        {"executableCode": {"code": "1"}},
    ]);
    let mut body = answer(&parts, &json!("STOP"));
    body["usageMetadata"] = json!({
        "promptTokenCount": 10, "toolUsePromptTokenCount": 2, "candidatesTokenCount": 5, "thoughtsTokenCount": 30,
        "cachedContentTokenCount": 4, "totalTokenCount": 47,
    });
    body["candidates"][0]["avgLogprobs"] = json!(-0.25);
    let completion = decode(&body).unwrap();
    let call = |id: &str, name: &str, arguments: &str| {
        Part::ToolCall(ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
        })
    };
    assert_eq!(
        completion.parts,
        [
            Part::Reasoning("hm".into()),
            Part::text("4"),
            call("#2~c2ln", "f", "{\"x\":1}"),
            call("c2", "g", "{}"),
        ]
    );
    let usage = Usage {
        input: 12,
        output: 35,
        cache_read: 4,
        cache_write: 0,
        reasoning: 30,
    };
    assert_eq!(
        (completion.usage, completion.model.as_str()),
        (usage, "m-1")
    );
    assert_eq!(completion.stop_reason, StopReason::ToolCalls);
    let extra = r#"{"avgLogprobs":-0.25,"other_parts":[{"executableCode":{"code":"1"}}]}"#;
    assert_eq!(completion.extra.as_deref(), Some(extra));
}

#[test]
fn every_way_to_stop_has_its_reason() {
    let check = |word: Value, expect: StopReason, extra: Option<&str>| {
        let completion = decode(&answer(&json!([{"text": "a"}]), &word)).unwrap();
        let found = (completion.stop_reason, completion.extra.as_deref());
        assert_eq!(found, (expect, extra), "{word}");
    };
    check(json!("STOP"), StopReason::End, None);
    check(json!("MAX_TOKENS"), StopReason::MaxTokens, None);
    for word in [
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "LANGUAGE",
    ] {
        let extra = format!(r#"{{"finishReason":"{word}"}}"#);
        check(json!(word), StopReason::Filtered, Some(&extra));
    }
    check(
        json!("MALFORMED_FUNCTION_CALL"),
        StopReason::Other,
        Some(r#"{"finishReason":"MALFORMED_FUNCTION_CALL"}"#),
    );
    check(json!(null), StopReason::Other, None);
}

/// A model that thought until its tokens were used up says nothing at all.
#[test]
fn an_answer_may_have_no_content_and_a_blocked_prompt_no_candidate() {
    let silent = json!({"candidates": [{"finishReason": "MAX_TOKENS", "index": 0}]});
    let completion = decode(&silent).unwrap();
    assert_eq!(
        (completion.parts.len(), completion.stop_reason),
        (0, StopReason::MaxTokens)
    );
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}});
    let completion = decode(&blocked).unwrap();
    assert_eq!(
        (completion.usage.input, completion.stop_reason),
        (3, StopReason::Filtered)
    );
    assert_eq!(
        completion.extra.as_deref(),
        Some(r#"{"blockReason":"SAFETY"}"#)
    );
}

#[test]
fn a_body_that_is_no_answer_is_a_fault() {
    let check = |body: Value, kind: FaultKind, expect: &str| {
        let fault = decode(&body).unwrap_err();
        assert_eq!(
            (fault.kind, fault.message.as_str()),
            (kind, expect),
            "{body}"
        );
    };
    check(
        json!({}),
        FaultKind::Malformed,
        "the answer has no `candidates`",
    );
    check(
        json!({"candidates": []}),
        FaultKind::Malformed,
        "the answer has no `candidates`",
    );
    check(
        json!({"error": {"code": 503, "message": "Busy.", "status": "UNAVAILABLE"}}),
        FaultKind::Overloaded,
        "Busy. (UNAVAILABLE)",
    );
    check(
        answer(&json!([]), &json!("PUP_LIMITED_DISABLED")),
        FaultKind::Denied,
        "the account is limited or disabled (PUP_LIMITED_DISABLED)",
    );
}

#[test]
fn no_json_makes_it_panic() {
    let scraps = [
        json!(null),
        json!(1e300),
        json!(-1),
        json!("x"),
        json!([]),
        json!({}),
        json!([[{"a": null}]]),
    ];
    for scrap in &scraps {
        drop(decode(scrap));
        for path in [
            "/candidates",
            "/candidates/0",
            "/candidates/0/content",
            "/candidates/0/content/parts",
            "/candidates/0/content/parts/0",
            "/candidates/0/content/parts/1/functionCall",
            "/candidates/0/finishReason",
            "/usageMetadata",
            "/modelVersion",
        ] {
            let mut body = answer(
                &json!([{"text": "a"}, {"functionCall": {"name": "f"}}]),
                &json!("STOP"),
            );
            body["usageMetadata"] = json!({});
            *body.pointer_mut(path).unwrap() = scrap.clone();
            drop(decode(&body));
        }
    }
}
