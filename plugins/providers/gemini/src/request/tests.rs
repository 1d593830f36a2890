//! The bytes that are sent.

use super::*;
use xhost_plugin::{Completion, Media, Message, Part, Role, ToolCall, ToolResult};

fn params(json: &str) -> Params {
    xhost_plugin::glue::read(json).unwrap()
}

fn body(prompt: &Prompt) -> String {
    encode(&Params::default(), "m", prompt)
        .unwrap()
        .body
        .unwrap()
}

fn refusal(prompt: &Prompt) -> String {
    format!("{:?}", encode(&Params::default(), "m", prompt).unwrap_err())
}

fn extra(json: &str) -> Sampling {
    Sampling {
        extra: Some(json.into()),
        ..Sampling::default()
    }
}

#[test]
fn a_request_carries_what_is_set_and_nothing_else() {
    let check = |prompt: Prompt, expect: &str| assert_eq!(body(&prompt), expect);
    check(
        Prompt::user("q"),
        r#"{"contents":[{"role":"user","parts":[{"text":"q"}]}]}"#,
    );
    let sampling = Sampling {
        max_tokens: Some(9),
        temperature: Some(0.0),
        top_p: Some(0.5),
        stop: vec!["\n".into()],
        seed: Some(-1),
        response_schema: Some(r#"{"z": 1.0, "a": 12345678901234567890123}"#.into()),
        extra: Some(
            r#"{"safetySettings": [], "generationConfig": {"topK": 4, "temperature": 1e0, "candidateCount": 1}}"#
                .into(),
        ),
    };
    check(
        Prompt::user("q").system("s").sampling(sampling),
        concat!(
            r#"{"systemInstruction":{"parts":[{"text":"s"}]},"contents":[{"role":"user","parts":[{"text":"q"}]}],"#,
            r#""safetySettings":[],"generationConfig":{"maxOutputTokens":9,"temperature":1e0,"topP":0.5,"#,
            r#""stopSequences":["\n"],"seed":-1,"responseMimeType":"application/json","#,
            r#""responseJsonSchema":{"z": 1.0, "a": 12345678901234567890123},"topK":4,"candidateCount":1}}"#,
        ),
    );
    check(
        Prompt::user("q").sampling(extra(r#"{"serviceTier": "flex"}"#)),
        r#"{"contents":[{"role":"user","parts":[{"text":"q"}]}],"serviceTier":"flex"}"#,
    );
    let tool = Tool {
        name: "f".into(),
        description: "d".into(),
        parameters: r#"{"type": "object"}"#.into(),
    };
    check(
        Prompt::user("q").tool(tool),
        concat!(
            r#"{"contents":[{"role":"user","parts":[{"text":"q"}]}],"tools":[{"functionDeclarations":["#,
            r#"{"name":"f","description":"d","parametersJsonSchema":{"type": "object"}}]}]}"#,
        ),
    );
}

#[test]
fn the_model_stands_in_the_path() {
    let check = |json: &str, model: &str, expect: &str| {
        let request = encode(&params(json), model, &Prompt::user("q")).unwrap();
        assert_eq!(request.path, expect);
        assert!(!request.body.unwrap().contains("model\""));
    };
    check(
        "{}",
        "gemini-2.5-flash",
        "/v1beta/models/gemini-2.5-flash:generateContent",
    );
    check(
        r#"{"api_version": "v1"}"#,
        "models/m",
        "/v1/models/m:generateContent",
    );
    check(
        "{}",
        "tunedModels/mine-1",
        "/v1beta/tunedModels/mine-1:generateContent",
    );
    for strange in ["../m", "a//b", "a b", "m?key=1", "m:x", "a/../b", ""] {
        let refused = encode(&Params::default(), strange, &Prompt::user("q"));
        assert!(matches!(refused, Err(Refusal::BadParams(_))), "{strange}");
    }
    for strange in ["", "v1/../..", "beta", "V1"] {
        let params = params(&format!(r#"{{"api_version": "{strange}"}}"#));
        assert!(
            encode(&params, "m", &Prompt::user("q")).is_err(),
            "{strange}"
        );
    }
}

#[test]
fn media_tool_calls_and_their_results_take_their_forms() {
    let check = |messages: Vec<Message>, expect: &str| {
        assert_eq!(
            body(&Prompt::new(messages)),
            format!(r#"{{"contents":[{expect}]}}"#)
        );
    };
    let of = |role, parts| Message { role, parts };
    let medium = |mime: &str| {
        Part::Media(Media {
            mime: mime.into(),
            data: vec![1],
        })
    };
    check(
        vec![of(
            Role::User,
            vec![
                Part::text("a"),
                medium("image/png"),
                medium("application/pdf"),
            ],
        )],
        concat!(
            r#"{"role":"user","parts":[{"text":"a"},{"inlineData":{"mimeType":"image/png","data":"AQ=="}},"#,
            r#"{"inlineData":{"mimeType":"application/pdf","data":"AQ=="}}]}"#,
        ),
    );
    let call = |id: &str, name: &str| {
        Part::ToolCall(ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: r#"{"x": 1}"#.into(),
        })
    };
    let result = |id: &str, is_error| {
        let result = ToolResult {
            call_id: id.into(),
            text: "2".into(),
            is_error,
        };
        of(Role::Tool, vec![Part::ToolResult(result)])
    };
    let mut said = Completion::new("");
    said.parts = vec![
        Part::Reasoning("hm".into()),
        call("#0~c2ln", "f"),
        call("c2", "g"),
    ];
    check(
        vec![
            said.message(),
            result("#0~c2ln", false),
            result("c2", true),
            Message::user("go on"),
        ],
        concat!(
            r#"{"role":"model","parts":[{"functionCall":{"name":"f","args":{"x":1}},"thoughtSignature":"c2ln"},"#,
            r#"{"functionCall":{"id":"c2","name":"g","args":{"x":1}}}]},"#,
            r#"{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"2"}}},"#,
            r#"{"functionResponse":{"id":"c2","name":"g","response":{"error":"2"}}}]},"#,
            r#"{"role":"user","parts":[{"text":"go on"}]}"#,
        ),
    );
    let lost = refusal(&Prompt::new(vec![result("c9", false)]));
    assert!(lost.contains("no such call before it"), "{lost}");
}

#[test]
fn what_cannot_be_sent_is_refused_with_what_to_change() {
    let check = |prompt: Prompt, expect: &str| {
        let refusal = refusal(&prompt);
        assert!(refusal.contains(expect), "{refusal}");
    };
    let with = |sampling| Prompt::user("q").sampling(sampling);
    check(
        with(extra(r#"{"generationConfig": {"candidateCount": 2}}"#)),
        "several answers at once (`candidateCount`); set `epochs`",
    );
    check(
        with(extra(r#"{"generation_config": {}}"#)),
        "write it as `generationConfig`",
    );
    check(
        with(extra(r#"{"generationConfig": 3}"#)),
        "generationConfig is not an object",
    );
    check(with(extra(r#"{"model": "x"}"#)), "set model.name");
    check(with(extra("3")), "sampling.extra is not an object");
    let large = Sampling {
        seed: Some(1 << 40),
        ..Sampling::default()
    };
    check(with(large), "change model.sampling.seed");
    let of = |role, part: Part| {
        Prompt::new(vec![Message {
            role,
            parts: vec![part],
        }])
    };
    let archive = Part::Media(Media {
        mime: "application/zip".into(),
        data: Vec::new(),
    });
    check(of(Role::User, archive.clone()), "not application/zip");
    check(
        of(Role::System, archive),
        "no medium in a message of the role system",
    );
    let broken = Part::ToolCall(ToolCall {
        id: String::new(),
        name: "f".into(),
        arguments: "[]".into(),
    });
    check(
        of(Role::Assistant, broken),
        "the arguments of the call of `f` are no object",
    );
    let late = Prompt::user("q").message(Message::system("s"));
    check(late, "at the start of a conversation only");
}
