//! What the built-in providers send, held against definitions that we did not write: OpenAI's published schemas, and the
//! types of the official SDKs.

use crate::support::{Simulator, repository, shared_data};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use xhost::plugin::types::{
    Media, Message, Part, Prompt, Role, Sampling, Tool, ToolCall, ToolResult,
};
use xhost::plugin::{Engine, Provider, builtin};

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts }
}

fn text(text: &str) -> Part {
    Part::Text(text.into())
}

fn sampling() -> Sampling {
    Sampling {
        max_tokens: Some(64),
        temperature: None,
        top_p: None,
        stop: Vec::new(),
        seed: None,
        response_schema: None,
        extra: None,
    }
}

/// Prompts that use every part of the contract.
fn prompts() -> Vec<Prompt> {
    let user = || message(Role::User, vec![text("What is 2 + 2?")]);
    let schema = json!({"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"], "additionalProperties": false});
    let tool = Tool {
        name: "lookup".into(),
        description: "Looks a word up.".into(),
        parameters: json!({"type": "object", "properties": {"word": {"type": "string"}}})
            .to_string(),
    };
    let call = ToolCall {
        id: "call_1".into(),
        name: "lookup".into(),
        arguments: r#"{"word":"four"}"#.into(),
    };
    let result = ToolResult {
        call_id: "call_1".into(),
        text: "4".into(),
        is_error: false,
    };
    let image = Media {
        mime: "image/png".into(),
        data: vec![0x89, b'P', b'N', b'G'],
    };
    let plain = |messages: Vec<Message>, sampling: Sampling| Prompt {
        messages,
        tools: Vec::new(),
        sampling,
    };
    vec![
        plain(vec![user()], sampling()),
        plain(
            vec![
                message(Role::System, vec![text("Be brief.")]),
                user(),
                message(Role::Assistant, vec![text("4")]),
                user(),
            ],
            sampling(),
        ),
        plain(
            vec![message(
                Role::User,
                vec![text("What is this?"), Part::Media(image)],
            )],
            sampling(),
        ),
        plain(
            vec![user()],
            Sampling {
                stop: vec!["\n".into(), "END".into()],
                ..sampling()
            },
        ),
        plain(
            vec![user()],
            Sampling {
                response_schema: Some(schema.to_string()),
                ..sampling()
            },
        ),
        Prompt {
            tools: vec![tool],
            ..plain(
                vec![
                    user(),
                    message(Role::Assistant, vec![Part::ToolCall(call)]),
                    message(Role::Tool, vec![Part::ToolResult(result)]),
                ],
                sampling(),
            )
        },
    ]
}

/// Sampling that not every API version takes.
fn sampled(temperature: bool, seed: bool) -> Prompt {
    let number = temperature.then_some(0.5);
    let sampling = Sampling {
        temperature: number,
        top_p: number,
        seed: seed.then_some(7),
        ..sampling()
    };
    Prompt {
        messages: vec![message(Role::User, vec![text("Hi.")])],
        tools: Vec::new(),
        sampling,
    }
}

async fn bodies(name: &str, params: &str, prompts: Vec<Prompt>) -> Vec<Value> {
    let engine = Engine::new(None).expect("the engine starts");
    let plugin = builtin::load(&engine, name).expect("it is built in");
    let provider = Provider {
        plugin,
        params: Arc::new(params.into()),
    };
    let mut bodies = Vec::new();
    for prompt in prompts {
        let request = provider
            .encode(Arc::from("some-model"), Arc::new(prompt))
            .await
            .expect("a request");
        bodies.push(serde_json::from_str(&request.body.expect("a body")).expect("JSON"));
    }
    bodies
}

async fn openai() -> Vec<Value> {
    bodies(
        "openai",
        "{}",
        [prompts(), vec![sampled(true, true)]].concat(),
    )
    .await
}

async fn anthropic() -> Vec<Value> {
    let old = bodies(
        "anthropic",
        "{}",
        [prompts(), vec![sampled(true, false)]].concat(),
    )
    .await;
    let new = bodies(
        "anthropic",
        r#"{"api_version":"2026-10-21"}"#,
        [prompts(), vec![sampled(false, false)]].concat(),
    )
    .await;
    [old, new].concat()
}

#[tokio::test]
async fn what_goes_to_openai_satisfies_its_published_schema_and_holds_nothing_that_was_not_set() {
    let Some(path) = shared_data("openai/schemas.min.json") else {
        return;
    };
    let mut schema: Value =
        serde_json::from_str(&std::fs::read_to_string(path).expect("it is there")).expect("JSON");
    schema["$ref"] = json!("#/components/schemas/CreateChatCompletionRequest");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    // The schema allows unknown keys; these are the ones that the contract can set.
    let allowed = [
        "model",
        "messages",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "stop",
        "seed",
        "response_format",
        "tools",
    ];
    for body in openai().await {
        let errors: Vec<String> = validator
            .iter_errors(&body)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:?}: {body}");
        let unknown: Vec<&String> = body
            .as_object()
            .expect("an object")
            .keys()
            .filter(|key| !allowed.contains(&key.as_str()))
            .collect();
        assert!(unknown.is_empty(), "{unknown:?}: {body}");
    }
    let mut wrong = openai().await.remove(0);
    wrong["messages"] = json!("Hi.");
    assert!(
        !validator.is_valid(&wrong),
        "the validator tells right from wrong"
    );
}

#[tokio::test]
async fn what_is_sent_has_the_types_of_the_official_sdks() {
    let Some(python) = std::env::var_os("XHOST_PYTHON") else {
        eprintln!(
            "NOT RUN: set XHOST_PYTHON to a Python that has `openai` and `anthropic` from PyPI"
        );
        return;
    };
    let row = |dialect: &str, body: &Value| json!({"dialect": dialect, "body": body}).to_string();
    let rows = openai()
        .await
        .iter()
        .map(|body| row("openai", body))
        .collect::<Vec<_>>();
    let rows = [
        rows,
        anthropic()
            .await
            .iter()
            .map(|body| row("anthropic", body))
            .collect(),
    ]
    .concat()
    .join("\n");
    let script = repository().join("tests/clients/request_types.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python runs");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(rows.as_bytes())
        .expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("21 bodies"),
        "{said}"
    );
}

#[test]
fn the_official_sdks_understand_the_simulator() {
    let Some(python) = std::env::var_os("XHOST_PYTHON") else {
        eprintln!(
            "NOT RUN: set XHOST_PYTHON to a Python that has `openai` and `anthropic` from PyPI"
        );
        return;
    };
    let simulator = Simulator::start(&["--rpm", "60", "--tpm", "100000"]);
    let output = Command::new(python)
        .arg(repository().join("tests/clients/simulator_sdks.py"))
        .arg(format!("http://{}", simulator.address))
        .output()
        .expect("Python runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
