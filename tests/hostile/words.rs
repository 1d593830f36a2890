//! What a guest says when it fails: all of it to its author, the ends of it in a run, and nothing that steers a terminal. A
//! Rust panic, a Python traceback and a JavaScript stack.

use crate::guests::component;
use crate::support::{Place, Ran};
use std::process::Command;

/// Runs the plugin's case under `plugin test`, then a trial; what the author reads, and the trial's failure.
fn told(place: &Place, plugin: &str, params: &str) -> (String, String) {
    place.write(
        "rows.jsonl",
        "{\"id\": \"a\", \"input\": \"?\", \"target\": \"x\"}\n",
    );
    let case = format!(
        "{{\"answer\": \"x\", \"target\": \"x\", \"params\": {params}, \"expect\": {{\"scores\": {{}}}}}}\n"
    );
    place.write("cases.jsonl", &case);
    let mut test = place.xhost();
    let test = Ran::of(test.args(["plugin", "test", plugin, "cases.jsonl"])).expect(3);
    let label = plugin.rsplit('/').next().unwrap_or(plugin);
    let label = label.split('.').next().unwrap_or(label);
    place.write(
        "xhost.yaml",
        &format!(
            "name: words\ndataset: {{path: rows.jsonl}}\nprompt: '{{{{ input }}}}'\nmodel: openai/demo\n\
             scorers: [{{plugin: {label}, params: {params}}}, includes]\n"
        ),
    );
    let arguments = ["--plugin", plugin, "--rehearse", "--out", "out"];
    place.run(&arguments).expect(3);
    let trial = place.lines("out/trials.jsonl").remove(0);
    assert_eq!(trial["scores"][0]["scorer"], "includes", "{trial}");
    let message = trial["failure"]["message"]
        .as_str()
        .expect("it failed")
        .to_owned();
    assert!(
        message.contains(&format!("scorer `{label}` (")),
        "{message}"
    );
    assert!(
        message.chars().count() < 2_200 && !message.chars().any(char::is_control),
        "{message:?}"
    );
    (test.stdout(), message)
}

#[track_caller]
fn holds(text: &str, words: &[&str]) {
    for words in words {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
}

fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output();
    let found = found.is_ok_and(|ran| ran.status.success());
    if !found {
        eprintln!("NOT RUN: there is no {tool} here; .ci/run installs it");
    }
    found
}

#[test]
fn a_panic_in_rust_is_whole_for_its_author_and_its_ends_are_in_a_run() {
    let Some(hostile) = component("hostile", "tests/guests/prebuilt/hostile.wasm") else {
        return;
    };
    let place = Place::new();
    let plugin = hostile.to_str().expect("UTF-8");
    let (author, run) = told(&place, plugin, "{\"attack\": \"panic-at-length\"}");
    holds(
        &author,
        &[
            "the guest panics at length",
            "src/end.rs:",
            "reason 1 of 40",
            "reason 20 of 40",
            "reason 40 of 40",
        ],
    );
    holds(&run, &["the guest panics at length", "reason 40 of 40"]);
    assert!(!run.contains("reason 20 of 40"), "{run}");
}

/// Twelve functions, each called by the one before.
fn chain(first: &str, step: impl Fn(usize) -> String, last: &str) -> String {
    let steps: String = (0..12).map(step).collect();
    format!("{first}{steps}{last}")
}

#[test]
fn a_traceback_in_python_is_whole_for_its_author_and_its_ends_are_in_a_run() {
    if !has("componentize-py") {
        return;
    }
    let place = Place::new();
    let step = |n: usize| format!("def step_{n}(x):\n    return step_{}(x)\n\n\n", n + 1);
    let text = chain(
        "",
        step,
        "def step_12(x):\n    raise ValueError(f'cannot read {x}')\n\n\ndef score(answer: str, target: str):\n    return step_0(answer)\n",
    );
    place.write("scorer.py", &text);
    let (author, run) = told(&place, "scorer.py", "{}");
    holds(
        &author,
        &[
            "Traceback (most recent call last)",
            "in score",
            "in step_0",
            "in step_6",
            "in step_12",
            "ValueError: cannot read x",
        ],
    );
    holds(
        &run,
        &["Traceback", "in step_12", "ValueError: cannot read"],
    );
    assert!(!run.contains("in step_6"), "{run}");
}

#[test]
fn a_stack_in_javascript_is_whole_for_its_author_and_its_ends_are_in_a_run() {
    if !has("jco") {
        return;
    }
    let place = Place::new();
    let step = |n: usize| {
        format!(
            "function step_{n}(x) {{\n  return step_{}(x) + \"\";\n}}\n",
            n + 1
        )
    };
    let text = chain(
        "",
        step,
        "function step_12(x) {\n  throw new Error(`cannot read ${x}`);\n}\nexport function score(answer) {\n  return step_0(answer);\n}\n",
    );
    place.write("scorer.js", &text);
    let (author, run) = told(&place, "scorer.js", "{}");
    // QuickJS keeps the ten innermost calls.
    holds(&author, &["cannot read x", "step_12", "step_6", "step_3"]);
    holds(&run, &["cannot read", "step_12"]);
}
