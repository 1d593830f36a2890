//! Which file at which URL, and the digest that it must have: `https://host/x.wasm#sha256=…` or `#blake3=…`. A fragment is
//! never sent, so the digest stays here.

use super::error::RemoteError;
use super::{is_hex, sha256};
use crate::plugin::PluginDigest;
use std::fmt;
use url::Url;

/// A file's address, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Without the digest.
    pub(super) url: Url,
    /// The digest; `None` where none is written, and then nothing is taken from there.
    pub expected: Option<Expected>,
}

/// What a file must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Its SHA-256, in hex.
    Sha256(String),
    /// Its blake3, in hex: what `xhost plugin check` prints.
    Blake3(String),
}

impl Address {
    /// Reads a URL with its digest.
    ///
    /// # Errors
    /// [`RemoteError::Url`].
    pub fn parse(text: &str) -> Result<Address, RemoteError> {
        let wrong = |what: &str| RemoteError::Url {
            url: text.into(),
            what: what.into(),
        };
        let mut url = Url::parse(text).map_err(|e| wrong(&e.to_string()))?;
        if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
            return Err(wrong("it is neither https nor http"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "it holds a user or a password: a plugin's URL is open to whoever reads the experiment",
            ));
        }
        let expected = url.fragment().map(Expected::parse).transpose();
        let expected = expected.map_err(|what| wrong(&what))?;
        url.set_fragment(None);
        Ok(Address { url, expected })
    }
}

impl Expected {
    fn parse(fragment: &str) -> Result<Expected, String> {
        match fragment.split_once('=') {
            Some(("sha256", hex)) if is_hex(hex) => Ok(Expected::Sha256(hex.into())),
            Some(("blake3", hex)) if is_hex(hex) => Ok(Expected::Blake3(hex.into())),
            _ => Err(
                "its digest is neither `#sha256=` nor `#blake3=` with 64 hex characters in lower case"
                    .into(),
            ),
        }
    }

    /// What these bytes have instead, where they are others.
    ///
    /// # Errors
    /// Their digest of the same kind.
    pub fn check(&self, bytes: &[u8]) -> Result<(), Expected> {
        let found = match self {
            Expected::Sha256(_) => Expected::Sha256(sha256(bytes)["sha256:".len()..].into()),
            Expected::Blake3(_) => Expected::Blake3(PluginDigest::of(bytes).to_string()),
        };
        if found == *self { Ok(()) } else { Err(found) }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Sha256(hex) => write!(f, "sha256={hex}"),
            Expected::Blake3(hex) => write!(f, "blake3={hex}"),
        }
    }
}
