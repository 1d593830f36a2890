//! Plugins that mean harm: each attack ends as one failed trial or a refused load, with the plugin's name on it, and the
//! run's other trials are right. The table is the one of `tests/guests/README.md`.

use crate::guests::component;
use crate::support::{Place, Ran, Simulator, repository};
use serde_json::Value;
use std::collections::BTreeSet;

/// What must come of an attack by the scorer.
enum Answer {
    /// The trial has this score, or one that begins so.
    Score(&'static str),
    /// The trial failed by this cause, its message holding these words.
    Fails(&'static str, &'static str),
}
use Answer::{Fails, Score};

const LIMIT: &str = "plugin-limit";
const TRAP: &str = "plugin-trap";

const SCORER: &[(&str, Answer)] = &[
    ("none", Score("1")),
    ("counter", Score("1")),
    ("loop", Fails(LIMIT, "time")),
    ("memory", Fails(LIMIT, "memory of 256 MiB")),
    ("grow", Fails(LIMIT, "memory of 256 MiB")),
    ("recursion", Fails(TRAP, "out of bounds")),
    ("log-flood", Fails(LIMIT, "log of 64 KiB")),
    ("log-line", Fails(LIMIT, "8 MiB")),
    ("stderr-flood", Fails(LIMIT, "time")),
    ("stdout-flood", Fails(LIMIT, "time")),
    ("sleep", Score("slept 3600 s")),
    ("huge-string", Fails(LIMIT, "8 MiB")),
    ("huge-list", Fails(LIMIT, "8 MiB")),
    ("endless-ask", Fails(LIMIT, "256 answers")),
    ("trap", Fails(TRAP, "unreachable")),
    ("panic", Fails(TRAP, "the guest panics on purpose")),
    ("exit", Fails(TRAP, "ended itself")),
    (
        "refuse",
        Fails("plugin-refusal", "the guest refuses on purpose"),
    ),
    (
        "files",
        Score("denied: Capabilities insufficient (os error 76), 0 folders"),
    ),
    ("write-file", Score("denied:")),
    ("environment", Score("0 variables, 0 arguments")),
    ("clock", Score("")),
    ("random", Score("")),
    ("sockets", Score("denied:")),
    ("dns", Score("denied:")),
    ("nan", Fails(TRAP, "not a finite number")),
    ("infinity", Fails(TRAP, "not a finite number")),
    ("bad-json", Fails(TRAP, "not a JSON object")),
    ("extra-not-object", Fails(TRAP, "not a JSON object")),
    ("deep-json", Fails(TRAP, "not a JSON object")),
    ("escapes", Score("")),
    ("duplicate-names", Fails(TRAP, "two scores the name")),
    ("no-scores", Fails(TRAP, "no score")),
    ("empty-ask", Fails(TRAP, "asks for nothing")),
];

fn stage() -> Option<(Place, String)> {
    let hostile = component("hostile", "tests/guests/prebuilt/hostile.wasm")?;
    let place = Place::new();
    place.write("rows.jsonl", "{\"id\": \"one\", \"input\": \"One?\", \"target\": \"one\"}\n{\"id\": \"two\", \"input\": \"Two?\", \"target\": \"two\"}\n");
    Some((place, hostile.to_str().expect("a path in UTF-8").to_owned()))
}

fn experiment(attacks: &[&str]) -> String {
    format!(
        "name: hostile
dataset: {{path: rows.jsonl}}
prompt: '{{{{ input }}}}'
model: {{provider: openai, name: demo}}
models: {{judge: openai/judge}}
scorers:
  - {{plugin: hostile, params: {{attack: none}}}}
  - {{plugin: includes}}
sweep: {{scorers.0.params.attack: [{}]}}
",
        attacks.join(", ")
    )
}

#[test]
fn every_attack_of_a_scorer_is_one_trials_failure_with_its_name_on_it() {
    let Some((place, hostile)) = stage() else {
        return;
    };
    let attacks: Vec<&str> = SCORER.iter().map(|(attack, _)| *attack).collect();
    place.write("hostile.yaml", &experiment(&attacks));
    place
        .run(&[
            "hostile.yaml",
            "--plugin",
            &hostile,
            "--rehearse",
            "--out",
            "out",
        ])
        .expect(3);
    let trials = place.lines("out/trials.jsonl");
    assert_eq!(trials.len(), 2 * SCORER.len());
    for (attack, answer) in SCORER {
        let of_attack: Vec<&Value> = trials
            .iter()
            .filter(|trial| trial["config"]["scorers.0.params.attack"] == *attack)
            .collect();
        assert_eq!(of_attack.len(), 2, "{attack}");
        for trial in of_attack {
            judge(attack, answer, trial);
        }
    }
    for trial in &trials {
        let others = trial["scores"]
            .as_array()
            .expect("scores")
            .iter()
            .filter(|score| score["scorer"] == "includes");
        assert_eq!(
            others.count(),
            1,
            "the other scorer's verdict is there: {trial}"
        );
    }
}

fn judge(attack: &str, answer: &Answer, trial: &Value) {
    match answer {
        Score(expected) => {
            let value = &trial["scores"][0]["value"];
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            assert!(
                text.trim_end_matches(".0").starts_with(expected),
                "{attack}: {trial}"
            );
            assert_eq!(trial["failure"], Value::Null, "{attack}");
        }
        Fails(cause, words) => {
            let failure = &trial["failure"];
            let message = failure["message"]
                .as_str()
                .unwrap_or_else(|| panic!("{attack} did not fail: {trial}"));
            assert_eq!(failure["cause"], *cause, "{attack}: {message}");
            assert!(
                message.contains(words),
                "{attack}: `{words}` is not in: {message}"
            );
            let version = message.contains("scorer `hostile` (") || *attack == *"endless-ask";
            assert!(
                version,
                "{attack}: plugin and version are named in: {message}"
            );
            assert_eq!(failure["scorer"], "hostile", "{attack}");
        }
    }
}

#[test]
fn what_a_guest_sees_of_time_and_chance_is_the_same_in_every_run() {
    let Some((place, hostile)) = stage() else {
        return;
    };
    place.write("hostile.yaml", &experiment(&["clock", "random", "counter"]));
    let run = |out: &str| {
        place
            .run(&[
                "hostile.yaml",
                "--plugin",
                &hostile,
                "--rehearse",
                "--out",
                out,
            ])
            .expect(0);
        let label = |trial: &Value| trial["scores"][0]["value"].clone();
        place
            .lines(&format!("{out}/trials.jsonl"))
            .iter()
            .map(label)
            .collect::<Vec<Value>>()
    };
    let (first, second) = (run("first"), run("second"));
    assert_eq!(first, second);
    assert_ne!(first[1], first[4], "another trial draws other numbers");
}

#[test]
fn a_judge_that_nobody_declared_and_params_that_are_refused_stop_the_run_before_it_asks() {
    let Some((place, hostile)) = stage() else {
        return;
    };
    for (attack, words) in [
        ("unknown-judge", "models"),
        ("no-such-attack", "refuses its parameters"),
    ] {
        place.write("hostile.yaml", &experiment(&[attack]));
        place
            .run(&[
                "hostile.yaml",
                "--plugin",
                &hostile,
                "--rehearse",
                "--out",
                "out",
            ])
            .expect(2)
            .says(&[words, "hostile"]);
    }
}

/// Attacks of the provider: the run's exit code, and the words of the error or of the trial's failure.
const PROVIDER: &[(&str, i32, &str)] = &[
    ("none", 0, ""),
    ("base-url", 2, "neither http nor https"),
    ("base-url-userinfo", 2, "holds a credential"),
    ("base-url-query", 2, "query"),
    ("base-url-newline", 2, "control characters"),
    ("key-variable-name", 2, "no name of one"),
    ("auth-host", 2, "frames the message"),
    ("auth-injection", 2, "no name of one"),
    ("other-host", 3, "could name another host"),
    ("other-origin", 3, "does not begin with"),
    ("no-slash", 3, "does not begin with"),
    ("back-slash", 3, "could name another host"),
    ("dot-dot", 3, "leaves the base URL"),
    ("encoded-dot-dot", 3, "leaves the base URL"),
    ("newline-path", 3, "do not belong"),
    ("query-in-path", 3, "do not belong"),
    ("fragment-in-path", 3, "do not belong"),
    ("header-injection", 3, "visible ASCII"),
    ("header-name-injection", 3, "a name that is none"),
    ("authorization", 3, "the host's to set"),
    ("host-header", 3, "the host's to set"),
    ("cookie", 3, "the host's to set"),
    ("content-length", 3, "the host's to set"),
    ("bad-json-body", 3, "JSON"),
    ("huge-body", 3, "8 MiB"),
    ("endless-usage", 0, ""),
    ("set-cookie", 0, ""),
    ("base-url-variable", 6, "127.0.0.1:1"),
];

#[test]
fn a_provider_cannot_leave_its_address_or_frame_its_own_messages() {
    let Some(provider) = component(
        "hostile-provider",
        "tests/guests/prebuilt/hostile-provider.wasm",
    ) else {
        return;
    };
    let (place, _) = stage().expect("both guests are there");
    let provider = provider.to_str().expect("a path in UTF-8");
    let simulator = Simulator::start(&[]);
    for (attack, code, words) in PROVIDER {
        let at = match *attack {
            attack if attack.starts_with("base-url") => String::new(),
            _ => format!(", base_url: '{}'", simulator.base_url()),
        };
        place.write(
            "provider.yaml",
            &format!(
                "name: hostile-provider\ndataset: {{path: rows.jsonl}}\nprompt: '{{{{ input }}}}'\nscorers: [includes]\n\
                 model: {{provider: hostile-provider, name: demo, params: {{attack: {attack}}}{at}}}\n"
            ),
        );
        let before = simulator.count("calls");
        let ran = place.run(&[
            "provider.yaml",
            "--plugin",
            provider,
            "--store",
            &format!("{attack}.redb"),
            "--out",
            attack,
        ]);
        let sent = simulator.count("calls") - before;
        let ran: Ran = ran.expect(*code);
        match code {
            0 => assert_eq!(sent, 2, "{attack}"),
            2 | 6 => drop(ran.says(&[words])),
            _ => {
                let trial = place.lines(&format!("{attack}/trials.jsonl")).remove(0);
                let message = trial["failure"]["message"]
                    .as_str()
                    .expect("a message")
                    .to_owned();
                assert!(
                    message.contains(words),
                    "{attack}: `{words}` is not in: {message}"
                );
                assert!(
                    message.contains("provider `hostile-provider` ("),
                    "{attack}: {message}"
                );
                assert_eq!(sent, 0, "{attack}: no packet leaves");
            }
        }
    }
}

#[test]
fn a_provider_that_asks_at_random_asks_the_same_in_every_run() {
    let Some(provider) = component(
        "hostile-provider",
        "tests/guests/prebuilt/hostile-provider.wasm",
    ) else {
        return;
    };
    let (place, _) = stage().expect("both guests are there");
    place.write(
        "provider.yaml",
        "name: hostile-provider\ndataset: {path: rows.jsonl}\nprompt: '{{ input }}'\nscorers: [includes]\n\
         model: {provider: hostile-provider, name: demo, params: {attack: random-body}}\n",
    );
    let provider = provider.to_str().expect("a path in UTF-8");
    let asked = |out: &str| {
        let arguments = ["provider.yaml", "--plugin", provider, "--rehearse"];
        place.run(&[&arguments[..], &["--out", out]].concat());
        let events = place.lines(&format!("{out}/events.jsonl"));
        let calls = events.iter().filter(|event| event["event"] == "call-ended");
        let digests = calls.map(|call| call["digest"].as_str().map(str::to_owned));
        digests.collect::<BTreeSet<Option<String>>>()
    };
    let (first, second) = (asked("first"), asked("second"));
    assert!(first.iter().any(Option::is_some), "it asked");
    assert_eq!(first, second);
}

#[test]
fn a_provider_from_elsewhere_is_given_no_credential_that_the_experiment_does_not_name() {
    let Some(provider) = component(
        "hostile-provider",
        "tests/guests/prebuilt/hostile-provider.wasm",
    ) else {
        return;
    };
    let (place, _) = stage().expect("both guests are there");
    let simulator = Simulator::start(&["--key", "anything"]);
    place.write(
        "provider.yaml",
        "name: hostile-provider\ndataset: {path: rows.jsonl}\nprompt: '{{ input }}'\nscorers: [includes]\n\
         model: {provider: hostile-provider, name: demo, params: {attack: key-variable}}\n",
    );
    let mut command = place.xhost();
    command.env("AWS_SECRET_ACCESS_KEY", "anything");
    let base_url = format!("model.base_url={}", simulator.base_url());
    let provider = provider.to_str().expect("a path in UTF-8");
    let output = command
        .args([
            "run",
            "provider.yaml",
            "--plugin",
            provider,
            &base_url,
            "--store",
            "s.redb",
        ])
        .output();
    let output = output.expect("it runs");
    assert_eq!(
        simulator.count("answered"),
        0,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Components as text: the file, and what the error or the trial's failure says.
const TEXTS: &[(&str, i32, &str)] = &[
    ("core-module", 2, "core module"),
    ("not-a-plugin", 2, "no xhost plugin"),
    (
        "newer-version",
        2,
        "version 0.9.0 of xhost:plugin, and this xhost speaks version 0.1.0",
    ),
    (
        "older-version",
        2,
        "version 0.0.1 of xhost:plugin, and this xhost speaks version 0.1.0",
    ),
    ("no-version", 2, "version none"),
    ("two-kinds", 2, "two kinds"),
    ("empty-scorer", 2, "does not fit"),
    ("other-types", 2, "its function `judge` has other types"),
    ("scorer/well-behaved", 0, ""),
    ("scorer/loop-in-start", 2, "time"),
    ("scorer/loop-in-realloc", 3, "time"),
    ("scorer/realloc-outside", 3, "trapped"),
    ("scorer/recursion", 3, "stack"),
    ("scorer/table-grow", 3, "tables of 20000 elements"),
    ("scorer/memory64", 2, "memory64"),
    ("scorer/shared-memory", 2, "threads"),
    ("scorer/wants-http", 2, "wasi:http"),
    ("scorer/wants-unknown", 2, "does not fit"),
    ("scorer/huge-length", 3, "trapped"),
    ("scorer/huge-list-length", 3, ""),
    ("scorer/not-utf8", 3, "trapped"),
    ("scorer/wild-pointer", 3, "trapped"),
    ("scorer/crooked-pointer", 3, "trapped"),
    ("scorer/wild-tag", 3, "trapped"),
    ("scorer/nan-payload", 3, "not a finite number"),
    ("scorer/schema-not-json", 2, "schema"),
    ("scorer/memory-minimum", -1, ""),
    ("scorer/table-minimum", -1, ""),
    ("scorer/many-memories", -1, ""),
    ("scorer/many-instances", -1, ""),
];

#[test]
fn what_no_compiler_would_write_is_refused_or_fails_its_trials() {
    let (place, _) = stage().expect("the guest is committed");
    place.write(
        "text.yaml",
        "name: text\ndataset: {path: rows.jsonl}\nprompt: '{{ input }}'\nmodel: openai/demo\nscorers: [includes]\n",
    );
    let wrong: Vec<String> = TEXTS
        .iter()
        .filter_map(|(name, code, words)| what_came(&place, name, *code, words).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs one, and says what came where it is not what is written down. A code of -1 is for what one of several gates stops,
/// depending on the allocator.
fn what_came(place: &Place, name: &str, code: i32, words: &str) -> Result<(), String> {
    std::fs::write(place.path("guest.wasm"), text_component(name)).expect("it can be written");
    let arguments = ["--rehearse", "--out", "out", "--quiet"];
    let ran = place.run(&[&["text.yaml", "--plugin", "guest.wasm"], &arguments[..]].concat());
    let (found, error) = (ran.code(), ran.stderr());
    let stopped = code == -1 && [2, 3].contains(&found);
    if found != code && !stopped {
        return Err(format!("{name} ended with {found}: {error}"));
    }
    let said = match found {
        0 => return Ok(()),
        2 if error.contains("guest") => error,
        2 => return Err(format!("{name}: the plugin is not named: {error}")),
        _ => {
            let trial = place.lines("out/trials.jsonl").remove(0);
            if trial["scores"][0]["scorer"] != "includes" {
                return Err(format!("{name}: the other verdict is missing: {trial}"));
            }
            trial["failure"]["message"].to_string()
        }
    };
    match said.contains(words) {
        true => Ok(()),
        false => Err(format!("{name}: `{words}` is not in: {said}")),
    }
}

/// A whole file, or the shell of a scorer with the guest in its place.
pub fn text_component(name: &str) -> Vec<u8> {
    let folder = repository().join("tests/guests/wat");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("it is there");
    let body = read(&format!("{name}.wat"));
    let text = if name.starts_with("scorer/") {
        read("scorer.wat").replace(";; GUEST\n", &body)
    } else {
        body
    };
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_attack_that_is_written_down_is_tried() {
    let table =
        std::fs::read_to_string(repository().join("tests/guests/README.md")).expect("it is there");
    // What it does to a call's patience and to the words of a failure takes a clock that tests can move.
    let lane = crate::tidy::sources(&repository().join("host/src/lane"));
    let lane = lane
        .iter()
        .map(|file| std::fs::read_to_string(file).expect("it is text"));
    let tried = include_str!("hostile.rs").to_owned() + &lane.collect::<String>();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let names = rows
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(|cell| cell.split(','))
        .map(|name| name.trim().trim_matches('`'));
    let missing: Vec<&str> = names
        .map(|name| name.trim_end_matches(".wat"))
        .filter(|name| !NOT_HERE.contains(name) && !tried.contains(name))
        .collect();
    assert!(missing.is_empty(), "no test tries {missing:?}");
}

/// Folders of the first table, and attacks that other tests try.
const NOT_HERE: &[&str] = &["hostile", "hostile-provider", "wat", "prebuilt"];
