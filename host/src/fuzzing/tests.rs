//! What fuzzers found once is tried again, and their first inputs lead somewhere.

use super::{TARGETS, seeds};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fuzz")
        .join(name)
}

#[test]
fn every_input_that_a_fuzzer_began_with_or_once_failed_on_keeps_all_promises() {
    for (name, target) in TARGETS {
        let first = seeds(name);
        assert!(!first.is_empty(), "{name} has nothing to begin with");
        first.iter().for_each(|bytes| target(bytes));
        for end in 0..first[0].len().min(64) {
            target(&first[0][..end]);
        }
        for file in std::fs::read_dir(folder("found").join(name))
            .into_iter()
            .flatten()
            .flatten()
        {
            target(&std::fs::read(file.path()).expect("it is there"));
        }
    }
}

#[test]
fn every_entry_point_has_its_program_for_cargo_fuzz() {
    let manifest = std::fs::read_to_string(folder("Cargo.toml")).expect("it is there");
    for (name, _) in TARGETS {
        let file = format!("fuzz_targets/{name}.rs");
        let text = std::fs::read_to_string(folder(&file)).expect("it is there");
        assert!(
            text.contains(&format!("fuzzing::target(\"{name}\")")),
            "{file}"
        );
        assert!(manifest.contains(&format!("path = \"{file}\"")), "{file}");
    }
}

/// `tests/fuzz/run` builds in the folder of the tests: with other versions, all of wasmtime would be built once more.
#[test]
fn fuzzers_are_built_on_the_same_crates_as_the_tests() {
    let versions = |file: PathBuf| -> BTreeSet<(String, String)> {
        let text = std::fs::read_to_string(file).expect("it is there");
        let lock: toml::Table = toml::from_str(&text).expect("a lock file");
        let packages = lock["package"].as_array().expect("a list");
        let text = |package: &toml::Value, key: &str| package[key].as_str().map(str::to_owned);
        let pair = |package| Some((text(package, "name")?, text(package, "version")?));
        packages.iter().filter_map(pair).collect()
    };
    let tests = versions(folder("../../Cargo.lock"));
    let mut fuzzers = versions(folder("Cargo.lock"));
    fuzzers.retain(|(name, _)| !["libfuzzer-sys", "xhost-fuzz"].contains(&name.as_str()));
    let others: Vec<_> = fuzzers.symmetric_difference(&tests).collect();
    assert!(
        others.is_empty(),
        "CONTRIBUTING.md, Fuzzers, says how to take them over: {others:?}"
    );
}

/// An entry point that refuses all of its first inputs would find nothing.
#[test]
fn the_first_inputs_are_taken_by_what_reads_them() {
    use crate::experiment::from_text;
    let seed = |name: &str, index: usize| seeds(name).swap_remove(index);
    for index in 0..3 {
        let bytes = seed("component", index);
        crate::plugin::inspect::inspect("guest", &bytes).map_or_else(
            |error| {
                assert!(
                    index == 2 && error.to_string().contains("no xhost plugin"),
                    "{error}"
                );
            },
            drop,
        );
    }
    for (index, file) in ["x.yaml", "x.json", "x.toml"].into_iter().enumerate() {
        let text = String::from_utf8(seed("experiment", index).split_off(1)).expect("text");
        let (text, overrides) = text.split_once('\0').expect("overrides");
        let overrides: Vec<String> = overrides.split('\0').map(str::to_owned).collect();
        from_text(Path::new(file), text, &overrides)
            .unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    for (index, seed) in seeds("import").into_iter().enumerate() {
        assert_eq!(super::files::found_in(&seed), 1, "import {index}");
    }
    let text = String::from_utf8(seed("lock", 0)).expect("text");
    crate::pins::Lock::parse(&text).expect("a lock");
    crate::prices::Table::parse(&seed("prices", 0)).expect("a table");
    crate::recorded::read(&seed("results", 0)).expect("a trial");
    xhost_store::parse_line(&seed("store", 3)[1..]).expect("a line");
    let bundle = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(bundle.path(), &seed("bundle", 0)[1..]).expect("it is written");
    crate::bundle::Bundle::open(bundle.path(), None).expect("a bundle");
}
