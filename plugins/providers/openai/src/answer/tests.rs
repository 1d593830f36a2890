//! Bodies as servers send them, and as none should.

use super::*;
use serde_json::json;
use xhost_plugin::{FaultKind, ToolCall};

fn answer(message: &Value, finish_reason: &Value) -> Value {
    json!({"model": "m-1", "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}]})
}

#[test]
fn an_answer_is_read_with_its_usage_and_log_probabilities() {
    let mut body = answer(
        &json!({"role": "assistant", "content": "4", "refusal": null}),
        &json!("stop"),
    );
    body["choices"][0]["logprobs"] = json!({"content": [{"token": "4", "logprob": -0.25}]});
    body["usage"] = json!({
        "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 3},
    });
    let completion = decode(&body).unwrap();
    assert_eq!(completion.parts, [Part::text("4")]);
    assert_eq!(completion.stop_reason, StopReason::End);
    assert_eq!(
        completion.usage,
        Usage {
            input: 10,
            output: 5,
            cache_read: 4,
            cache_write: 2,
            reasoning: 3
        }
    );
    assert_eq!(completion.model, "m-1");
    let extra = r#"{"logprobs":{"content":[{"token":"4","logprob":-0.25}]}}"#;
    assert_eq!(completion.extra.as_deref(), Some(extra));
}

#[test]
fn every_way_to_stop_has_its_reason() {
    let check = |finish_reason: Value, message: Value, expect: StopReason, extra: Option<&str>| {
        let completion = decode(&answer(&message, &finish_reason)).unwrap();
        assert_eq!(
            (completion.stop_reason, completion.extra.as_deref()),
            (expect, extra),
            "{finish_reason} {message}"
        );
    };
    let text = || json!({"content": "a"});
    check(json!("stop"), text(), StopReason::End, None);
    check(json!("length"), text(), StopReason::MaxTokens, None);
    check(
        json!("content_filter"),
        json!({"content": null}),
        StopReason::Filtered,
        None,
    );
    check(
        json!("stop"),
        json!({"content": null, "refusal": "No."}),
        StopReason::Filtered,
        None,
    );
    check(json!("tool_calls"), text(), StopReason::ToolCalls, None);
    check(
        json!("eos"),
        text(),
        StopReason::Other,
        Some(r#"{"finish_reason":"eos"}"#),
    );
    check(json!(null), text(), StopReason::Other, None);
    check(
        json!(null),
        json!({"tool_calls": [{"function": {"name": "f"}}]}),
        StopReason::ToolCalls,
        None,
    );
    let mut vllm = answer(&text(), &json!("stop"));
    vllm["choices"][0]["stop_reason"] = json!("\n\n");
    assert_eq!(decode(&vllm).unwrap().stop_reason, StopReason::StopSequence);
}

#[test]
fn parts_come_in_order_whatever_the_server_calls_them() {
    let check = |message: Value, expect: &[Part]| {
        assert_eq!(
            decode(&answer(&message, &json!("stop"))).unwrap().parts,
            expect,
            "{message}"
        );
    };
    let thought = || Part::Reasoning("hm".into());
    let call = |arguments: &str| {
        Part::ToolCall(ToolCall {
            id: "c".into(),
            name: "f".into(),
            arguments: arguments.into(),
        })
    };
    let wish = |arguments: Value| json!({"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": arguments}}]});
    check(
        json!({"content": "a", "reasoning_content": "hm"}),
        &[thought(), Part::text("a")],
    );
    check(
        json!({"content": "a", "reasoning": "hm"}),
        &[thought(), Part::text("a")],
    );
    let pieces = json!([{"type": "thinking", "thinking": [{"text": "hm"}]}, {"type": "text", "text": "a"}, 3]);
    check(json!({"content": pieces}), &[thought(), Part::text("a")]);
    check(
        json!({"content": null, "refusal": "No."}),
        &[Part::text("No.")],
    );
    check(wish(json!("{\"x\": 1}")), &[call("{\"x\": 1}")]);
    check(wish(json!("")), &[call("{}")]);
    check(wish(json!("{broken")), &[call("\"{broken\"")]);
    check(wish(json!({"x": 1})), &[call("{\"x\":1}")]);
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
        "the answer has no `choices`",
    );
    check(
        json!({"choices": []}),
        FaultKind::Malformed,
        "the answer has no `choices`",
    );
    check(
        json!({"choices": [null]}),
        FaultKind::Malformed,
        "the answer's first choice has no `message`",
    );
    check(
        json!({"error": {"message": "x"}}),
        FaultKind::Malformed,
        "x",
    );
    check(
        json!({"error": {"message": "x", "code": 429}}),
        FaultKind::RateLimited,
        "x (429)",
    );
    check(
        json!({"error": {"message": "x", "code": "server_error"}}),
        FaultKind::Overloaded,
        "x (server_error)",
    );
    check(
        json!({"error": true}),
        FaultKind::Malformed,
        "an error without words",
    );
    check(
        json!({"choices": [{"error": {"message": "x", "code": 502}}]}),
        FaultKind::Overloaded,
        "x (502)",
    );
    check(
        json!({"error": {"message": "x", "code": 99}}),
        FaultKind::Malformed,
        "x (99)",
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
            "/usage",
            "/model",
            "/choices/0/message/tool_calls",
            "/choices/0/message/tool_calls/0",
            "/choices/0/finish_reason",
        ] {
            let message = json!({"content": "a", "tool_calls": [{"function": {"name": "f"}}]});
            let mut body = answer(&message, &json!("stop"));
            body["usage"] = json!({});
            *body.pointer_mut(path).unwrap() = scrap.clone();
            drop(decode(&body));
        }
    }
}
