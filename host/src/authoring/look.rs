//! What a component is and may do, told from its bytes: kind, version, imports and what becomes of each, size, digest.

use crate::plugin::inspect::{API_VERSION, inspect};
use crate::plugin::{Kind, LoadError, PluginDigest};

/// What a component's bytes say.
pub struct Look {
    /// What the plugin does.
    pub kind: Kind,
    /// Whether a provider speaks batches.
    pub batch: bool,
    /// The contract's version.
    pub version: &'static str,
    /// Its imports.
    pub imports: Vec<Import>,
    /// Its size.
    pub bytes: usize,
    /// Its functions.
    pub functions: u64,
    /// Its identity.
    pub digest: PluginDigest,
}

/// Something that a component wants from its host.
pub struct Import {
    /// Such as `wasi:io/streams@0.2.6`.
    pub name: String,
    /// Whether it gets it.
    pub grant: Grant,
    /// What that means.
    pub meaning: &'static str,
}

/// What becomes of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// It works.
    Given,
    /// It is there, so that a language's runtime starts, and does nothing.
    Denied,
    /// It is not there: the plugin is not loaded.
    Refused,
}

impl Grant {
    /// The word for a person and for a script.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Grant::Given => "given",
            Grant::Denied => "denied",
            Grant::Refused => "refused",
        }
    }
}

/// Looks at a component without running or compiling anything.
///
/// # Errors
/// Every reason why this is no plugin of this version.
pub fn look(name: &str, bytes: &[u8]) -> Result<Look, LoadError> {
    let inspected = inspect(name, bytes)?;
    let import = |name: String| {
        let (grant, meaning) = grant(&name);
        Import {
            name,
            grant,
            meaning,
        }
    };
    Ok(Look {
        kind: inspected.role.kind,
        batch: inspected.role.batch,
        version: API_VERSION,
        imports: inspected.imports.into_iter().map(import).collect(),
        bytes: bytes.len(),
        functions: inspected.functions,
        digest: PluginDigest::of(bytes),
    })
}

/// `tests/authors.rs` holds the words against what a guest meets.
fn grant(import: &str) -> (Grant, &'static str) {
    let name = import.split('@').next().unwrap_or(import);
    match name {
        "xhost:plugin/log" => (Grant::Given, "64 KiB of log a call"),
        "xhost:plugin/types" | "xhost:plugin/provider" => (Grant::Given, "types alone"),
        "wasi:cli/stderr" => (Grant::Given, "its last 64 KiB are kept for error messages"),
        "wasi:cli/exit" => (Grant::Given, "ends the call, as a failure"),
        "wasi:cli/stdout" => (Grant::Denied, "what is written is dropped"),
        "wasi:cli/stdin" => (Grant::Denied, "closed"),
        "wasi:cli/environment" => (Grant::Denied, "no variable, no argument"),
        "wasi:clocks/wall-clock" | "wasi:clocks/timezone" => {
            (Grant::Denied, "it is always 2000-01-01 00:00:00 UTC")
        }
        "wasi:clocks/monotonic-clock" => (
            Grant::Denied,
            "it moves when it is looked at; waiting takes no time",
        ),
        _ if name.starts_with("wasi:random/") => {
            (Grant::Given, "random numbers that follow from the trial")
        }
        _ if name.starts_with("wasi:io/") => (Grant::Given, "streams of what else is given"),
        _ if name.starts_with("wasi:filesystem/") => {
            (Grant::Denied, "there is no folder to open anything in")
        }
        _ if name.starts_with("wasi:sockets/") => (Grant::Denied, "every address is refused"),
        _ if name.starts_with("wasi:cli/terminal-") => (Grant::Denied, "there is no terminal"),
        _ if name.starts_with("wasi:http/") => (
            Grant::Refused,
            "plugins have no network: rebuild without it (componentize-js: `--disable http fetch-event`)",
        ),
        _ => (Grant::Refused, "no plugin gets that"),
    }
}
