//! A request: what a provider plugin said, joined to the experiment's endpoint and checked. Its digest covers everything
//! that is sent but the credential; the bytes that are hashed are the bytes that are sent.
//!
//! Made by `trial`, sent by `lane`. Never knows a credential.

/// Where requests of a config go.
mod endpoint;

pub use endpoint::{Endpoint, EndpointError, Wishes};

use crate::json;
use crate::plugin::bindings::provider::{HttpRequest, Method};
use bytes::Bytes;
use xhost_store::{Digest, Sent};

/// Separates equal requests whose answers are meant to differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The epoch, from 1.
    pub epoch: u32,
    /// Which of the trial's equal requests this is, from 0.
    pub repeat: u32,
}

/// How many equal requests one trial may make. A request that is asked again, in another run, has a `repeat` beyond these.
pub const REPEATS: u32 = 256;

/// What is sent to a model.
#[derive(Clone, Debug)]
pub struct Request {
    /// What stands for the server in the digest.
    pub endpoint: String,
    /// `GET`, `POST` or `DELETE`.
    pub method: &'static str,
    /// The whole path, and the query where there is one.
    pub target: String,
    /// The plugin's headers, sorted, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Bytes,
    /// Which draw this is.
    pub draw: Draw,
    /// The experiment's salt.
    pub salt: String,
}

/// A provider plugin asked for what the host does not send.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The path could leave the endpoint.
    #[error("its path `{path}` {what}")]
    Path {
        /// The path, control characters escaped.
        path: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A header that is not the plugin's to set, or cannot be sent.
    #[error("its header `{name}` {what}")]
    Header {
        /// The name, control characters escaped.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The body is not JSON that everybody reads alike.
    #[error("its body {0}")]
    Body(String),
}

/// Headers that frame the message or steer the connection.
const FRAMING_HEADERS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers that carry a credential, with this provider or with another.
const CREDENTIAL_HEADERS: &[&str] = &["authorization", "x-api-key", "api-key"];

impl Request {
    /// Joins a plugin's request to an endpoint.
    ///
    /// # Errors
    /// Where the plugin tries what is not its to do.
    pub fn new(
        plugin: HttpRequest,
        endpoint: &Endpoint,
        draw: Draw,
        salt: &str,
    ) -> Result<Request, RequestError> {
        let body = plugin.body.unwrap_or_default();
        if !body.is_empty() {
            json::check(&body).map_err(RequestError::Body)?;
        }
        Ok(Request {
            endpoint: endpoint.name().to_owned(),
            method: method(plugin.method),
            target: target(endpoint, &plugin.path, &plugin.query)?,
            headers: headers(
                plugin
                    .headers
                    .into_iter()
                    .map(|header| (header.name, header.value)),
                endpoint,
            )?,
            body: Bytes::from(body),
            draw,
            salt: salt.to_owned(),
        })
    }

    /// The request's name in the store.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.sent().digest()
    }

    /// The request as the store keeps it: the bytes that its digest is the hash of.
    #[must_use]
    pub fn stored(&self) -> Bytes {
        self.sent().to_bytes().into()
    }

    /// Without `..`, so that a new field cannot be forgotten in the digest.
    fn sent(&self) -> Sent<'_> {
        let Request {
            endpoint,
            method,
            target,
            headers,
            body,
            draw: Draw { epoch, repeat },
            salt,
        } = self;
        Sent {
            endpoint,
            method,
            target,
            headers,
            body,
            epoch: *epoch,
            repeat: *repeat,
            salt,
        }
    }

    /// This request as a later generation of itself: what is asked again although there is an answer.
    #[must_use]
    pub fn of_generation(&self, generation: u32) -> Request {
        let mut request = self.clone();
        request.draw.repeat = request
            .draw
            .repeat
            .saturating_add(generation.saturating_mul(REPEATS));
        request
    }

    /// The path below the base URL's, without the query.
    #[must_use]
    pub fn path_below(&self, base_path: &str) -> &str {
        let path = self.target.split('?').next().unwrap_or_default();
        path.strip_prefix(base_path).unwrap_or(path)
    }

    /// This request as another of the trial's equal ones.
    #[must_use]
    pub fn repeated(mut self, repeat: u32) -> Request {
        self.draw.repeat = repeat;
        self
    }
}

fn method(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Delete => "DELETE",
    }
}

fn target(
    endpoint: &Endpoint,
    path: &str,
    query: &[(String, String)],
) -> Result<String, RequestError> {
    let refuse = |what| {
        Err(RequestError::Path {
            path: path.escape_debug().to_string(),
            what,
        })
    };
    if !path.starts_with('/') {
        return refuse("does not begin with `/`");
    }
    if path.contains("//") || path.contains('\\') {
        return refuse("could name another host");
    }
    if leaves(path) {
        return refuse("leaves the base URL's path");
    }
    let mut target = format!("{}{path}", endpoint.base_path());
    if path.contains(['?', '#']) || !is_sent_as_it_is(&target) {
        return refuse(
            "has characters that do not belong into a path; escape them, and give a query as `query`",
        );
    }
    if !query.is_empty() {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(query)
            .finish();
        target = format!("{target}?{query}");
    }
    Ok(target)
}

/// Whether a server could walk out of the base URL's path. Some unescape before they walk, so that `%2f` is a `/` to them;
/// some cut `;` and what follows off each segment.
fn leaves(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let path = path
        .replace("%2e", ".")
        .replace("%2f", "/")
        .replace("%5c", "/")
        .replace("%3b", ";");
    path.split('/').any(|segment| {
        let name = segment.split(';').next().unwrap_or(segment);
        matches!(name, "." | "..")
    })
}

/// Whether the HTTP client leaves the target alone: it escapes what a URL cannot hold, and then what is sent would not be
/// what is digested.
fn is_sent_as_it_is(target: &str) -> bool {
    let url = url::Url::parse(&format!("http://host{target}"));
    url.is_ok_and(|url| url.as_str().strip_prefix("http://host") == Some(target))
}

fn headers(
    given: impl Iterator<Item = (String, String)>,
    endpoint: &Endpoint,
) -> Result<Vec<(String, String)>, RequestError> {
    let mut headers = Vec::new();
    for (name, value) in given {
        let name = name.to_ascii_lowercase();
        let refuse = |what| {
            Err(RequestError::Header {
                name: name.escape_debug().to_string(),
                what,
            })
        };
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        {
            return refuse("has a name that is none");
        }
        let host = [FRAMING_HEADERS, CREDENTIAL_HEADERS].concat();
        if host.contains(&name.as_str())
            || name.starts_with("proxy-")
            || endpoint.is_credential_header(&name)
        {
            return refuse("is the host's to set");
        }
        if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return refuse("has a value that is not visible ASCII");
        }
        if headers.iter().any(|(earlier, _)| *earlier == name) {
            return refuse("is there twice");
        }
        headers.push((name, value));
    }
    headers.sort();
    Ok(headers)
}

#[cfg(test)]
mod tests;
