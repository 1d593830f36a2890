//! Which artifact: `registry/name:tag@sha256:…`, by the grammar that Docker and `wkg` share. The registry is always named:
//! what has none would be Docker Hub's, which nobody means who mistypes a path.

use super::error::RemoteError;
use super::is_sha256;
use oci_spec::distribution::Reference;
use std::fmt;

/// An artifact's name, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName(Reference);

impl ImageName {
    /// Reads a reference, with or without `oci://`.
    ///
    /// # Errors
    /// [`RemoteError::Name`].
    pub fn parse(text: &str) -> Result<ImageName, RemoteError> {
        let wrong = |what: &str| RemoteError::Name {
            name: text.into(),
            what: what.into(),
        };
        let bare = text.strip_prefix("oci://").unwrap_or(text);
        let (host, _) = bare
            .split_once('/')
            .ok_or_else(|| wrong("it names no registry"))?;
        if !host.contains(['.', ':']) && host != "localhost" {
            return Err(wrong("it names no registry"));
        }
        let reference = Reference::try_from(bare).map_err(|e| wrong(&e.to_string()))?;
        match reference.digest() {
            Some(digest) if !is_sha256(digest) => Err(wrong(
                "its digest is not `sha256:` and 64 hex characters in lower case",
            )),
            _ => Ok(ImageName(reference)),
        }
    }

    /// The registry's host and port, as people know it.
    #[must_use]
    pub fn registry(&self) -> &str {
        self.0.registry()
    }

    /// Where the registry really is.
    pub(super) fn server(&self) -> &str {
        self.0.resolve_registry()
    }

    /// The repository, such as `me/similarity`.
    #[must_use]
    pub fn repository(&self) -> &str {
        self.0.repository()
    }

    /// The tag; `latest` where neither tag nor digest is written.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.0.tag()
    }

    /// The manifest's digest, where it is written.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.0.digest()
    }

    /// The same, with the digest that it has by now.
    #[must_use]
    pub fn at(&self, digest: &str) -> String {
        match self.tag() {
            Some(tag) => format!("{}/{}:{tag}@{digest}", self.0.registry(), self.repository()),
            None => format!("{}/{}@{digest}", self.0.registry(), self.repository()),
        }
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
