//! Plugins from elsewhere: artifacts in OCI registries, in the layout of `wkg` and its wasm-pkg-tools, and files at URLs.
//! Nothing is believed: what comes is held against a digest before anybody sees it, sizes and times are bounded, redirects
//! are followed by name and without a credential, and a credential goes to the registry that it was issued for alone.
//!
//! Called by the command line, for `xhost plugin push` and `pull` and before a run. Never by a replay. Speaks through
//! `http`, and keeps what it fetched by content (`shelf`).

/// Which artifact, and where.
mod name;

/// Which file, and what it must be.
mod address;

/// What may be asked without encryption.
mod plain;

/// What can go wrong.
mod error;

/// One answer, bounded in size and time.
mod answer;

/// Talking to one registry about one repository.
mod session;

/// Proving to a registry who asks.
mod challenge;

/// What a component says of itself.
mod facts;

/// A plugin as an artifact.
mod layout;

/// Out of a registry, and from a URL.
mod fetch;

/// Into a registry.
mod push;

/// What was fetched, by content.
mod shelf;

pub use address::{Address, Expected};
pub use error::RemoteError;
pub use facts::Facts;
pub use fetch::{Fetched, fetch_file, fetch_image};
pub use layout::{Artifact, Labels};
pub use name::ImageName;
pub use plain::Plain;
pub use push::{Pushed, push};
pub use shelf::{Kept, Shelf};

use crate::http::Transport;
use crate::secret::Login;
use sha2::{Digest, Sha256};

/// Bytes so far, and all of them.
pub type Told<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// The world outside.
pub struct Outside<'a> {
    /// Who carries requests.
    pub transport: &'a dyn Transport,
    /// Hosts that may be spoken to without encryption.
    pub plain: &'a Plain,
    /// What logs in to a registry, by its host and port.
    pub login: &'a (dyn Fn(&str) -> Option<Login> + Sync),
    /// Told of progress.
    pub told: Told<'a>,
}

/// `sha256:` and 64 hex characters.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Whether a text is such a digest, in lower case.
fn is_sha256(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(is_hex)
}

fn is_hex(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 64 && text.bytes().all(fits)
}

#[cfg(test)]
mod tests;
