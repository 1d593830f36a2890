//! What a call can see of another: nothing, whether its own plugin's or another one's, though instances live in slots that
//! are used over and over, and pages of those stay in memory.

use super::text::text_component_of;
use crate::support::{Place, Ran};
use std::process::Command;

/// Enough trials for each worker's slot to be used many times, by both plugins in turn.
const ROWS: usize = 24;

/// Two plugins that differ in what they leave behind, and an experiment that has each sample judged by both.
fn stage() -> Place {
    let place = Place::new();
    let row = |id| format!("{{\"id\": \"r{id}\", \"input\": \"{id}?\", \"target\": \"x\"}}\n");
    place.write("rows.jsonl", &(0..ROWS).map(row).collect::<String>());
    for (name, residue) in [("first", "0xaa"), ("second", "0x55")] {
        let guest = text_component_of("scorer/residue", |text| text.replace("0xaa", residue));
        std::fs::write(place.path(&format!("{name}.wasm")), guest).expect("it can be written");
    }
    place.write(
        "xhost.yaml",
        "name: residue\ndataset: {path: rows.jsonl}\nprompt: '{{ input }}'\nmodel: openai/demo\n\
         plugins: [first.wasm, second.wasm]\nscorers: [first, second]\n",
    );
    place
}

#[track_caller]
fn nothing_was_found(place: &Place) {
    let trials = place.lines("out/trials.jsonl");
    let scores: Vec<_> = trials
        .iter()
        .flat_map(|trial| trial["scores"].as_array().expect("scores"))
        .collect();
    assert_eq!(scores.len(), 2 * ROWS, "{:?}", trials[0]["failure"]);
    for score in scores {
        assert_eq!(score["value"], 1.0, "{score}");
    }
}

#[test]
fn no_call_finds_what_another_left_in_memory_tables_or_globals() {
    let place = stage();
    place.run(&["--rehearse", "--out", "out"]).expect(0);
    nothing_was_found(&place);
}

#[test]
fn no_call_finds_anything_where_slots_cannot_be_reserved_either() {
    let place = stage();
    // Address space for one memory of each worker, and not for its reserve of four.
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let limit = format!("ulimit -v {}; exec \"$@\"", workers * (10 << 20));
    let xhost = place.xhost();
    let mut command = Command::new("sh");
    command
        .args(["-c", &limit, "sh"])
        .arg(xhost.get_program())
        .args(["run", "--rehearse", "--out", "out"])
        .current_dir(xhost.get_current_dir().expect("it has one"));
    for (name, value) in xhost.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Ran::of(&mut command).expect(0);
    nothing_was_found(&place);
}

#[test]
fn two_plugins_of_one_name_are_refused_and_none_is_taken_for_a_built_in_one() {
    let place = stage();
    std::fs::create_dir(place.path("other")).expect("a folder");
    std::fs::copy(place.path("second.wasm"), place.path("other/first.wasm")).expect("a copy");
    place
        .run(&["--plugin", "other/first.wasm", "--rehearse", "--out", "out"])
        .expect(2)
        .says(&["two plugins are named `first`", "rename"]);
    std::fs::copy(place.path("second.wasm"), place.path("openai.wasm")).expect("a copy");
    place
        .run(&["--plugin", "openai.wasm", "--rehearse", "--out", "out"])
        .expect(2)
        .says(&["`openai` is a scorer"]);
}
