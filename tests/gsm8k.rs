//! The main job on real data: GSM8K's 1,319 test questions and the published answers of two of the paper's models (Cobbe
//! et al. 2021), through HTTP, the built-in `numeric` scorer, the store and the results.

use crate::support::{Place, Simulator, shared_data};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

/// The experiment over both models, and a simulator that answers as they did.
fn stage(place: &Place, simulator_arguments: &[&str]) -> Option<Simulator> {
    let (test, replies) = (
        shared_data("gsm8k/test.jsonl")?,
        shared_data("gsm8k/replies.jsonl")?,
    );
    let replies = replies.to_str().expect("a path in UTF-8");
    let simulator = Simulator::start(&[&["--replies", replies], simulator_arguments].concat());
    place.write(
        "gsm8k.yaml",
        &experiment(
            &test,
            &simulator.base_url(),
            "model.name: [6b_finetuning, 175b_finetuning]",
        ),
    );
    Some(simulator)
}

fn experiment(test: &Path, base_url: &str, sweep: &str) -> String {
    format!(
        "name: gsm8k
dataset: {{path: {}, fields: {{input: question, target: target}}}}
prompt: '{{{{ question }}}}'
model: {{provider: openai, name: 6b_finetuning, base_url: '{base_url}', sampling: {{max_tokens: 512, temperature: 0}}}}
scorers: [numeric]
sweep: {{{sweep}}}
limits: {{concurrency: 100}}
",
        test.display()
    )
}

#[test]
fn the_published_verdicts_come_out_exactly_and_the_second_time_costs_nothing() {
    let place = Place::new();
    let Some(simulator) = stage(&place, &[]) else {
        return;
    };
    let arguments = ["gsm8k.yaml", "--out", "out", "--store", "store.redb"];
    place.run(&arguments).expect(0);

    let (judged, wrong) = compare(&place);
    assert_eq!(
        (judged, wrong),
        (2_638, 0),
        "every verdict equals the authors'"
    );
    let summary = place.json("out/summary.json");
    let means: Vec<f64> = summary["configs"]
        .as_array()
        .expect("configs")
        .iter()
        .map(mean)
        .collect();
    assert_eq!(means, [286.0 / 1_319.0, 458.0 / 1_319.0]);
    assert_eq!(simulator.count("calls"), 2_638);

    let first = place.read("out/trials.jsonl");
    let started = Instant::now();
    place.run(&arguments).expect(0);
    eprintln!("the second run took {:?}", started.elapsed());
    assert_eq!(
        simulator.count("calls"),
        2_638,
        "no call reached the server"
    );
    assert!(
        place.read("out/trials.jsonl") == first,
        "the results are the same bytes"
    );
    let again = place.json("out/summary.json");
    assert_eq!(again["totals"]["hits"], 2_638);
    assert_eq!(again["run_digest"], summary["run_digest"]);
}

fn mean(config: &serde_json::Value) -> f64 {
    config["scorers"][0]["mean"].as_f64().expect("a mean")
}

/// How many verdicts there are, and how many differ from the authors'.
fn compare(place: &Place) -> (usize, usize) {
    let replies =
        std::fs::read_to_string(shared_data("gsm8k/replies.jsonl").expect("it was there"))
            .expect("it is text");
    let rows = replies
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("each line is JSON"));
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let expected: HashMap<(String, String), bool> = rows
        .map(|row| {
            (
                (text(&row["id"]), text(&row["model"])),
                row["is_correct"] == true,
            )
        })
        .collect();
    let trials = place.lines("out/trials.jsonl");
    let wrong = trials.iter().filter(|trial| {
        let key = (text(&trial["sample"]), text(&trial["config"]["model.name"]));
        trial["scores"][0]["value"] != expected[&key]
    });
    (trials.len(), wrong.count())
}

#[test]
fn a_killed_run_goes_on_where_it_was_and_pays_for_nothing_that_was_acknowledged() {
    let place = Place::new();
    let Some(simulator) = stage(&place, &["--latency-ms", "20"]) else {
        return;
    };
    let arguments = [
        "run",
        "gsm8k.yaml",
        "--out",
        "out",
        "--store",
        "store.redb",
        "--concurrency",
        "50",
    ];
    let mut child = place
        .xhost()
        .args(arguments)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    while simulator.count("answered") < 700 {
        assert!(
            child.try_wait().expect("it can be asked").is_none(),
            "the run ended before it was killed"
        );
        std::thread::yield_now();
    }
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    let known: HashSet<String> = ["out/trials.jsonl", "out/pending.jsonl"]
        .iter()
        .filter_map(|name| std::fs::read_to_string(place.path(name)).ok())
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
        .collect();
    assert!(
        known.len() > 100,
        "a killed run has on disk what it knew, and that is {} trials",
        known.len()
    );

    place.run(&arguments[1..]).expect(0);
    let repeated = simulator.count("repeated");
    assert!(
        repeated <= 50,
        "{repeated} answers were paid for twice; 50 were in flight at the kill"
    );
    assert_eq!(compare(&place), (2_638, 0));
    let hits = place.json("out/summary.json")["totals"]["hits"]
        .as_u64()
        .expect("a number");
    assert!(hits >= 600, "{hits} answers were there already");
}

#[test]
fn twenty_configs_at_once_stay_below_150_megabytes() {
    let place = Place::new();
    let Some(test) = shared_data("gsm8k/test.jsonl") else {
        return;
    };
    // So long that 500 are in flight wherever 200 leave a second, a machine that is busy with other tests included.
    let simulator = Simulator::start(&["--latency-ms", "2000"]);
    let models: Vec<String> = (0..20).map(|index| format!("model-{index}")).collect();
    let sweep = format!("model.name: [{}]", models.join(", "));
    place.write(
        "twenty.yaml",
        &experiment(&test, &simulator.base_url(), &sweep),
    );
    let arguments = [
        "twenty.yaml",
        "--out",
        "out",
        "--store",
        "store.redb",
        "--concurrency",
        "500",
    ];
    place.run(&arguments).expect(0);
    let summary = place.json("out/summary.json");
    assert_eq!(summary["totals"]["trials"], 20 * 1_319);
    let most_in_flight = simulator.count("most_in_flight");
    assert!(
        most_in_flight >= 400,
        "500 calls may be in flight, and {most_in_flight} were"
    );
    let peak = summary["totals"]["peak_memory_bytes"]
        .as_u64()
        .expect("Linux tells");
    assert!(peak < 150_000_000, "{peak} bytes at most");
}
