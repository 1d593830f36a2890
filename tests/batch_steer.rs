//! What a user does about batches: leave, look, go on, cancel, adopt, and pay within a budget.

use crate::batch::{DIALECTS, RUN, experiment, place};
use crate::guests::component;
use crate::support::{Place, Ran, Simulator};
use serde_json::{Value, json};

/// What a command says, and its code.
#[track_caller]
fn xhost(place: &Place, arguments: &[&str], code: i32) -> String {
    let ran = Ran::of(place.xhost().args(arguments)).expect(code);
    ran.stdout() + &ran.stderr()
}

#[test]
fn a_detached_run_is_shown_resumed_and_adopted_on_a_new_machine() {
    let place = place(12);
    let simulator = Simulator::start(&["--batch-delay-ms", "3000"]);
    experiment(&place, &simulator, DIALECTS[0], "");
    place
        .run(&[&RUN[..], &["--detach"]].concat())
        .expect(0)
        .says(&["12 trials wait for their batches"]);
    assert_eq!(simulator.count("charged"), 0);
    let xhost = |arguments: &[&str]| xhost(&place, arguments, 0);
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
}

/// A server whose batches have prices: a tenth of a cent for a token in, a cent for one out; live, ten times as much.
fn priced(place: &Place, simulator: &Simulator, more: &str) {
    experiment(place, simulator, DIALECTS[0], more);
    let yaml = place
        .read("xhost.yaml")
        .replace("name: demo,", "name: demo, endpoint: sim,");
    place.write("xhost.yaml", &yaml);
    place.write(
        "data-home/xhost/prices.json",
        r#"{"sim/demo": {"input_cost_per_token": 0.01, "output_cost_per_token": 0.1, "input_cost_per_token_batches": 0.001,
            "output_cost_per_token_batches": 0.01, "max_output_tokens": 4096}}"#,
    );
}

/// What the trials' tokens cost in batches.
fn due(place: &Place) -> f64 {
    let tokens = |name: &str| -> u64 {
        let trials = place.lines("out/trials.jsonl");
        let each = trials.iter().map(|trial| trial["usage"][name].as_u64());
        each.map(|count| count.expect("a number")).sum()
    };
    tokens("input") as f64 * 0.001 + tokens("output") as f64 * 0.01
}

fn cost(place: &Place) -> f64 {
    let summary = place.json("out/summary.json");
    summary["totals"]["cost_usd"].as_f64().expect("a cost")
}

#[test]
fn batches_cost_what_batches_cost_and_a_run_that_is_gone_on_with_counts_them_once() {
    let place = place(12);
    let simulator = Simulator::start(&["--batch-ends", "expired,cut-stream"]);
    priced(&place, &simulator, "");
    place.run(&[&RUN[..], &["--detach"]].concat()).expect(0);
    xhost(&place, &["resume", "out"], 0);
    let due = due(&place);
    assert!(due > 1.0, "{due}");
    assert!((cost(&place) - due).abs() < 1e-9, "{} {due}", cost(&place));
    let shown: Value =
        serde_json::from_str(&xhost(&place, &["status", "out", "--json"], 0)).expect("JSON");
    let told = shown["out"]["cost_usd"].as_f64().expect("a cost");
    assert!((told - due).abs() < 1e-9, "{shown}");
    let batches = shown["out"]["batches"].as_object().expect("batches");
    let each = batches.values().map(|batch| batch["cost_usd"].as_f64());
    let sum: f64 = each.map(|cost| cost.expect("a cost")).sum();
    assert!((sum - due).abs() < 1e-9, "{shown}");
    // Every answer is there: going on costs nothing more.
    place.run(&RUN).expect(0);
    assert!((cost(&place) - due).abs() < 1e-9);
    assert!(xhost(&place, &["status", "out"], 0).contains(&format!("${due:.2} so far")));
}

#[test]
fn a_budget_holds_for_batches_and_a_larger_one_goes_on() {
    let place = place(60);
    let simulator = Simulator::start(&[]);
    priced(&place, &simulator, "");
    let short = "model.sampling.max_tokens=24";
    let run = |budget: &str| place.run(&[&RUN[..], &[short, "--budget", budget]].concat());
    // A request may cost a third of a dollar, and costs less than a tenth.
    run("1usd")
        .expect(9)
        .says(&["the budget of $1.00 is used up"]);
    let first = cost(&place);
    assert!(first > 0.5 && first <= 1.0, "{first}");
    let charged = simulator.count("charged");
    assert!(charged > 3 && charged < 60, "{charged}");
    run("1usd").expect(9);
    assert!(cost(&place) <= 1.0);
    run("1000usd").expect(0);
    let stats = simulator.stats();
    assert_eq!(
        (&stats["charged"], &stats["repeated"]),
        (&json!(60), &json!(0)),
        "{stats}"
    );
    assert!(cost(&place) > first);
}

#[test]
fn what_is_held_for_the_accounts_limit_is_told_and_going_on_submits_it() {
    for dialect in DIALECTS {
        let place = place(40);
        let simulator = Simulator::start(&[]);
        experiment(&place, &simulator, dialect, "");
        let detach = [&RUN[..], &["--enqueued-tokens", "400", "--detach"]].concat();
        place.run(&detach).expect(0).says(&[
            "40 trials wait for their batches",
            "requests are not submitted yet",
        ]);
        assert_eq!(simulator.count("batches"), 1, "what fits, and no more");
        // Each time it takes what is done and submits what fits then.
        let mut rounds = 1;
        while place.run(&detach).expect(0).stderr().contains("submitted:") {
            rounds += 1;
            assert!(rounds < 20, "it comes to an end");
        }
        assert!(rounds > 2, "{rounds}");
        assert_eq!(place.lines("out/trials.jsonl").len(), 40);
        let stats = simulator.stats();
        assert_eq!(
            (&stats["charged"], &stats["repeated"], &stats["calls"]),
            (&json!(40), &json!(0), &json!(0)),
            "{stats}"
        );
    }
}

#[test]
fn what_a_cancelled_run_had_answered_is_kept() {
    for dialect in DIALECTS {
        let untouched = place(12);
        let slow = Simulator::start(&["--batch-delay-ms", "3600000"]);
        experiment(&untouched, &slow, dialect, "");
        untouched.run(&[&RUN[..], &["--detach"]].concat()).expect(0);
        let said = xhost(&untouched, &["cancel", "out"], 0);
        assert!(
            said.contains("cancelled; 0 of 12 requests were answered"),
            "{said}"
        );
        let shown = xhost(&untouched, &["status", "out", "--watch"], 0);
        assert!(shown.contains("cancelled"), "{shown}");
        let said = xhost(&untouched, &["cancel", "out"], 0);
        assert!(
            said.contains("no batch of this run is on its way"),
            "{said}"
        );
        untouched
            .run(&[&RUN[..], &["--mode", "live"]].concat())
            .expect(0);
        assert_eq!(slow.count("charged"), 12);

        let done = place(12);
        let quick = Simulator::start(&["--batch-ends", "expired"]);
        experiment(&done, &quick, dialect, "");
        done.run(&[&RUN[..], &["--detach"]].concat()).expect(0);
        let said = xhost(&done, &["cancel", "out"], 0);
        assert!(
            said.contains("cancelled; 6 of 12 requests were answered"),
            "{said}"
        );
        done.run(&[&RUN[..], &["--mode", "live"]].concat())
            .expect(0);
        let stats = quick.stats();
        assert_eq!(
            (&stats["charged"], &stats["repeated"]),
            (&json!(12), &json!(0)),
            "{stats}"
        );
    }
}

#[test]
fn a_credential_is_needed_only_where_the_provider_is_spoken_to() {
    let place = place(12);
    let simulator = Simulator::start(&["--key", "sk-sim"]);
    experiment(&place, &simulator, DIALECTS[0], "");
    let yaml = place
        .read("xhost.yaml")
        .replace("name: demo,", "name: demo, key_variable: SIM_KEY,");
    place.write("xhost.yaml", &yaml);
    let with_key = |arguments: &[&str], code: i32| {
        let mut command = place.xhost();
        command.args(arguments).env("SIM_KEY", "sk-sim");
        Ran::of(&mut command).expect(code)
    };
    let run = [&["run"], &RUN[..], &["--detach"]].concat();
    assert!(xhost(&place, &run, 4).contains("SIM_KEY"));
    with_key(&run, 0);
    assert!(xhost(&place, &["status", "out"], 0).contains("submitted"));
    for act in ["resume", "cancel"] {
        assert!(xhost(&place, &[act, "out"], 4).contains("SIM_KEY"), "{act}");
    }
    with_key(&["resume", "out"], 0);
    assert_eq!(simulator.count("charged"), 12);
    // Now every answer is there, and nobody is spoken to.
    place.run(&RUN).expect(0);
}

#[test]
fn auto_says_in_one_line_what_it_chose_and_why() {
    let auto = [&RUN[..], &["--mode", "auto"]].concat();
    let small = place(12);
    let simulator = Simulator::start(&[]);
    experiment(&small, &simulator, DIALECTS[0], "");
    small
        .run(&auto)
        .expect(0)
        .says(&["mode auto: live, for only 12 requests"]);
    assert_eq!(simulator.count("batches"), 0);

    let large = place(1_000);
    experiment(&large, &simulator, DIALECTS[1], "");
    large
        .run(&auto)
        .expect(0)
        .says(&["mode auto: batch, for 1000 requests"]);
    assert_eq!(simulator.count("batches"), 1);
    let again = large.run(&auto).expect(0);
    assert!(!again.stderr().contains("mode auto"), "nothing is chosen");
    for place in [&large, &small] {
        place
            .run(&["--rehearse", "--mode", "auto", "--out", "rehearsal"])
            .expect(0)
            .says(&["mode auto: live, for a rehearsal waits for nobody"]);
    }
    small.run(&["--rehearse", "--out", "rehearsal"]).expect(0);
    assert_eq!(
        small.lines("rehearsal/trials.jsonl").len(),
        12,
        "a rehearsal has batches too"
    );

    let Some(provider) = component("plain-chat", "examples/provider-rust/plain-chat.wasm") else {
        return;
    };
    let provider = provider.to_str().expect("a path in UTF-8");
    let other = place(3);
    experiment(&other, &simulator, ("plain-chat", "/v1"), "");
    other
        .run(&[&auto[..], &["--plugin", provider]].concat())
        .expect(0)
        .says(&["mode auto: live, for the provider takes no batches (plain-chat)"]);
    other
        .run(&[&RUN[..], &["--plugin", provider]].concat())
        .expect(2)
        .says(&["takes no batches"]);
}

#[test]
fn going_on_takes_over_the_trials_that_stand_in_the_results_and_makes_those_that_failed() {
    let place = place(12);
    let simulator = Simulator::start(&["--batch-ends", "partly"]);
    experiment(&place, &simulator, DIALECTS[0], "");
    place.run(&RUN).expect(3);
    let failed = |place: &Place| {
        let trials = place.lines("out/trials.jsonl");
        let failed = trials.iter().filter(|trial| !trial["failure"].is_null());
        (trials.len(), failed.count())
    };
    assert_eq!(failed(&place), (12, 4));
    xhost(&place, &["resume", "out"], 0);
    assert_eq!(failed(&place), (12, 0));
    assert_eq!(simulator.count("charged"), 12);
    let (trials, summary) = (
        place.read("out/trials.jsonl"),
        place.json("out/summary.json"),
    );

    // Nobody is asked, not even the store.
    std::fs::remove_file(place.path("s.redb")).expect("it is there");
    xhost(&place, &["resume", "out"], 0);
    assert_eq!(place.read("out/trials.jsonl"), trials);
    let again = place.json("out/summary.json");
    for part in ["run_digest", "configs", "complete"] {
        let without_origins = |summary: &Value| {
            let mut part = summary[part].clone();
            if let Some(configs) = part.as_array_mut() {
                configs.iter_mut().for_each(|config| {
                    config.as_object_mut().expect("a config").remove("hits");
                    config.as_object_mut().expect("a config").remove("calls");
                });
            }
            part
        };
        assert_eq!(without_origins(&again), without_origins(&summary), "{part}");
    }
    assert_eq!(simulator.count("charged"), 12);
    assert_eq!(place.json("out/status.json")["done"], 12);

    // Results that are not what was written are made again.
    let changed = trials.replacen("\"sample\":\"r3\"", "\"sample\":\"r4\"", 1);
    assert_ne!(changed, trials);
    place.write("out/trials.jsonl", &changed);
    xhost(&place, &["resume", "out"], 0);
    assert_eq!(place.lines("out/trials.jsonl")[3]["sample"], "r3");
    assert_eq!(simulator.count("charged"), 24, "this store has no answer");
}
