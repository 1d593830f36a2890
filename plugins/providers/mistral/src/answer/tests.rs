//! Bodies as servers send them, and as none should.

use super::*;
use serde_json::json;
use xhost_plugin::ToolCall;

fn answer(message: &Value, finish_reason: &Value) -> Value {
    json!({"id": "x", "object": "chat.completion", "model": "m-1",
           "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}]})
}

#[test]
fn an_answer_is_read_with_its_usage_reasoning_and_tool_calls() {
    let message = json!({
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]},
            {"type": "text", "text": "4"},
            {"type": "reference", "reference_ids": [1]},
        ],
        "tool_calls": [
            {"id": "a", "function": {"name": "f", "arguments": "{\"x\": 1}"}, "index": 0},
            {"id": "b", "function": {"name": "g", "arguments": {"x": 1}}},
        ],
    });
    let mut body = answer(&message, &json!("tool_calls"));
    body["usage"] = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
                           "prompt_tokens_details": {"cached_tokens": 4}});
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
            call("a", "f", "{\"x\": 1}"),
            call("b", "g", "{\"x\":1}"),
        ]
    );
    let usage = Usage {
        input: 10,
        output: 5,
        cache_read: 4,
        ..Usage::default()
    };
    assert_eq!(
        (completion.usage, completion.model.as_str()),
        (usage, "m-1")
    );
    assert_eq!(completion.stop_reason, StopReason::ToolCalls);
    let extra = r#"{"other_content":[{"type":"reference","reference_ids":[1]}]}"#;
    assert_eq!(completion.extra.as_deref(), Some(extra));
}

#[test]
fn every_way_to_stop_has_its_reason() {
    let check = |word: Value, expect: StopReason, extra: Option<&str>| {
        let completion = decode(&answer(&json!({"content": "a"}), &word)).unwrap();
        let found = (completion.stop_reason, completion.extra.as_deref());
        assert_eq!(found, (expect, extra), "{word}");
    };
    check(json!("stop"), StopReason::End, None);
    check(json!("length"), StopReason::MaxTokens, None);
    check(json!("model_length"), StopReason::MaxTokens, None);
    check(json!("tool_calls"), StopReason::ToolCalls, None);
    check(
        json!("eos"),
        StopReason::Other,
        Some(r#"{"finish_reason":"eos"}"#),
    );
    check(json!(null), StopReason::Other, None);
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
    let malformed = FaultKind::Malformed;
    check(json!({}), malformed, "the answer has no `choices`");
    check(
        json!({"choices": [3]}),
        malformed,
        "the answer's first choice has no `message`",
    );
    check(
        answer(&json!({"content": "half"}), &json!("error")),
        FaultKind::Overloaded,
        "the model stopped with an error (finish_reason: error)",
    );
    check(json!({"error": {"message": "x"}}), malformed, "x");
    check(
        json!({"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"}),
        FaultKind::RateLimited,
        "Rate limit exceeded (1300)",
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
            "/choices",
            "/choices/0",
            "/choices/0/message",
            "/choices/0/message/content",
            "/choices/0/message/content/0",
            "/choices/0/message/tool_calls",
            "/choices/0/message/tool_calls/0",
            "/choices/0/finish_reason",
            "/usage",
            "/model",
        ] {
            let message = json!({"content": [{"type": "thinking", "thinking": []}], "tool_calls": [{"function": {"name": "f"}}]});
            let mut body = answer(&message, &json!("stop"));
            body["usage"] = json!({});
            *body.pointer_mut(path).unwrap() = scrap.clone();
            drop(decode(&body));
        }
    }
}
