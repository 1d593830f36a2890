//! The bytes that are sent.

use super::*;
use xhost_plugin::{Completion, Media, Message, Part, Role, Tool, ToolCall, ToolResult};

fn params(json: &str) -> Params {
    xhost_plugin::glue::read(json).unwrap()
}

fn body(json: &str, prompt: &Prompt) -> String {
    encode(&params(json), "m", prompt).unwrap().body.unwrap()
}

#[test]
fn a_request_carries_what_is_set_and_nothing_else() {
    let check = |prompt: Prompt, expect: &str| assert_eq!(body("{}", &prompt), expect);
    check(
        Prompt::user("q"),
        r#"{"model":"m","messages":[{"role":"user","content":"q"}]}"#,
    );
    let sampling = Sampling {
        max_tokens: Some(9),
        temperature: Some(0.0),
        top_p: Some(0.5),
        stop: vec!["\n".into()],
        seed: Some(7),
        response_schema: Some(r#"{"z": 1.0, "a": 12345678901234567890123}"#.into()),
        extra: Some(r#"{"temperature": 1e0, "safe_prompt": true, "n": 1}"#.into()),
    };
    check(
        Prompt::user("q").system("s").sampling(sampling),
        concat!(
            r#"{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"q"}],"#,
            r#""max_tokens":9,"temperature":1e0,"top_p":0.5,"stop":["\n"],"random_seed":7,"#,
            r#""response_format":{"type":"json_schema","json_schema":{"name":"answer","strict":true,"#,
            r#""schema":{"z": 1.0, "a": 12345678901234567890123}}},"safe_prompt":true,"n":1}"#,
        ),
    );
    let tool = Tool {
        name: "f".into(),
        description: String::new(),
        parameters: r#"{"type": "object"}"#.into(),
    };
    check(
        Prompt::user("q").tool(tool),
        concat!(
            r#"{"model":"m","messages":[{"role":"user","content":"q"}],"#,
            r#""tools":[{"type":"function","function":{"name":"f","parameters":{"type": "object"}}}]}"#,
        ),
    );
}

#[test]
fn media_tools_reasoning_and_a_begun_answer_take_their_forms() {
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
    let of = |role, parts| Message { role, parts };
    check(
        "{}",
        of(
            Role::User,
            vec![
                Part::text("a"),
                medium("image/png"),
                medium("audio/mpeg"),
                medium("application/pdf"),
            ],
        ),
        concat!(
            r#"{"role":"user","content":[{"type":"text","text":"a"},"#,
            r#"{"type":"image_url","image_url":"data:image/png;base64,AQ=="},"#,
            r#"{"type":"input_audio","input_audio":"AQ=="},"#,
            r#"{"type":"document_url","document_url":"data:application/pdf;base64,AQ=="}]}"#,
        ),
    );
    let mut said = Completion::new("");
    let call = ToolCall {
        id: "c1".into(),
        name: "f".into(),
        arguments: r#"{"x": 1}"#.into(),
    };
    said.parts = vec![Part::Reasoning("hm".into()), Part::ToolCall(call)];
    let calls = r#""tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"x\": 1}"}}],"prefix":true}"#;
    check(
        "{}",
        said.message(),
        &format!(r#"{{"role":"assistant","content":"",{calls}"#),
    );
    check(
        r#"{"give_back_reasoning": true}"#,
        said.message(),
        &format!(
            r#"{{"role":"assistant","content":[{{"type":"thinking","thinking":[{{"type":"text","text":"hm"}}]}}],{calls}"#
        ),
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
        of(Role::Tool, vec![result("c1"), result("c2")]),
        r#"{"role":"tool","tool_call_id":"c1","content":"2"},{"role":"tool","tool_call_id":"c2","content":"2"}"#,
    );
    check(
        "{}",
        Message::assistant("The answer is"),
        r#"{"role":"assistant","content":"The answer is","prefix":true}"#,
    );
}

#[test]
fn what_cannot_be_sent_is_refused_with_what_to_change() {
    let check = |prompt: Prompt, expect: &str| {
        let refusal = format!(
            "{:?}",
            encode(&Params::default(), "m", &prompt).unwrap_err()
        );
        assert!(refusal.starts_with(expect), "{refusal}");
    };
    let with = |sampling| Prompt::user("q").sampling(sampling);
    let extra = |json: &str| Sampling {
        extra: Some(json.into()),
        ..Sampling::default()
    };
    check(
        with(extra(r#"{"n": 2}"#)),
        r#"Refusal::BadParams("sampling.extra asks for several"#,
    );
    check(
        with(extra(r#"{"stream": true}"#)),
        r#"Refusal::BadParams("sampling.extra sets `stream`"#,
    );
    check(
        with(extra(r#"{"model": "x"}"#)),
        r#"Refusal::BadParams("sampling.extra sets `model`"#,
    );
    check(
        with(extra("3")),
        r#"Refusal::BadParams("sampling.extra is not an object"#,
    );
    let negative = Sampling {
        seed: Some(-1),
        ..Sampling::default()
    };
    check(
        with(negative),
        r#"Refusal::BadParams("this API takes no negative seed"#,
    );
    let video = Part::Media(Media {
        mime: "video/mp4".into(),
        data: Vec::new(),
    });
    let of = |role| {
        Prompt::new(vec![Message {
            role,
            parts: vec![video.clone()],
        }])
    };
    check(
        of(Role::User),
        r#"Refusal::Unsupported("the API takes images"#,
    );
    check(
        of(Role::System),
        r#"Refusal::Unsupported("the API takes no medium in a message of the role system"#,
    );
}
