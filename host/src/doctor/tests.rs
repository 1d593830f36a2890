//! Reports on captured trees. A tree is one text file: `== PATH` before each file's text; `\0` stands for the byte between
//! words of a command line.

use super::{Report, StorePlace, Verdict, Work, render};
use crate::machine::{Disk, Machine, Tree};
use std::path::Path;

const GIB: u64 = 1 << 30;

fn plant(text: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    for file in text.split("== ").skip(1) {
        let (path, text) = file.split_once('\n').expect("a path and a text");
        let place = root.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(place.parent().expect("a folder")).expect("made");
        let text = text.replace("\\0", "\0");
        let text = if path.ends_with("/cmdline") {
            text.trim_end()
        } else {
            &text
        };
        std::fs::write(place, text).expect("written");
    }
    root
}

fn machine(name: &str) -> Machine {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/doctor/trees/{name}.txt"));
    let root = plant(&std::fs::read_to_string(file).expect("a tree"));
    Machine::read(&Tree::at(root.path()))
}

fn report(name: &str) -> Report {
    let store = StorePlace {
        path: "/home/ada/.local/share/xhost/store.redb".into(),
        disk: Some(Disk {
            free: 90 * GIB,
            total: 400 * GIB,
            free_files: Some(24_000_000),
            total_files: Some(26_000_000),
        }),
        shared: true,
    };
    let work = Work {
        name: "gsm8k".into(),
        missing: 26_380,
        lane: "batch",
        memory: 150 << 20,
        disk: 60 << 20,
    };
    Report::new(machine(name), store, vec![work], Vec::new())
}

#[test]
fn every_captured_tree_has_its_report() {
    for name in [
        "v2",
        "v1",
        "nested",
        "unlimited",
        "docker",
        "docker-v1",
        "kubernetes",
        "kubernetes-v1",
        "slurm",
        "nothing",
    ] {
        insta::with_settings!({ snapshot_path => "trees", prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, render(&report(name)));
        });
    }
}

#[test]
fn the_limit_is_the_smallest_on_the_way_up() {
    for (name, limit) in [
        ("v2", 16 * GIB),
        ("v1", 8 * GIB),
        ("nested", 12 * GIB),
        ("unlimited", 282 * GIB),
        ("docker", 128 * GIB),
        ("docker-v1", 2 * GIB),
        ("kubernetes", GIB / 2),
        ("kubernetes-v1", 4 * GIB),
        ("slurm", 32 * GIB),
    ] {
        assert_eq!(machine(name).memory.limit, Some(limit), "{name}");
    }
    assert_eq!(machine("nothing").memory.limit, None);
}

#[test]
fn what_a_command_line_says_beyond_its_script_is_not_shown() {
    let text = serde_json::to_string(&report("docker")).expect("JSON") + &render(&report("docker"));
    assert!(
        text.contains("eval.py") && !text.contains("sk-not-to-be-shown"),
        "{text}"
    );
}

#[test]
fn the_verdict_of_a_report_is_the_worst_of_its_checks() {
    assert_eq!(report("docker").worst(), Verdict::Bad);
    assert_eq!(report("v2").worst(), Verdict::Good);
}

#[test]
fn an_estimate_past_four_fifths_of_the_limit_is_bad_with_the_memory_of_others_counted() {
    let work = |memory| Work {
        name: "x".into(),
        missing: 1,
        lane: "live",
        memory,
        disk: 0,
    };
    let verdict = |memory| {
        let store = StorePlace {
            path: "s".into(),
            disk: None,
            shared: true,
        };
        let report = Report::new(machine("docker-v1"), store, vec![work(memory)], Vec::new());
        let check = report
            .checks
            .iter()
            .find(|check| check.question.starts_with("estimate"))
            .expect("it is there");
        check.verdict
    };
    // Two GiB, of which others use 170 MiB: 1,468 MiB are left below four fifths.
    assert_eq!(verdict(1_468 << 20), Verdict::Good);
    assert_eq!(verdict(1_469 << 20), Verdict::Bad);
}
