//! Why a plugin's call gave no result. The plugin refused, it trapped, it hit a limit, or the host failed: four different
//! things, each with the plugin's name and version in its text. Each is one trial's failure.

use std::fmt;
use wasmtime::Trap;

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
}

impl std::error::Error for Limit {}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Memory(bytes) => write!(f, "memory of {} MiB", bytes >> 20),
            Limit::Table(elements) => write!(f, "tables of {elements} elements"),
            Limit::Log(bytes) => write!(f, "log of {} KiB", bytes >> 10),
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

/// wasmtime has no types for these two.
fn classify_by_text(error: &wasmtime::Error, stderr: &str) -> (FailureKind, String) {
    let text = format!("{:#}", error.root_cause());
    if text.contains("fuel allocated for hostcalls") {
        return (
            FailureKind::Limit,
            "went past its limit: text handed to the host in one call, 8 MiB".into(),
        );
    }
    if error
        .downcast_ref::<wasmtime::PoolConcurrencyLimitError>()
        .is_some()
    {
        return (FailureKind::Limit, format!("went past its limit: {text}"));
    }
    (
        FailureKind::Trap,
        format!("trapped: {text}{}", said(stderr)),
    )
}

/// The last lines of what the guest wrote to stderr: the only place where a Rust panic's message or a Python traceback
/// exists.
fn said(stderr: &str) -> String {
    const LINES: usize = 6;
    let lines: Vec<&str> = stderr
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    let tail = &lines[lines.len().saturating_sub(LINES)..];
    format!("; it wrote: {}", tail.join(" | "))
}
