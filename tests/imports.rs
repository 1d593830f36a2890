//! Answers that people have from other tools, taken into the store: a run that asks the same asks nobody. The files are made
//! by the tools themselves: Inspect, and the providers' official SDKs.

use crate::support::{Place, Ran, Simulator, repository};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// The rows that the clients' scripts ask, and the epochs.
const SHORT: [&str; 3] = [
    "Say 0.",
    "Say 1, with \"quotes\", ä and 𝄞.",
    "Say 2,\n\tplease.",
];

/// A place with the experiment that asks what a script asked.
fn asking(questions: &[String], model: &Value) -> Place {
    let place = Place::new();
    let rows = questions.iter().enumerate();
    let rows =
        rows.map(|(id, input)| json!({"id": format!("r{id}"), "input": input, "target": "x"}));
    place.write(
        "rows.jsonl",
        &rows.map(|row| format!("{row}\n")).collect::<String>(),
    );
    let experiment = json!({
        "name": "asks",
        "dataset": {"path": "rows.jsonl"},
        "prompt": {"plugin": "template", "params": {"system": "Be brief.", "user": "{{ input }}"}},
        "model": model,
        "scorers": ["includes"],
        "epochs": 2,
    });
    place.write("xhost.yaml", &experiment.to_string());
    place
}

fn short() -> Vec<String> {
    SHORT.map(str::to_owned).to_vec()
}

/// Inspect keeps long texts elsewhere in its log.
fn long() -> Vec<String> {
    let mut questions = short();
    questions[1] = format!("{} {}", SHORT[1], "And a little more. ".repeat(9));
    questions
}

fn import(place: &Place, arguments: &[&str]) -> Ran {
    let mut command = place.xhost();
    command
        .args(["store", "import", "--store", "s.redb"])
        .args(arguments);
    Ran::of(&mut command)
}

fn imported(place: &Place, arguments: &[&str]) -> Value {
    let ran = import(place, &[&["--json"], arguments].concat()).expect(0);
    serde_json::from_str(&ran.stdout()).expect("it prints JSON")
}

/// Runs the experiment, and fails where it asks anybody.
fn asks_nobody(place: &Place, trials: usize) {
    let ran = place.run(&["--store", "s.redb", "--out", "out", "--cache", "only"]);
    ran.expect(0);
    assert_eq!(place.lines("out/trials.jsonl").len(), trials);
}

fn python(variable: &str, script: &str, arguments: &[&Path], base: &str) -> bool {
    let Some(python) = std::env::var_os(variable) else {
        eprintln!("NOT RUN: set {variable} to a Python that has what tests/clients/{script} needs");
        return false;
    };
    let mut command = Command::new(python);
    command
        .arg(repository().join("tests/clients").join(script))
        .arg(base)
        .args(arguments);
    let output = command
        .env("HOME", arguments[0])
        .output()
        .expect("Python runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    true
}

fn openai(base: &str, sampling: &Value) -> Value {
    json!({"provider": "openai", "name": "demo", "base_url": format!("{base}/v1"), "sampling": sampling})
}

fn anthropic(base: &str, sampling: &Value) -> Value {
    let params = json!({"api_version": "2026-10-21"});
    json!({"provider": "anthropic", "name": "demo", "base_url": base, "params": params, "sampling": sampling})
}

/// What the logs in this repository were asked of.
const LOGGED: &str = "http://127.0.0.1:18080";

/// Imports Inspect's logs, and makes the experiments that they hold.
fn inspect(folder: &Path, base: &str) {
    let log = |name: &str| folder.join(name).display().to_string();
    let sampling = json!({"max_tokens": 64, "temperature": 0});
    for name in ["openai.eval", "openai.json"] {
        let place = asking(&long(), &openai_as_logged(base, &sampling));
        let report = imported(&place, &[&log(name)]);
        assert_eq!(
            (&report["stored"], &report["as_experiments_ask"]),
            (&json!(6), &json!(6)),
            "{report}"
        );
        asks_nobody(&place, 6);
        let again = imported(&place, &[&log(name)]);
        assert_eq!(
            (&again["stored"], &again["there"]),
            (&json!(0), &json!(6)),
            "{again}"
        );
    }
    let version = ["--params", "{\"api_version\": \"2026-10-21\"}"];
    let place = asking(
        &long(),
        &anthropic(base, &json!({"max_tokens": 64, "extra": {"tools": []}})),
    );
    import(&place, &[&log("anthropic.eval")])
        .expect(2)
        .prints(&["6 left out", "anthropic-version"]);
    let report = imported(&place, &[version[0], version[1], &log("anthropic.eval")]);
    assert_eq!(report["stored"], 6, "{report}");
    asks_nobody(&place, 6);
    // Marks for the provider's cache are a part of the request, which only `extra` can say: the report says how.
    let arguments = [version[0], version[1], &log("cached.eval")];
    let model = imported(&Place::new(), &arguments)["experiments"][0].clone();
    assert_eq!(
        model["sampling"]["extra"]["cache_control"]["type"], "ephemeral",
        "{model}"
    );
    let place = asking(&long(), &model);
    let experiment = place
        .read("xhost.yaml")
        .replace("\"system\":\"Be brief.\",", "");
    place.write("xhost.yaml", &experiment);
    imported(&place, &arguments);
    asks_nobody(&place, 6);
}

/// Inspect writes the older word for the limit.
fn openai_as_logged(base: &str, sampling: &Value) -> Value {
    let mut model = openai(base, sampling);
    model["name"] = "gpt-4o-mini".into();
    model["params"] = json!({"max_tokens_key": "max_tokens"});
    model
}

#[test]
fn inspects_logs_are_hits_for_the_equal_experiment() {
    inspect(&repository().join("tests/imports/inspect"), LOGGED);
}

#[test]
fn inspects_logs_of_today_are_hits_too() {
    let (simulator, folder) = (Simulator::start(&[]), Place::new());
    let base = format!("http://{}", simulator.address);
    let path = folder.path("logs");
    std::fs::create_dir(&path).expect("a folder");
    if python("XHOST_INSPECT", "inspect_logs.py", &[&path], &base) {
        inspect(&path, &base);
    }
}

#[test]
fn what_the_official_sdks_sent_and_their_batches_are_hits_for_the_equal_experiment() {
    let (simulator, folder) = (Simulator::start(&[]), Place::new());
    let base = format!("http://{}", simulator.address);
    let path = folder.path("files");
    std::fs::create_dir(&path).expect("a folder");
    if !python("XHOST_PYTHON", "foreign_files.py", &[&path], &base) {
        return;
    }
    let file = |name: &str| path.join(name).display().to_string();
    let chat = openai(
        &base,
        &json!({"max_tokens": 64, "temperature": 0, "seed": 7}),
    );
    let messages = anthropic(&base, &json!({"max_tokens": 64}));
    let v1 = format!("{base}/v1");
    let version = "{\"api_version\": \"2026-10-21\"}";
    for (model, arguments) in [
        (&chat, vec![file("openai-calls.jsonl")]),
        (&messages, vec![file("anthropic-calls.jsonl")]),
        (
            &chat,
            vec![
                file("openai-output.jsonl"),
                file("openai-input.jsonl"),
                "--base-url".into(),
                v1,
            ],
        ),
        (
            &messages,
            vec![
                "--requests".into(),
                file("anthropic-requests.json"),
                "--results".into(),
                file("anthropic-results.jsonl"),
                "--base-url".into(),
                base.clone(),
                "--params".into(),
                version.into(),
            ],
        ),
    ] {
        let place = asking(&short(), model);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let report = imported(&place, &arguments);
        assert_eq!(
            (
                &report["stored"],
                &report["as_experiments_ask"],
                &report["left_out"]
            ),
            (&json!(6), &json!(6), &json!({})),
            "{arguments:?}: {report}"
        );
        asks_nobody(&place, 6);
    }
}

/// An answer of chat completions.
fn completion(text: &str) -> Value {
    json!({
        "id": text, "object": "chat.completion", "created": 1_700_000_000, "model": "demo-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    })
}

fn asked(question: &str) -> Value {
    let system = json!({"role": "system", "content": "Be brief."});
    json!({"max_completion_tokens": 64, "model": "demo", "messages": [system, {"content": question, "role": "user"}]})
}

#[test]
fn equal_requests_are_draws_in_their_order_and_what_is_no_answer_is_told_with_its_line() {
    let model = json!({"provider": "openai", "name": "demo", "sampling": {"max_tokens": 64}});
    let place = asking(&["Q".into()], &model);
    let line = |response: Value| json!({"request": asked("Q"), "response": response}).to_string();
    let lines = [
        line(completion("first")),
        line(json!({"error": {"message": "overloaded"}})),
        json!({"request": asked("Q"), "response": {"status": 429, "body": {}}}).to_string(),
        line(completion("second")),
        json!({"request": {"model": "demo", "input": "Q"}, "response": {"object": "response"}})
            .to_string(),
    ];
    place.write("calls.jsonl", &lines.join("\n"));
    let dry = imported(&place, &["--dry-run", "calls.jsonl"]);
    assert_eq!(
        (&dry["stored"], &dry["dry_run"]),
        (&json!(2), &json!(true)),
        "{dry}"
    );
    assert!(!place.path("s.redb").exists(), "a dry run makes nothing");
    import(&place, &["calls.jsonl"]).expect(0).prints(&[
        "2 answers are new",
        "2 requests are as experiments ask them, of https://api.openai.com; a run finds them with",
        r#"model: {"provider":"openai","name":"demo","sampling":{"max_tokens":64}}"#,
        "2 left out: what failed\n  calls.jsonl:2: {\"message\":\"overloaded\"}\n  calls.jsonl:3: status 429",
        "1 left out: what is of another API\n  calls.jsonl:5",
    ]);
    asks_nobody(&place, 2);
    let answers: Vec<Value> = place
        .lines("out/trials.jsonl")
        .iter()
        .map(|one| one["answer"].clone())
        .collect();
    assert_eq!(answers, ["first", "second"]);
    let trial = &place.lines("out/trials.jsonl")[1];
    let digest = trial["requests"][0]["digest"].as_str().expect("a digest");
    let mut get = place.xhost();
    get.args(["store", "get", digest, "--store", "s.redb", "--json"]);
    let got: Value = serde_json::from_str(&Ran::of(&mut get).expect(0).stdout()).expect("JSON");
    assert_eq!(
        (&got["request"]["epoch"], &got["created_ms"]),
        (&json!(2), &json!(1_700_000_000_000_u64))
    );
    // A second file of the same experiment.
    place.write("more.jsonl", &line(completion("third")));
    let report = imported(&place, &["more.jsonl"]);
    assert_eq!(
        (&report["stored"], &report["conflicts"]),
        (&json!(0), &json!(1)),
        "the first answer stays"
    );
    let report = imported(&place, &["more.jsonl", "--first-epoch", "3"]);
    assert_eq!(report["stored"], 1);
    place
        .run(&[
            "--store", "s.redb", "--out", "three", "--cache", "only", "epochs=3",
        ])
        .expect(0);
}

#[test]
fn another_request_is_never_a_hit() {
    let model = json!({"provider": "openai", "name": "demo", "sampling": {"max_tokens": 64}});
    let place = asking(&["Q".into()], &model);
    let changed = |change: fn(&mut Value)| {
        let mut request = asked("Q");
        change(&mut request);
        json!({"request": request, "response": completion("x")}).to_string()
    };
    let lines = [
        changed(|request| request["max_completion_tokens"] = json!(65)),
        changed(|request| request["temperature"] = json!(0)),
        changed(|request| request["messages"][1]["name"] = json!("Ann")),
        changed(|request| request["messages"][1]["content"] = json!("Q ")),
        changed(|request| request["messages"][0]["role"] = json!("developer")),
        changed(|request| request["tools"] = json!([])),
        changed(|request| request["user"] = Value::Null),
        changed(|request| request["model"] = json!("demo-2")),
    ];
    place.write("calls.jsonl", &lines.join("\n"));
    let report = imported(&place, &["calls.jsonl"]);
    assert_eq!(report["stored"], 8, "{report}");
    place.write("right.jsonl", &changed(|_| {}));
    imported(
        &place,
        &["right.jsonl", "--base-url", "https://elsewhere.example/v1"],
    );
    place
        .run(&[
            "--store", "s.redb", "--out", "out", "--cache", "only", "epochs=1",
        ])
        .expect(10);
    imported(&place, &["right.jsonl"]);
    place
        .run(&[
            "--store", "s.redb", "--out", "out", "--cache", "only", "epochs=1",
        ])
        .expect(0);
}

#[test]
fn a_wrong_command_says_what_to_write() {
    let place = Place::new();
    place.write("rows.jsonl", "{\"question\": 1}\n");
    let batch = json!({"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": asked("Q")});
    place.write("input.jsonl", &batch.to_string());
    place.write("cut.jsonl", "{\"request\": {\"model\": \"m\", \"mess");
    place.write("cut.eval", "PK\u{3}\u{4}");
    place.write(
        "failed.jsonl",
        "{\"request\": {}, \"response\": {}, \"error\": \"late\"}\n",
    );
    import(&place, &["absent.jsonl"])
        .expect(2)
        .says(&["absent.jsonl"]);
    import(&place, &["rows.jsonl"])
        .expect(2)
        .says(&["rows.jsonl", "--kind", "--help"]);
    import(&place, &["input.jsonl"])
        .expect(2)
        .says(&["input.jsonl", "results"]);
    import(&place, &["cut.jsonl"])
        .expect(2)
        .prints(&["cut.jsonl:1", "cannot be read"]);
    import(&place, &["cut.eval"])
        .expect(2)
        .prints(&["cut.eval: ", "zip"]);
    import(&place, &["failed.jsonl"])
        .expect(2)
        .prints(&["failed.jsonl:1: \"late\""]);
    import(&place, &["input.jsonl", "--provider", "google"])
        .expect(2)
        .says(&["`openai` or `anthropic`"]);
    import(&place, &["input.jsonl", "--params", "[]"])
        .expect(2)
        .says(&["JSON object"]);
    import(&place, &[]).expect(2).says(&["FILE"]);
    let params = ["failed.jsonl", "--params", "{\"max_tokens_keys\": 1}"];
    place.write(
        "call.jsonl",
        &json!({"request": asked("Q"), "response": completion("x")}).to_string(),
    );
    import(&place, &["call.jsonl", params[1], params[2]])
        .expect(2)
        .says(&["max_tokens_keys"]);
}
