//! What a person reads who did something wrong: each error says what to edit, ends with its own code, and loses nothing.

use crate::support::{Place, Simulator};

const EXPERIMENT: &str = "\
name: small
dataset: {path: rows.jsonl}
prompt: '{{ input }}'
model: {provider: openai, name: demo, sampling: {max_tokens: 64}}
scorers: [includes]
";

const ROWS: &str = "{\"id\": \"a\", \"input\": \"Say one.\", \"target\": \"one\"}\n{\"id\": \"b\", \"input\": \"Say two.\", \"target\": \"two\"}\n";

fn place(experiment: &str) -> Place {
    let place = Place::new();
    place.write("xhost.yaml", experiment);
    place.write("rows.jsonl", ROWS);
    place
}

/// Runs an experiment that is wrong: the code, and words that the error must hold.
#[track_caller]
fn check(experiment: &str, arguments: &[&str], code: i32, words: &[&str]) {
    let arguments = [&["--store", "store.redb", "--out", "out"], arguments].concat();
    place(experiment).run(&arguments).expect(code).says(words);
}

#[test]
fn what_is_wrong_in_the_experiment_file_is_named_with_line_and_column() {
    check(
        &EXPERIMENT.replace("prompt:", "promt:"),
        &[],
        2,
        &["xhost.yaml:3:1", "promt", "prompt"],
    );
    check(
        &EXPERIMENT.replace("sampling:", "samplin:"),
        &[],
        2,
        &["xhost.yaml:4:", "samplin", "sampling"],
    );
    check(
        &EXPERIMENT.replace("name: small", "name: [small"),
        &[],
        2,
        &["xhost.yaml:"],
    );
    check(
        &EXPERIMENT.replace("max_tokens: 64", "max_tokens: many"),
        &[],
        2,
        &["xhost.yaml:4:", "many"],
    );
}

#[test]
fn a_missing_file_is_named() {
    check(EXPERIMENT, &["other.yaml"], 2, &["other.yaml"]);
    check(
        &EXPERIMENT.replace("rows.jsonl", "rows2.jsonl"),
        &[],
        2,
        &["rows2.jsonl"],
    );
    check(
        EXPERIMENT,
        &["--plugin", "absent.wasm"],
        2,
        &["absent.wasm"],
    );
    let place = Place::new();
    place.run(&[]).expect(2).says(&["xhost.yaml", "--dataset"]);
}

#[test]
fn a_field_that_the_rows_do_not_have_is_named_before_anything_is_sent() {
    check(
        &EXPERIMENT.replace("{{ input }}", "{{ qestion }}"),
        &[],
        2,
        &["qestion", "input", "sample `a`"],
    );
    let mapped = EXPERIMENT.replace(
        "{path: rows.jsonl}",
        "{path: rows.jsonl, fields: {input: question}}",
    );
    check(&mapped, &[], 2, &["question", "rows.jsonl"]);
}

#[test]
fn a_plugin_that_is_none_or_of_the_wrong_kind_is_told_apart() {
    check(
        &EXPERIMENT.replace("[includes]", "[inclueds]"),
        &[],
        2,
        &["inclueds", "includes"],
    );
    check(
        &EXPERIMENT.replace("[includes]", "[openai]"),
        &[],
        2,
        &["openai", "provider", "scorer"],
    );
    let place = place(EXPERIMENT);
    place.write("text.wasm", "not wasm at all");
    place
        .run(&["--plugin", "text.wasm"])
        .expect(2)
        .says(&["text", "component"]);
}

#[test]
fn parameters_that_a_plugin_refuses_are_found_before_anything_is_sent() {
    let wrong = EXPERIMENT.replace(
        "[includes]",
        "[{plugin: includes, params: {ignore_cse: true}}]",
    );
    check(&wrong, &[], 2, &["includes", "ignore_cse"]);
    check(
        &EXPERIMENT.replace("{{ input }}", "{{ input "),
        &[],
        2,
        &["template"],
    );
}

#[test]
fn a_missing_credential_names_its_variable() {
    check(EXPERIMENT, &[], 4, &["OPENAI_API_KEY", "--rehearse"]);
}

#[test]
fn a_server_that_is_not_there_ends_the_run_and_keeps_what_is_known() {
    let unreachable = "model.base_url=http://127.0.0.1:9/v1";
    check(
        EXPERIMENT,
        &[unreachable],
        6,
        &["127.0.0.1:9", "model.base_url"],
    );
}

#[test]
fn a_refused_credential_says_where_it_came_from() {
    let place = place(EXPERIMENT);
    let simulator = Simulator::start(&["--key", "right"]);
    let base_url = format!("model.base_url={}", simulator.base_url());
    let mut command = place.xhost();
    command.env("MY_KEY", "sk-wrong-and-secret");
    let output = command
        .args([
            "run",
            &base_url,
            "model.key_variable=MY_KEY",
            "--store",
            "s.redb",
        ])
        .output();
    let output = output.expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(
        text.contains("MY_KEY") && !text.contains("sk-wrong-and-secret"),
        "{text}"
    );
}

#[test]
fn a_store_that_another_process_holds_is_named_with_its_holder() {
    let place = place(EXPERIMENT);
    let simulator = Simulator::start(&["--latency-ms", "60000"]);
    let base_url = format!("model.base_url={}", simulator.base_url());
    let mut holder = place
        .xhost()
        .args(["run", &base_url, "--store", "s.redb", "--quiet"])
        .spawn()
        .expect("it starts");
    while simulator.count("calls") == 0 {
        std::thread::yield_now();
    }
    let holder_id = holder.id().to_string();
    let ran = place.run(&["--store", "s.redb", "--out", "other", &base_url]);
    holder.kill().expect("it can be killed");
    holder.wait().expect("it ends");
    ran.expect(7)
        .says(&["s.redb", "in use", &holder_id, "--store"]);
}

#[test]
fn a_lock_left_by_a_killed_process_needs_nobody() {
    let place = place(EXPERIMENT);
    let simulator = Simulator::start(&["--latency-ms", "60000"]);
    let base_url = format!("model.base_url={}", simulator.base_url());
    let mut holder = place
        .xhost()
        .args(["run", &base_url, "--store", "s.redb", "--quiet"])
        .spawn()
        .expect("it starts");
    while simulator.count("calls") == 0 {
        std::thread::yield_now();
    }
    holder.kill().expect("it can be killed");
    holder.wait().expect("it ends");
    place.run(&["--store", "s.redb", "--rehearse"]).expect(0);
}

/// Numbers that a seed decides (Knuth's MMIX generator).
fn numbers(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state ^ (state >> 29)
    }
}

#[test]
fn a_full_disk_stops_the_run_and_the_answers_in_flight_are_taken_in_later() {
    let place = place(EXPERIMENT);
    // Questions that do not compress, each asked often: the store, which keeps every request, outgrows all other files.
    let mut noise = numbers(1);
    let rows: String = (0..20)
        .map(|id| {
            let words: String = (0..256).map(|_| format!("{:016x}", noise())).collect();
            format!("{{\"id\": \"{id}\", \"input\": \"{words}\", \"target\": \"x\"}}\n")
        })
        .collect();
    place.write("rows.jsonl", &rows);
    let simulator = Simulator::start(&[]);
    let base_url = format!("model.base_url={}", simulator.base_url());
    // No file may grow past this: for the store that is what a full disk is. A spill file is smaller.
    let limited = format!(
        "ulimit -f 450; exec {} run {base_url} epochs=20 --concurrency 20 --store s.redb --out out --quiet",
        env!("CARGO_BIN_EXE_xhost")
    );
    let mut command = place.xhost();
    let environment: Vec<_> = command
        .get_envs()
        .map(|(key, value)| (key.to_owned(), value.map(ToOwned::to_owned)))
        .collect();
    command = std::process::Command::new("bash");
    for (key, value) in environment {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    // Without a handler the signal for too large a file would end the process before the error can be told.
    let limited = format!("trap '' XFSZ; {limited}");
    let output = command
        .current_dir(place.path("."))
        .args(["-c", &limited])
        .output()
        .expect("bash runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{text}");
    assert!(
        text.contains("s.redb") && text.contains("free some space"),
        "{text}"
    );
    let paid = simulator.count("answered");
    place
        .run(&["epochs=20", "--store", "s.redb", "--out", "out", &base_url])
        .expect(0)
        .says(&["took in"]);
    assert_eq!(
        simulator.count("answered"),
        400,
        "nothing of the {paid} answers was paid for twice"
    );
}
