//! Into a registry: the component, its config, then the manifest under its tag. What is there already is not sent again.

use super::error::RemoteError;
use super::layout::{Artifact, MANIFEST};
use super::name::ImageName;
use super::session::{Access, Ask, Session, component};
use super::{Outside, sha256};
use bytes::Bytes;
use url::Url;

/// What a push came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The manifest's digest.
    pub digest: String,
    /// Whether the component was sent; else the registry had it.
    pub sent: bool,
}

/// Pushes an artifact under the name's tag.
///
/// # Errors
/// Where the registry does not take it.
pub async fn push(
    outside: &Outside<'_>,
    name: &ImageName,
    artifact: &Artifact,
) -> Result<Pushed, RemoteError> {
    let wrong = |what: &str| RemoteError::Name {
        name: name.to_string(),
        what: what.into(),
    };
    if name.digest().is_some() {
        return Err(wrong("a push decides the digest; leave it out"));
    }
    let tag = name.tag().ok_or_else(|| wrong("it has no tag"))?;
    let mut session = Session::open(outside, name, Access::Push)?;
    let all = artifact.component.len() as u64;
    (outside.told)(0, all);
    let sent = blob(&mut session, &artifact.component).await?;
    (outside.told)(all, all);
    blob(&mut session, &artifact.config).await?;
    let digest = artifact.digest();
    let mut ask = Ask::new("PUT", session.url("manifests", tag)).with("content-type", MANIFEST);
    ask.body = Bytes::copy_from_slice(&artifact.manifest);
    let answer = session.ask(&ask, None).await?;
    if !matches!(answer.status, 200..=204) {
        return Err(session.refused(&answer, "room for the manifest"));
    }
    match answer.header("docker-content-digest") {
        Some(kept) if kept != digest => Err(RemoteError::Differs {
            name: name.to_string(),
            what: "manifest that the registry kept",
            expected: digest,
            found: crate::text::plain(kept),
        }),
        _ => Ok(Pushed { digest, sent }),
    }
}

/// Uploads in one piece, unless the registry has it.
async fn blob(session: &mut Session<'_>, bytes: &[u8]) -> Result<bool, RemoteError> {
    let digest = sha256(bytes);
    let there = Ask::new("HEAD", session.url("blobs", &digest));
    if session.ask(&there, None).await?.status == 200 {
        return Ok(false);
    }
    let begun = Ask::new("POST", session.url("blobs", "uploads/"));
    let answer = session.ask(&begun, None).await?;
    if answer.status != 202 {
        return Err(session.refused(&answer, "room for it"));
    }
    let at = answer
        .header("location")
        .and_then(|to| begun.url.join(to).ok());
    let mut at = at.ok_or_else(|| session.refused(&answer, "place for it"))?;
    refuse_elsewhere(session, &at)?;
    at.query_pairs_mut().append_pair("digest", &digest);
    let mut put = Ask::new("PUT", at).with("content-type", "application/octet-stream");
    put.bound.time = component(0).time;
    put.body = Bytes::copy_from_slice(bytes);
    let answer = session.ask(&put, None).await?;
    match answer.status {
        200..=204 => Ok(true),
        _ => Err(session.refused(&answer, "room for it")),
    }
}

/// An upload goes where the user said, and nowhere else.
fn refuse_elsewhere(session: &Session<'_>, at: &Url) -> Result<(), RemoteError> {
    match at.origin() == session.base.origin() {
        true => Ok(()),
        false => Err(session.astray(&session.base, at, "an upload stays at its registry")),
    }
}
