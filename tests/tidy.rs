//! Rules of the architecture, each of which fails here with the file that breaks it.

use crate::support::repository;
use std::path::{Path, PathBuf};

/// Rust sources of the project, built things and other workspaces' targets left out.
pub fn sources(folder: &Path) -> Vec<PathBuf> {
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

/// The crates of the host, the lower one first: the program stands on the engine.
const HOST: [&str; 2] = ["host/engine/src", "host/src"];

/// The sources of the host, each with its path within its crate.
fn host() -> Vec<(String, PathBuf)> {
    let of_crate = |folder| {
        let root = repository().join(folder);
        let within = move |path: PathBuf| {
            let within = path.strip_prefix(&root).expect("it is inside");
            (within.display().to_string(), path)
        };
        sources(&repository().join(folder)).into_iter().map(within)
    };
    HOST.into_iter().flat_map(of_crate).collect()
}

/// The host's modules in the order in which each `lib.rs` has them.
fn modules() -> Vec<String> {
    let text = HOST.map(|folder| read(&repository().join(folder).join("lib.rs")));
    let names = text
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.split_once("mod "))
        .filter(|(before, _)| before.starts_with("pub"));
    names
        .map(|(_, name)| name.trim_end_matches(';').to_owned())
        .collect()
}

/// The modules of this crate that a text names, each with its line.
fn used(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, path) in text.match_indices("crate::") {
        let line = text[..at].matches('\n').count() + 1;
        let rest = &text[at + path.len()..];
        let names = match rest.strip_prefix('{') {
            Some(group) => members(group),
            None => vec![rest],
        };
        found.extend(names.into_iter().map(|name| (line, word(name))));
    }
    found
}

/// Where each member of a group of imports begins, whatever groups it holds itself.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                found.push(group[start..at].trim());
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// What this text of the module `own` uses of those below it.
fn breaches(own: &str, text: &str, order: &[String]) -> Vec<String> {
    let place = |name: &str| order.iter().position(|known| known == name);
    let Some(own_place) = place(own) else {
        return Vec::new();
    };
    used(text)
        .into_iter()
        .filter(|(_, name)| place(name).is_some_and(|other| other > own_place))
        .map(|(line, name)| format!("{line}: {own} uses {name}"))
        .collect()
}

#[test]
fn a_module_of_the_host_uses_only_those_above_it() {
    let order = modules();
    assert!(order.len() > 10, "{order:?}");
    let mut found = Vec::new();
    for (within, path) in host() {
        let first = within.split('/').next().expect("a name");
        let own = first.trim_end_matches(".rs");
        let known = order.iter().any(|name| name == own);
        assert!(
            known || matches!(own, "lib" | "main"),
            "lib.rs does not list {own}"
        );
        let breaches = breaches(own, &read(&path), &order);
        found.extend(breaches.iter().map(|breach| format!("{within}:{breach}")));
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_use_of_a_module_below_is_found_however_it_is_written() {
    let order = ["text", "plan", "run", "cli"].map(str::to_owned);
    for (text, expected) in [
        ("use crate::text::plain;", &[][..]),
        ("use crate::plan::Plan;", &[]),
        ("use crate::planet;", &[]),
        ("use crate::run::Run;", &["1: plan uses run"]),
        (
            "fn f() {}\nlet a = crate::cli::main();",
            &["2: plan uses cli"],
        ),
        ("use crate::{text, run};", &["1: plan uses run"]),
        (
            "use crate::{\n    text::{self, run},\n    cli::{a, b},\n    run,\n};",
            &["1: plan uses cli", "1: plan uses run"],
        ),
        ("pub(crate) fn f()", &[]),
    ] {
        assert_eq!(breaches("plan", text, &order), expected, "{text}");
    }
}

#[test]
fn every_file_opens_with_its_one_job_and_none_is_too_long_or_called_utils() {
    let mut breaches = Vec::new();
    for path in sources(&repository()) {
        let (text, shown) = (read(&path), path.display().to_string());
        if text.starts_with("// Generated by `wit-bindgen`") {
            continue;
        }
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
            "utils", "util", "helpers", "common", "types", "imp", "manager", "misc",
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
    for (word, file) in [
        ("reqwest::", "http.rs"),
        ("env::var", "secret.rs"),
        ("unbounded_channel", ""),
        ("unsafe {", "plugin/compiled.rs"),
    ] {
        let users = host()
            .into_iter()
            .filter(|(_, path)| read(path).contains(word));
        let others: Vec<String> = users
            .map(|(within, _)| within)
            .filter(|within| file.is_empty() || within != file)
            .collect();
        assert!(
            others.is_empty(),
            "`{word}` belongs into {file}, and is in {others:?}"
        );
    }
}

/// A replay asks nobody, so nothing that it may use can reach a registry.
#[test]
fn plugins_are_fetched_before_a_run_and_by_push_and_pull_alone() {
    let users = host()
        .into_iter()
        .filter(|(_, path)| used(&read(path)).iter().any(|(_, name)| name == "registry"));
    let users: Vec<_> = users
        .map(|(within, _)| within)
        .filter(|within| !within.starts_with("registry/"))
        .collect();
    assert_eq!(users.len(), 2, "{users:?}");
    assert!(users.contains(&"cli/gather.rs".into()), "{users:?}");
    assert!(users.contains(&"cli/plugin/share.rs".into()), "{users:?}");
}

/// The functions of a source file, each after the path of its module: `hostile::state::no_call_finds…`.
fn functions(root: &Path, path: &Path) -> Vec<String> {
    let within = path.strip_prefix(root).expect("it is inside");
    let parts: Vec<String> = within
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .filter(|part| part != "mod")
        .collect();
    let mut module = parts.join("::");
    let mut found = vec![module.clone()];
    for line in read(path).lines() {
        if line.starts_with("mod tests {") {
            module.push_str("::tests");
            found.push(module.clone());
        }
        if let Some((_, name)) = line.split_once("fn ") {
            found.push(format!("{module}::{}", word(name)));
        }
    }
    found
}

/// What stands between backticks and has the form of a test, a function or a module: `a::b`, `a::b…`, `a::*`.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|name| name.contains("::") && !name.contains(char::is_whitespace))
}

#[test]
fn every_test_that_the_architecture_names_is_there() {
    let root = repository();
    let mut known = Vec::new();
    for folder in ["tests", HOST[0], HOST[1], "store/src", "store/tests"] {
        let folder = root.join(folder);
        known.extend(
            sources(&folder)
                .iter()
                .flat_map(|file| functions(&folder, file)),
        );
    }
    for file in ["ARCHITECTURE.md", "tests/guests/README.md"] {
        let text = read(&root.join(file));
        let missing: Vec<&str> = named(&text)
            .filter(|name| {
                let begins = name.trim_end_matches(['…', '*']);
                let whole = begins.len() == name.len();
                let is_it = |function: &String| match whole {
                    true => function == begins,
                    false => function.starts_with(begins),
                };
                !known.iter().any(is_it)
            })
            .collect();
        assert!(
            missing.is_empty(),
            "{file} names {missing:?}, which is not there"
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
