//! The plugins that are part of this program: prebuilt components, embedded, so that a machine with only stable Rust runs
//! everything. `plugins/build` makes them from the sources in `plugins/`; a test fails when those moved on.

use super::engine::Engine;
use super::inspect::LoadError;
use super::load::Plugin;

macro_rules! embed {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../../../plugins/prebuilt/", $name, ".wasm")))),+]
    };
}

const BUILTIN: &[(&str, &[u8])] = embed![
    "template",
    "multiple-choice",
    "exact",
    "includes",
    "match",
    "pattern",
    "numeric",
    "choice",
    "f1",
    "json",
    "model-graded",
    "openai",
    "anthropic",
    "mistral",
    "gemini",
];

/// Their names.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILTIN.iter().map(|(name, _)| *name)
}

/// The bytes of one.
#[must_use]
pub fn bytes(name: &str) -> Option<&'static [u8]> {
    BUILTIN
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, bytes)| *bytes)
}

/// Loads one.
///
/// # Errors
/// [`LoadError::Unknown`] for a name that is none of them.
pub fn load(engine: &Engine, name: &str) -> Result<Plugin, LoadError> {
    match bytes(name) {
        Some(bytes) => Plugin::from_bytes(engine, name, bytes),
        None => {
            let known = names()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ");
            Err(LoadError::Unknown {
                name: name.into(),
                known,
            })
        }
    }
}
