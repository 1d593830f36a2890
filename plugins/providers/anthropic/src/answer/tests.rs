//! Bodies as the API sends them, and as it should not.

use super::*;
use serde_json::json;
use xhost_plugin::FaultKind;

#[test]
fn an_answer_is_read_with_all_its_input_counted() {
    let body = json!({
        "id": "msg_01x", "type": "message", "role": "assistant", "model": "m-1",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "B"},
            {"type": "tool_use", "id": "c", "name": "f", "input": {"x": 1}},
        ],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 31, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 2048, "output_tokens": 4},
    });
    let completion = decode(&body).unwrap();
    let call = ToolCall {
        id: "c".into(),
        name: "f".into(),
        arguments: r#"{"x":1}"#.into(),
    };
    assert_eq!(
        completion.parts,
        [
            Part::Reasoning("hm".into()),
            Part::text("B"),
            Part::ToolCall(call)
        ]
    );
    assert_eq!(
        completion.usage,
        Usage {
            input: 2_084,
            output: 4,
            cache_read: 2_048,
            cache_write: 5,
            reasoning: 0
        }
    );
    assert_eq!((completion.model.as_str(), completion.extra), ("m-1", None));
}

#[test]
fn every_way_to_stop_has_its_reason() {
    let check = |word: Value, expect: StopReason, extra: Option<&str>| {
        let body = json!({"content": [], "stop_reason": word});
        let completion = decode(&body).unwrap();
        assert_eq!(
            (completion.stop_reason, completion.extra.as_deref()),
            (expect, extra),
            "{word}"
        );
    };
    check(json!("end_turn"), StopReason::End, None);
    check(json!("max_tokens"), StopReason::MaxTokens, None);
    check(
        json!("model_context_window_exceeded"),
        StopReason::MaxTokens,
        None,
    );
    check(json!("stop_sequence"), StopReason::StopSequence, None);
    check(json!("tool_use"), StopReason::ToolCalls, None);
    check(json!("refusal"), StopReason::Filtered, None);
    check(
        json!("pause_turn"),
        StopReason::Other,
        Some(r#"{"stop_reason":"pause_turn"}"#),
    );
    check(json!(null), StopReason::Other, None);
    let body =
        json!({"content": [{"type": "x"}], "stop_reason": "stop_sequence", "stop_sequence": "\n"});
    let extra = r#"{"stop_sequence":"\n","other_content":[{"type":"x"}]}"#;
    assert_eq!(decode(&body).unwrap().extra.as_deref(), Some(extra));
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
        "the answer has no `content`",
    );
    check(
        json!([1]),
        FaultKind::Malformed,
        "the answer has no `content`",
    );
    check(
        json!({"type": "error"}),
        FaultKind::Malformed,
        "an error without words",
    );
    let overloaded =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    check(
        overloaded,
        FaultKind::Overloaded,
        "Overloaded (overloaded_error)",
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
            "/type",
            "/content",
            "/content/0",
            "/content/0/type",
            "/content/0/text",
            "/stop_reason",
            "/stop_sequence",
            "/usage",
            "/usage/input_tokens",
            "/model",
            "/error",
        ] {
            let mut body = json!({"type": "message", "content": [{"type": "text", "text": "a"}], "stop_reason": "x",
                "stop_sequence": "y", "usage": {"input_tokens": u64::MAX}, "model": "m", "error": null});
            *body.pointer_mut(path).unwrap() = scrap.clone();
            drop(decode(&body));
        }
    }
    let most = json!({"content": [], "usage": {"input_tokens": u64::MAX, "cache_read_input_tokens": u64::MAX}});
    assert_eq!(decode(&most).unwrap().usage.input, u64::MAX);
}
