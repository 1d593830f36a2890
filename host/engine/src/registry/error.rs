//! What can go wrong between here and a registry, each with what to do.

use crate::http::TransportError;
use url::Url;

/// A plugin cannot be fetched or pushed.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// A reference is none.
    #[error(
        "`{name}` names no artifact in a registry: {what}; write REGISTRY/NAME:TAG, such as ghcr.io/me/similarity:1.0"
    )]
    Name {
        /// The text.
        name: String,
        /// Why.
        what: String,
    },
    /// A URL is none that a plugin can be at.
    #[error("`{url}` names no plugin: {what}")]
    Url {
        /// The text.
        url: String,
        /// Why.
        what: String,
    },
    /// A URL without a digest.
    #[error(
        "{url} has no digest, so nobody would notice another plugin there; what is there now is\n  {url}#blake3={blake3}\n  \
         {url}#sha256={sha256}\nwrite one of them, if it is what you mean"
    )]
    Undigested {
        /// The URL.
        url: String,
        /// What is there.
        sha256: String,
        /// What is there.
        blake3: String,
    },
    /// Neither encrypted nor on this machine.
    #[error(
        "{name}: {host} is asked over https only; `--insecure {host}` allows it to be asked without encryption"
    )]
    NotEncrypted {
        /// What was wanted.
        name: String,
        /// Where from.
        host: String,
    },
    /// Nothing usable came back.
    #[error("{name}: {cause}")]
    Transport {
        /// What was wanted.
        name: String,
        /// What broke.
        cause: TransportError,
    },
    /// It drips.
    #[error("{name}: {host} had not sent all of it after {seconds} s")]
    Slow {
        /// What was wanted.
        name: String,
        /// Where from.
        host: String,
        /// The limit.
        seconds: u64,
    },
    /// A redirect that is not followed.
    #[error("{name}: {host} leads to {to}, which is not followed: {why}")]
    Redirect {
        /// What was wanted.
        name: String,
        /// From where.
        host: String,
        /// Where to: its host.
        to: String,
        /// Where to, wholly: it may hold a credential of its own, and is not shown.
        location: Option<Box<Url>>,
        /// Why not.
        why: &'static str,
    },
    /// There is nothing of that name.
    #[error("{name}: {host} has no {what}{said}")]
    Missing {
        /// What was wanted.
        name: String,
        /// Where from.
        host: String,
        /// What is missing.
        what: String,
        /// The registry's own words, after a colon, or nothing.
        said: String,
    },
    /// Without the right credential.
    #[error("{name}: {host} refuses{said}; {advice}")]
    Denied {
        /// What was wanted.
        name: String,
        /// Where from.
        host: String,
        /// The registry's own words, after a colon, or nothing.
        said: String,
        /// What to do.
        advice: String,
    },
    /// Another answer than the protocol has.
    #[error("{name}: {host} answers {status}{said}")]
    Status {
        /// What was wanted.
        name: String,
        /// Where from.
        host: String,
        /// The HTTP status.
        status: u16,
        /// The registry's own words, after a colon, or nothing.
        said: String,
    },
    /// No artifact of ours.
    #[error("{name}: {what}")]
    Layout {
        /// What was wanted.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// Larger than it may be, or than it said.
    #[error("{name}: the {what} is larger than {limit} bytes")]
    Size {
        /// What was wanted.
        name: String,
        /// Which part.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// Other bytes than were named.
    #[error(
        "{name}: the {what} is another one than its digest says:\n  expected {expected}\n  found    {found}"
    )]
    Differs {
        /// What was wanted.
        name: String,
        /// Which part.
        what: &'static str,
        /// The digest that was named.
        expected: String,
        /// That of what came.
        found: String,
    },
}
