//! What travels inside the program is what the folders hold, and new projects are whole.

use super::embedded::{File, JS_SDK, PYTHON_SDK, RUST_SDK, TEMPLATES, WIT};
use super::project::{NewError, Project, create};
use super::source::{Form, Language, Source, SourceError};
use crate::plugin::Kind;
use std::path::{Path, PathBuf};

fn files(folder: &Path, below: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder.join(below))
        .expect("a folder")
        .flatten()
    {
        let path = below.join(entry.file_name());
        if folder.join(&path).is_dir() {
            if path.file_name().is_some_and(|name| name != "__pycache__") {
                files(folder, &path, found);
            }
        } else {
            found.push(path.display().to_string());
        }
    }
}

#[track_caller]
fn check(folder: &str, embedded: &[File], left_out: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder);
    let mut found = Vec::new();
    files(&root, &PathBuf::new(), &mut found);
    found.retain(|name| !left_out.contains(&name.as_str()));
    found.sort();
    let names: Vec<&str> = embedded.iter().map(|(name, _)| *name).collect();
    assert_eq!(found, names, "{folder}");
}

#[test]
fn what_is_embedded_is_what_the_folders_hold() {
    check("wit", WIT, &["README.md"]);
    check("plugins/sdk", RUST_SDK, &[]);
    check(
        "plugins/sdk-python",
        PYTHON_SDK,
        &["generate", "test_xhost_plugin.py"],
    );
    check("plugins/sdk-js", JS_SDK, &[]);
    check("plugins/templates", TEMPLATES, &[]);
}

fn project(name: &str, kind: Kind, language: Language) -> Project {
    Project {
        name: name.into(),
        kind,
        language,
    }
}

#[test]
fn a_new_project_of_every_kind_and_language_is_a_source_and_names_no_template() {
    let place = tempfile::tempdir().expect("a folder");
    for language in [Language::Rust, Language::Python, Language::JavaScript] {
        for kind in [Kind::Scorer, Kind::PromptBuilder, Kind::Provider] {
            let name = format!("{language:?}-{kind:?}").to_lowercase();
            let folder = create(place.path(), &project(&name, kind, language)).expect("it is made");
            let source = Source::find(&folder).expect("it is a plugin");
            assert_eq!(source.language(), language);
            let mut found = Vec::new();
            files(&folder, &PathBuf::new(), &mut found);
            for file in &found {
                let text = std::fs::read_to_string(folder.join(file)).expect("text");
                let left = ["my-plugin", "MyPlugin", "my-kind"];
                assert!(
                    !left.iter().any(|word| text.contains(word)),
                    "{name}/{file}"
                );
                assert!(
                    !text.trim().is_empty() || file.ends_with("__init__.py"),
                    "{name}/{file}"
                );
            }
            for file in ["README.md", "cases.jsonl"] {
                assert!(
                    found.iter().any(|found| found == file),
                    "{name} has no {file}"
                );
            }
        }
    }
}

#[test]
fn names_that_are_none_and_folders_that_are_there_are_refused() {
    let place = tempfile::tempdir().expect("a folder");
    for name in [
        "",
        "-x",
        "x-",
        "a--b",
        "A",
        "a/b",
        "../a",
        "a b",
        "1a",
        "é",
        &"a".repeat(65),
    ] {
        let made = create(place.path(), &project(name, Kind::Scorer, Language::Python));
        assert!(matches!(made, Err(NewError::Name(_))), "{name}");
    }
    std::fs::create_dir(place.path().join("there")).expect("a folder");
    let made = create(
        place.path(),
        &project("there", Kind::Scorer, Language::Rust),
    );
    assert!(matches!(made, Err(NewError::There(_))));
}

#[test]
fn packages_of_a_lock_stand_in_the_order_of_their_names() {
    let place = tempfile::tempdir().expect("a folder");
    for name in ["aaa", "zzz"] {
        let folder =
            create(place.path(), &project(name, Kind::Scorer, Language::Rust)).expect("it is made");
        let lock = std::fs::read_to_string(folder.join("Cargo.lock")).expect("text");
        let names: Vec<&str> = lock
            .lines()
            .filter_map(|line| line.strip_prefix("name = "))
            .collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(names.contains(&format!("\"{name}\"").as_str()));
    }
}

#[test]
fn what_a_script_is_is_told_from_its_words() {
    let place = tempfile::tempdir().expect("a folder");
    let form = |file: &str, text: &str| {
        let file = place.path().join(file);
        std::fs::write(&file, text).expect("it can be written");
        Source::find(&file).map(|source| match source {
            Source::Script(script) => script.form,
            Source::Rust { .. } => Form::Whole("none"),
        })
    };
    let is = |file: &str, text: &str, expect: Form| {
        assert_eq!(form(file, text).expect("a plugin"), expect, "{text}");
    };
    is(
        "a.py",
        "import re\n\ndef score(answer, target):\n    return 1\n",
        Form::ScoreFunction,
    );
    is(
        "a.py",
        "def prompt(sample):\n    return ''\n",
        Form::PromptFunction,
    );
    is(
        "a.py",
        "class Scorer(exports.Scorer):\n    pass\n",
        Form::Whole("scorer-plugin"),
    );
    is(
        "a.js",
        "export function score(answer) {}\n",
        Form::ScoreFunction,
    );
    is(
        "a.js",
        "export const promptBuilder = {};\n",
        Form::Whole("prompt-plugin"),
    );
    for (file, text) in [
        ("a.py", "    def score(answer):\n"),
        ("a.js", "function score() {}\n"),
        ("a.py", ""),
    ] {
        assert!(
            matches!(form(file, text), Err(SourceError::NoForm { .. })),
            "{text}"
        );
    }
    assert!(matches!(
        form("a.rb", "def score"),
        Err(SourceError::Extension(_))
    ));
    assert!(matches!(
        Source::find(place.path()),
        Err(SourceError::Nothing(_))
    ));
}
