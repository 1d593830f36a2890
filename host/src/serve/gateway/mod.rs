//! A gateway for programs that speak OpenAI's or Anthropic's words: what the store has is answered from it, everything else
//! goes to the provider once, at the provider's pace, with this process's credential. The program's own key is this gateway's
//! token, and goes nowhere. A call goes on where its program went away: it is paid for, and the next one finds the answer.

/// Who may ask.
mod token;

/// What the two APIs call things.
mod dialect;

/// What a program asks.
mod asked;

/// The lanes.
mod lines;

/// What it did so far.
mod counters;

pub use dialect::Dialect;
pub use lines::{Lines, Upstream};
pub use token::Token;

use crate::answers::{Answers, Origin, Question};
use crate::cache::Policy;
use crate::event::Event;
use crate::lane::{Asker, CallFailure, Lane};
use crate::record::Cause;
use crate::request::{Draw, Request};
use crate::stop::{Stop, StopReason};
use crate::store::{Sight, Store, Want};
use asked::Asked;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};
use counters::Counters;
use dialect::Refusal;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use xhost_store::{Answer, Digest};

/// The largest body, as at Anthropic.
const BODY_LIMIT: usize = 32 << 20;

/// Bytes of bodies that are held at once.
const ROOM: usize = 256 << 20;

/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who may reach the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Programs of this machine.
    Loopback,
    /// Everybody who can reach the address. The token travels as it is.
    Anybody,
}

/// A gateway that has its address and does not answer yet.
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
}

struct Desk {
    answers: Arc<Answers>,
    store: Arc<Store>,
    lines: tokio::sync::Mutex<Lines>,
    token: Token,
    events: mpsc::Sender<Event>,
    room: Arc<Semaphore>,
    counters: Arc<Counters>,
    /// Calls that are under way, whoever still waits for them.
    calls: Mutex<JoinSet<()>>,
}

/// An answer and where it came from.
struct Given {
    answer: Answer,
    request: Digest,
    origin: Origin,
}

impl Gateway {
    /// Takes an address.
    ///
    /// # Errors
    /// Where it is taken, or not on this machine although it must be.
    pub async fn bind(address: SocketAddr, reach: Reach) -> io::Result<Gateway> {
        if reach == Reach::Loopback && !address.ip().is_loopback() {
            let message = "others could reach it, and the token would travel unencrypted: use 127.0.0.1 or [::1], or say \
                           --allow-remote";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Gateway { listener, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop`; calls that are under way then are let finish.
    ///
    /// # Errors
    /// Where the operating system takes the socket away.
    pub async fn serve(
        self,
        store: Arc<Store>,
        lines: Lines,
        token: Token,
        stop: Stop,
    ) -> io::Result<()> {
        let (answers, writer) = Answers::new(Arc::clone(&store), stop.clone());
        let (events, inbox) = mpsc::channel(1_024);
        let counters = Arc::new(Counters::default());
        let mut listening = JoinSet::new();
        listening.spawn(listen(inbox, Arc::clone(&counters)));
        let desk = Arc::new(Desk {
            answers,
            store,
            lines: tokio::sync::Mutex::new(lines),
            token,
            events,
            room: Arc::new(Semaphore::new(ROOM)),
            counters,
            calls: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&desk));
        let ended = async move { drop(stop.requested().await) };
        let served = axum::serve(self.listener, router)
            .with_graceful_shutdown(ended)
            .await;
        let calls = std::mem::take(&mut *desk.calls.lock().unwrap_or_else(PoisonError::into_inner));
        calls.join_all().await;
        drop(desk);
        writer.await.map_err(io::Error::other)?;
        served
    }
}

/// What happens on the lanes.
async fn listen(mut events: mpsc::Receiver<Event>, counters: Arc<Counters>) {
    while let Some(event) = events.recv().await {
        match event {
            Event::Retry { .. } => counters.retried(),
            Event::Warning { message } | Event::Notice { message } => eprintln!("{message}"),
            Event::Started { .. }
            | Event::CallStarted { .. }
            | Event::CallEnded { .. }
            | Event::Limits { .. }
            | Event::TrialEnded { .. }
            | Event::Batch { .. }
            | Event::BatchPacked { .. }
            | Event::BatchRead { .. }
            | Event::Stopping { .. }
            | Event::Ended { .. } => {}
        }
    }
}

/// Every request comes here.
async fn answer(State(desk): State<Arc<Desk>>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let (path, headers) = (parts.uri.path(), &parts.headers);
    let dialect = Dialect::of(path, headers);
    let known = Dialect::all().into_iter().find(|one| one.path() == path);
    let given = match (&parts.method, known) {
        _ if !desk.may_ask(headers) => Err(Refusal::new(
            401,
            "this is xhost's gateway, and the API key is not its token: `xhost serve` printed it when it was started",
        )),
        (&Method::GET, None) if path == "/stats" => return desk.counters.told(),
        (&Method::POST, Some(dialect)) => desk.call(dialect, &parts, body).await,
        (method, Some(_)) => Err(Refusal::new(405, format!("{method} {path}: use POST"))),
        (method, None) => Err(Refusal::new(
            404,
            format!(
                "{method} {path}: xhost's gateway answers POST {} and POST {} only",
                Dialect::OpenAi.path(),
                Dialect::Anthropic.path()
            ),
        )),
    };
    match given {
        Ok(given) => give(given),
        Err(refusal) => {
            desk.counters.refused();
            refuse(dialect, &refusal)
        }
    }
}

impl Desk {
    fn may_ask(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
        [bearer, text("x-api-key")]
            .into_iter()
            .flatten()
            .any(|given| self.token.is(given))
    }

    async fn call(
        self: &Arc<Desk>,
        dialect: Dialect,
        parts: &Parts,
        body: Body,
    ) -> Result<Given, Refusal> {
        let (body, _room) = self.body(&parts.headers, body).await?;
        let asked = Asked::read(dialect, &parts.uri, &parts.headers, body)?;
        let lane = self.lines.lock().await.lane(&asked).await?;
        let draw = Draw {
            epoch: asked.draw,
            repeat: 0,
        };
        let request = Request::new(asked.request, &lane.endpoint, draw, "")
            .map_err(|error| Refusal::new(400, error.to_string()))?;
        let (sender, receiver) = oneshot::channel();
        let (desk, most_output) = (Arc::clone(self), asked.most_output);
        {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            while calls.try_join_next().is_some() {}
            calls.spawn(async move {
                // Whoever asked may have gone; the answer is stored all the same.
                let _ = sender.send(desk.ask(&request, &lane, most_output).await);
            });
        }
        let gone = |_| Refusal::new(500, "the call ended by itself; please report it");
        receiver.await.map_err(gone)?
    }

    /// The body, and its part of the room.
    async fn body(
        &self,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(Vec<u8>, OwnedSemaphorePermit), Refusal> {
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        // Without a length it may be as long as any.
        let length = length.unwrap_or(BODY_LIMIT);
        let too_large = || Refusal::new(413, format!("the body is larger than {BODY_LIMIT} bytes"));
        if length > BODY_LIMIT {
            return Err(too_large());
        }
        let room = Arc::clone(&self.room)
            .acquire_many_owned(length as u32)
            .await;
        let room = room.map_err(|_| Refusal::new(503, "`xhost serve` ends"))?;
        let read = tokio::time::timeout(PATIENCE, to_bytes(body, length)).await;
        let read = read.map_err(|_| Refusal::new(408, "the body did not come in time"))?;
        Ok((read.map_err(|_| too_large())?.into(), room))
    }

    async fn ask(
        &self,
        request: &Request,
        lane: &Arc<Lane>,
        most_output: Option<u64>,
    ) -> Result<Given, Refusal> {
        let question = Question {
            request,
            digest: request.digest(),
            lane,
            terms: Policy::default().at(0),
            trial: "the gateway",
            recorded: None,
        };
        let mut asker = Asker::new(0, self.events.clone());
        asker.most_output = most_output;
        let answered = self.answers.answer(&question, &asker, None).await;
        let (answered, origin) = answered.map_err(explained)?;
        self.counters.answered(origin);
        let stored = self.store.look(&answered.request, Want::Answer).await;
        match stored.map_err(|error| Refusal::new(503, error.to_string()))? {
            Sight::Answer(answer) => Ok(Given {
                answer,
                request: answered.request,
                origin,
            }),
            Sight::Absent | Sight::Yours(..) => Err(Refusal::new(500, "the answer is gone")),
        }
    }
}

/// Why there is no answer, as a status that official clients know. They need not try again: that was done.
fn explained(failure: CallFailure) -> Refusal {
    match failure {
        CallFailure::Trial(failure) => {
            let status = match failure.cause {
                Cause::RateLimited => 429,
                Cause::Rejected => 400,
                Cause::Overloaded => 503,
                Cause::Timeout => 504,
                Cause::Malformed | Cause::Unreachable => 502,
                Cause::PluginRefusal | Cause::PluginTrap | Cause::PluginLimit | Cause::Host => 500,
            };
            Refusal::new(status, failure.message)
        }
        CallFailure::Stopped(reason) => {
            let status = match reason {
                StopReason::Exhausted(_) => 429,
                StopReason::MissingKey(_) | StopReason::Denied(_) | StopReason::Unreachable(_) => {
                    502
                }
                StopReason::Interrupted | StopReason::Disk(_) => 503,
                StopReason::Detached(_)
                | StopReason::Missing(_)
                | StopReason::Budget(_)
                | StopReason::Internal(_)
                | StopReason::Experiment(_) => 500,
            };
            Refusal::new(status, reason.to_string())
        }
        CallFailure::Deferred => Refusal::new(500, "a call was put off; please report it"),
    }
}

fn give(given: Given) -> Response {
    let Given {
        answer,
        request,
        origin,
    } = given;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let origin = match origin {
        Origin::Hit => "hit",
        Origin::Shared => "shared",
        Origin::Call => "call",
    };
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("x-xhost-answer", origin.to_owned()),
        ("x-xhost-digest", request.to_string()),
    ];
    (status, headers, answer.body).into_response()
}

fn refuse(dialect: Dialect, refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [
        ("content-type", "application/json"),
        ("x-should-retry", "false"),
    ];
    (status, headers, dialect.error(refusal).to_string()).into_response()
}
