//! Every command in the documentation is one that the program takes.

use super::Cli;
use clap::CommandFactory;

/// The commands in the blocks of this file that hold some: lines joined where they go on, without what follows a `#`.
fn commands(markdown: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut shell = false;
    let mut before = String::new();
    for line in markdown.lines() {
        if let Some(language) = line.strip_prefix("```") {
            shell = language == "sh";
            continue;
        }
        match line.strip_suffix('\\') {
            Some(part) if shell => before.push_str(part),
            _ if shell => commands.push(std::mem::take(&mut before) + line),
            _ => {}
        }
    }
    commands
}

#[test]
fn every_command_in_the_documentation_is_taken() {
    let files = [
        ("README.md", include_str!("../../../README.md")),
        (
            "plugins/README.md",
            include_str!("../../../plugins/README.md"),
        ),
        (
            "examples/prompt-rust",
            include_str!("../../../examples/prompt-rust/README.md"),
        ),
        (
            "examples/provider-rust",
            include_str!("../../../examples/provider-rust/README.md"),
        ),
        (
            "examples/scorer-js",
            include_str!("../../../examples/scorer-js/README.md"),
        ),
        (
            "examples/scorer-python",
            include_str!("../../../examples/scorer-python/README.md"),
        ),
        (
            "examples/scorer-rust",
            include_str!("../../../examples/scorer-rust/README.md"),
        ),
    ];
    let mut seen = 0;
    for (file, text) in files {
        for line in commands(text) {
            let line = line.replace("cargo run --release -- ", "xhost ");
            if !line.starts_with("xhost ") {
                continue;
            }
            let line = line.replace(" …", "").replace(" &", "");
            let words = shlex::split(&line).unwrap_or_else(|| panic!("{file}: {line}"));
            let taken = Cli::command().try_get_matches_from(words);
            assert!(taken.is_ok(), "{file}: {line}\n{}", taken.unwrap_err());
            seen += 1;
        }
    }
    assert!(seen > 30, "the documentation has commands: {seen}");
}
