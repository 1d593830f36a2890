//! Components as text: what no compiler would write.

use super::stage;
use crate::support::{Place, repository};

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
    ("scorer/loop-in-post-return", 3, "time"),
    ("scorer/trap-in-post-return", 3, "unreachable"),
    ("scorer/log-in-post-return", 3, "cannot leave component"),
    ("scorer/log-in-realloc", 3, "cannot leave component"),
    ("scorer/log-in-start", 2, "log of 64 KiB"),
    ("scorer/log-not-utf8", 3, "utf-8"),
    ("scorer/log-wild-level", 3, "trapped"),
    ("scorer/lone-surrogate", 3, "surrogate"),
    ("scorer/aliased-texts", 3, "8 MiB"),
    (
        "scorer/memories-together",
        2,
        "exceeds the per-instance limit",
    ),
    ("scorer/own-resources", 3, "1024 resources"),
    ("scorer/relaxed-simd", 0, ""),
    ("scorer/wants-scorer", 2, "xhost:plugin/scorer"),
    ("scorer/wants-provider", 2, "xhost:plugin/provider"),
    ("scorer/composed", 3, "cannot enter component instance"),
    ("scorer/beside", 3, "time"),
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
        // Each of those that succeed gives 1, where the host is as it should be.
        0 => return is_one(place, name),
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

fn is_one(place: &Place, name: &str) -> Result<(), String> {
    let trials = place.lines("out/trials.jsonl");
    let scores = trials.iter().flat_map(|trial| trial["scores"].as_array());
    let own = scores.flatten().filter(|score| score["scorer"] == "guest");
    let values: Vec<_> = own.map(|score| score["value"].clone()).collect();
    match values.iter().all(|value| *value == 1.0) && values.len() == trials.len() {
        true => Ok(()),
        false => Err(format!("{name} is scored {values:?}")),
    }
}

/// A whole file, or the shell of a scorer with the guest in its place. A guest may instantiate itself, and may say how it is
/// lifted.
pub fn text_component(name: &str) -> Vec<u8> {
    text_component_of(name, |text| text)
}

/// The same, with something changed in its text.
pub fn text_component_of(name: &str, change: impl Fn(String) -> String) -> Vec<u8> {
    let folder = repository().join("tests/guests/wat");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("it is there");
    let body = change(read(&format!("{name}.wat")));
    let text = if name == "scorer/beside" {
        beside(&read("beside.wat"), &read("scorer.wat"), &body)
    } else if name.starts_with("scorer/") {
        in_shell(&read("scorer.wat"), &body)
    } else {
        body
    };
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn in_shell(shell: &str, body: &str) -> String {
    let shell = shell.replace(";; GUEST\n", body);
    let shell = match body.contains("(core instance $run") {
        true => shell.replace("(core instance $run (instantiate $guest))\n", ""),
        false => shell,
    };
    let lift = "(canon lift (core func $run \"judge\")";
    match body.lines().find_map(|line| line.strip_prefix(";; LIFT ")) {
        Some(option) => shell.replace(lift, &format!("{lift} {option}")),
        None => shell,
    }
}

/// A scorer with another component beside it, which it may call.
fn beside(both: &str, shell: &str, body: &str) -> String {
    let types = "  (type $types";
    let import = "  (import \"xhost:plugin/types@0.1.0\"";
    let (head, rest) = shell.split_once(types).expect("types come first");
    let (inside, _) = rest.split_once(import).expect("they are imported");
    let told = "(component $scorer\n  (import \"take\" (func $other (param \"text\" string)))";
    // Types go along inside of the interface: what stands beside it cannot be seen from outside of both.
    let named = ["subject", "value", "score", "question", "step"]
        .map(|name| format!("(export \"{name}\" (type ${name})) "))
        .concat();
    let interface = "(instance $scorer ";
    let scorer = in_shell(shell, body).replace(interface, &format!("{interface}{named}"));
    let scorer = scorer[head.len()..].replacen(types, &format!("{told}\n{types}"), 1);
    both.replace("  ;; TYPES\n", &format!("{types}{inside}"))
        .replace("  ;; SCORER\n", &scorer)
}
