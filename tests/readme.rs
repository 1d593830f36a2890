//! What the README shows is what the program does: its first command, in a folder of its own, prints that very text.

use crate::support::{Place, Ran, repository};

/// The first block of this language after the heading `Try it`.
fn block<'a>(readme: &'a str, language: &str) -> &'a str {
    let (_, section) = readme
        .split_once("## Try it")
        .expect("the README has the heading");
    let (_, rest) = section
        .split_once(&format!("```{language}\n"))
        .expect("the section has such a block");
    rest.split_once("```").expect("the block ends").0
}

/// The text without what depends on the machine, the moment and the terminal: seconds, memory, and blanks at a line's end.
fn steady(text: &str) -> String {
    let words = |line: &str| {
        let mut kept: Vec<&str> = Vec::new();
        for word in line.trim_end().split(' ') {
            let unit = word.trim_end_matches(',');
            if ["s;", "MiB", "second", "seconds"].contains(&unit) {
                kept.pop();
            }
            kept.push(word);
        }
        kept.join(" ").replace("seconds", "second")
    };
    text.lines().map(|line| words(line) + "\n").collect()
}

#[test]
fn the_first_command_of_the_readme_prints_what_stands_there() {
    let readme = std::fs::read_to_string(repository().join("README.md")).expect("it is there");
    let command = block(&readme, "sh");
    let arguments = command
        .trim()
        .strip_prefix("cargo run --release -- ")
        .expect("the first command runs from the sources");
    let place = Place::new();
    for file in [
        "questions.jsonl",
        "replies.jsonl",
        "shots.jsonl",
        "xhost.yaml",
    ] {
        let name = format!("examples/arithmetic/{file}");
        let text = std::fs::read_to_string(repository().join(&name)).expect("it is there");
        place.write(&name, &text);
    }
    let ran = Ran::of(place.xhost().args(arguments.split(' '))).expect(0);
    let printed = ran.stderr() + &ran.stdout();
    assert_eq!(steady(&printed), steady(block(&readme, "text")));
}
