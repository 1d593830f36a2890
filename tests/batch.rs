//! The batch lane as a user has it: the same results as live, every end that a batch can have, and nothing paid for twice.

use crate::support::{Place, Simulator, shared_data};
use serde_json::{Value, json};

/// Two dialects: the provider's setting, and the path below the simulator's address.
const DIALECTS: [(&str, &str); 2] = [("openai", "/v1"), ("anthropic", "")];

fn place(rows: usize) -> Place {
    let place = Place::new();
    let rows: String = (0..rows)
        .map(|id| {
            format!("{{\"id\": \"r{id}\", \"input\": \"Question {id}?\", \"target\": \"x\"}}\n")
        })
        .collect();
    place.write("rows.jsonl", &rows);
    place
}

fn experiment(place: &Place, simulator: &Simulator, (provider, path): (&str, &str), more: &str) {
    place.write(
        "xhost.yaml",
        &format!(
            "name: small
dataset: {{path: rows.jsonl}}
prompt: '{{{{ input }}}}'
model: {{provider: {provider}, name: demo, base_url: 'http://{}{path}', sampling: {{max_tokens: 64}}}}
scorers: [includes]
mode: batch
{more}",
            simulator.address
        ),
    );
}

const RUN: [&str; 4] = ["--store", "s.redb", "--out", "out"];

/// Everything about a trial but the names of the answers' bytes, which hold the server's own ids.
fn told(place: &Place, file: &str) -> Vec<Value> {
    let mut trials = place.lines(file);
    for trial in &mut trials {
        let requests = trial["requests"].as_array_mut().expect("requests");
        requests
            .iter_mut()
            .for_each(|request| request["response"] = Value::Null);
    }
    trials
}

#[test]
fn gsm8k_in_batches_says_what_it_says_live_in_both_dialects_and_nothing_is_charged_twice() {
    let (Some(test), Some(replies)) = (
        shared_data("gsm8k/test.jsonl"),
        shared_data("gsm8k/replies.jsonl"),
    ) else {
        return;
    };
    for (provider, path) in DIALECTS {
        let place = Place::new();
        let replies = replies.to_str().expect("a path in UTF-8");
        let written = |simulator: &Simulator| {
            format!(
                "name: gsm8k
dataset: {{path: {}, fields: {{input: question, target: target}}}}
prompt: '{{{{ question }}}}'
model: {{provider: {provider}, name: x, base_url: 'http://{}{path}', endpoint: e, sampling: {{max_tokens: 512}}}}
scorers: [numeric]
sweep: {{model.name: [6b_finetuning, 175b_finetuning]}}
limits: {{concurrency: 100}}
",
                test.display(),
                simulator.address
            )
        };
        let live = Simulator::start(&["--replies", replies]);
        place.write("live.yaml", &written(&live));
        place
            .run(&["live.yaml", "--store", "live.redb", "--out", "live"])
            .expect(0);
        let batch = Simulator::start(&["--replies", replies, "--batch-delay-ms", "300"]);
        place.write("batch.yaml", &written(&batch));
        let arguments = [
            "batch.yaml",
            "--mode",
            "batch",
            "--store",
            "batch.redb",
            "--out",
            "batch",
        ];
        place.run(&arguments).expect(0);
        assert!(
            told(&place, "live/trials.jsonl") == told(&place, "batch/trials.jsonl"),
            "{provider}: the same trials"
        );
        let (one, other) = (
            place.json("live/summary.json"),
            place.json("batch/summary.json"),
        );
        assert_eq!(one["configs"][0]["scorers"], other["configs"][0]["scorers"]);
        let stats = batch.stats();
        assert_eq!(stats["charged"], 2_638, "{stats}");
        assert_eq!(stats["repeated"], 0, "{stats}");
        assert_eq!(stats["batches"], 2, "{stats}");
        assert_eq!(stats["calls"], 2, "a canary for each model");
        // Live and batch share one store: nothing is left to ask.
        place
            .run(&[
                "batch.yaml",
                "--mode",
                "live",
                "--store",
                "batch.redb",
                "--out",
                "again",
            ])
            .expect(0);
        assert_eq!(batch.count("charged"), 2_638);
        assert_eq!(
            place.read("again/trials.jsonl"),
            place.read("batch/trials.jsonl")
        );
    }
}

/// Runs twelve requests against a server whose first batches end in these ways.
fn ends(dialect: (&str, &str), ends: &str, code: i32) -> (Place, Simulator) {
    let place = place(12);
    let simulator = Simulator::start(&["--batch-ends", ends]);
    experiment(&place, &simulator, dialect, "");
    place.run(&RUN).expect(code);
    (place, simulator)
}

#[test]
fn whatever_an_end_leaves_unanswered_is_queued_again_and_what_it_answered_is_kept() {
    for dialect in DIALECTS {
        for (end, batches) in [
            ("completed", 1),
            ("expired", 2),
            ("cancelled", 2),
            ("no-output", 2),
            ("missing", 2),
            ("broken", 2),
            ("unknown", 1),
            ("duplicate", 1),
            ("cut-stream", 1),
        ] {
            let (place, simulator) = ends(dialect, end, 0);
            let stats = simulator.stats();
            let what = format!("{dialect:?} {end}: {stats}");
            assert_eq!(stats["charged"], 12, "{what}");
            assert_eq!(stats["repeated"], 0, "{what}");
            assert_eq!(stats["batches"], batches, "{what}");
            let trials = place.lines("out/trials.jsonl");
            assert_eq!(trials.len(), 12, "{what}");
            assert!(
                trials.iter().all(|trial| trial["failure"].is_null()),
                "{what}"
            );
        }
    }
}

fn failures(place: &Place) -> Vec<(String, String)> {
    let trials = place.lines("out/trials.jsonl");
    assert_eq!(trials.len(), 12, "every trial is in the results");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let failed = trials.iter().filter(|trial| !trial["failure"].is_null());
    failed
        .map(|trial| {
            (
                text(&trial["failure"]["cause"]),
                text(&trial["failure"]["message"]),
            )
        })
        .collect()
}

#[test]
fn a_request_that_the_provider_refuses_fails_with_its_reason() {
    for dialect in DIALECTS {
        let (place, simulator) = ends(dialect, "errors-only", 3);
        let failures = failures(&place);
        assert_eq!(failures.len(), 12);
        for (cause, message) in failures {
            assert_eq!(cause, "rejected");
            assert!(
                message.contains("This request is not allowed."),
                "{message}"
            );
        }
        assert_eq!(simulator.count("charged"), 0);
    }
}

#[test]
fn a_batch_that_fails_at_validation_fails_its_requests_with_the_reason() {
    let (place, simulator) = ends(DIALECTS[0], "failed", 3);
    for (cause, message) in failures(&place) {
        assert_eq!(cause, "rejected");
        assert!(message.contains("invalid_json_line"), "{message}");
    }
    assert_eq!(simulator.count("charged"), 0);
}

#[test]
fn a_request_is_queued_again_three_times_and_not_for_ever() {
    for dialect in DIALECTS {
        let (place, simulator) = ends(dialect, "no-output,no-output,no-output", 3);
        let failures = failures(&place);
        assert_eq!(failures.len(), 12);
        assert!(failures[0].1.contains("in 3 batches"), "{failures:?}");
        assert_eq!(simulator.count("batches"), 3);
        let (place, _) = ends(dialect, "expired,expired,expired", 3);
        let failed = self::failures(&place);
        assert!(!failed.is_empty() && failed.len() < 12, "{failed:?}");
        assert!(
            failed.iter().all(|(cause, _)| cause == "timeout"),
            "{failed:?}"
        );
    }
}

#[test]
fn errors_of_single_lines_that_pass_are_asked_again() {
    for dialect in DIALECTS {
        let place = place(40);
        let simulator = Simulator::start(&["--fail", "0.2", "--seed", "3"]);
        experiment(&place, &simulator, dialect, "");
        place.run(&RUN).expect(0);
        let stats = simulator.stats();
        assert_eq!(
            (&stats["charged"], &stats["repeated"]),
            (&json!(40), &json!(0)),
            "{stats}"
        );
        assert!(stats["batches"].as_u64() > Some(1), "{stats}");
    }
}

#[test]
fn what_does_not_fit_the_accounts_enqueued_tokens_waits_for_its_turn() {
    let place = place(40);
    let simulator = Simulator::start(&["--batch-tokens", "400"]);
    experiment(&place, &simulator, DIALECTS[0], "");
    place
        .run(&[&RUN[..], &["--enqueued-tokens", "400"]].concat())
        .expect(0);
    let told = simulator.stats();
    assert_eq!(told["charged"], 40, "{told}");
    assert!(told["batches"].as_u64() > Some(2), "{told}");
    let batches = place.json("out/batches.json");
    let mut states = batches.as_object().expect("batches").values();
    assert!(
        states.all(|batch| batch["state"] == "ingested"),
        "none was refused: {batches}"
    );

    let place = self::place(40);
    let simulator = Simulator::start(&["--batch-tokens", "400"]);
    experiment(&place, &simulator, DIALECTS[0], "");
    place.run(&RUN).expect(0);
    let found_out = simulator.stats();
    assert_eq!(
        found_out["charged"], 40,
        "a limit that nobody told is found: {found_out}"
    );
}

#[test]
fn turns_and_judges_travel_in_rounds() {
    let place = place(6);
    let simulator = Simulator::start(&[]);
    experiment(
        &place,
        &simulator,
        DIALECTS[0],
        "models: {judge: {provider: openai, name: judge, base_url: 'http://ADDRESS/v1', sampling: {max_tokens: 9}}}\n"
            .replace("ADDRESS", &simulator.address)
            .as_str(),
    );
    let yaml = place.read("xhost.yaml").replace(
        "scorers: [includes]",
        "scorers: [includes, {plugin: model-graded, params: {model: judge}}]",
    );
    place.write("xhost.yaml", &yaml);
    let ran = place.run(&RUN);
    let trials = place.lines("out/trials.jsonl");
    assert_eq!(trials.len(), 6, "{}", ran.stderr());
    assert!(
        trials
            .iter()
            .all(|trial| trial["requests"].as_array().map(Vec::len) == Some(2))
    );
    let stats = simulator.stats();
    assert_eq!(
        (&stats["calls"], &stats["batches"]),
        (&json!(0), &json!(2)),
        "{stats}"
    );
}

#[test]
fn auto_goes_by_the_number_of_missing_answers_and_says_so() {
    let small = place(12);
    let simulator = Simulator::start(&[]);
    experiment(&small, &simulator, DIALECTS[0], "");
    small
        .run(&[&RUN[..], &["--mode", "auto"]].concat())
        .expect(0)
        .says(&["mode auto: live, for only 12 requests"]);
    assert_eq!(simulator.count("batches"), 0);
    let large = place(1_000);
    experiment(&large, &simulator, DIALECTS[1], "");
    large
        .run(&[&RUN[..], &["--mode", "auto"]].concat())
        .expect(0)
        .says(&["mode auto: batch, for 1000 requests"]);
    assert_eq!(simulator.count("batches"), 1);
    large
        .run(&["--rehearse", "--mode", "auto", "--out", "rehearsal"])
        .expect(0);
    small.run(&["--rehearse", "--out", "rehearsal"]).expect(0);
    assert_eq!(
        small.lines("rehearsal/trials.jsonl").len(),
        12,
        "a rehearsal has batches too"
    );
}

#[test]
fn a_bad_parameter_costs_a_few_calls_and_no_batch() {
    let place = place(200);
    let simulator = Simulator::start(&[]);
    experiment(&place, &simulator, DIALECTS[0], "");
    place
        .run(&[&RUN[..], &["model.sampling.temperature=3"]].concat())
        .expect(2)
        .says(&["nothing was submitted", "temperature"]);
    assert_eq!(
        (simulator.count("calls"), simulator.count("batches")),
        (3, 0)
    );
}

#[test]
fn stragglers_are_cancelled_and_go_live_and_are_paid_for_once() {
    for dialect in DIALECTS {
        let place = place(12);
        let simulator = Simulator::start(&["--batch-delay-ms", "3600000"]);
        experiment(&place, &simulator, dialect, "");
        place
            .run(&[&RUN[..], &["--spill-after", "1s"]].concat())
            .expect(0);
        let stats = simulator.stats();
        assert_eq!(
            (&stats["charged"], &stats["calls"]),
            (&json!(12), &json!(12)),
            "{stats}"
        );
    }
}

#[test]
fn a_detached_run_is_shown_resumed_cancelled_and_adopted() {
    let place = place(12);
    let simulator = Simulator::start(&["--batch-delay-ms", "3000"]);
    experiment(&place, &simulator, DIALECTS[0], "");
    place
        .run(&[&RUN[..], &["--detach"]].concat())
        .expect(0)
        .says(&["12 trials wait for their batches"]);
    assert_eq!(simulator.count("charged"), 0);
    let xhost = |arguments: &[&str]| {
        let output = place
            .xhost()
            .args(arguments)
            .output()
            .expect("xhost starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        said
    };
    let shown = xhost(&["status", "out"]);
    assert!(
        shown.contains("submitted") && shown.contains("batch_sim"),
        "{shown}"
    );
    let shown: Value = serde_json::from_str(&xhost(&["status", "out", "--json"])).expect("JSON");
    assert_eq!(shown["out"]["state"], "stopped", "{shown}");
    let (id, _) = shown["out"]["batches"]
        .as_object()
        .expect("batches")
        .iter()
        .next()
        .expect("one");
    xhost(&["resume", "out"]);
    assert_eq!(place.lines("out/trials.jsonl").len(), 12);
    let stats = simulator.stats();
    assert_eq!(
        (&stats["charged"], &stats["batches"]),
        (&json!(12), &json!(1)),
        "{stats}"
    );

    let base_url = simulator.base_url();
    let adopt = [
        "batch",
        "adopt",
        id,
        "--model",
        "openai/demo",
        "--base-url",
        &base_url,
        "--store",
        "new.redb",
    ];
    let said = xhost(&adopt);
    assert!(said.contains("12 answers are in the store"), "{said}");
    place
        .run(&["--store", "new.redb", "--out", "again", "--mode", "live"])
        .expect(0);
    assert_eq!(
        simulator.count("charged"),
        12,
        "the adopted answers are found"
    );
    assert_eq!(
        place.read("again/trials.jsonl"),
        place.read("out/trials.jsonl")
    );

    let other = self::place(12);
    let slow = Simulator::start(&["--batch-delay-ms", "3600000"]);
    experiment(&other, &slow, DIALECTS[1], "");
    other.run(&[&RUN[..], &["--detach"]].concat()).expect(0);
    let output = other
        .xhost()
        .args(["cancel", "out"])
        .output()
        .expect("xhost starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("cancelled; 0 of 12 requests were answered"),
        "{said}"
    );
}

/// PyPI's `llmock`, a simulator by others, until the end of the test.
struct Llmock {
    child: std::process::Child,
    address: String,
}

impl Llmock {
    fn start() -> Option<Llmock> {
        let python = std::env::var_os("XHOST_PYTHON")?;
        let program = std::path::Path::new(&python).with_file_name("llmock");
        if !program.exists() {
            return None;
        }
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let child = std::process::Command::new(program)
            .args([
                "serve",
                "--host",
                "127.0.0.1",
                "--port",
                &address.port().to_string(),
            ])
            .args(["--response-style", "hello", "--log-level", "warning"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("llmock starts");
        while std::net::TcpStream::connect(address).is_err() {
            std::thread::yield_now();
        }
        Some(Llmock {
            child,
            address: address.to_string(),
        })
    }
}

impl Drop for Llmock {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_that_we_did_not_write_accepts_our_batches() {
    let Some(llmock) = Llmock::start() else {
        eprintln!(
            "NOT RUN: set XHOST_PYTHON to a Python beside which `llmock` from PyPI is installed"
        );
        return;
    };
    for (provider, path) in [
        ("openai", "/v1"),
        ("anthropic", "/anthropic"),
        ("openai", "/groq/openai/v1"),
    ] {
        let place = place(5);
        place.write(
            "xhost.yaml",
            &format!(
                "name: small
dataset: {{path: rows.jsonl}}
prompt: '{{{{ input }}}}'
model: {{provider: {provider}, name: demo, base_url: 'http://{}{path}', key_variable: LLMOCK_KEY, sampling: {{max_tokens: 64}}}}
scorers: [includes]
mode: batch
",
                llmock.address
            ),
        );
        let output = place
            .xhost()
            .arg("run")
            .args(RUN)
            .env("LLMOCK_KEY", "sk-test")
            .output()
            .expect("xhost starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{provider} {path}: {said}");
        let trials = place.lines("out/trials.jsonl");
        assert_eq!(trials.len(), 5);
        assert!(
            trials.iter().all(|trial| trial["answer"].is_string()),
            "{said}"
        );
    }
}
