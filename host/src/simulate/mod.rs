//! A model API on this machine: OpenAI's chat completions, Anthropic's messages and Google's Gemini as their references
//! describe them, with usage, rate limits and their headers, faults and delays. For `xhost simulate`, for rehearsals, and for
//! tests. Listens on loopback only; whatever it is sent, it answers.

/// What the answers are.
mod replies;

/// OpenAI's words.
mod openai;

/// Anthropic's words.
mod anthropic;

/// Google's words, for single calls.
mod gemini;

/// A reply within the limits of its request.
mod reply;

/// Token buckets.
mod limits;

/// Which calls fail, and how long they take.
mod faults;

/// What they are told then.
mod refusals;

/// Counters.
mod stats;

/// Batches: what waits, and how it ends.
mod batches;

/// Looking at batches and cancelling them, in any words.
mod batch_errands;

/// OpenAI's words for batches.
mod openai_batches;

/// Anthropic's words for batches.
mod anthropic_batches;

pub use batches::{BatchOptions, End};
pub use faults::Latency;
pub use refusals::Scripted;
pub use replies::{Replies, ReplyError};
pub use stats::Stats;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use faults::Faults;
use limits::{Cost, Limits, Standing};
use serde_json::Value;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// The largest body, as at Anthropic.
const BODY_LIMIT: usize = 32 << 20;

/// The largest upload of lines, as at Anthropic, with room for a form around it.
const UPLOAD_LIMIT: usize = 257 << 20;

/// How it answers.
#[derive(Debug, Default)]
pub struct Options {
    /// Recorded replies; without any, each answer is made up from its request.
    pub replies: Option<Replies>,
    /// How long a call takes.
    pub latency: Latency,
    /// Requests a minute, for each key and model.
    pub requests_per_minute: Option<u32>,
    /// Tokens a minute, for each key and model.
    pub tokens_per_minute: Option<u32>,
    /// The share of calls that fail, 0 to 1.
    pub fail_rate: f64,
    /// Calls that are refused, by their number.
    pub refusals: Vec<Scripted>,
    /// What faults and delays follow from.
    pub seed: u64,
    /// The only credential that is taken; `None` takes any, and none.
    pub key: Option<String>,
    /// How batches go.
    pub batches: BatchOptions,
    /// Remember no request, so that memory does not grow: nothing is known of repetition then, draws of one request are
    /// one answer, and faults strike every attempt. For rehearsals.
    pub forgetful: bool,
}

/// A simulator that has its address and does not answer yet.
pub struct Simulator {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    replies: Option<Replies>,
    latency: Latency,
    limits: Limits,
    faults: Faults,
    refusals: Vec<Scripted>,
    key: Option<String>,
    stats: stats::Counters,
    batches: batches::Batches,
}

/// Which API a call speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    OpenAi,
    Anthropic,
}

/// An error as one of the APIs would tell it.
#[derive(Debug)]
struct Refusal {
    status: u16,
    /// OpenAI's `type`, Anthropic's `error.type`.
    kind: &'static str,
    /// OpenAI's `code`.
    code: Option<&'static str>,
    /// OpenAI's `param`: the place in the body.
    param: Option<Box<str>>,
    message: String,
    retry_after: Option<u64>,
    /// What the limits are, where they were looked at.
    standing: Option<Standing>,
}

impl Refusal {
    fn new(status: u16, message: impl Into<String>) -> Refusal {
        Refusal {
            status,
            kind: "invalid_request_error",
            code: None,
            param: None,
            message: message.into(),
            retry_after: None,
            standing: None,
        }
    }

    fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::new(400, message)
    }

    fn param(self, place: &str, code: Option<&'static str>) -> Refusal {
        let param = Some(place.into());
        Refusal {
            param,
            code,
            ..self
        }
    }
}

/// What a request asks, read by its dialect.
struct Asked {
    model: String,
    last_user_text: String,
    most_tokens: Option<u64>,
    choices: u64,
    stop: Vec<String>,
}

/// Takes an address on this machine.
///
/// # Errors
/// Where it is not on this machine, or taken.
pub async fn bind(address: SocketAddr, options: Options) -> io::Result<Simulator> {
    if !address.ip().is_loopback() {
        let message = "the simulator listens on this machine only: use 127.0.0.1 or [::1]";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let Options {
        replies,
        latency,
        requests_per_minute,
        tokens_per_minute,
        fail_rate,
        refusals,
        seed,
        key,
        batches,
        forgetful,
    } = options;
    let limits = Limits::new(requests_per_minute, tokens_per_minute);
    let (faults, stats) = (
        Faults::new(fail_rate, seed),
        stats::Counters::new(forgetful),
    );
    let shared = Shared {
        replies,
        latency,
        limits,
        faults,
        refusals,
        key,
        stats,
        batches: batches::Batches::new(batches),
    };
    Ok(Simulator {
        listener,
        address,
        shared: Arc::new(shared),
    })
}

impl Simulator {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown`.
    ///
    /// # Errors
    /// Where the operating system takes the socket away.
    pub async fn serve(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let router = Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::max(UPLOAD_LIMIT))
            .with_state(self.shared);
        axum::serve(self.listener, router)
            .with_graceful_shutdown(shutdown)
            .await
    }
}

/// Every request comes here: base URLs have paths of their own, so a call is known by how its path ends.
async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path();
    let dialect = match path.ends_with("/messages") || headers.contains_key("anthropic-version") {
        true => Dialect::Anthropic,
        false => Dialect::OpenAi,
    };
    match (method, path) {
        (Method::GET, "/stats") => json(200, &shared.stats.snapshot()),
        (Method::GET, path) if path.ends_with("/models") => {
            let replies = shared.replies.as_ref();
            json(
                200,
                &match dialect {
                    Dialect::OpenAi => openai::models(replies),
                    Dialect::Anthropic => anthropic::models(replies),
                },
            )
        }
        (method, path) if path.contains("/batches") || path.contains("/files") => {
            errand(&shared, &method, &uri, &headers, body).await
        }
        (Method::POST, path)
            if path.ends_with("/chat/completions") || path.ends_with("/messages") =>
        {
            call(&shared, dialect, path, &headers, &body).await
        }
        (Method::POST, path) if path.ends_with(gemini::CALL) => {
            gemini::call(&shared, path, &headers, &body).await
        }
        (method, path) => refuse(dialect, &nothing_there(dialect, &method, path), 0),
    }
}

fn nothing_there(dialect: Dialect, method: &Method, path: &str) -> Refusal {
    let message = format!(
        "Invalid URL ({method} {path}): the simulator answers POST …/chat/completions and …/messages"
    );
    let (kind, code) = match dialect {
        Dialect::OpenAi => ("invalid_request_error", Some("unknown_url")),
        Dialect::Anthropic => ("not_found_error", None),
    };
    Refusal {
        kind,
        code,
        ..Refusal::new(404, message)
    }
}

/// Files and batches, of either dialect.
async fn errand(
    shared: &Shared,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: Bytes,
) -> Response {
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    let dialect = if path.contains("/messages/batches") {
        Dialect::Anthropic
    } else {
        Dialect::OpenAi
    };
    let answered = async {
        check_key(shared, dialect, credential(headers))?;
        match dialect {
            Dialect::Anthropic => {
                anthropic_batches::answer(shared, method, path, query, headers, &body)
            }
            Dialect::OpenAi => {
                openai_batches::answer(shared, method, path, query, headers, body).await
            }
        }
    };
    answered
        .await
        .unwrap_or_else(|refusal| refuse(dialect, &refusal, 0))
}

/// What a batch's line is answered: as a call is, but for limits and delays.
fn batched(
    shared: &Shared,
    dialect: Dialect,
    headers: &HeaderMap,
    body: &[u8],
    digest: u128,
) -> Result<Value, Refusal> {
    let parsed: Value = serde_json::from_slice(body)
        .map_err(|e| Refusal::invalid(format!("We could not parse the JSON body: {e}")))?;
    let asked = match dialect {
        Dialect::OpenAi => openai::read(&parsed)?,
        Dialect::Anthropic => anthropic::read(&parsed, headers)?,
    };
    let attempt = shared.stats.attempt(digest);
    let reply = recorded(shared, &asked, digest)?;
    let reply = reply::within(&reply, asked.most_tokens, &asked.stop);
    if let Some(fault) = shared.faults.decide(digest, attempt) {
        return Err(fault.refusal(dialect));
    }
    let input = (body.len() as u64).div_ceil(4);
    let name = shared.stats.answered(digest);
    Ok(match dialect {
        Dialect::OpenAi => openai::completion(&asked, &reply, input, name),
        Dialect::Anthropic => anthropic::message(&asked, &reply, input, name),
    })
}

async fn call(
    shared: &Shared,
    dialect: Dialect,
    path: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response {
    let in_flight = shared.stats.arrive();
    let number = in_flight.number;
    let result = checked_call(shared, dialect, path, (headers, number), body).await;
    match result {
        Ok((value, standing)) => {
            let mut response = json(200, &value);
            tell(&mut response, dialect, number, Some(&standing));
            response
        }
        Err(refusal) => {
            shared.stats.refused(refusal.status);
            refuse(dialect, &refusal, number)
        }
    }
}

async fn checked_call(
    shared: &Shared,
    dialect: Dialect,
    path: &str,
    (headers, number): (&HeaderMap, u64),
    body: &Bytes,
) -> Result<(Value, Standing), Refusal> {
    let key = credential(headers);
    check_key(shared, dialect, key)?;
    if body.len() > BODY_LIMIT {
        return Err(Refusal::new(413, "The request is larger than 32 MB."));
    }
    let parsed: Value = serde_json::from_slice(body)
        .map_err(|e| Refusal::invalid(format!("We could not parse the JSON body: {e}")))?;
    let asked = match dialect {
        Dialect::OpenAi => openai::read(&parsed)?,
        Dialect::Anthropic => anthropic::read(&parsed, headers)?,
    };
    let digest = stats::body_digest(path, body);
    let attempt = shared.stats.attempt(digest);
    let reply = recorded(shared, &asked, digest)?;
    let reply = reply::within(&reply, asked.most_tokens, &asked.stop);
    let input = (body.len() as u64).div_ceil(4);
    let cost = Cost {
        input,
        output: reply.tokens() * asked.choices,
        most_output: asked.most_tokens.unwrap_or(0),
    };
    let account = format!("{}\n{}", key.unwrap_or(""), asked.model);
    let standing = shared
        .limits
        .take(dialect, &account, cost, Instant::now().into_std())?;
    if let Some(scripted) = shared.refusals.iter().find(|one| one.strikes(number)) {
        return Err(Refusal {
            standing: Some(standing),
            ..scripted.refusal(dialect)
        });
    }
    if let Some(fault) = shared.faults.decide(digest, attempt) {
        return Err(fault.refusal(dialect));
    }
    tokio::time::sleep(shared.latency.of(digest, attempt)).await;
    let name = shared.stats.answered(digest);
    let value = match dialect {
        Dialect::OpenAi => openai::completion(&asked, &reply, input, name),
        Dialect::Anthropic => anthropic::message(&asked, &reply, input, name),
    };
    Ok((value, standing))
}

fn recorded(shared: &Shared, asked: &Asked, digest: u128) -> Result<String, Refusal> {
    match &shared.replies {
        Some(replies) => replies
            .find(&asked.model, &asked.last_user_text)
            .map(str::to_owned)
            .ok_or_else(|| no_reply(asked)),
        None => Ok(reply::made_up(digest)),
    }
}

fn check_key(shared: &Shared, dialect: Dialect, key: Option<&str>) -> Result<(), Refusal> {
    let wanted = shared.key.as_deref();
    if wanted.is_none_or(|wanted| key == Some(wanted)) {
        return Ok(());
    }
    let message = format!("Incorrect API key provided: {}.", key.unwrap_or("none"));
    let kind = match dialect {
        Dialect::OpenAi => "invalid_request_error",
        Dialect::Anthropic => "authentication_error",
    };
    Err(Refusal {
        kind,
        code: Some("invalid_api_key"),
        ..Refusal::new(401, message)
    })
}

/// The key, from wherever one of the providers takes it.
fn credential(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let names = ["x-api-key", "api-key", "x-goog-api-key"];
    names.into_iter().find_map(text).or(bearer)
}

/// A mistake in the recording must be seen, so there is no answer by default.
fn no_reply(asked: &Asked) -> Refusal {
    let start: String = asked.last_user_text.chars().take(80).collect();
    let message = format!(
        "no recorded reply for the model `{}` and the message that begins `{start}`",
        asked.model
    );
    Refusal {
        kind: "not_found_error",
        code: Some("no_recorded_reply"),
        ..Refusal::new(404, message)
    }
}

fn refuse(dialect: Dialect, refusal: &Refusal, number: u64) -> Response {
    let value = match dialect {
        Dialect::OpenAi => openai::error(refusal),
        Dialect::Anthropic => anthropic::error(refusal, &request_id(number)),
    };
    let mut response = json(refusal.status, &value);
    if let Some(seconds) = refusal.retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    tell(&mut response, dialect, number, refusal.standing.as_ref());
    response
}

/// The headers around an answer: the request's id, and where the limits stand.
fn tell(response: &mut Response, dialect: Dialect, number: u64, standing: Option<&Standing>) {
    let id = match dialect {
        Dialect::OpenAi => "x-request-id",
        Dialect::Anthropic => "request-id",
    };
    let limits = standing.map(|standing| standing.headers(dialect));
    let headers = [(id, request_id(number))].into_iter();
    for (name, value) in headers.chain(limits.into_iter().flatten()) {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
}

fn request_id(number: u64) -> String {
    format!("req_sim{number:08}")
}

fn json(status: u16, value: &impl serde::Serialize) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(value).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests;
