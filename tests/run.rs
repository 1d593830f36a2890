//! What a run does with settings, files and results.

use crate::support::{Place, Simulator};
use serde_json::json;

const EXPERIMENT: &str = "\
name: small
dataset: {path: 'rows*.jsonl'}
prompt: '{{ input }}'
model: {provider: openai, name: demo, sampling: {max_tokens: 64}}
scorers: [includes]
";

fn place(rows: usize) -> Place {
    let place = Place::new();
    place.write("xhost.yaml", EXPERIMENT);
    let rows: String = (0..rows)
        .map(|id| {
            format!("{{\"id\": \"r{id}\", \"input\": \"Question {id}?\", \"target\": \"x\"}}\n")
        })
        .collect();
    place.write("rows.jsonl", &rows);
    place
}

#[test]
fn equal_requests_in_flight_are_one_call() {
    let place = place(1);
    let same: String = (0..50)
        .map(|id| format!("{{\"id\": \"s{id}\", \"input\": \"The same?\", \"target\": \"x\"}}\n"))
        .collect();
    place.write("rows.jsonl", &same);
    let simulator = Simulator::start(&["--latency-ms", "100"]);
    place
        .run(&[
            &format!("model.base_url={}", simulator.base_url()),
            "--store",
            "s.redb",
            "--out",
            "out",
        ])
        .expect(0);
    assert_eq!(simulator.count("calls"), 1);
    assert_eq!(place.lines("out/trials.jsonl").len(), 50);
    assert_eq!(place.json("out/summary.json")["totals"]["shared"], 49);
}

#[test]
fn numbers_of_seventeen_digits_are_replayed_as_they_were_written() {
    let place = place(2);
    let yaml = place.read("xhost.yaml").replace(
        "[includes]",
        "[{plugin: numeric, params: {tolerance: 31.245270191439438}}]\nsweep: {model.sampling.temperature: [0.31245270191439438]}",
    );
    place.write("xhost.yaml", &yaml);
    place.write(
        "rows.jsonl",
        &place.read("rows.jsonl").replace("\"x\"", "\"7\""),
    );
    let simulator = Simulator::start(&[]);
    let base_url = format!("model.base_url={}", simulator.base_url());
    place
        .run(&[&base_url, "--store", "s.redb", "--out", "out"])
        .expect(0);
    assert!(place.read("out/run.json").contains("31.245270191439438"));
    let replay = ["replay", "out", "--store", "s.redb"];
    crate::support::Ran::of(place.xhost().args(replay)).expect(0);
}

#[test]
fn epochs_are_draws_of_their_own_and_more_of_them_buy_only_the_new_ones() {
    let place = place(10);
    let simulator = Simulator::start(&[]);
    let base_url = format!("model.base_url={}", simulator.base_url());
    place
        .run(&[&base_url, "epochs=3", "--store", "s.redb"])
        .expect(0);
    assert_eq!(simulator.count("calls"), 30);
    place
        .run(&[&base_url, "epochs=5", "--store", "s.redb"])
        .expect(0);
    assert_eq!(simulator.count("calls"), 50);
}

#[test]
fn a_comma_makes_a_sweep_and_files_run_side_by_side_in_folders_of_their_own() {
    let place = place(4);
    place.write(
        "other.yaml",
        &EXPERIMENT
            .replace("small", "other")
            .replace("name: demo", "name: fine"),
    );
    let simulator = Simulator::start(&[]);
    let base_url = format!("model.base_url={}", simulator.base_url());
    let arguments = [
        "xhost.yaml",
        "other.yaml",
        "model.sampling.max_tokens=8,9",
        &base_url,
        "--out",
        "out",
        "--store",
        "s.redb",
    ];
    place.run(&arguments).expect(0);
    for name in ["small", "other"] {
        let trials = place.lines(&format!("out/{name}/trials.jsonl"));
        assert_eq!(trials.len(), 8);
        assert_eq!(trials[0]["config"], json!({"model.sampling.max_tokens": 8}));
        assert_eq!(trials[1]["config"], json!({"model.sampling.max_tokens": 9}));
    }
    assert_eq!(simulator.count("calls"), 16);
}

#[test]
fn a_line_of_the_results_holds_what_scripts_rely_on_and_nothing_of_when_or_how_fast() {
    let place = place(1);
    let simulator = Simulator::start(&[]);
    place
        .run(&[
            &format!("model.base_url={}", simulator.base_url()),
            "--out",
            "out",
            "--store",
            "s.redb",
        ])
        .expect(0);
    let trial = place.lines("out/trials.jsonl").remove(0);
    let keys: Vec<&str> = trial
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "config", "sample", "epoch", "answer", "scores", "requests", "usage", "failure"
        ]
    );
    let score: Vec<&str> = trial["scores"][0]
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        score,
        ["scorer", "name", "value", "extracted", "explanation"]
    );
    assert_eq!(
        trial["requests"][0]["digest"].as_str().map(str::len),
        Some(64)
    );
    assert_eq!(
        trial["requests"][0]["response"].as_str().map(str::len),
        Some(64)
    );
    assert!(trial["usage"]["input"].as_u64() > Some(0));
    assert_eq!(trial["failure"], json!(null));
}

#[test]
fn an_experiment_needs_no_file() {
    let place = place(3);
    let simulator = Simulator::start(&[]);
    std::fs::remove_file(place.path("xhost.yaml")).expect("it is there");
    let base_url = format!("model.base_url={}", simulator.base_url());
    let arguments = [
        "--dataset",
        "rows.jsonl",
        "--model",
        "openai/demo",
        "--prompt",
        "{{ input }}",
        "--scorer",
        "exact",
    ];
    place
        .run(
            &[
                &arguments[..],
                &[&base_url, "--store", "s.redb", "--out", "out"],
            ]
            .concat(),
        )
        .expect(0);
    assert_eq!(place.lines("out/trials.jsonl").len(), 3);
}

#[test]
fn faults_and_limits_of_the_provider_cost_time_and_no_trial() {
    let place = place(100);
    let simulator = Simulator::start(&["--fail", "0.2", "--seed", "5"]);
    place
        .run(&[
            &format!("model.base_url={}", simulator.base_url()),
            "--out",
            "out",
            "--store",
            "s.redb",
            "--concurrency",
            "50",
        ])
        .expect(0);
    let summary = place.json("out/summary.json");
    assert_eq!(summary["totals"]["failures"], 0);
    assert!(summary["totals"]["retries"].as_u64() > Some(5), "{summary}");
    assert_eq!(simulator.count("repeated"), 0);
}

#[test]
fn both_dialects_are_spoken() {
    let place = place(5);
    let simulator = Simulator::start(&[]);
    let base_url = format!("model.base_url=http://{}", simulator.address);
    for api_version in ["2023-06-01", "2026-10-21"] {
        let version = format!("model.params.api_version={api_version}");
        let out = format!("out-{api_version}");
        place
            .run(&[
                "model.provider=anthropic",
                &version,
                &base_url,
                "--store",
                "s.redb",
                "--out",
                &out,
            ])
            .expect(0);
        assert_eq!(place.lines(&format!("{out}/trials.jsonl")).len(), 5);
    }
    assert_eq!(
        simulator.count("calls"),
        10,
        "another version of the API is another request"
    );
}

#[test]
fn the_results_of_another_run_in_the_same_folder_are_kept() {
    let place = place(2);
    place.run(&["--rehearse", "--out", "out"]).expect(0);
    let first = place.read("out/trials.jsonl");
    place
        .run(&["--rehearse", "--out", "out", "model.name=other"])
        .expect(0)
        .says(&["earlier"]);
    let earlier = std::fs::read_dir(place.path("out/earlier"))
        .expect("the folder")
        .next()
        .expect("a run")
        .expect("readable");
    assert_eq!(
        std::fs::read_to_string(earlier.path().join("trials.jsonl")).expect("the results"),
        first
    );
}

#[test]
fn an_interrupted_run_says_so_and_goes_on_where_it_was() {
    let place = place(300);
    let simulator = Simulator::start(&["--latency-ms", "30"]);
    let base_url = format!("model.base_url={}", simulator.base_url());
    let arguments = [
        "run",
        &base_url,
        "--store",
        "s.redb",
        "--out",
        "out",
        "--concurrency",
        "10",
    ];
    let child = place
        .xhost()
        .args(arguments)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    while simulator.count("answered") < 50 {
        std::thread::yield_now();
    }
    let interrupt = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.expect("kill runs").success());
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(text.contains("interrupted"), "{text}");
    let paid = simulator.count("answered");
    place.run(&arguments[1..]).expect(0);
    assert_eq!(simulator.count("repeated"), 0, "nothing is asked twice");
    assert_eq!(
        place.json("out/summary.json")["totals"]["hits"],
        paid,
        "every answer that was paid for is a hit"
    );
}

#[test]
fn a_provider_that_is_too_slow_for_one_model_does_not_hold_up_the_others() {
    let place = place(40);
    let simulator = Simulator::start(&[]);
    place.write(
        "slow.yaml",
        &format!(
            "{}limits: {{requests_per_minute: 600}}\n",
            EXPERIMENT.replace("small", "slow").replace("demo", "slow")
        ),
    );
    let base_url = format!("model.base_url={}", simulator.base_url());
    place
        .run(&[
            "slow.yaml",
            "xhost.yaml",
            &base_url,
            "--store",
            "s.redb",
            "--out",
            "out",
            "--concurrency",
            "4",
        ])
        .expect(0);
    let seconds = |name: &str| {
        place.json(&format!("out/{name}/summary.json"))["totals"]["seconds"]
            .as_f64()
            .expect("a number")
    };
    assert!(
        seconds("slow") > 2.0,
        "600 a minute is ten a second after the first second: {}",
        seconds("slow")
    );
    assert!(seconds("small") < seconds("slow"));
}

#[test]
fn json_events_are_lines_on_stdout() {
    let place = place(2);
    let ran = place.run(&["--rehearse", "--json"]).expect(0);
    let events: Vec<serde_json::Value> = ran
        .stdout()
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    assert_eq!(events[0]["event"], "started");
    assert_eq!(
        events
            .iter()
            .filter(|event| event["event"] == "trial-ended")
            .count(),
        2
    );
    assert_eq!(events.last().expect("a last one")["event"], "summary");
}
