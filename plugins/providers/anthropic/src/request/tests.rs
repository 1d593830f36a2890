//! The bytes that are sent.

use super::*;
use xhost_plugin::{Auth, Completion, Media, Message, Part, Provider, Role, ToolCall, ToolResult};

fn params(json: &str) -> Params {
    xhost_plugin::glue::read(json).unwrap()
}

fn limited() -> Sampling {
    Sampling {
        max_tokens: Some(9),
        ..Sampling::default()
    }
}

fn body(prompt: Prompt) -> String {
    let sampling = Sampling {
        max_tokens: Some(9),
        ..prompt.sampling.clone()
    };
    encode(&Params::default(), "m", &prompt.sampling(sampling))
        .unwrap()
        .body
        .unwrap()
}

#[test]
fn a_request_carries_what_is_set_and_nothing_else() {
    let check = |prompt: Prompt, expect: &str| assert_eq!(body(prompt), expect);
    check(
        Prompt::user("q"),
        r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"q"}]}"#,
    );
    let sampling = Sampling {
        temperature: Some(0.0),
        top_p: Some(0.5),
        stop: vec!["\n".into()],
        response_schema: Some(r#"{"z": 1.0, "a": 12345678901234567890123}"#.into()),
        extra: Some(r#"{"max_tokens": 10, "top_k": 3}"#.into()),
        ..Sampling::default()
    };
    check(
        Prompt::user("q").system("s").sampling(sampling),
        concat!(
            r#"{"model":"m","max_tokens":10,"system":"s","messages":[{"role":"user","content":"q"}],"#,
            r#""temperature":0.0,"top_p":0.5,"stop_sequences":["\n"],"output_config":{"format":{"type":"json_schema","#,
            r#""schema":{"z": 1.0, "a": 12345678901234567890123}}},"top_k":3}"#,
        ),
    );
}

#[test]
fn messages_take_their_forms() {
    let check = |messages: Vec<Message>, expect: &str| {
        assert_eq!(
            body(Prompt::new(messages)),
            format!(r#"{{"model":"m","max_tokens":9,{expect}}}"#)
        );
    };
    check(
        vec![
            Message::system("a"),
            Message::system("b"),
            Message::user("q"),
            Message::system("c"),
        ],
        concat!(
            r#""system":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"#,
            r#""messages":[{"role":"user","content":"q"},{"role":"system","content":"c"}]"#,
        ),
    );
    let medium = |mime: &str| {
        Part::Media(Media {
            mime: mime.into(),
            data: vec![1],
        })
    };
    check(
        vec![Message {
            role: Role::User,
            parts: vec![
                Part::text("a"),
                medium("image/png"),
                medium("application/pdf"),
            ],
        }],
        concat!(
            r#""messages":[{"role":"user","content":[{"type":"text","text":"a"},"#,
            r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AQ=="}},"#,
            r#"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AQ=="}}]}]"#,
        ),
    );
    let call = |id: &str| {
        Part::ToolCall(ToolCall {
            id: id.into(),
            name: "f".into(),
            arguments: r#"{"x": 1.0}"#.into(),
        })
    };
    let mut said = Completion::new("");
    said.parts = vec![
        Part::Reasoning("hm".into()),
        Part::text("I call."),
        call("c1"),
    ];
    let result = |id: &str, is_error| Message {
        role: Role::Tool,
        parts: vec![Part::ToolResult(ToolResult {
            call_id: id.into(),
            text: "2".into(),
            is_error,
        })],
    };
    check(
        vec![
            Message::user("q"),
            said.message(),
            result("c1", false),
            result("c2", true),
            Message::user("r"),
        ],
        concat!(
            r#""messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"text","text":"I call."},"#,
            r#"{"type":"tool_use","id":"c1","name":"f","input":{"x": 1.0}}]},{"role":"user","content":["#,
            r#"{"type":"tool_result","tool_use_id":"c1","content":"2"},"#,
            r#"{"type":"tool_result","tool_use_id":"c2","content":"2","is_error":true}]},{"role":"user","content":"r"}]"#,
        ),
    );
}

#[test]
fn the_version_is_a_header_and_says_how_the_credential_travels() {
    let check = |json: &str, headers: &[(&str, &str)], auth: Auth| {
        let headers: Vec<_> = headers
            .iter()
            .map(|&(name, value)| Header::new(name, value))
            .collect();
        let prompt = Prompt::user("q").sampling(limited());
        assert_eq!(
            encode(&params(json), "m", &prompt).unwrap().headers,
            headers
        );
        assert_eq!(crate::Anthropic::describe(params(json)).unwrap().auth, auth);
    };
    let key = || Auth::Header("x-api-key".into());
    check("{}", &[("anthropic-version", "2023-06-01")], key());
    check(
        r#"{"api_version": "2026-10-21"}"#,
        &[("anthropic-version", "2026-10-21")],
        Auth::Bearer,
    );
    check(
        r#"{"beta": ["a-1", "b-2"], "auth": "bearer"}"#,
        &[
            ("anthropic-version", "2023-06-01"),
            ("anthropic-beta", "a-1,b-2"),
        ],
        Auth::Bearer,
    );
    check(
        r#"{"api_version": "2026-10-21", "auth": "x-api-key"}"#,
        &[("anthropic-version", "2026-10-21")],
        key(),
    );
}

#[test]
fn tools_are_declared_with_their_schema_as_it_is() {
    let tool = Tool {
        name: "f".into(),
        description: "d".into(),
        parameters: r#"{"type": "object"}"#.into(),
    };
    let tools = r#""tools":[{"name":"f","description":"d","input_schema":{"type": "object"}}]}"#;
    assert!(body(Prompt::user("q").tool(tool)).ends_with(tools));
}

#[test]
fn what_cannot_be_sent_is_refused_with_what_to_change() {
    let check = |json: &str, prompt: Prompt, expect: &str| {
        let refusal = format!("{:?}", encode(&params(json), "m", &prompt).unwrap_err());
        assert!(refusal.starts_with(expect), "{refusal}");
    };
    let with = |sampling: Sampling| Prompt::user("q").sampling(sampling);
    let new = r#"{"api_version": "2026-10-21"}"#;
    check(
        "{}",
        Prompt::user("q"),
        r#"Refusal::BadParams("this API demands a limit on the answer: set model.sampling.max"#,
    );
    check(
        new,
        with(Sampling {
            temperature: Some(1.0),
            ..limited()
        }),
        r#"Refusal::BadParams("version 2026-10-21 of this API takes no temperature: remove"#,
    );
    check(
        new,
        with(Sampling {
            top_p: Some(1.0),
            ..limited()
        }),
        r#"Refusal::BadParams("version 2026-10-21 of this API takes no top_p: remove"#,
    );
    check(
        "{}",
        with(Sampling {
            seed: Some(1),
            ..limited()
        }),
        r#"Refusal::BadParams("this API knows no seed"#,
    );
    let extra = |json: &str| Sampling {
        extra: Some(json.into()),
        ..limited()
    };
    check(
        "{}",
        with(extra(r#"{"stream": true}"#)),
        r#"Refusal::BadParams("sampling.extra sets `stream`"#,
    );
    let twice = Sampling {
        response_schema: Some("{}".into()),
        ..extra(r#"{"output_config": {"effort": "low"}}"#)
    };
    check(
        "{}",
        with(twice),
        r#"Refusal::BadParams("sampling.extra sets `output_config`"#,
    );
    let sound = Part::Media(Media {
        mime: "audio/wav".into(),
        data: Vec::new(),
    });
    let prompt = |role, part| {
        Prompt::new(vec![Message {
            role,
            parts: vec![part],
        }])
        .sampling(limited())
    };
    check(
        "{}",
        prompt(Role::User, sound.clone()),
        r#"Refusal::Unsupported("the API takes images and application/pdf, not audio/wav"#,
    );
    check(
        "{}",
        prompt(Role::Assistant, sound),
        r#"Refusal::Unsupported("the API takes no medium in a message of the role assistant"#,
    );
    let call = ToolCall {
        id: "c".into(),
        name: "f".into(),
        arguments: "\"{broken\"".into(),
    };
    check(
        "{}",
        prompt(Role::Assistant, Part::ToolCall(call)),
        r#"Refusal::BadInput("the arguments of the call of `f`"#,
    );
}
