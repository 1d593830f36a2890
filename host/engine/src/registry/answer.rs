//! One answer, bounded in size and in time: each piece must come within half a minute and the whole within its limit, so
//! that a server that drips is left.

use super::Told;
use super::error::RemoteError;
use crate::http::{Outgoing, Transport, TransportError};
use crate::text::plain;
use bytes::Bytes;
use futures_util::StreamExt;
use std::time::Duration;
use url::Url;

/// How long one piece may take.
pub(super) const PIECE: Duration = Duration::from_secs(30);

/// A manifest or a token's answer is a few kilobytes.
pub(super) const DOCUMENT: Bound = Bound {
    what: "manifest",
    bytes: 1 << 20,
    time: Duration::from_secs(60),
};

/// How much, and how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    /// What it is, in words.
    pub(super) what: &'static str,
    /// The most bytes.
    pub(super) bytes: u64,
    /// The longest time.
    pub(super) time: Duration,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    pub(super) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = move |(known, _): &&(String, String)| known == name;
        self.headers
            .iter()
            .filter(named)
            .map(|(_, value)| value.as_str())
    }

    /// A registry's own words, after a colon.
    pub(super) fn said(&self) -> String {
        let json: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        let error = json.as_ref().map(|json| &json["errors"][0]);
        let words = error.and_then(|error| {
            let message = error["message"].as_str().filter(|text| !text.is_empty());
            message.or_else(|| error["code"].as_str())
        });
        words.map_or_else(String::new, |words| {
            let words: String = words.chars().take(200).collect();
            format!(": {}", plain(&words))
        })
    }
}

/// Sends, and takes the answer within its bounds. `all` is how much is expected, for whoever watches.
pub(super) async fn take(
    transport: &dyn Transport,
    request: Outgoing,
    name: &str,
    bound: Bound,
    watched: Option<(Told<'_>, u64)>,
) -> Result<Answer, RemoteError> {
    let url = request.url.clone();
    let host = host_of(&url);
    let broken = |cause| failure(cause, name, &url);
    let whole = async {
        let mut download = transport.download(request).await.map_err(broken)?;
        let limit = match download.status {
            200 => bound.bytes,
            // What a server says instead is a document.
            _ => DOCUMENT.bytes,
        };
        let mut body = Vec::new();
        while let Some(piece) = download.pieces.next().await {
            let piece = piece.map_err(broken)?;
            if (body.len() + piece.len()) as u64 > limit {
                return Err(RemoteError::Size {
                    name: name.into(),
                    what: bound.what,
                    limit,
                });
            }
            body.extend_from_slice(&piece);
            if let Some((told, all)) = watched {
                told(body.len() as u64, all);
            }
        }
        Ok(Answer {
            status: download.status,
            headers: download.headers,
            body: body.into(),
        })
    };
    let slow = |_| RemoteError::Slow {
        name: name.into(),
        host: host.clone(),
        seconds: bound.time.as_secs(),
    };
    tokio::time::timeout(bound.time, whole)
        .await
        .map_err(slow)?
}

/// A redirect names its place, so that whoever may can follow it.
fn failure(cause: TransportError, name: &str, url: &str) -> RemoteError {
    let name = name.to_owned();
    let TransportError::Redirect { location, .. } = cause else {
        return RemoteError::Transport { name, cause };
    };
    let base = Url::parse(url).ok();
    let to = base.and_then(|base| base.join(location.as_deref()?).ok());
    RemoteError::Redirect {
        name,
        host: host_of(url),
        to: to
            .as_ref()
            .map_or_else(|| "nowhere".into(), |to| host_of(to.as_str())),
        location: to.map(Box::new),
        why: "only a download is",
    }
}

/// Where a redirect leads, if the error is one.
pub(super) fn redirect(error: &RemoteError) -> Option<Url> {
    match error {
        RemoteError::Redirect { location, .. } => location.as_deref().cloned(),
        _ => None,
    }
}

/// A redirect that is not followed.
pub(super) fn astray(name: &str, from: &Url, to: &Url, why: &'static str) -> RemoteError {
    RemoteError::Redirect {
        name: name.into(),
        host: host_of(from.as_str()),
        to: host_of(to.as_str()),
        location: None,
        why,
    }
}

/// A URL's host and port.
pub(super) fn host_of(url: &str) -> String {
    let url = Url::parse(url).ok();
    let host = url.as_ref().and_then(|url| {
        let host = url.host_str()?;
        Some(match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        })
    });
    host.unwrap_or_else(|| "the server".into())
}
