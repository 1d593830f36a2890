//! Out of a registry, and from a URL. What is returned has the digests that it was asked by.

use super::address::Address;
use super::answer::{Bound, PIECE, astray, host_of, redirect, take};
use super::error::RemoteError;
use super::layout::{self, INDEXES, MANIFEST};
use super::name::ImageName;
use super::session::{Access, Ask, Session, component};
use super::{Outside, sha256};
use crate::http::Outgoing;
use crate::plugin::PluginDigest;
use crate::plugin::inspect::SIZE_LIMIT;
use bytes::Bytes;

/// Steps from a URL to where the file is.
const HOPS: usize = 3;

/// A component from elsewhere.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Its bytes.
    pub component: Vec<u8>,
    /// Its artifact's manifest; `None` from a URL.
    pub manifest: Option<Vec<u8>>,
}

impl Fetched {
    /// The component's identity.
    #[must_use]
    pub fn digest(&self) -> PluginDigest {
        PluginDigest::of(&self.component)
    }

    /// The manifest's digest.
    #[must_use]
    pub fn manifest_digest(&self) -> Option<String> {
        self.manifest.as_deref().map(sha256)
    }
}

/// Pulls an artifact: by its digest where the name has one. `known` is asked about the manifest's digest before the
/// component is fetched, and may refuse it.
///
/// # Errors
/// Where it cannot be had, is no plugin's artifact, or is refused.
pub async fn fetch_image<E: From<RemoteError>>(
    outside: &Outside<'_>,
    name: &ImageName,
    known: impl FnOnce(&str) -> Result<(), E>,
) -> Result<Fetched, E> {
    let mut session = Session::open(outside, name, Access::Pull)?;
    let manifest = manifest(&mut session, name).await?;
    let digest = sha256(&manifest);
    if let Some(expected) = name.digest()
        && expected != digest
    {
        return Err(differs(name, "manifest", expected, digest).into());
    }
    known(&digest)?;
    let wrong = |what| RemoteError::Layout {
        name: name.to_string(),
        what,
    };
    let (layer, size) = layout::layer(&manifest, SIZE_LIMIT).map_err(wrong)?;
    let component = blob(&mut session, name, &layer, size).await?;
    Ok(Fetched {
        component,
        manifest: Some(manifest),
    })
}

async fn manifest(session: &mut Session<'_>, name: &ImageName) -> Result<Vec<u8>, RemoteError> {
    let which = name.digest().or(name.tag()).unwrap_or("latest");
    let accept = [MANIFEST, INDEXES[0], INDEXES[1]].join(", ");
    let ask = Ask::new("GET", session.url("manifests", which)).with("accept", &accept);
    // Not by way of redirects: what a tag names is for its registry to say.
    let answer = session.ask(&ask, None).await?;
    match answer.status {
        200 => Ok(answer.body.to_vec()),
        _ => Err(session.refused(&answer, "such artifact")),
    }
}

async fn blob(
    session: &mut Session<'_>,
    name: &ImageName,
    digest: &str,
    size: u64,
) -> Result<Vec<u8>, RemoteError> {
    let mut ask = Ask::new("GET", session.url("blobs", digest));
    ask.bound = component(size);
    let told = session.outside.told;
    let answer = session.fetch(ask, Some((told, size))).await?;
    if answer.status != 200 {
        return Err(session.refused(&answer, "such component, though its manifest names it"));
    }
    let found = sha256(&answer.body);
    match found == digest {
        true => Ok(answer.body.to_vec()),
        false => Err(differs(name, "component", digest, found)),
    }
}

fn differs(name: &ImageName, what: &'static str, expected: &str, found: String) -> RemoteError {
    RemoteError::Differs {
        name: name.to_string(),
        what,
        expected: expected.into(),
        found,
    }
}

/// Fetches a file: what is there must have the digest that the address says. No credential is ever sent.
///
/// # Errors
/// Where it cannot be had or is another; [`RemoteError::Undigested`] where no digest is written.
pub async fn fetch_file(outside: &Outside<'_>, address: &Address) -> Result<Fetched, RemoteError> {
    let url = address.url.to_string();
    let body = follow(outside, address).await?;
    let Some(expected) = &address.expected else {
        return Err(RemoteError::Undigested {
            url,
            sha256: sha256(&body)["sha256:".len()..].into(),
            blake3: PluginDigest::of(&body).to_string(),
        });
    };
    expected
        .check(&body)
        .map_err(|found| RemoteError::Differs {
            name: url,
            what: "file",
            expected: expected.to_string(),
            found: found.to_string(),
        })?;
    Ok(Fetched {
        component: body.to_vec(),
        manifest: None,
    })
}

async fn follow(outside: &Outside<'_>, address: &Address) -> Result<Bytes, RemoteError> {
    let name = address.url.to_string();
    let mut at = address.url.clone();
    if !outside.plain.allows(&at) {
        return Err(RemoteError::NotEncrypted {
            host: host_of(&name),
            name,
        });
    }
    for _ in 0..HOPS {
        let request = Outgoing {
            method: "GET",
            url: at.to_string(),
            headers: Vec::new(),
            body: Bytes::new(),
            timeout: PIECE,
        };
        let bound = Bound {
            what: "file",
            ..component(SIZE_LIMIT)
        };
        let watched = Some((outside.told, 0));
        let error = match take(outside.transport, request, &name, bound, watched).await {
            Ok(answer) if answer.status == 200 => return Ok(answer.body),
            Ok(answer) => {
                return Err(RemoteError::Status {
                    name,
                    host: host_of(at.as_str()),
                    status: answer.status,
                    said: String::new(),
                });
            }
            Err(error) => error,
        };
        let to = redirect(&error).ok_or(error)?;
        if !outside.plain.may_lead(&at, &to) {
            return Err(astray(
                &name,
                &at,
                &to,
                "it is not encrypted, or leads into this machine",
            ));
        }
        at = to;
    }
    let why = "there were redirects enough";
    Err(astray(&name, &address.url, &at, why))
}
