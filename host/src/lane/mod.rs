//! The live lane: how a request that is not in the store reaches its model. One lane per account and model, whatever the
//! number of configs: a limit on calls in flight, a pace, a gate that a provider's "wait" closes for everybody, retries
//! with back-off. Never looks into the store; never changes a request.

/// How fast a lane may send.
mod pace;

/// What to do about a call that failed.
mod retry;

pub use pace::Pace;
pub use retry::{Patience, Verdict};

use crate::event::Event;
use crate::http::{Incoming, Outgoing, Transport, TransportError};
use crate::plugin::bindings::provider::{Auth, Fault, FaultKind, Header, HttpResponse, Profile};
use crate::plugin::types::Completion;
use crate::plugin::{Failure, Provider};
use crate::record::{Cause, TrialFailure};
use crate::request::{Endpoint, Request};
use crate::secret::Secret;
use crate::stop::{Stop, StopReason};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{Semaphore, mpsc};
use xhost_store::{Answer, Digest};

/// A model at an address, and how to ask it.
pub struct Lane {
    /// The provider with its parameters.
    pub provider: Provider,
    /// What the provider says of itself.
    pub profile: Profile,
    /// Where it is.
    pub endpoint: Endpoint,
    /// The model's name.
    pub model: Arc<str>,
    settings: Settings,
    transport: Arc<dyn Transport>,
    calls: Arc<Semaphore>,
    pace: Mutex<Pace>,
    secret: OnceLock<Option<Secret>>,
    answered_once: AtomicBool,
    /// Ends this model alone, or the whole run.
    pub stop: Stop,
}

/// What the experiment says about a lane.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Requests a minute; `None` for no limit.
    pub requests_per_minute: Option<u32>,
    /// Tokens a minute, both directions; `None` for no limit.
    pub tokens_per_minute: Option<u64>,
    /// How often a failed call is sent again.
    pub retries: u32,
    /// How long one call may take.
    pub timeout: Duration,
}

/// What all lanes of a process share.
#[derive(Clone)]
pub struct Road {
    /// How calls travel.
    pub transport: Arc<dyn Transport>,
    /// One permit for each call that may be in flight.
    pub calls: Arc<Semaphore>,
}

/// A call that gave no answer.
#[derive(Clone, Debug)]
pub enum CallFailure {
    /// The trial fails.
    Trial(TrialFailure),
    /// Nothing was decided: the lane or the run ended first.
    Stopped(StopReason),
}

impl From<Failure> for CallFailure {
    fn from(failure: Failure) -> CallFailure {
        CallFailure::Trial(failure.into())
    }
}

/// An answer that a provider just gave.
#[derive(Debug)]
pub struct Fresh {
    /// To be stored.
    pub answer: Answer,
    /// What the provider plugin reads in it.
    pub completion: Completion,
}

/// Who asks: for the events.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The config whose trial asks.
    pub config: usize,
    /// Where events go.
    pub events: mpsc::Sender<Event>,
}

impl Asker {
    pub(crate) async fn emit(&self, event: Event) {
        // The receiver lives as long as the run.
        let _ = self.events.send(event).await;
    }
}

impl Lane {
    /// A lane at its start.
    #[must_use]
    pub fn new(
        provider: Provider,
        profile: Profile,
        endpoint: Endpoint,
        model: Arc<str>,
        settings: Settings,
        road: Road,
    ) -> Lane {
        let Road { transport, calls } = road;
        Lane {
            pace: Mutex::new(Pace::new(
                settings.requests_per_minute,
                settings.tokens_per_minute,
            )),
            provider,
            profile,
            endpoint,
            model,
            settings,
            transport,
            calls,
            secret: OnceLock::new(),
            answered_once: AtomicBool::new(false),
            stop: Stop::default(),
        }
    }

    /// What the experiment says about this lane.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Asks until there is an answer, a failure that asking again will not mend, or an end.
    ///
    /// # Errors
    /// As [`CallFailure`] says.
    pub async fn ask(
        &self,
        request: &Request,
        digest: Digest,
        run: &Stop,
        asker: &Asker,
    ) -> Result<Fresh, CallFailure> {
        let mut patience = Patience::new(self.settings.retries);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let outcome = self.attempt(request, digest, attempt, run, asker).await?;
            let trouble = match outcome {
                Ok(fresh) => return Ok(fresh),
                Err(trouble) => trouble,
            };
            let ever_answered = self.answered_once.load(Ordering::Relaxed);
            match patience.decide(&trouble, ever_answered) {
                Verdict::Fail(failure) => return Err(CallFailure::Trial(failure)),
                Verdict::Stop(reason) => {
                    self.stop.request(reason.clone());
                    return Err(CallFailure::Stopped(reason));
                }
                Verdict::Retry {
                    cause,
                    wait,
                    everybody,
                } => {
                    if everybody {
                        self.pace().close_until(now() + wait);
                    }
                    let message = trouble.message();
                    let wait_ms = wait.as_millis() as u64;
                    asker
                        .emit(Event::Retry {
                            config: asker.config,
                            digest,
                            cause: cause.text(),
                            message,
                            wait_ms,
                        })
                        .await;
                    self.unless_stopped(run, tokio::time::sleep(wait)).await?;
                }
            }
        }
    }

    /// One call, from the wait for its turn to the reading of its answer.
    async fn attempt(
        &self,
        request: &Request,
        digest: Digest,
        attempt: u32,
        run: &Stop,
        asker: &Asker,
    ) -> Result<Result<Fresh, Trouble>, CallFailure> {
        // The turn comes first: a lane that waits for its pace takes no room from the others.
        self.unless_stopped(run, self.turn(request)).await?;
        let permit = self.unless_stopped(run, self.calls.acquire()).await?;
        let outgoing = self
            .outgoing(request)
            .inspect_err(|reason| self.stop.request(reason.clone()));
        let outgoing = outgoing.map_err(CallFailure::Stopped)?;
        asker
            .emit(Event::CallStarted {
                config: asker.config,
            })
            .await;
        let started = now();
        let result = self.transport.send(outgoing).await;
        let latency_ms = started.elapsed().as_millis() as u64;
        drop(permit);
        let status = result.as_ref().ok().map(|incoming| incoming.status);
        asker
            .emit(Event::CallEnded {
                config: asker.config,
                digest,
                status,
                latency_ms,
                attempt,
            })
            .await;
        match result {
            Err(error) => Ok(Err(Trouble::Transport(error))),
            Ok(incoming) => self.read(incoming, latency_ms).await,
        }
    }

    async fn unless_stopped<T>(
        &self,
        run: &Stop,
        work: impl Future<Output = T>,
    ) -> Result<T, CallFailure> {
        let either = run.or(self.stop.or(work)).await;
        either.and_then(|inner| inner).map_err(CallFailure::Stopped)
    }

    /// Waits for the pace, and for the gate behind it.
    async fn turn(&self, request: &Request) {
        let leave = self.pace().reserve(now(), estimated_tokens(&request.body));
        tokio::time::sleep_until(leave.into()).await;
        loop {
            let opens = self.pace().opens_at(now());
            let Some(opens) = opens else { return };
            tokio::time::sleep_until(opens.into()).await;
        }
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The only place where a credential joins a request: after the digest, for this lane's own address.
    fn outgoing(&self, request: &Request) -> Result<Outgoing, StopReason> {
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.extend(request.headers.iter().cloned());
        match (self.secret(), self.endpoint.auth()) {
            (Some(secret), Auth::Bearer) => headers.push((
                "authorization".into(),
                format!("Bearer {}", secret.expose()),
            )),
            (Some(secret), Auth::Header(name)) => {
                headers.push((name.clone(), secret.expose().to_owned()));
            }
            (None, _) if self.endpoint.key_required() => return Err(self.missing_key()),
            (_, Auth::None) | (None, _) => {}
        }
        let url = format!("{}{}", self.endpoint.origin(), request.target);
        let (method, body) = (request.method, request.body.clone());
        Ok(Outgoing {
            method,
            url,
            headers,
            body,
            timeout: self.settings.timeout,
        })
    }

    fn secret(&self) -> Option<&Secret> {
        let read = || {
            self.endpoint
                .key_variable()
                .and_then(Secret::from_environment)
        };
        self.secret.get_or_init(read).as_ref()
    }

    fn missing_key(&self) -> StopReason {
        let variable = self
            .endpoint
            .key_variable()
            .unwrap_or(&self.profile.key_variable);
        StopReason::MissingKey(format!(
            "no credential for {}: set the environment variable {variable}, or name another one as \
             `model.key_variable`, or try the run without a provider: `--rehearse`",
            self.endpoint.origin(),
        ))
    }

    fn redact(&self, text: &str) -> String {
        self.secret()
            .map_or_else(|| text.to_owned(), |secret| secret.redact(text))
    }

    async fn read(
        &self,
        incoming: Incoming,
        latency_ms: u64,
    ) -> Result<Result<Fresh, Trouble>, CallFailure> {
        let headers = self.shown_headers(&incoming);
        if !(200..300).contains(&incoming.status) {
            let body = self.redact(&String::from_utf8_lossy(&incoming.body));
            let plain = headers
                .into_iter()
                .map(|(name, value)| Header { name, value })
                .collect();
            let response = HttpResponse {
                status: incoming.status,
                headers: plain,
                body,
            };
            let fault = self.provider.diagnose(response).await?;
            return Ok(Err(self.trouble(fault, Some(incoming.status))));
        }
        let Ok(text) = std::str::from_utf8(&incoming.body) else {
            return Ok(Err(self.trouble(malformed("the answer is not UTF-8"), None)));
        };
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
            return Ok(Err(self.trouble(
                malformed(&format!("the answer is not JSON: {error}")),
                None,
            )));
        }
        let completion = match self.provider.decode(Arc::new(text.to_owned())).await? {
            Ok(completion) => completion,
            Err(fault) => return Ok(Err(self.no_answer(fault))),
        };
        self.answered_once.store(true, Ordering::Relaxed);
        let answer = Answer {
            status: incoming.status,
            api: self.profile.api.clone(),
            model: completion.model.clone(),
            headers,
            created_ms: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_millis() as u64),
            latency_ms: u32::try_from(latency_ms).unwrap_or(u32::MAX),
            body: incoming.body,
        };
        Ok(Ok(Fresh { answer, completion }))
    }

    /// The headers that the plugin wants to see, the credential taken out.
    fn shown_headers(&self, incoming: &Incoming) -> Vec<(String, String)> {
        let wanted = |name: &str| {
            self.profile
                .response_headers
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
        };
        let headers = incoming.headers.iter().filter(|(name, _)| wanted(name));
        headers
            .map(|(name, value)| (name.clone(), self.redact(value)))
            .collect()
    }

    fn trouble(&self, fault: Fault, status: Option<u16>) -> Trouble {
        let Fault {
            kind,
            message,
            retry_after_ms,
        } = fault;
        let message = crate::text::plain(&self.redact(&message));
        let hint = match kind {
            FaultKind::Denied => format!(
                "; {} reads the credential from {}",
                self.endpoint.origin(),
                self.key_source()
            ),
            _ => String::new(),
        };
        let status = status.map_or_else(String::new, |status| format!(" (HTTP {status})"));
        let message = format!("{}{status}: {message}{hint}", self.endpoint.origin());
        Trouble::Fault(Fault {
            kind,
            message,
            retry_after_ms,
        })
    }

    /// An answer that the plugin says is none. It may be asked for again, but each time may be paid for: as often as for
    /// an overloaded server, and no oftener.
    fn no_answer(&self, fault: Fault) -> Trouble {
        let kind = match fault.kind {
            FaultKind::RateLimited => FaultKind::Overloaded,
            other => other,
        };
        self.trouble(Fault { kind, ..fault }, None)
    }

    fn key_source(&self) -> String {
        match (self.endpoint.key_variable(), self.secret()) {
            (Some(variable), Some(_)) => format!("the environment variable {variable}"),
            (Some(variable), None) => format!("the environment variable {variable}, which is not set"),
            (None, _) => "nowhere: an address given as `model.base_url`, or a provider that is not part of xhost, needs \
                          `model.key_variable` too"
                .into(),
        }
    }
}

/// A call that failed, explained.
#[derive(Debug)]
pub enum Trouble {
    /// By the provider.
    Fault(Fault),
    /// By the transport.
    Transport(TransportError),
}

impl Trouble {
    fn message(&self) -> String {
        match self {
            Trouble::Fault(fault) => fault.message.clone(),
            Trouble::Transport(error) => error.to_string(),
        }
    }
}

fn malformed(message: &str) -> Fault {
    Fault {
        kind: FaultKind::Malformed,
        message: message.into(),
        retry_after_ms: None,
    }
}

/// tokio's clock, so that tests can move it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Four bytes are about a token, and this only has to be near: the answer's length is not known yet.
fn estimated_tokens(body: &[u8]) -> u64 {
    body.len() as u64 / 4 + 1
}

/// The failure of a trial by this cause.
pub(crate) fn failure(cause: Cause, message: String) -> CallFailure {
    CallFailure::Trial(TrialFailure::new(cause, message))
}

#[cfg(test)]
mod tests;
