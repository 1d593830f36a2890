//! How fast requests leave: against a server with limits that we did not write, with few sockets, and with limits that
//! change while it runs.

use crate::support::{Place, Simulator, llmock::Llmock};
use serde_json::Value;
use std::fmt::Write as _;
use std::process::{Command, Stdio};

/// A place with an experiment over so many rows.
fn place(rows: usize) -> Place {
    let place = Place::new();
    let mut data = String::new();
    for row in 0..rows {
        writeln!(
            data,
            r#"{{"id":"r{row}","question":"What is {row} + 1?","target":"{}"}}"#,
            row + 1
        )
        .expect("a string takes everything");
    }
    place.write("rows.jsonl", &data);
    place.write("xhost.yaml", EXPERIMENT);
    place
}

const EXPERIMENT: &str = "\
name: lane
dataset: {path: rows.jsonl, fields: {input: question, target: target}}
prompt: '{{ question }}'
model: {provider: openai, name: gpt-4o-mini}
scorers: [match]
";

/// The official SDK with 50 workers at 900 requests: 2,304 refusals, 181 requests lost, verdict FAIL.
#[test]
fn a_server_with_limits_that_we_did_not_write_refuses_hardly_anything_and_gives_its_verdict_pass() {
    let Some(llmock) = Llmock::start(&["--rpm", "600", "--latency-ms", "200"]) else {
        return;
    };
    const ROWS: usize = 120;
    let place = place(ROWS);
    let base_url = format!("model.base_url=http://{}/v1", llmock.address);
    place
        .run(&[&base_url, "--store", "s.redb", "--out", "out"])
        .expect(0);
    let summary = place.json("out/summary.json");
    assert_eq!(summary["totals"]["calls"], ROWS, "{summary}");
    assert_eq!(summary["totals"]["failures"], 0, "{summary}");
    let requests = llmock.requests();
    let refused = requests
        .iter()
        .filter(|request| request["status"] == 429)
        .count();
    assert!(refused <= 2, "{refused} refusals of {}", requests.len());
    assert_eq!(requests.len(), ROWS + refused, "each is sent once");
    let (well, words) = llmock.verdict();
    assert!(well && words.contains("PASS"), "{words}");
    let learned = place.lines("out/events.jsonl").into_iter();
    let learned: Vec<_> = learned
        .filter(|event| event["change"] == "learned")
        .collect();
    assert_eq!(learned.len(), 1, "{learned:?}");
    assert_eq!(
        (&learned[0]["limit"], &learned[0]["window_seconds"]),
        (&Value::from(600), &Value::from(60))
    );
}

#[test]
fn with_few_sockets_fewer_calls_are_in_flight_and_the_user_is_told() {
    let place = place(200);
    let simulator = Simulator::start(&["--latency-ms", "50"]);
    let run = format!(
        "ulimit -n 100 && exec '{}' run model.base_url={} --store s.redb --out out --concurrency 500",
        env!("CARGO_BIN_EXE_xhost"),
        simulator.base_url()
    );
    let command = place.xhost();
    let environment: Vec<_> = command
        .get_envs()
        .filter_map(|(name, value)| value.map(|value| (name.to_owned(), value.to_owned())))
        .collect();
    let output = Command::new("sh")
        .args(["-c", &run])
        .current_dir(place.path(""))
        .envs(environment)
        .env_remove("OPENAI_API_KEY")
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("warning: at most 36 calls are in flight instead of 500"),
        "{text}"
    );
    assert!(simulator.count("most_in_flight") <= 36);
}

/// At one call a second the run would take minutes; a test ends when the new limits are obeyed.
#[test]
fn limits_change_while_a_run_goes_on_by_command_and_by_signal() {
    let orders = |place: &Place| {
        let output = place
            .xhost()
            .args(["limits", "out", "requests_per_minute=60000"])
            .output()
            .expect("xhost starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text, "requests_per_minute=60000\n", "{output:?}");
    };
    let signal = |place: &Place, pid: u32| {
        let faster = format!("{EXPERIMENT}limits: {{requests_per_minute: 60000}}\n");
        place.write("xhost.yaml", &faster);
        let killed = Command::new("kill")
            .args(["-HUP", &pid.to_string()])
            .status();
        assert!(killed.expect("kill runs").success());
    };
    for way in ["command", "signal"] {
        let (place, simulator) = (place(300), Simulator::start(&[]));
        place.write(
            "xhost.yaml",
            &format!("{EXPERIMENT}limits: {{requests_per_minute: 60}}\n"),
        );
        let base_url = format!("model.base_url={}", simulator.base_url());
        let mut run = place
            .xhost()
            .args([
                "run", &base_url, "--store", "s.redb", "--out", "out", "--quiet",
            ])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        while simulator.count("answered") < 1 {
            std::thread::yield_now();
        }
        match way {
            "command" => orders(&place),
            _ => signal(&place, run.id()),
        }
        assert!(run.wait().expect("it ends").success());
        assert_eq!(simulator.count("answered"), 300);
        let set = place
            .read("out/events.jsonl")
            .matches(r#""change":"set""#)
            .count();
        assert_eq!(set, 1);
    }
}

#[test]
fn orders_for_a_run_that_is_over_are_refused_and_not_left_behind() {
    let place = place(1);
    place.run(&["--rehearse", "--out", "out"]).expect(0);
    for (folder, words) in [
        ("out", "no run goes on in out"),
        ("elsewhere", "holds no run"),
    ] {
        let output = place
            .xhost()
            .args(["limits", folder, "concurrency=5"])
            .output()
            .expect("xhost starts");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(words), "{text}");
    }
    assert!(!place.path("out/limits.json").exists());
}
