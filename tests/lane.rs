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

/// The experiment, asked in the words of a provider.
fn spoken(provider: &str) -> String {
    EXPERIMENT.replace(
        "{provider: openai, name: gpt-4o-mini}",
        &format!("{{provider: {provider}, name: m, sampling: {{max_tokens: 16}}}}"),
    )
}

#[test]
fn what_waiting_does_not_mend_stops_the_model_at_once_keeps_what_is_there_and_says_what_to_do() {
    for (provider, code, exit, words) in [
        (
            "openai",
            "insufficient_quota",
            5,
            "add credit or raise the limit",
        ),
        (
            "openai",
            "credit_balance_exhausted",
            5,
            "add credit or raise the limit",
        ),
        (
            "openai",
            "organization_spend_limit_exceeded",
            5,
            "add credit or raise the limit",
        ),
        (
            "openai",
            "project_spend_limit_exceeded",
            5,
            "add credit or raise the limit",
        ),
        (
            "openai",
            "organization_usage_limit_exceeded",
            5,
            "add credit or raise the limit",
        ),
        ("openai", "invalid_api_key", 4, "reads the credential from"),
        (
            "anthropic",
            "enforced_spend_limit_reached",
            5,
            "add credit or raise the limit",
        ),
        (
            "anthropic",
            "contract_spend_limit_reached",
            5,
            "add credit or raise the limit",
        ),
        (
            "anthropic",
            "billing_error",
            5,
            "add credit or raise the limit",
        ),
        (
            "anthropic",
            "authentication_error",
            4,
            "reads the credential from",
        ),
    ] {
        let place = place(60);
        place.write("xhost.yaml", &spoken(provider));
        let refuse = format!("{code}@21");
        let simulator = Simulator::start(&["--latency-ms", "5", "--refuse", &refuse]);
        let base_url = match provider {
            "anthropic" => format!("model.base_url=http://{}", simulator.address),
            _ => format!("model.base_url={}", simulator.base_url()),
        };
        let ran = place
            .run(&[
                &base_url,
                "--store",
                "s.redb",
                "--out",
                "out",
                "--concurrency",
                "4",
            ])
            .expect(exit)
            .says(&[
                code,
                words,
                "20 answers are in the store",
                "goes on from there",
            ]);
        let calls = simulator.count("calls");
        // Those that were in flight when the first was refused come back refused.
        assert!((21..=24).contains(&calls), "{code}: {calls} calls");
        assert_eq!(
            place.json("out/summary.json")["totals"]["retries"],
            0,
            "{}",
            ran.stderr()
        );
    }
}

#[test]
fn a_model_whose_credit_is_used_up_does_not_end_another_one() {
    let place = place(30);
    let poor = Simulator::start(&["--refuse", "insufficient_quota@6"]);
    let rich = Simulator::start(&["--latency-ms", "5"]);
    let sweep = format!(
        "sweep: {{model.base_url: ['{}', '{}']}}\n",
        poor.base_url(),
        rich.base_url()
    );
    place.write("xhost.yaml", &(EXPERIMENT.to_owned() + &sweep));
    place
        .run(&["--store", "s.redb", "--out", "out"])
        .expect(5)
        .says(&["insufficient_quota"]);
    assert_eq!(
        rich.count("answered"),
        30,
        "the other model went on to its end"
    );
    assert_eq!(poor.count("answered"), 5);
}

#[test]
fn traffic_that_grew_too_fast_goes_on_at_half_the_speed_and_nothing_is_lost() {
    for (provider, code) in [
        ("openai", "slow_down"),
        ("anthropic", "ramp_limit_exceeded"),
    ] {
        let place = place(160);
        place.write("xhost.yaml", &spoken(provider));
        let refuse = format!("{code}@61x2");
        let simulator = Simulator::start(&["--latency-ms", "20", "--refuse", &refuse]);
        let base_url = match provider {
            "anthropic" => format!("model.base_url=http://{}", simulator.address),
            _ => format!("model.base_url={}", simulator.base_url()),
        };
        place
            .run(&[&base_url, "--store", "s.redb", "--out", "out"])
            .expect(0);
        assert_eq!(simulator.count("answered"), 160);
        assert_eq!(simulator.count("repeated"), 0);
        let events = place.lines("out/events.jsonl");
        let refused: Vec<_> = events
            .iter()
            .filter(|event| event["change"] == "refused")
            .collect();
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert_eq!(refused[0]["pace"], 0.5);
        // Then calls leave one after the other and not at once.
        let closed = events.iter().position(|event| event["change"] == "refused");
        let closed = closed.expect("it was refused");
        let left = |event: &&Value| event["event"] == "call-started";
        let at = |event: &Value| event["at_ms"].as_u64().expect("a time");
        let after: Vec<u64> = events[closed..].iter().filter(left).map(at).collect();
        // The last thirty: long after the gate opened.
        let last = &after[after.len() - 30..];
        let took = last[29] - last[0];
        assert!(took >= 200, "{} calls in {took} ms", last.len());
    }
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
