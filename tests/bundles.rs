//! Runs carried away in one file and made again: offline, from nothing else, to the same bytes.

use crate::support::{Place, Simulator, repository, shared_data};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const EXPERIMENT: &str = "\
name: small
dataset: {path: rows.jsonl}
prompt: '{{ input }}'
model: {provider: openai, name: demo, sampling: {max_tokens: 64, temperature: 0.1}}
scorers: [includes]
sweep: {model.name: [demo, other]}
";

fn place(rows: usize) -> Place {
    let place = Place::new();
    place.write("xhost.yaml", EXPERIMENT);
    let rows: String = (0..rows)
        .map(|id| format!("{{\"id\": \"r{id}\", \"input\": \"Question {id}?\", \"target\": \"Question 1?\"}}\n"))
        .collect();
    place.write("rows.jsonl", &rows);
    place
}

/// Runs the small experiment into `out`, with `s.redb`.
fn run(place: &Place, simulator: &Simulator, more: &[&str], code: i32) {
    let base_url = format!("model.base_url={}", simulator.base_url());
    let arguments = [base_url.as_str(), "--store", "s.redb", "--out", "out"];
    place
        .run(&[arguments.as_slice(), more].concat())
        .expect(code);
}

#[track_caller]
fn xhost(place: &Place, arguments: &[&str], code: i32) -> (String, String) {
    let output = place
        .xhost()
        .args(arguments)
        .output()
        .expect("xhost starts");
    ended(&output, code)
}

#[track_caller]
fn ended(output: &Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(
        output.status.code(),
        Some(code),
        "stdout:\n{stdout}\nstderr:\n{stderr}"
    );
    (stdout, stderr)
}

fn bytes(place: &Place, name: &str) -> Vec<u8> {
    std::fs::read(place.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The summary without what differs from run to run.
fn figures(place: &Place, name: &str) -> Value {
    let mut summary = place.json(name);
    let summary = summary.as_object_mut().expect("an object");
    summary.remove("totals");
    for config in summary["configs"].as_array_mut().expect("configs") {
        let config = config.as_object_mut().expect("an object");
        config.retain(|key, _| !["hits", "shared", "calls", "cost_usd"].contains(&key.as_str()));
    }
    Value::Object(summary.clone())
}

/// The program in an empty network namespace, where the kernel allows one.
fn without_network(home: &Path) -> Command {
    let program = env!("CARGO_BIN_EXE_xhost");
    let isolated = Command::new("unshare").args(["-rn", "true"]).output();
    let mut command = if isolated.is_ok_and(|output| output.status.success()) {
        let mut command = Command::new("unshare");
        command.args(["-rn", program]);
        command
    } else {
        eprintln!("NOT RUN: `unshare -rn`; the replay runs with the machine's network in reach");
        Command::new(program)
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", path)
        .current_dir(home);
    command
}

#[test]
fn a_run_over_gsm8k_is_replayed_from_its_bundle_in_an_empty_folder_without_a_network() {
    let place = Place::new();
    let (Some(test), Some(replies)) = (
        shared_data("gsm8k/test.jsonl"),
        shared_data("gsm8k/replies.jsonl"),
    ) else {
        return;
    };
    let simulator = Simulator::start(&["--replies", replies.to_str().expect("a path in UTF-8")]);
    let experiment = format!(
        "name: gsm8k
dataset: {{path: {}, fields: {{input: question, target: target}}}}
prompt: '{{{{ question }}}}'
model: {{provider: openai, name: 6b_finetuning, base_url: '{}', sampling: {{max_tokens: 512, temperature: 0}}}}
scorers: [numeric]
sweep: {{model.name: [6b_finetuning, 175b_finetuning]}}
limits: {{concurrency: 100}}
",
        test.display(),
        simulator.base_url()
    );
    place.write("gsm8k.yaml", &experiment);
    place
        .run(&["gsm8k.yaml", "--out", "out", "--store", "s.redb"])
        .expect(0);
    xhost(
        &place,
        &["export", "out", "--store", "s.redb", "-o", "run.xhb"],
        0,
    );
    drop(simulator);

    let empty = Place::new();
    std::fs::copy(place.path("run.xhb"), empty.path("run.xhb")).expect("it is moved");
    let home = empty
        .path("run.xhb")
        .parent()
        .expect("a folder")
        .to_path_buf();
    let replayed = without_network(&home)
        .args(["replay", "run.xhb", "--out", "replayed"])
        .output();
    let (stdout, _) = ended(&replayed.expect("xhost starts"), 0);
    let run_digest = place.json("out/summary.json")["run_digest"].clone();
    assert_eq!(
        stdout
            .matches(run_digest.as_str().expect("a digest"))
            .count(),
        2,
        "{stdout}"
    );
    for file in ["trials.jsonl", "run.json"] {
        let (before, after) = (
            bytes(&place, &format!("out/{file}")),
            bytes(&empty, &format!("replayed/{file}")),
        );
        assert!(before == after, "{file} is the same to the byte");
    }
    assert_eq!(
        figures(&empty, "replayed/summary.json"),
        figures(&place, "out/summary.json")
    );
    assert_eq!(empty.json("replayed/summary.json")["totals"]["calls"], 0);
}

#[test]
fn a_bundle_that_was_taken_in_makes_every_request_a_hit_and_is_exported_again_as_the_same_bytes() {
    let (first, second) = (place(4), place(4));
    let simulator = Simulator::start(&[]);
    run(&first, &simulator, &[], 0);
    xhost(
        &first,
        &["export", "out", "--store", "s.redb", "-o", "run.xhb"],
        0,
    );
    let calls = simulator.count("calls");
    // Another history: the store has answers to other requests already.
    run(&second, &simulator, &["prompt=Other {{ input }}"], 0);
    let more = simulator.count("calls");
    assert!(more > calls);

    std::fs::copy(first.path("run.xhb"), second.path("run.xhb")).expect("it is moved");
    let import = [
        "import", "run.xhb", "--store", "s.redb", "--out", "restored", "--json",
    ];
    let (stdout, _) = xhost(&second, &import, 0);
    let told: Value = serde_json::from_str(&stdout).expect("it is JSON");
    assert_eq!(told["answers"]["stored"], 8);
    run(&second, &simulator, &[], 0);
    assert_eq!(simulator.count("calls"), more, "nothing was asked");
    assert!(bytes(&second, "out/trials.jsonl") == bytes(&first, "out/trials.jsonl"));

    xhost(
        &second,
        &["export", "restored", "--store", "s.redb", "-o", "again.xhb"],
        0,
    );
    assert!(bytes(&second, "again.xhb") == bytes(&first, "run.xhb"));
    xhost(&second, &["replay", "restored", "--store", "s.redb"], 0);
    let digest = told["digest"].as_str().expect("a digest");
    xhost(
        &second,
        &["import", "run.xhb", "--store", "s.redb", "--expect", digest],
        0,
    );
    let wrong = format!("sha256:{}", "0".repeat(64));
    let (_, stderr) = xhost(
        &second,
        &[
            "import", "run.xhb", "--store", "new.redb", "--expect", &wrong,
        ],
        12,
    );
    assert!(stderr.contains("was expected"), "{stderr}");
    assert!(
        !second.path("new.redb").exists(),
        "what is refused leaves no store"
    );
}

#[test]
fn a_missing_answer_is_named_with_its_trial_and_what_was_changed_with_its_field() {
    let place = place(3);
    let simulator = Simulator::start(&[]);
    run(&place, &simulator, &[], 0);
    xhost(
        &place,
        &["replay", "out", "--store", "s.redb", "--verify"],
        0,
    );

    // A store that has the plugins and the rows, and no answer.
    let other = [
        "prompt=Other {{ input }}",
        "--store",
        "other.redb",
        "--out",
        "other",
    ];
    let base_url = format!("model.base_url={}", simulator.base_url());
    place
        .run(&[&[base_url.as_str()], other.as_slice()].concat())
        .expect(0);
    let (_, stderr) = xhost(&place, &["replay", "out", "--store", "other.redb"], 10);
    let first = &place.lines("out/trials.jsonl");
    let named = first.iter().any(|trial| {
        let digest = trial["requests"][0]["digest"].as_str().expect("a digest");
        let sample = format!("sample `{}`", trial["sample"].as_str().expect("a sample"));
        stderr.contains(digest) && stderr.contains(&sample)
    });
    assert!(named, "{stderr}");

    let trials = place.read("out/trials.jsonl");
    let changed = trials.replacen("\"value\":false", "\"value\":true", 1);
    assert_ne!(trials, changed);
    place.write("out/trials.jsonl", &changed);
    let (stdout, _) = xhost(&place, &["replay", "out", "--store", "s.redb"], 11);
    assert!(
        stdout.contains("sample `r0`") && stdout.contains("/scores/0/value: true became false"),
        "{stdout}"
    );
    let (_, stderr) = xhost(
        &place,
        &["export", "out", "--store", "s.redb", "-o", "b.xhb"],
        11,
    );
    assert!(stderr.contains("was changed"), "{stderr}");
    assert!(!place.path("b.xhb").exists());
}

#[test]
fn trials_that_failed_outside_fail_in_the_same_words_when_they_are_replayed() {
    let place = place(12);
    let simulator = Simulator::start(&["--fail", "0.5", "--seed", "3"]);
    run(&place, &simulator, &["limits.retries=0"], 3);
    xhost(
        &place,
        &["export", "out", "--store", "s.redb", "-o", "run.xhb"],
        0,
    );
    drop(simulator);
    let failed = place
        .lines("out/trials.jsonl")
        .iter()
        .filter(|trial| !trial["failure"].is_null())
        .count();
    assert!(failed > 0 && failed < 24, "{failed} of 24 failed");
    xhost(&place, &["replay", "run.xhb", "--out", "replayed"], 0);
    assert!(bytes(&place, "replayed/trials.jsonl") == bytes(&place, "out/trials.jsonl"));
}

#[test]
fn another_scorer_judges_the_recorded_answers_and_what_changed_is_shown() {
    let place = place(3);
    let simulator = Simulator::start(&[]);
    run(&place, &simulator, &[], 0);
    drop(simulator);
    let scorer = repository().join("plugins/prebuilt/exact.wasm");
    let scorer = scorer.to_str().expect("a path in UTF-8");
    let arguments = [
        "replay",
        "out",
        "--store",
        "s.redb",
        "--with-plugin",
        scorer,
        "--json",
    ];
    let (stdout, _) = xhost(&place, &arguments, 0);
    let lines: Vec<Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let (last, changed) = lines.split_last().expect("something is told");
    assert_eq!(last["event"], "replay");
    assert_eq!(last["changed"], changed.len());
    assert!(!changed.is_empty());
    assert_eq!(last["before"][0]["scorers"][0]["scorer"], "includes");
    let (stdout, _) = xhost(&place, &arguments[..6], 0);
    assert!(stdout.contains("of 6 trials changed"), "{stdout}");
    let (_, stderr) = xhost(&place, &[&arguments[..6], &["--as", "none"]].concat(), 2);
    assert!(stderr.contains("--as LABEL"), "{stderr}");
}

#[test]
fn a_run_that_holds_a_live_credential_is_not_exported_and_the_place_is_named() {
    let place = place(2);
    place.write(
        "rows.jsonl",
        "{\"id\": \"a\", \"input\": \"my key is value-of-a-key\", \"target\": \"x\"}\n",
    );
    let simulator = Simulator::start(&[]);
    run(&place, &simulator, &[], 0);
    let output = place
        .xhost()
        .env("SOME_SERVICE_TOKEN", "value-of-a-key")
        .args(["export", "out", "--store", "s.redb", "-o", "b.xhb"])
        .output()
        .expect("xhost starts");
    let (_, stderr) = ended(&output, 12);
    assert!(stderr.contains("SOME_SERVICE_TOKEN"), "{stderr}");
    assert!(
        stderr.contains("of the dataset") || stderr.contains("trials.jsonl"),
        "{stderr}"
    );
    assert!(!stderr.contains("value-of-a-key"), "{stderr}");
    assert!(!place.path("b.xhb").exists());
}

#[test]
fn a_bundle_is_a_tar_that_other_tools_read() {
    let place = place(2);
    let simulator = Simulator::start(&[]);
    run(&place, &simulator, &[], 0);
    xhost(
        &place,
        &["export", "out", "--store", "s.redb", "-o", "run.xhb"],
        0,
    );
    std::fs::create_dir(place.path("unpacked")).expect("a folder");
    let archive = place.path("run.xhb");
    let output = Command::new("tar")
        .arg("xf")
        .arg(&archive)
        .arg("-C")
        .arg(place.path("unpacked"))
        .output();
    ended(&output.expect("tar starts"), 0);
    let index = place.json("unpacked/index.json");
    let blob = |described: &Value| {
        let digest = described["digest"].as_str().expect("a digest");
        format!("unpacked/blobs/{}", digest.replace(':', "/"))
    };
    let manifest = place.json(&blob(&index["manifests"][0]));
    assert_eq!(manifest["artifactType"], "application/vnd.xhost.bundle.v1");
    let layers = manifest["layers"].as_array().expect("layers");
    let responses = layers.last().expect("a layer");
    assert_eq!(
        responses["annotations"]["org.opencontainers.image.title"],
        "responses-00000.jsonl.zst"
    );
    let packed = bytes(&place, &blob(responses));
    assert_eq!(
        packed.len() as u64,
        responses["size"].as_u64().expect("a size")
    );
    assert!(packed.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]), "zstd");
}

#[test]
fn a_miss_is_explained_by_the_nearest_stored_request_and_the_fields_that_differ() {
    let place = place(2);
    let simulator = Simulator::start(&[]);
    let experiment = EXPERIMENT.replace(
        "name: demo,",
        &format!("name: demo, base_url: '{}',", simulator.base_url()),
    );
    place.write("xhost.yaml", &experiment);
    place.run(&["--store", "s.redb", "--out", "out"]).expect(0);
    let calls = simulator.count("calls");
    let why = |trial: &str, more: &[&str]| {
        let arguments = ["cache", "why", trial, "--store", "s.redb"];
        xhost(&place, &[arguments.as_slice(), more].concat(), 0).0
    };
    assert_eq!(
        why("xhost.yaml:r1", &[])
            .matches("the store has all 1 answers")
            .count(),
        2
    );
    assert!(why("out:r1", &["--config", "model.name=other"]).contains("\"other\""));

    let changed = experiment.replace("temperature: 0.1", "temperature: 0.5");
    place.write(
        "changed.yaml",
        &format!("{changed}salt: again\nepochs: 2\n"),
    );
    let told = why("changed.yaml:r1:2", &["--config", "model.name=demo"]);
    for words in [
        "the nearest of 4 stored requests",
        "/body/temperature: 0.1 became 0.5",
        "/draw/epoch: 1 became 2",
        "/salt: \"\" became \"again\"",
    ] {
        assert!(told.contains(words), "{words} is not in: {told}");
    }
    let json: Value = serde_json::from_str(&why(
        "changed.yaml:r1",
        &["--config", "model.name=demo", "--json"],
    ))
    .expect("it is JSON");
    assert_eq!(json["store"], "miss");
    let digest = json["nearest"]["digest"].as_str().expect("a digest");
    assert!(why(digest, &[]).contains("has an answer in the store"));
    assert!(why(&"0".repeat(64), &[]).contains("no answer"));
    assert_eq!(simulator.count("calls"), calls, "nobody was asked");
    let (_, stderr) = xhost(
        &place,
        &["cache", "why", "xhost.yaml:nobody", "--store", "s.redb"],
        2,
    );
    assert!(stderr.contains("`nobody`"), "{stderr}");
}
