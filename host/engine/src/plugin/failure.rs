//! Why a plugin's call gave no result. The plugin refused, it trapped, it hit a limit, or the host failed: four different
//! things, each with the plugin's name and version in its text. Each is one trial's failure.

use super::sandbox;
use std::fmt;
use wasmtime::Trap;
use wasmtime::component::ResourceTableError;

/// Which of the four it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The plugin said no.
    Refusal,
    /// The plugin said no to its parameters: no trial can succeed.
    BadParams,
    /// The plugin crashed, or broke the contract.
    Trap,
    /// The plugin used up one of its limits.
    Limit,
    /// The host could not make the call; the plugin is not to blame.
    Host,
}

/// A call without a result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind_text} `{name}` ({version}) {message}", kind_text = self.plugin_kind, name = self.plugin, version = self.version, message = self.message)]
pub struct Failure {
    /// Which of the four it was.
    pub kind: FailureKind,
    /// `scorer`, `provider` or `prompt builder`.
    pub plugin_kind: &'static str,
    /// The plugin's name.
    pub plugin: String,
    /// The first digits of the plugin's digest.
    pub version: String,
    /// What happened; for a person.
    pub message: String,
}

/// A limit that a plugin ran into. Travels through wasmtime as an error, so that it is recognised by type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// Bytes of linear memory.
    Memory(usize),
    /// Elements of a table.
    Table(usize),
    /// Bytes of log.
    Log(usize),
    /// Bytes that are copied at once.
    Copied,
    /// Resources held at once.
    Handles,
}

impl std::error::Error for Limit {}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Memory(bytes) => write!(f, "memory of {} MiB", bytes >> 20),
            Limit::Table(elements) => write!(f, "tables of {elements} elements"),
            Limit::Log(bytes) => write!(f, "log of {} KiB", bytes >> 10),
            Limit::Copied => write!(
                f,
                "what it hands over at once, {} MiB as its result and {} KiB to a call of the host",
                sandbox::COPIED >> 20,
                sandbox::COPIED_PER_HOST_CALL >> 10
            ),
            Limit::Handles => write!(f, "{} resources held at once", sandbox::HANDLES),
        }
    }
}

/// What a plugin that broke the contract did, where wasmtime could not see it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Breach(pub String);

/// Sorts an error of a call into its kind, with a text that is the same on every machine.
pub(super) fn classify(error: &wasmtime::Error, stderr: &str) -> (FailureKind, String) {
    if let Some(limit) = error.downcast_ref::<Limit>() {
        return (FailureKind::Limit, format!("went past its limit: {limit}"));
    }
    if let Some(Breach(what)) = error.downcast_ref::<Breach>() {
        return (FailureKind::Trap, format!("broke the contract: {what}"));
    }
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return (
            FailureKind::Trap,
            format!("ended itself with status {}", exit.0),
        );
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => (
            FailureKind::Limit,
            "went past its limit: time (it computed for too long)".into(),
        ),
        Some(Trap::StackOverflow) => (
            FailureKind::Limit,
            "went past its limit: stack (it recursed too deeply)".into(),
        ),
        Some(trap) => (
            FailureKind::Trap,
            format!("trapped: {trap}{}", said(stderr)),
        ),
        None => classify_by_text(error, stderr),
    }
}

/// wasmtime has no public types for these.
fn classify_by_text(error: &wasmtime::Error, stderr: &str) -> (FailureKind, String) {
    let text = format!("{:#}", error.root_cause());
    let past = |limit: &dyn fmt::Display| {
        let text = format!("went past its limit: {limit}");
        (FailureKind::Limit, text)
    };
    let full = matches!(error.downcast_ref(), Some(ResourceTableError::Full));
    if full || text.contains("handle limit exceeded") {
        return past(&Limit::Handles);
    }
    if text.contains("fuel allocated for hostcalls") {
        return past(&Limit::Copied);
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return past(&text);
    }
    (
        FailureKind::Trap,
        format!("trapped: {text}{}", said(stderr)),
    )
}

/// What the guest wrote to stderr at its end, shortened: the only place where a Rust panic's message, a Python traceback or
/// a JavaScript stack exists. Where it failed and why stand at its two ends. `plugin test` shows all of it.
fn said(stderr: &str) -> String {
    const FIRST: usize = 2;
    const LAST: usize = 4;
    let lines = stderr.lines().filter(|line| !line.trim().is_empty());
    let lines: Vec<&str> = lines.collect();
    match last_words(&lines) {
        [] => String::new(),
        own if own.len() <= FIRST + LAST => format!("; it wrote: {}", own.join(" | ")),
        own => format!(
            "; it wrote: {} | … | {}",
            own[..FIRST].join(" | "),
            own[own.len() - LAST..].join(" | ")
        ),
    }
}

/// A guest's last words: what it logged before is not among them, nor the panic that follows a Python traceback.
fn last_words<'a, 'b>(lines: &'b [&'a str]) -> &'b [&'a str] {
    let begins = |words: &'static str| move |line: &&str| line.starts_with(words);
    let panic = lines.iter().rposition(begins("thread '"));
    let lines = match panic {
        Some(at)
            if lines[at..].iter().any(begins("Python function threw"))
                && lines[..at].iter().any(begins("Traceback (most recent")) =>
        {
            &lines[..at]
        }
        _ => lines,
    };
    &lines[beginning(lines)..]
}

fn beginning(lines: &[&str]) -> usize {
    let begins =
        |line: &&str| line.starts_with("thread '") || line.starts_with("Traceback (most recent");
    let is_of_a_stack = |line: &&&str| line.trim_start().starts_with("at ");
    let stack = lines.iter().rev().take_while(is_of_a_stack).count();
    match lines.iter().rposition(begins) {
        Some(at) => at,
        // A stack in JavaScript stands below the error's words.
        None if stack > 0 => lines.len().saturating_sub(stack + 1),
        None => lines.len().saturating_sub(4),
    }
}

#[cfg(test)]
mod tests {
    use super::said;

    #[test]
    fn the_ends_of_a_guests_last_words_are_shown_and_what_it_logged_before_is_not() {
        let logged: String = (0..20).map(|n| format!("[Info] line {n}\n")).collect();
        let check = |stderr: &str, expected: &str| {
            assert_eq!(
                said(&format!("{logged}{stderr}")),
                format!("; it wrote: {expected}")
            );
        };
        check(
            "thread '<unnamed>' (1) panicked at src/lib.rs:3:5:\nno\n\nnote: run with it\n",
            "thread '<unnamed>' (1) panicked at src/lib.rs:3:5: | no | note: run with it",
        );
        check(
            "Traceback (most recent call last):\n  a\n  b\n  c\n  d\n  e\n  f\nValueError: x\n",
            "Traceback (most recent call last): |   a | … |   d |   e |   f | ValueError: x",
        );
        check(
            "Traceback (most recent call last):\n  a\nValueError: x\nthread '<unnamed>' (1) panicked at lib.rs:1:1:\nPython function threw an unexpected exception\nnote: run with it\n",
            "Traceback (most recent call last): |   a | ValueError: x",
        );
        check(
            "Error: x\n    at a (s.js:1)\n    at b (s.js:2)\n    at c (s.js:3)\n    at d (s.js:4)\n    at e\n    at f\n",
            "Error: x |     at a (s.js:1) | … |     at c (s.js:3) |     at d (s.js:4) |     at e |     at f",
        );
        check(
            "",
            "[Info] line 16 | [Info] line 17 | [Info] line 18 | [Info] line 19",
        );
        assert_eq!(said("\n \n"), "");
    }
}
