//! Plugins by other people, in three languages, each from its own folder in `examples/`, as its README says.

use crate::support::{Place, repository};
use std::path::{Path, PathBuf};

/// A component: the one just built from source if there is one, else the one that is committed.
pub fn component(name: &str, committed: &str) -> Option<PathBuf> {
    let built = std::env::var_os("XHOST_GUESTS")
        .map(|folder| Path::new(&folder).join(format!("{name}.wasm")));
    if let Some(built) = built {
        assert!(built.exists(), "XHOST_GUESTS holds no {name}.wasm");
        return Some(built);
    }
    let committed = repository().join(committed);
    if !committed.exists() {
        eprintln!(
            "NOT RUN: {} is not committed; build it and set XHOST_GUESTS (tests/guests/build --examples --out DIR)",
            committed.display()
        );
        return None;
    }
    Some(committed)
}

/// Runs an example in a copy of its folder, and compares the means that its README states.
fn check(example: &str, plugin: &str, means: &[(&str, f64)]) {
    let Some(component) = component(plugin, &format!("examples/{example}/{plugin}.wasm")) else {
        return;
    };
    let place = Place::new();
    for file in ["xhost.yaml", "rows.jsonl", "replies.jsonl"] {
        let text = std::fs::read_to_string(repository().join("examples").join(example).join(file))
            .expect("it is there");
        place.write(file, &text);
    }
    let component = component.to_str().expect("a path in UTF-8");
    place
        .run(&["--plugin", component, "--rehearse", "--out", "out"])
        .expect(0);
    let summary = place.json("out/summary.json");
    for (name, mean) in means {
        let scorers = summary["configs"][0]["scorers"]
            .as_array()
            .expect("scorers");
        let found = scorers
            .iter()
            .find(|scorer| scorer["name"] == *name)
            .unwrap_or_else(|| panic!("no score {name}"));
        assert_eq!(found["mean"], *mean, "{name}");
    }
}

#[test]
fn a_scorer_in_rust_runs() {
    check(
        "scorer-rust",
        "word-count",
        &[("within", 0.5), ("words", 5.0)],
    );
}

/// A prompt builder or a provider, judged by a built-in scorer.
#[test]
fn a_prompt_builder_and_a_provider_in_rust_run() {
    check("prompt-rust", "second-thoughts", &[("correct", 1.0)]);
    check("provider-rust", "plain-chat", &[("correct", 0.5)]);
}

#[test]
fn a_scorer_in_python_runs() {
    check("scorer-python", "edit-distance", &[("similar", 0.5)]);
}

#[test]
fn a_scorer_in_javascript_runs() {
    check("scorer-js", "same-words", &[("same", 0.5)]);
}

#[test]
fn the_example_with_built_in_plugins_runs_from_any_folder() {
    let place = Place::new();
    let file = repository().join("examples/arithmetic/xhost.yaml");
    place
        .run(&[
            file.to_str().expect("a path in UTF-8"),
            "--rehearse",
            "--out",
            "out",
        ])
        .expect(0);
    let summary = place.json("out/summary.json");
    assert_eq!(summary["totals"]["trials"], 60);
    let means: Vec<f64> = (0..2)
        .map(|config| {
            summary["configs"][config]["scorers"][0]["mean"]
                .as_f64()
                .expect("a mean")
        })
        .collect();
    assert!(means[0] < means[1], "the large model knows more: {means:?}");
}
