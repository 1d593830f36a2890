//! Processes that look like one experiment started many times: the same interpreter with the same script, or the same
//! program with the same first argument. Says nothing of further arguments: they may hold a credential.

use super::tree::{self, Tree};
use crate::text::plain;
use serde::Serialize;
use std::collections::BTreeMap;

/// So many processes of one script are a fan-out; fewer may be a program and its helper.
const SCRIPTS: u64 = 3;

/// So many of another program: servers and compilers come in numbers too.
const PROGRAMS: u64 = 8;

/// Programs that hold less than this together are no concern: shells and helpers come in numbers.
const PROGRAMS_HOLD: u64 = 1 << 30;

/// A folder with more processes than this is read in part.
const MOST: usize = 65_536;

const INTERPRETERS: [&str; 8] = [
    "python", "pypy", "node", "deno", "bun", "ruby", "Rscript", "julia",
];

/// Many processes of one program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FanOut {
    /// The program, with its script.
    pub program: String,
    /// How many.
    pub processes: u64,
    /// What they hold together, in bytes. Shared pages count once where the system tells (PSS), else for each (RSS).
    pub memory: u64,
    /// Whether shared pages were counted once for all of them.
    pub proportional: bool,
}

/// The groups of processes that look like a fan-out, the largest first.
pub(super) fn fan_outs(tree: &Tree) -> Vec<FanOut> {
    let mut groups: BTreeMap<String, (bool, FanOut)> = BTreeMap::new();
    let numbers = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
    for process in tree.names("/proc").into_iter().filter(numbers).take(MOST) {
        let Some((program, is_script)) = tree
            .text(format!("/proc/{process}/cmdline"))
            .and_then(|line| program(&line))
        else {
            continue;
        };
        let (memory, proportional) = memory(tree, &process);
        let (_, group) = groups.entry(program.clone()).or_insert_with(|| {
            let none = FanOut {
                program,
                processes: 0,
                memory: 0,
                proportional: true,
            };
            (is_script, none)
        });
        group.processes += 1;
        group.memory = group.memory.saturating_add(memory);
        group.proportional &= proportional;
    }
    let many = |(is_script, group): &(bool, FanOut)| match is_script {
        true => group.processes >= SCRIPTS,
        false => group.processes >= PROGRAMS && group.memory >= PROGRAMS_HOLD,
    };
    let mut found: Vec<FanOut> = groups
        .into_values()
        .filter(many)
        .map(|(_, group)| group)
        .collect();
    found.sort_by_key(|group| std::cmp::Reverse(group.memory));
    found
}

/// What a command line runs, and whether that is a script. Kernel threads have none.
fn program(line: &str) -> Option<(String, bool)> {
    let mut words = line.split('\0').filter(|word| !word.is_empty());
    let name = base(words.next()?);
    let is_script = INTERPRETERS.iter().any(|known| name.starts_with(known));
    let rest: Vec<&str> = words.collect();
    let what = if is_script {
        script(&rest)
    } else {
        rest.iter()
            .find(|word| !word.starts_with('-'))
            .map(|word| base(word).to_owned())
    };
    let text = match what {
        Some(what) => format!("{name} {what}"),
        None => name.to_owned(),
    };
    let short: String = plain(&text).chars().take(60).collect();
    Some((short, is_script))
}

/// A module, a script, or that the program stands on the command line.
fn script(words: &[&str]) -> Option<String> {
    let at = words
        .iter()
        .position(|word| !word.starts_with('-') || matches!(*word, "-m" | "-c" | "-e"))?;
    match words[at] {
        "-m" => Some(format!("-m {}", words.get(at + 1)?)),
        "-c" if words.get(at + 1)?.contains("multiprocessing") => Some("multiprocessing".into()),
        "-c" | "-e" => Some(words[at].into()),
        script => Some(base(script).into()),
    }
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// In bytes, and whether shared pages are counted in part. Other users' maps may not be read.
fn memory(tree: &Tree, process: &str) -> (u64, bool) {
    let rollup = tree.text(format!("/proc/{process}/smaps_rollup"));
    if let Some(bytes) = rollup.and_then(|text| tree::keyed(&text, "Pss")) {
        return (bytes, true);
    }
    let status = tree.keyed(format!("/proc/{process}/status"), "VmRSS");
    (status.unwrap_or(0), false)
}
