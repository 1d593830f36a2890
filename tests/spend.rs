//! Knowing before spending, spending no more than was allowed, and ending when the answer is known.

use crate::support::{Place, Simulator};
use serde_json::Value;

/// An experiment over `rows` rows whose answers are about one token each.
fn place(rows: usize) -> Place {
    let place = Place::new();
    let text = "name: spend\ndataset: {path: rows.jsonl, shuffle: {seed: 3}}\nprompt: '{{ input }}'\nmodel: {provider: openai, name: demo, \
                endpoint: sim, sampling: {max_tokens: 64}}\nscorers: [includes]\nlimits: {concurrency: 8}\n";
    place.write("xhost.yaml", text);
    let rows: String = (0..rows)
        .map(|id| {
            format!("{{\"id\": \"r{id}\", \"input\": \"Question {id}?\", \"target\": \"x\"}}\n")
        })
        .collect();
    place.write("rows.jsonl", &rows);
    // A dollar for a thousand tokens in, and for a hundred out.
    place.write(
        "data-home/xhost/prices.json",
        r#"{"sim/demo": {"input_cost_per_token": 0.001, "output_cost_per_token": 0.01, "max_output_tokens": 4096}}"#,
    );
    place
}

fn base_url(simulator: &Simulator) -> String {
    format!("model.base_url={}", simulator.base_url())
}

fn plan(place: &Place, arguments: &[&str]) -> Value {
    let output = place
        .xhost()
        .args(["plan", "--json"])
        .args(arguments)
        .output()
        .expect("xhost starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let plans: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    plans[0].clone()
}

#[test]
fn a_plan_counts_each_request_once_and_what_is_in_the_store_not_at_all() {
    let place = place(40);
    // Ten rows ask what another row asks.
    let twins: String = (0..10)
        .map(|id| {
            format!("{{\"id\": \"t{id}\", \"input\": \"Question {id}?\", \"target\": \"y\"}}\n")
        })
        .collect();
    place.write("rows.jsonl", &(place.read("rows.jsonl") + &twins));
    let simulator = Simulator::start(&[]);
    let url = base_url(&simulator);
    let before = plan(&place, &[&url, "epochs=2", "--store", "s.redb"]);
    assert_eq!(before["trials"], 100);
    assert_eq!(before["built"], 100);
    assert_eq!(
        (&before["requests"], &before["missing"]),
        (&80.into(), &80.into())
    );
    assert_eq!(before["stored"], Value::Null);
    assert!(!place.path("s.redb").exists(), "a look makes no store");
    assert_eq!(simulator.count("calls"), 0, "and asks nobody");
    place
        .run(&[&url, "--store", "s.redb", "--out", "out"])
        .expect(0);
    let after = plan(&place, &[&url, "epochs=2", "--store", "s.redb"]);
    assert_eq!(
        (&after["requests"], &after["stored"], &after["missing"]),
        (&80.into(), &40.into(), &40.into())
    );
    // An unknown price is not nothing.
    let unknown = plan(&place, &[&url, "model.name=other", "--store", "s.redb"]);
    assert_eq!(unknown["cost_live"], Value::Null);
    assert!(after["cost_live"]["expected"].as_f64().expect("a price") > 0.0);
}

/// The row of the plan for what is asked beyond first prompts.
fn further<'p>(plan: &'p Value, why: &str) -> &'p Value {
    let rows = plan["further"].as_array().expect("a list");
    rows.iter().find(|row| row["why"] == why).expect(why)
}

#[test]
fn a_plan_says_about_how_much_judges_will_be_asked_and_a_run_asks_that() {
    let place = place(40);
    let simulator = Simulator::start(&[]);
    let url = base_url(&simulator);
    let judged = format!(
        "models: {{judge: {{provider: openai, name: demo, endpoint: sim, base_url: '{}', sampling: {{max_tokens: 32}}}}}}\n",
        simulator.base_url()
    );
    let yaml = place.read("xhost.yaml").replace(
        "scorers: [includes]",
        "scorers: [includes, {plugin: model-graded, params: {model: judge}}]",
    );
    place.write("xhost.yaml", &(yaml + &judged));
    let arguments = [url.as_str(), "--store", "s.redb"];
    let before = plan(&place, &arguments);
    let judges = further(&before, "judges");
    assert_eq!(
        judges["requests"],
        serde_json::json!({"low": 40, "expected": 40, "high": 40})
    );
    let cost = |plan: &Value, part: &str| plan["cost_live"][part].as_f64().expect("a cost");
    let own = &judges["cost_live"];
    assert!(cost(&before, "expected") > own["expected"].as_f64().expect("a cost"));
    let text = place.xhost().arg("plan").args(arguments).output();
    let text = String::from_utf8(text.expect("xhost starts").stdout).expect("text");
    assert!(
        text.contains("judges       about 40 (40 … 40) requests to demo at sim"),
        "{text}"
    );
    place
        .run(&[&url, "--store", "s.redb", "--out", "out"])
        // The simulator's made-up verdicts are none.
        .expect(3)
        .says(&["about 40 of judges"]);
    assert_eq!(simulator.count("calls"), 80);
    let summary = place.json("out/summary.json");
    let paid = summary["totals"]["cost_usd"].as_f64().expect("a cost");
    let (low, high) = (cost(&before, "low"), cost(&before, "high"));
    assert!((low..=high).contains(&paid), "{low} … {high}: {paid}");
    // Another scorer asks about answers that are there: those are what it is estimated from.
    let after = plan(&place, &arguments);
    assert_eq!(after["further"], serde_json::json!([]));
    let again = plan(
        &place,
        &[
            &url,
            "--store",
            "s.redb",
            "models.judge.sampling.max_tokens=33",
        ],
    );
    assert_eq!(again["missing"], 0);
    assert_eq!(further(&again, "judges")["requests"]["expected"], 40);
}

#[test]
fn later_turns_are_at_least_what_made_up_answers_lead_to() {
    let place = place(20);
    let example = crate::support::repository().join("examples/prompt-rust");
    let component = example.join("second-thoughts.wasm");
    std::fs::copy(component, place.path("second-thoughts.wasm")).expect("copied");
    let yaml = place.read("xhost.yaml").replace(
        "prompt: '{{ input }}'",
        "prompt: {plugin: second-thoughts, params: {rounds: 2}}",
    );
    place.write("xhost.yaml", &yaml);
    let arguments = [
        "--plugin",
        "second-thoughts.wasm",
        "model.base_url=http://127.0.0.1:9/v1",
    ];
    let ahead = plan(&place, &arguments);
    assert_eq!(ahead["missing"], 20);
    assert_eq!(further(&ahead, "later-turns")["requests"]["low"], 40);
    let text = place.xhost().arg("plan").args(arguments).output();
    let text = String::from_utf8(text.expect("xhost starts").stdout).expect("text");
    assert!(text.contains("later turns  at least 40 requests"), "{text}");
}

#[test]
fn each_config_knows_what_it_cost_and_together_they_cost_what_the_run_did() {
    let place = place(30);
    let simulator = Simulator::start(&[]);
    let url = base_url(&simulator);
    place.write(
        "data-home/xhost/prices.json",
        r#"{"sim/demo": {"input_cost_per_token": 0.001, "output_cost_per_token": 0.01},
            "sim/dear": {"input_cost_per_token": 0.01, "output_cost_per_token": 0.1}}"#,
    );
    let run = |models: &str| {
        let models = format!("model.name={models}");
        place
            .run(&[&url, &models, "--store", "s.redb", "--out", "out"])
            .expect(0)
    };
    let costs = || -> Vec<Option<f64>> {
        let summary = place.json("out/summary.json");
        let configs = summary["configs"].as_array().expect("configs");
        let all = configs.iter().chain([&summary["totals"]]);
        all.map(|one| one["cost_usd"].as_f64()).collect()
    };
    let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
    let ran = run("demo,dear");
    let [Some(demo), Some(dear), Some(all)] = costs()[..] else {
        panic!("{:?}", costs())
    };
    assert!(demo > 0.0 && dear > 5.0 * demo, "{demo} {dear}");
    assert!(close(demo + dear, all), "{demo} {dear} {all}");
    assert!(
        ran.stdout().contains(&format!("${dear:.2}")),
        "{}",
        ran.stdout()
    );
    let status = place.xhost().args(["status", "out"]).output();
    let status = String::from_utf8(status.expect("xhost starts").stdout).expect("text");
    assert!(
        status.contains(&format!(
            "  model.name=dear  30 of 30, 0 failed, ${dear:.2}"
        )),
        "{status}"
    );
    // The same run again asks nobody, and has cost what it did.
    run("demo,dear");
    assert_eq!(costs(), [Some(demo), Some(dear), Some(all)]);
    // In another run, what the store had costs nothing, and what has no price is not nothing.
    let ran = run("demo,other");
    assert_eq!(costs(), [Some(0.0), None, None]);
    assert!(ran.stdout().contains("unknown"), "{}", ran.stdout());
}

#[test]
fn a_run_stops_at_its_budget_with_a_code_of_its_own_and_a_larger_one_goes_on() {
    let place = place(60);
    let simulator = Simulator::start(&[]);
    let url = base_url(&simulator);
    let run = |more: &[&str]| {
        place.run(&[&[url.as_str(), "--store", "s.redb", "--out", "out"], more].concat())
    };
    run(&["--budget", "3usd"])
        .expect(9)
        .says(&["the budget of $3.00 is used up", "a larger budget goes on"]);
    let first = place.json("out/summary.json");
    let spent = first["totals"]["cost_usd"].as_f64().expect("a cost");
    assert!(spent > 0.5 && spent <= 3.0, "{spent}");
    assert_eq!(first["complete"], false);
    let calls = simulator.count("calls");
    assert!(calls < 60, "{calls}");
    // The same budget is used up still: what the first process spent counts.
    run(&["--budget", "3usd"]).expect(9);
    assert!(
        place.json("out/summary.json")["totals"]["cost_usd"]
            .as_f64()
            .expect("a cost")
            <= 3.0
    );
    run(&["--budget", "1000usd"]).expect(0);
    let last = place.json("out/summary.json");
    assert_eq!(last["complete"], true);
    assert!(last["totals"]["cost_usd"].as_f64().expect("a cost") > spent);
    assert_eq!(simulator.count("calls"), 60, "nothing was paid twice");
    run(&["--max-tokens-total", "200"]).expect(0);
}

#[test]
fn a_budget_for_tokens_can_stand_in_the_experiment() {
    let place = place(60);
    let simulator = Simulator::start(&[]);
    let url = base_url(&simulator);
    let arguments = [
        url.as_str(),
        "limits.max_tokens_total=1000",
        "--store",
        "s.redb",
        "--out",
        "out",
    ];
    place.run(&arguments).expect(9).says(&["1000 tokens"]);
    let tokens = &place.json("out/summary.json")["totals"]["tokens"];
    let sum =
        tokens["input"].as_u64().expect("a number") + tokens["output"].as_u64().expect("a number");
    assert!(sum > 0 && sum <= 1_000, "{sum}");
}

#[test]
fn a_budget_for_a_model_without_a_price_is_an_error_before_anything_is_asked() {
    let place = place(3);
    let simulator = Simulator::start(&[]);
    let url = base_url(&simulator);
    place
        .run(&[
            &url,
            "model.name=other",
            "--budget",
            "3usd",
            "--store",
            "s.redb",
        ])
        .expect(2)
        .says(&[
            "the price of `other` at sim is not known",
            "xhost prices update FILE",
            "--max-tokens-total",
        ]);
    assert_eq!(simulator.count("calls"), 0);
    // Without a budget, its cost is unknown, and not nothing.
    let ran = place
        .run(&[
            &url,
            "model.name=other",
            "--store",
            "s.redb",
            "--out",
            "out",
        ])
        .expect(0);
    assert!(ran.stdout().contains("cost unknown"), "{}", ran.stdout());
    assert_eq!(
        place.json("out/summary.json")["totals"]["cost_usd"],
        Value::Null
    );
}

#[test]
fn a_run_ends_when_the_answer_is_known_and_at_the_same_trial_whatever_came_first() {
    let place = place(600);
    let simulator = Simulator::start(&["--latency-ms", "1"]);
    let url = base_url(&simulator);
    let mut ends = Vec::new();
    for (out, concurrency) in [("one", "1"), ("many", "50"), ("again", "7")] {
        let store = format!("{out}.redb");
        let arguments = [
            &url,
            "--until",
            "accuracy +- 0.1",
            "--concurrency",
            concurrency,
            "--store",
            &store,
            "--out",
            out,
        ];
        place.run(&arguments).expect(0);
        let summary = place.json(&format!("{out}/summary.json"));
        assert_eq!(summary["until"]["reached"], true);
        assert_eq!(summary["complete"], true);
        // Each has paid for its own answers, whose ids differ.
        let trials = place.lines(&format!("{out}/trials.jsonl"));
        let told = trials
            .iter()
            .map(|trial| (trial["sample"].clone(), trial["scores"][0]["value"].clone()));
        ends.push(told.collect::<Vec<_>>());
    }
    let lines = ends[0].len();
    assert!((20..600).contains(&lines), "{lines}");
    assert!(ends.iter().all(|end| *end == ends[0]));
    // Without the end, the same command goes on.
    place
        .run(&[&url, "--store", "many.redb", "--out", "many"])
        .expect(0);
    assert_eq!(place.lines("many/trials.jsonl").len(), 600);
    // The order of rows must say nothing of them.
    let plain = place.read("xhost.yaml").replace(", shuffle: {seed: 3}", "");
    place.write("xhost.yaml", &plain);
    place
        .run(&[&url, "--until", "accuracy ± 0.1", "--out", "x"])
        .expect(2)
        .says(&["dataset.shuffle"]);
}

#[test]
fn a_run_that_does_not_fit_into_memory_is_refused_with_what_to_lower() {
    let place = place(3);
    let simulator = Simulator::start(&[]);
    let url = base_url(&simulator);
    place
        .run(&[
            &url,
            "--concurrency",
            "1000",
            "--max-memory",
            "100MiB",
            "--store",
            "s.redb",
        ])
        .expect(8)
        .says(&["`--max-memory` of 100 MiB", "lower `limits.concurrency` to"]);
    assert_eq!(simulator.count("calls"), 0);
    place
        .run(&[
            &url,
            "--concurrency",
            "20",
            "--max-memory",
            "100MiB",
            "--store",
            "s.redb",
        ])
        .expect(0);
}

#[test]
fn doctor_reads_this_machine_and_reaches_providers_only_when_asked() {
    let place = place(3);
    let simulator = Simulator::start(&[]);
    let url = base_url(&simulator);
    let doctor = |more: &[&str]| {
        let output = place
            .xhost()
            .args(["doctor", "--json", &url])
            .args(more)
            .output()
            .expect("xhost starts");
        let code = output.status.code();
        assert!(
            matches!(code, Some(0 | 8)),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let bad = report["checks"]
            .as_array()
            .expect("checks")
            .iter()
            .any(|check| check["verdict"] == "bad");
        assert_eq!(code == Some(8), bad, "the code follows the verdicts");
        report
    };
    let report = doctor(&[]);
    assert!(
        report["machine"]["memory"]["limit"]
            .as_u64()
            .expect("a limit")
            > 0
    );
    assert_eq!(report["experiments"][0]["missing"], 3);
    assert_eq!(report["reached"], Value::Array(Vec::new()));
    let report = doctor(&["--reach"]);
    assert_eq!(
        report["reached"][0]["failure"],
        Value::Null,
        "any answer will do"
    );
    drop(simulator);
    let report = doctor(&["--reach"]);
    assert!(report["reached"][0]["failure"].is_string());
}

#[test]
fn the_status_of_a_run_says_how_far_it_is_and_what_it_has_cost() {
    let place = place(300);
    let simulator = Simulator::start(&["--latency-ms", "100"]);
    let url = base_url(&simulator);
    let arguments = ["run", "--out", "out", "--store", "s.redb", &url];
    let status = |more: &[&str]| {
        let output = place.xhost().args(["status", "out"]).args(more).output();
        let output = output.expect("xhost starts");
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let json = || {
        let text = status(&["--json"])?;
        let value: Value = serde_json::from_str(&text).expect("JSON");
        Some(value["out"].clone())
    };
    let mut run = place.xhost();
    run.args(arguments)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut running = run.spawn().expect("xhost starts");
    let seen = std::iter::repeat_with(json)
        .flatten()
        .find(|seen| seen["cost_usd"].as_f64().is_some_and(|cost| cost > 0.0))
        .expect("it goes on until then");
    assert_eq!(
        (&seen["state"], &seen["alive"]),
        (&"running".into(), &true.into())
    );
    assert_eq!(seen["trials"], 300);
    running.kill().expect("it is killed");
    running.wait().expect("it is gone");
    let told = status(&[]).expect("a status");
    assert!(told.contains("its process is gone"), "{told}");
    place.run(&arguments[1..]).expect(0);
    let (seen, summary) = (json().expect("a status"), place.json("out/summary.json"));
    assert_eq!(
        (&seen["state"], &seen["done"]),
        (&"ended".into(), &300.into())
    );
    assert_eq!(seen["cost_usd"], summary["totals"]["cost_usd"]);
    let told = status(&["--watch"]).expect("it returns, as nothing is on its way");
    assert!(told.contains("ended; 300 of 300 trials"), "{told}");
}
