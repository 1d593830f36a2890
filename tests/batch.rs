//! The batch lane as a user has it: the same results as live, and nothing paid for twice.

use crate::guests::component;
use crate::support::{Place, Simulator, shared_data};
use serde_json::{Value, json};

/// Two dialects: the provider's setting, and the path below the simulator's address.
pub const DIALECTS: [(&str, &str); 2] = [("openai", "/v1"), ("anthropic", "")];

pub fn place(rows: usize) -> Place {
    let place = Place::new();
    let rows: String = (0..rows)
        .map(|id| {
            format!("{{\"id\": \"r{id}\", \"input\": \"Question {id}?\", \"target\": \"x\"}}\n")
        })
        .collect();
    place.write("rows.jsonl", &rows);
    place
}

pub fn experiment(
    place: &Place,
    simulator: &Simulator,
    (provider, path): (&str, &str),
    more: &str,
) {
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

pub const RUN: [&str; 4] = ["--store", "s.redb", "--out", "out"];

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
}

#[test]
fn turns_and_judges_travel_in_rounds() {
    let Some(builder) = component(
        "second-thoughts",
        "examples/prompt-rust/second-thoughts.wasm",
    ) else {
        return;
    };
    for dialect in DIALECTS {
        let place = place(6);
        let simulator = Simulator::start(&[]);
        let (provider, path) = dialect;
        let judge = format!(
            "models: {{judge: {{provider: {provider}, name: judge, base_url: 'http://{}{path}', sampling: {{max_tokens: 9}}}}}}\n",
            simulator.address
        );
        experiment(&place, &simulator, dialect, &judge);
        let yaml = place
            .read("xhost.yaml")
            .replace(
                "scorers: [includes]",
                "scorers: [includes, {plugin: model-graded, params: {model: judge}}]",
            )
            .replace(
                "prompt: '{{ input }}'",
                "prompt: {plugin: second-thoughts, params: {rounds: 2}}",
            );
        place.write("xhost.yaml", &yaml);
        let builder = builder.to_str().expect("a path in UTF-8");
        let ran = place.run(&[&RUN[..], &["--plugin", builder]].concat());
        let trials = place.lines("out/trials.jsonl");
        assert_eq!(trials.len(), 6, "{}", ran.stderr());
        for trial in &trials {
            let requests = trial["requests"].as_array().map(Vec::len);
            assert_eq!(requests, Some(4), "three turns and a judge: {trial}");
        }
        let stats = simulator.stats();
        assert_eq!(
            (&stats["calls"], &stats["batches"], &stats["charged"]),
            (&json!(0), &json!(4), &json!(24)),
            "each round is one batch: {stats}"
        );
    }
}

#[test]
fn configs_of_one_sweep_travel_each_in_its_own_mode() {
    let place = place(6);
    let simulator = Simulator::start(&[]);
    let sweep = "sweep: {mode: [live, batch], model.name: [one, two]}\n";
    experiment(&place, &simulator, DIALECTS[0], sweep);
    let yaml = place.read("xhost.yaml").replace("mode: batch\n", "");
    place.write("xhost.yaml", &yaml);
    place.run(&RUN).expect(0);
    assert_eq!(place.lines("out/trials.jsonl").len(), 24);
    let stats = simulator.stats();
    assert_eq!(
        (&stats["charged"], &stats["repeated"]),
        (&json!(12), &json!(0)),
        "either mode has what the other paid for: {stats}"
    );

    let apart = self::place(6);
    let simulator = Simulator::start(&[]);
    let sweep = "sweep: [{mode: live, model.name: one}, {mode: batch, model.name: two}]\n";
    experiment(&apart, &simulator, DIALECTS[1], sweep);
    let yaml = apart.read("xhost.yaml").replace("mode: batch\n", "");
    apart.write("xhost.yaml", &yaml);
    apart.run(&RUN).expect(0);
    let stats = simulator.stats();
    assert_eq!(
        (&stats["calls"], &stats["batches"], &stats["charged"]),
        (&json!(6), &json!(1), &json!(12)),
        "{stats}"
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
