//! What the built-in providers send, held against definitions that we did not write: OpenAI's published schemas, and the
//! types of the official SDKs.

use crate::support::{Simulator, repository, shared_data};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use xhost::plugin::bindings::batch::{RequestLine, Submission, SubmitStep};
use xhost::plugin::bindings::provider::{Header, HttpResponse};
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

fn provider(name: &str, params: &str) -> Provider {
    let engine = Engine::new(None).expect("the engine starts");
    let plugin = builtin::load(&engine, name).expect("it is built in");
    Provider {
        plugin,
        params: Arc::new(params.into()),
    }
}

async fn bodies(name: &str, params: &str, prompts: Vec<Prompt>) -> Vec<Value> {
    let provider = provider(name, params);
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

/// What makes a batch of a provider, and two of its lines. The answers so far are those of the provider's server.
async fn batch(name: &str, params: &str, answers: &[Value]) -> (Option<Value>, Vec<Value>) {
    let provider = provider(name, params);
    let model: Arc<str> = Arc::from("some-model");
    let mut requests = Vec::new();
    for (number, prompt) in prompts().into_iter().take(2).enumerate() {
        let request = provider.encode(Arc::clone(&model), Arc::new(prompt));
        let request = request.await.expect("a request");
        requests.push(RequestLine {
            custom_id: format!("{number}").repeat(64),
            path: request.path,
            body: request.body.expect("a body"),
        });
    }
    let lines = provider.lines(&model, requests).await.expect("lines");
    let submission = Submission {
        mark: "0123456789abcdef".repeat(2),
        model: model.to_string(),
        requests: 2,
        bytes: 99,
    };
    let answer = |body: &Value| HttpResponse {
        status: 200,
        headers: vec![Header {
            name: "x-goog-upload-url".into(),
            value: "https://google.invalid/upload/v1beta/files?upload_id=1".into(),
        }],
        body: body.to_string(),
    };
    let answers = answers.iter().map(answer).collect();
    let step = provider.submit(submission, answers).await.expect("a step");
    let body = match step {
        SubmitStep::Send(request) => request.body.map(|body| read(&body)),
        SubmitStep::Upload(_) => {
            let frame = provider.frame(&model).await.expect("a frame");
            let framed = lines.join(&frame.separator);
            Some(read(&format!("{}{framed}{}", frame.prefix, frame.suffix)))
        }
        other => panic!("{name}: {other:?}"),
    };
    (body, lines.iter().map(|line| read(line)).collect())
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// Everything that goes to providers, each with its kind.
async fn all_that_is_sent() -> Vec<(String, Value)> {
    let mistral = [prompts(), vec![sampled(true, true)]].concat();
    let bodies = [
        ("openai", openai().await),
        ("anthropic", anthropic().await),
        ("mistral", bodies("mistral", "{}", mistral.clone()).await),
        ("gemini", bodies("gemini", "{}", mistral).await),
    ];
    let mut rows = Vec::new();
    for (kind, bodies) in bodies {
        rows.extend(bodies.into_iter().map(|body| (kind.to_owned(), body)));
    }
    let file = json!({"id": "file-1", "file": {"name": "files/f-1"}});
    for (name, answers) in [
        ("openai", std::slice::from_ref(&file)),
        ("anthropic", &[]),
        ("mistral", std::slice::from_ref(&file)),
        ("gemini", &[file.clone(), file.clone()]),
    ] {
        let (created, lines) = batch(name, "{}", answers).await;
        rows.extend(created.map(|body| (format!("{name}.batch"), body)));
        if name != "anthropic" {
            rows.extend(lines.into_iter().map(|line| (format!("{name}.line"), line)));
        }
    }
    rows
}

#[tokio::test]
async fn what_is_sent_has_the_types_of_the_official_sdks() {
    let Some(python) = std::env::var_os("XHOST_PYTHON") else {
        eprintln!("NOT RUN: set XHOST_PYTHON to a Python that has the official SDKs from PyPI");
        return;
    };
    let rows = all_that_is_sent().await;
    let told = rows
        .iter()
        .map(|(kind, body)| json!({"kind": kind, "body": body}));
    let mut told: Vec<Value> = told.collect();
    // Each kind is looked at: what no SDK sends is found in every one.
    let kinds: HashMap<&str, &Value> = rows
        .iter()
        .map(|(kind, body)| (kind.as_str(), body))
        .collect();
    assert_eq!(kinds.len(), 11);
    for (kind, body) in kinds {
        let mut body = body.clone();
        body["an_unknown_key"] = json!(1);
        told.push(json!({"kind": kind, "body": body, "wrong": true}));
    }
    let mut child = Command::new(python)
        .arg(repository().join("tests/clients/request_types.py"))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python runs");
    let lines: Vec<String> = told.iter().map(Value::to_string).collect();
    let mut input = child.stdin.take().expect("a pipe");
    input
        .write_all(lines.join("\n").as_bytes())
        .expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let expect = format!("{} rows are", told.len());
    assert!(output.status.success() && said.contains(&expect), "{said}");
}

/// A script of an official client's against a simulator, to its end.
fn client(script: &str, simulator: &[&str]) {
    let Some(python) = std::env::var_os("XHOST_PYTHON") else {
        eprintln!(
            "NOT RUN: set XHOST_PYTHON to a Python that has `openai` and `anthropic` from PyPI"
        );
        return;
    };
    let simulator = Simulator::start(simulator);
    let output = Command::new(python)
        .arg(repository().join("tests/clients").join(script))
        .arg(format!("http://{}", simulator.address))
        .output()
        .expect("Python runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_official_sdks_understand_the_simulator() {
    client("simulator_sdks.py", &["--rpm", "60", "--tpm", "100000"]);
}

#[test]
fn the_official_sdks_understand_the_simulators_batches() {
    let ends = "completed,expired,failed,errors-only";
    let arguments = ["--batch-delay-ms", "1500", "--batch-ends", ends];
    client("simulator_batches.py", &arguments);
}
