//! HTTP, the edge of the world: the only file that opens sockets for providers. `Transport` is the seam at which tests
//! answer instead. Never retries, never follows a redirect, never speaks to another origin than it was told.

#![expect(
    clippy::disallowed_types,
    reason = "this is the file that opens sockets for providers"
)]

/// Bodies that are too large for memory.
mod stream;

pub use stream::{Download, FileBody};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The largest body that is taken.
const BODY_LIMIT: usize = 64 << 20;

/// One server's limit on streams is usually 100: past 80 in flight, another connection helps.
const STREAMS_PER_CLIENT: usize = 80;

/// More than 20,000 calls in flight to one server are beyond every account.
const MOST_CLIENTS: usize = 256;

/// An answer that has begun and then pauses for so long has died. Before it begins, models think as long as they may.
const SILENCE: Duration = Duration::from_secs(60);

/// What goes out.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The method.
    pub method: &'static str,
    /// The whole URL.
    pub url: String,
    /// Headers, the credential's among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// How long the whole exchange may take.
    pub timeout: Duration,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The HTTP status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, decompressed.
    pub body: Bytes,
}

/// Nothing usable came back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No connection: nothing was sent.
    #[error("cannot connect to {origin}: {cause}")]
    Unreachable {
        /// Where to.
        origin: String,
        /// The operating system's words.
        cause: String,
    },
    /// No answer in time.
    #[error("no answer from {origin} within {seconds} s")]
    Timeout {
        /// From where.
        origin: String,
        /// The limit.
        seconds: u64,
    },
    /// The connection broke, or what came was not HTTP.
    #[error("the answer from {origin} broke off: {cause}")]
    Broken {
        /// From where.
        origin: String,
        /// What broke.
        cause: String,
    },
    /// The answer is a redirect, which might lead a credential elsewhere.
    #[error(
        "{origin} answers with a redirect ({status}); set `model.base_url` to where the API really is"
    )]
    Redirect {
        /// From where.
        origin: String,
        /// Its status.
        status: u16,
        /// Where it leads.
        location: Option<String>,
    },
    /// The body is larger than any answer.
    #[error("the answer from {origin} is larger than {limit} bytes", limit = BODY_LIMIT)]
    TooLarge {
        /// From where.
        origin: String,
    },
}

/// Sends a request and waits for the answer.
pub trait Transport: Send + Sync {
    /// One exchange.
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Incoming, TransportError>>;

    /// One exchange whose body comes from disk; that of `request` is not sent. Where it is not overridden, in one piece.
    fn upload(
        &self,
        request: Outgoing,
        file: FileBody,
    ) -> BoxFuture<'_, Result<Incoming, TransportError>> {
        Box::pin(async move {
            let origin = origin(&request.url);
            let body = file.whole().map_err(|cause| TransportError::Unreachable {
                origin,
                cause: cause.to_string(),
            })?;
            self.send(Outgoing { body, ..request }).await
        })
    }

    /// One exchange whose answer comes piece by piece. The time limit is that for each piece. Where it is not overridden,
    /// in one piece.
    fn download(&self, request: Outgoing) -> BoxFuture<'_, Result<Download, TransportError>> {
        Box::pin(async move { self.send(request).await.map(Download::from) })
    }
}

/// Real HTTP.
pub struct Http {
    settings: Settings,
    clients: Vec<Client>,
}

/// How connections are made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// The only certificates that are trusted, in DER; the system's where there are none.
    #[cfg(test)]
    trusted: Option<Vec<u8>>,
}

impl Settings {
    /// Connections that must stand within this time.
    #[must_use]
    pub fn new(connect_timeout: Duration) -> Settings {
        Settings {
            connect_timeout,
            #[cfg(test)]
            trusted: None,
        }
    }
}

/// One connection to each server that speaks HTTP/2.
#[derive(Default)]
struct Client {
    /// Made when first needed: each holds the system's root certificates.
    made: OnceLock<Result<reqwest::Client, String>>,
    in_flight: AtomicUsize,
}

/// A call on a connection, counted while it lives.
struct Aboard<'a>(&'a Client);

impl Drop for Aboard<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Http {
    /// No connection yet.
    #[must_use]
    pub fn new(settings: Settings) -> Http {
        let clients = std::iter::repeat_with(Client::default).take(MOST_CLIENTS);
        Http {
            settings,
            clients: clients.collect(),
        }
    }

    /// Connections to `https` are shared by many calls: the first that has room takes the call, so that few calls make few
    /// connections. Without TLS each call has its own connection, and one client holds them all.
    fn board(&self, url: &str) -> Aboard<'_> {
        let shared = url.starts_with("https:");
        let load = |client: &&Client| client.in_flight.load(Ordering::Relaxed);
        let with_room = self
            .clients
            .iter()
            .find(|client| !shared || load(client) < STREAMS_PER_CLIENT);
        let client = with_room
            .or_else(|| self.clients.iter().min_by_key(load))
            .unwrap_or(&self.clients[0]);
        client.in_flight.fetch_add(1, Ordering::Relaxed);
        Aboard(client)
    }
}

impl Client {
    fn get(&self, settings: &Settings) -> Result<&reqwest::Client, String> {
        let make = || client(settings).map_err(|e| explain(&e));
        self.made.get_or_init(make).as_ref().map_err(Clone::clone)
    }
}

fn client(settings: &Settings) -> reqwest::Result<reqwest::Client> {
    // reqwest takes the process's; where one is installed already, that one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .connect_timeout(settings.connect_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .tcp_keepalive(Duration::from_secs(15))
        .http2_adaptive_window(true)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .http2_keep_alive_while_idle(true)
        .user_agent(concat!("xhost/", env!("CARGO_PKG_VERSION")));
    #[cfg(test)]
    let builder = match &settings.trusted {
        Some(der) => builder.tls_certs_only([reqwest::Certificate::from_der(der)?]),
        None => builder,
    };
    builder.build()
}

impl Transport for Http {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Incoming, TransportError>> {
        Box::pin(async move {
            let body = reqwest::Body::from(request.body.clone());
            self.exchange(&request, body).await
        })
    }

    fn upload(
        &self,
        request: Outgoing,
        file: FileBody,
    ) -> BoxFuture<'_, Result<Incoming, TransportError>> {
        Box::pin(async move {
            let unreadable = |cause: std::io::Error| TransportError::Unreachable {
                origin: origin(&request.url),
                cause: format!("{}: {cause}", file.path.display()),
            };
            let length = file.length().map_err(unreadable)?;
            // With its length, as the SDKs send it: not every server takes chunks.
            let mut request = request.clone();
            request
                .headers
                .push(("content-length".into(), length.to_string()));
            let body = reqwest::Body::wrap_stream(file.pieces());
            self.exchange(&request, body).await
        })
    }

    fn download(&self, request: Outgoing) -> BoxFuture<'_, Result<Download, TransportError>> {
        Box::pin(async move {
            let body = reqwest::Body::from(request.body.clone());
            let origin = origin(&request.url);
            let aboard = self.board(&request.url);
            let opened = self.open(&aboard, &request, body);
            let response = within(request.timeout, &origin, opened).await?;
            let (status, headers) = (response.status().as_u16(), headers(&response));
            let pieces = futures_util::stream::unfold(Some(response), move |response| {
                let origin = origin.clone();
                async move {
                    let mut response = response?;
                    let piece = async {
                        let chunk = response.chunk().await;
                        chunk.map_err(|error| failure(&error, &origin))
                    };
                    match within(request.timeout, &origin, piece).await {
                        Ok(None) => None,
                        Ok(Some(piece)) => Some((Ok(piece), Some(response))),
                        Err(error) => Some((Err(error), None)),
                    }
                }
            });
            Ok(Download {
                status,
                headers,
                pieces: Box::pin(pieces),
            })
        })
    }
}

async fn within<T>(
    limit: Duration,
    origin: &str,
    work: impl Future<Output = Result<T, TransportError>>,
) -> Result<T, TransportError> {
    let timeout = |_| TransportError::Timeout {
        origin: origin.to_owned(),
        seconds: limit.as_secs(),
    };
    tokio::time::timeout(limit, work).await.map_err(timeout)?
}

impl Http {
    async fn exchange(
        &self,
        request: &Outgoing,
        body: reqwest::Body,
    ) -> Result<Incoming, TransportError> {
        let origin = origin(&request.url);
        let aboard = self.board(&request.url);
        let exchange = async {
            let response = self.open(&aboard, request, body).await?;
            read(response, &origin).await
        };
        within(request.timeout, &origin, exchange).await
    }

    /// Sends, and reads the head of the answer.
    async fn open(
        &self,
        aboard: &Aboard<'_>,
        request: &Outgoing,
        body: reqwest::Body,
    ) -> Result<reqwest::Response, TransportError> {
        let origin = origin(&request.url);
        let unable = |cause| TransportError::Unreachable {
            origin: origin.clone(),
            cause,
        };
        let client = aboard.0.get(&self.settings).map_err(unable)?;
        let method =
            reqwest::Method::from_bytes(request.method.as_bytes()).unwrap_or(reqwest::Method::POST);
        let mut builder = client.request(method, &request.url).body(body);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        let sent = builder.send().await;
        let response = sent.map_err(|error| failure(&error, &origin))?;
        if response.status().is_redirection() {
            let location = response.headers().get("location");
            return Err(TransportError::Redirect {
                origin,
                status: response.status().as_u16(),
                location: location.and_then(|to| to.to_str().ok()).map(str::to_owned),
            });
        }
        Ok(response)
    }
}

fn headers(response: &reqwest::Response) -> Vec<(String, String)> {
    let value = |value: &reqwest::header::HeaderValue| {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    };
    response
        .headers()
        .iter()
        .map(|(name, text)| (name.as_str().to_owned(), value(text)))
        .collect()
}

async fn read(mut response: reqwest::Response, origin: &str) -> Result<Incoming, TransportError> {
    let fails = |error: reqwest::Error| failure(&error, origin);
    let (status, headers) = (response.status().as_u16(), headers(&response));
    let mut body = BytesMut::new();
    let silent = |_| TransportError::Broken {
        origin: origin.into(),
        cause: format!("nothing came for {} s", SILENCE.as_secs()),
    };
    loop {
        let chunk = tokio::time::timeout(SILENCE, response.chunk()).await;
        let Some(chunk) = chunk.map_err(silent)?.map_err(fails)? else {
            break;
        };
        if body.len() + chunk.len() > BODY_LIMIT {
            return Err(TransportError::TooLarge {
                origin: origin.into(),
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Incoming {
        status,
        headers,
        body: body.freeze(),
    })
}

fn origin(url: &str) -> String {
    url::Url::parse(url).map_or_else(|_| url.to_owned(), |url| url.origin().ascii_serialization())
}

fn failure(error: &reqwest::Error, origin: &str) -> TransportError {
    let (origin, cause) = (origin.to_owned(), explain(error));
    if error.is_connect() {
        TransportError::Unreachable { origin, cause }
    } else {
        TransportError::Broken { origin, cause }
    }
}

/// The innermost cause says most, and it is the same whatever the URL.
fn explain(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests;
