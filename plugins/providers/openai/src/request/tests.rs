//! The bytes that are sent.

use super::*;
use xhost_plugin::{Completion, Media, Message, Part, Role, ToolCall, ToolResult};

fn params(json: &str) -> Params {
    xhost_plugin::glue::read(json).unwrap()
}

fn body(json: &str, prompt: &Prompt) -> String {
    encode(params(json), "m", prompt).unwrap().body.unwrap()
}

#[test]
fn a_request_carries_what_is_set_and_nothing_else() {
    let check = |json: &str, prompt: Prompt, expect: &str| assert_eq!(body(json, &prompt), expect);
    check(
        "{}",
        Prompt::user("q"),
        r#"{"model":"m","messages":[{"role":"user","content":"q"}]}"#,
    );
    let sampling = Sampling {
        max_tokens: Some(9),
        temperature: Some(0.0),
        top_p: Some(0.5),
        stop: vec!["\n".into()],
        seed: Some(-1),
        response_schema: Some(r#"{"z": 1.0, "a": 12345678901234567890123}"#.into()),
        extra: Some(r#"{"temperature": 1e0, "reasoning_effort": "low", "n": 1}"#.into()),
    };
    check(
        r#"{"max_tokens_key": "max_tokens", "system_role": "developer"}"#,
        Prompt::user("q").system("s").sampling(sampling),
        concat!(
            r#"{"model":"m","messages":[{"role":"developer","content":"s"},{"role":"user","content":"q"}],"#,
            r#""max_tokens":9,"temperature":1e0,"top_p":0.5,"stop":["\n"],"seed":-1,"#,
            r#""response_format":{"type":"json_schema","json_schema":{"name":"answer","strict":true,"#,
            r#""schema":{"z": 1.0, "a": 12345678901234567890123}}},"reasoning_effort":"low","n":1}"#,
        ),
    );
}

#[test]
fn media_tools_and_reasoning_take_their_forms() {
    let check = |json: &str, message: Message, expect: &str| {
        let body = body(json, &Prompt::new(vec![message]));
        assert_eq!(body, format!(r#"{{"model":"m","messages":[{expect}]}}"#));
    };
    let medium = |mime: &str| {
        Part::Media(Media {
            mime: mime.into(),
            data: vec![1],
        })
    };
    let user = |parts| Message {
        role: Role::User,
        parts,
    };
    check(
        "{}",
        user(vec![
            Part::text("a"),
            medium("image/png"),
            medium("audio/mpeg"),
            medium("application/pdf"),
        ]),
        concat!(
            r#"{"role":"user","content":[{"type":"text","text":"a"},"#,
            r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,AQ=="}},"#,
            r#"{"type":"input_audio","input_audio":{"data":"AQ==","format":"mp3"}},"#,
            r#"{"type":"file","file":{"filename":"document.pdf","file_data":"data:application/pdf;base64,AQ=="}}]}"#,
        ),
    );
    check("{}", user(vec![]), r#"{"role":"user","content":""}"#);
    let mut said = Completion::new("");
    let call = ToolCall {
        id: "c1".into(),
        name: "f".into(),
        arguments: r#"{"x": 1}"#.into(),
    };
    said.parts = vec![Part::Reasoning("hm".into()), Part::ToolCall(call)];
    let calls = r#""tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"x\": 1}"}}]}"#;
    check(
        "{}",
        said.message(),
        &format!(r#"{{"role":"assistant","content":null,{calls}"#),
    );
    check(
        r#"{"give_back_reasoning": "reasoning_content"}"#,
        said.message(),
        &format!(r#"{{"role":"assistant","content":null,"reasoning_content":"hm",{calls}"#),
    );
    let result = |id: &str| {
        Part::ToolResult(ToolResult {
            call_id: id.into(),
            text: "2".into(),
            is_error: false,
        })
    };
    check(
        "{}",
        Message {
            role: Role::Tool,
            parts: vec![result("c1"), result("c2")],
        },
        r#"{"role":"tool","tool_call_id":"c1","content":"2"},{"role":"tool","tool_call_id":"c2","content":"2"}"#,
    );
}

#[test]
fn tools_headers_and_query_are_sent_as_they_are_set() {
    let tool = Tool {
        name: "f".into(),
        description: String::new(),
        parameters: r#"{"type": "object"}"#.into(),
    };
    let json = r#"{"query": {"api-version": "1"}, "headers": {"OpenAI-Project": "p"}}"#;
    let request = encode(params(json), "m", &Prompt::user("q").tool(tool)).unwrap();
    assert_eq!(request.query, [("api-version".into(), "1".into())]);
    assert_eq!(request.headers, [Header::new("openai-project", "p")]);
    let tools =
        r#""tools":[{"type":"function","function":{"name":"f","parameters":{"type": "object"}}}]}"#;
    assert!(request.body.unwrap().ends_with(tools));
}

#[test]
fn what_cannot_be_sent_is_refused_with_what_to_change() {
    let check = |prompt: Prompt, expect: &str| {
        let refusal = format!("{:?}", encode(Params::default(), "m", &prompt).unwrap_err());
        assert!(refusal.starts_with(expect), "{refusal}");
    };
    let extra = |json: &str| Sampling {
        extra: Some(json.into()),
        ..Sampling::default()
    };
    check(
        Prompt::user("q").sampling(extra(r#"{"n": 2}"#)),
        r#"Refusal::BadParams("sampling.extra asks for several"#,
    );
    check(
        Prompt::user("q").sampling(extra(r#"{"stream": true}"#)),
        r#"Refusal::BadParams("sampling.extra sets `stream`"#,
    );
    check(
        Prompt::user("q").sampling(extra("3")),
        r#"Refusal::BadParams("sampling.extra is not an object"#,
    );
    let medium = Part::Media(Media {
        mime: "video/mp4".into(),
        data: Vec::new(),
    });
    check(
        Prompt::new(vec![Message {
            role: Role::User,
            parts: vec![medium.clone()],
        }]),
        r#"Refusal::Unsupported("the API takes images"#,
    );
    check(
        Prompt::new(vec![Message {
            role: Role::System,
            parts: vec![medium],
        }]),
        r#"Refusal::Unsupported("the API takes no medium in a message of the role system"#,
    );
}
