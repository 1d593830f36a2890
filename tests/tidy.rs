//! Rules of the architecture, each of which fails here with the file that breaks it.

use crate::support::repository;
use std::path::{Path, PathBuf};

/// Rust sources of the project, built things and other workspaces' targets left out.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && !["target", "node_modules", ".git", "built"].contains(&name.as_str()) {
            found.extend(sources(&path));
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("it is text")
}

/// The host's modules in the order of `lib.rs`.
fn modules() -> Vec<String> {
    let text = read(&repository().join("host/src/lib.rs"));
    let names = text
        .lines()
        .filter_map(|line| line.split_once("mod "))
        .filter(|(before, _)| before.starts_with("pub"));
    names
        .map(|(_, name)| name.trim_end_matches(';').to_owned())
        .collect()
}

#[test]
fn a_module_of_the_host_uses_only_those_above_it() {
    let order = modules();
    assert!(order.len() > 10, "{order:?}");
    let root = repository().join("host/src");
    let mut breaches = Vec::new();
    for path in sources(&root) {
        let within = path.strip_prefix(&root).expect("it is inside");
        let own = within
            .components()
            .next()
            .expect("a name")
            .as_os_str()
            .to_string_lossy();
        let own = own.trim_end_matches(".rs").to_owned();
        let Some(place) = order.iter().position(|name| *name == own) else {
            continue;
        };
        for (number, line) in read(&path).lines().enumerate() {
            for used in line.split("crate::").skip(1) {
                let used: String = used
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                if order
                    .iter()
                    .position(|name| *name == used)
                    .is_some_and(|other| other > place)
                {
                    breaches.push(format!(
                        "{}:{}: {own} uses {used}",
                        within.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn every_file_opens_with_its_one_job_and_none_is_too_long_or_called_utils() {
    let mut breaches = Vec::new();
    for path in sources(&repository()) {
        let (text, shown) = (read(&path), path.display().to_string());
        if !text.trim_start_matches("#![no_main]\n").starts_with("//!") {
            breaches.push(format!("{shown} does not open with `//!`"));
        }
        if text.lines().count() > 600 {
            breaches.push(format!("{shown} is longer than 600 lines"));
        }
        let stem = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if [
            "utils", "util", "helpers", "common", "imp", "manager", "misc",
        ]
        .contains(&stem.as_str())
        {
            breaches.push(format!("{shown} has a name that says nothing"));
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn only_one_file_opens_sockets_for_providers_and_one_reads_credentials() {
    let root = repository().join("host/src");
    for (word, file) in [
        ("reqwest::", "http.rs"),
        ("env::var", "secret.rs"),
        ("unbounded_channel", ""),
        ("unsafe {", "plugin/compiled.rs"),
    ] {
        let users = sources(&root)
            .into_iter()
            .filter(|path| read(path).contains(word));
        let others: Vec<PathBuf> = users
            .filter(|path| file.is_empty() || !path.ends_with(file))
            .collect();
        assert!(
            others.is_empty(),
            "`{word}` belongs into {file}, and is in {others:?}"
        );
    }
}

#[test]
fn every_example_is_run_by_a_test() {
    let tests: String = sources(&repository().join("tests"))
        .iter()
        .map(|path| read(path))
        .collect();
    for entry in std::fs::read_dir(repository().join("examples"))
        .expect("a folder")
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(tests.contains(&name), "no test runs examples/{name}");
    }
}
