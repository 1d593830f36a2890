//! Plugins that mean harm: each attack ends as one failed trial or a refused load, with the plugin's name on it, and the
//! run's other trials are right. The table is the one of `tests/guests/README.md`.

/// Files as large, as deep and as broken as files can be.
mod files;

/// Code that somebody put where compiled code lies.
mod code;

/// Providers that mean harm.
mod provider;

/// What a call can see of another.
mod state;

/// What no compiler would write.
mod text;

/// What a guest says when it fails.
mod words;

pub use text::text_component;

use crate::guests::component;
use crate::support::{Place, Ran, repository};
use serde_json::Value;

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
    ("sleep-for-ever", Score("slept")),
    ("pollables", Fails(LIMIT, "1024 resources")),
    ("streams", Fails(LIMIT, "1024 resources")),
    ("networks", Fails(LIMIT, "1024 resources")),
    ("poll-list", Fails(LIMIT, "what it hands over at once")),
    ("clock-flood", Fails(LIMIT, "time")),
    ("random-flood", Fails(LIMIT, "time")),
    ("random-huge", Fails(TRAP, "exceeds limit")),
    ("write-huge", Fails(LIMIT, "128 KiB")),
    ("write-zeroes", Fails(TRAP, "more zeroes than")),
    ("many-scores", Score("1")),
    ("new-names", Score("")),
    ("huge-string", Fails(LIMIT, "8 MiB")),
    ("huge-list", Fails(LIMIT, "8 MiB")),
    ("endless-ask", Fails(LIMIT, "256 answers")),
    ("huge-asks", Fails(LIMIT, "64 MiB")),
    ("trap", Fails(TRAP, "unreachable")),
    ("panic", Fails(TRAP, "the guest panics on purpose")),
    ("panic-at-length", Fails(TRAP, "the guest panics at length")),
    ("partial-output", Fails(TRAP, "it wrote: half of a word")),
    ("ask-then-trap", Fails(TRAP, "about to trap")),
    ("exit", Fails(TRAP, "ended itself with status 0")),
    ("exit-failure", Fails(TRAP, "ended itself with status 1")),
    (
        "refuse",
        Fails("plugin-refusal", "the guest refuses on purpose"),
    ),
    (
        "files",
        Score("denied: Capabilities insufficient (os error 76), 0 folders"),
    ),
    ("write-file", Score("denied:")),
    ("working-folder", Score("denied:")),
    ("environment", Score("0 variables, 0 arguments")),
    ("stdin", Score("0 bytes")),
    ("terminals", Score("0 terminals")),
    ("clock", Score("")),
    ("random", Score("")),
    ("insecure-random", Score("")),
    ("sockets", Score("denied:")),
    ("udp", Score("denied:")),
    ("dns", Score("denied:")),
    ("nan", Fails(TRAP, "not a finite number")),
    ("infinity", Fails(TRAP, "not a finite number")),
    (
        "nan-bits",
        Score("7ff8000000000000 7ff8000000000000 7fc00000"),
    ),
    ("huge-number", Score("1.7976931348623157e+308")),
    ("tiny-number", Score("-5e-324")),
    ("nan-sampling", Fails(TRAP, "not finite")),
    ("bad-json", Fails(TRAP, "not a JSON object")),
    ("extra-not-object", Fails(TRAP, "not a JSON object")),
    ("deep-json", Fails(TRAP, "not a JSON object")),
    ("deep-ask", Fails(TRAP, "not a JSON object")),
    ("handles", Score("the first is")),
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
    stays_small(&place);
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

/// Each worker's guest may have 256 MiB and the bytes that it hands over; nothing else may grow.
fn stays_small(place: &Place) {
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let peak = place.json("out/summary.json")["totals"]["peak_memory_bytes"].clone();
    let peak = peak.as_u64().expect("the system tells");
    let most = (256 + workers * (256 + 32)) << 20;
    eprintln!("peak: {} MiB of at most {}", peak >> 20, most >> 20);
    assert!(peak < most as u64, "{} MiB", peak >> 20);
}

#[test]
fn what_was_asked_before_a_trap_stands_in_the_results_and_numbers_out_of_range_break_no_summary() {
    let Some((place, hostile)) = stage() else {
        return;
    };
    place.write(
        "hostile.yaml",
        &experiment(&["ask-then-trap", "huge-number"]),
    );
    let arguments = ["--rehearse", "--out", "out"];
    place
        .run(&[&["hostile.yaml", "--plugin", &hostile], &arguments[..]].concat())
        .expect(3);
    let trials = place.lines("out/trials.jsonl");
    let asked = |trial: &Value| trial["requests"].as_array().map(Vec::len);
    assert_eq!(
        trials.iter().map(asked).collect::<Vec<_>>(),
        [Some(2), Some(1), Some(2), Some(1)]
    );
    let huge = place.json("out/summary.json")["configs"][1]["scorers"].clone();
    assert_eq!(
        (&huge[0]["n"], &huge[0]["mean"], &huge[0]["interval"]),
        (&2.into(), &Value::Null, &Value::Null),
        "{huge}"
    );
    assert_eq!(huge[1]["n"], 2, "its neighbour's are counted: {huge}");
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
            // What a trial asks is counted over all of its plugins; the scorer is named beside.
            let over_all = ["endless-ask", "huge-asks"].contains(&attack);
            let version = message.contains("scorer `hostile` (") || over_all;
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
    let attacks = ["clock", "random", "counter", "insecure-random", "handles"];
    place.write("hostile.yaml", &experiment(&attacks));
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
    assert_ne!(first[1], first[6], "another trial draws other numbers");
    assert_ne!(first[3], first[8], "another trial draws other numbers");
    assert_eq!(first[4], first[9], "handles are counted anew");
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

/// All that a component can import of WASI 0.2 without a network of its own.
const WASI: &[&str] = &[
    "cli/environment",
    "cli/exit",
    "cli/stderr",
    "cli/stdin",
    "cli/stdout",
    "cli/terminal-input",
    "cli/terminal-output",
    "cli/terminal-stderr",
    "cli/terminal-stdin",
    "cli/terminal-stdout",
    "clocks/monotonic-clock",
    "clocks/wall-clock",
    "filesystem/preopens",
    "filesystem/types",
    "io/error",
    "io/poll",
    "io/streams",
    "random/insecure",
    "random/insecure-seed",
    "random/random",
    "sockets/instance-network",
    "sockets/ip-name-lookup",
    "sockets/network",
    "sockets/tcp",
    "sockets/tcp-create-socket",
    "sockets/udp",
    "sockets/udp-create-socket",
];

#[test]
fn every_interface_of_wasi_is_asked_for() {
    let Some((place, hostile)) = stage() else {
        return;
    };
    let mut command = place.xhost();
    let told = Ran::of(command.args(["plugin", "check", &hostile, "--json"])).expect(0);
    let told: Value = serde_json::from_str(&told.stdout()).expect("JSON");
    let imports = told["imports"].as_array().expect("a list");
    let asks = |interface: &&&str| {
        let begins = format!("wasi:{interface}@");
        let named = |import: &Value| {
            import["name"]
                .as_str()
                .is_some_and(|name| name.starts_with(&begins))
        };
        !imports.iter().any(named)
    };
    let missing: Vec<_> = WASI.iter().filter(asks).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_attack_that_is_written_down_is_tried() {
    let table =
        std::fs::read_to_string(repository().join("tests/guests/README.md")).expect("it is there");
    // What it does to a call's patience and to the words of a failure takes a clock that tests can move.
    let lane = crate::tidy::sources(&repository().join("host/engine/src/lane"));
    let lane = lane
        .iter()
        .map(|file| std::fs::read_to_string(file).expect("it is text"));
    let here = crate::tidy::sources(&repository().join("tests/hostile"));
    let here = here
        .iter()
        .map(|file| std::fs::read_to_string(file).expect("it is text"));
    let tried = include_str!("hostile.rs").to_owned() + &lane.chain(here).collect::<String>();
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
