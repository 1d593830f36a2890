//! The live lane: how a request that is not in the store reaches its model. One lane per account and model, whatever the
//! number of configs: as fast as the provider allows and no faster, in turn, with retries. Never looks into the store;
//! never changes a request.

/// The most calls in flight, over all lanes.
mod ceiling;

/// How many tokens a call will take.
mod estimate;

/// What headers say about a limit's speed.
mod reading;

/// One dimension of the pace.
mod meter;

/// What a refusal closes for everybody.
mod gate;

/// How many calls of one lane may be in flight.
mod window;

/// How traffic grows.
mod ramp;

/// When the next call may leave.
mod limiter;

/// Who is next.
mod queue;

/// What to do about a call that failed.
mod retry;

/// Where a credential joins a request.
mod credential;

/// What came back.
mod answer;

/// Calls beside the questions.
mod errand;

/// A form around a file.
mod form;

#[cfg(any(test, feature = "fuzzing"))]
pub use reading::refill;

pub use ceiling::{Ceiling, Permit};
pub use errand::ErrandError;
pub use estimate::{Estimator, Expected};
pub use limiter::{Departure, Limiter, Outcome, PaceLimits, Start, Turn};
pub use queue::Urgency;
pub use retry::{Patience, Verdict};

use crate::budget::{Account, Reservation, Wish};
use crate::event::{Event, LimitChange};
use crate::http::{Transport, TransportError};
use crate::plugin::bindings::provider::{Fault, Header, Profile};
use crate::plugin::types::Completion;
use crate::plugin::{Failure, Provider};
use crate::prices::{Travel, Whereabouts};
use crate::record::Usage;
use crate::record::{Cause, TrialFailure};
use crate::request::{Endpoint, Request};
use crate::secret::Secret;
use crate::stop::{Stop, StopReason};
use queue::{Pass, Queue, now};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
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
    settings: Mutex<Settings>,
    /// None in a replay, which has no network.
    transport: Option<Arc<dyn Transport>>,
    queue: Arc<Queue>,
    estimator: Mutex<Estimator>,
    secret: OnceLock<Option<Secret>>,
    answered_once: AtomicBool,
    /// Ends this model alone, or the whole run.
    pub stop: Stop,
}

/// What the experiment says about a lane.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How fast calls may leave.
    pub pace: PaceLimits,
    /// How often a failed call is sent again.
    pub retries: u32,
    /// How long one call may take.
    pub timeout: Duration,
}

/// What all lanes of a process share.
#[derive(Clone)]
pub struct Road {
    /// How calls travel; none where no call may leave.
    pub transport: Option<Arc<dyn Transport>>,
    /// The most calls that may be in flight.
    pub ceiling: Arc<Ceiling>,
}

/// A call that gave no answer.
#[derive(Clone, Debug)]
pub enum CallFailure {
    /// The trial fails.
    Trial(TrialFailure),
    /// Nothing was decided: the lane or the run ended first.
    Stopped(StopReason),
    /// The answer comes with a batch: the trial is made again when it is there.
    Deferred,
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
    /// Held until the answer is stored, so that a kill costs no more answers than calls may be in flight.
    pub permit: Option<Permit>,
}

/// Who asks: for the events, and for whose turn it is.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The config whose trial asks.
    pub config: usize,
    /// Where events go.
    pub events: mpsc::Sender<Event>,
    /// What goes first.
    pub urgency: Urgency,
    /// The most tokens that the answer may have, where the request says so.
    pub most_output: Option<u64>,
    /// Who pays; nobody in tests of the lane alone.
    pub account: Option<Arc<Account>>,
}

impl Asker {
    /// Who asks for a config's first questions; `events` is the run's.
    #[must_use]
    pub fn new(config: usize, events: mpsc::Sender<Event>) -> Asker {
        Asker {
            config,
            events,
            urgency: Urgency::New,
            most_output: None,
            account: None,
        }
    }

    /// The same, paid for by this account.
    #[must_use]
    pub fn paid_by(self, account: Arc<Account>) -> Asker {
        let account = Some(account);
        Asker { account, ..self }
    }

    pub(crate) async fn emit(&self, event: Event) {
        // The receiver lives as long as the run.
        let _ = self.events.send(event).await;
    }

    fn is_of_one_config(&self, other: &Asker) -> bool {
        self.config == other.config && self.events.same_channel(&other.events)
    }
}

/// Whether a call may have been paid for, as far as its status tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    NotPaid,
    MaybePaid,
}

/// An answer costs what it used. What is no answer, and yet came with a good status or broke off, counts in full.
fn settle(reservation: Option<Reservation>, fate: Fate, fresh: Option<&Fresh>) {
    let Some(reservation) = reservation else {
        return;
    };
    match (fresh, fate) {
        (Some(fresh), _) => {
            let mut usage = Usage::default();
            usage.add(&fresh.completion.usage);
            reservation.answered(&usage);
        }
        (None, Fate::NotPaid) => reservation.free(),
        (None, Fate::MaybePaid) => drop(reservation),
    }
}

/// One call, from its departure until its fate is known.
struct Call {
    pass: Pass,
    result: Result<Fresh, Trouble>,
    expected: Expected,
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
        let Road { transport, ceiling } = road;
        let start = if endpoint.is_local() {
            Start::Abrupt
        } else {
            Start::Gentle
        };
        let limiter = Limiter::new(settings.pace, start);
        Lane {
            queue: Queue::new(Arc::clone(&model), limiter, ceiling),
            provider,
            profile,
            endpoint,
            model,
            settings: Mutex::new(settings),
            transport,
            estimator: Mutex::default(),
            secret: OnceLock::new(),
            answered_once: AtomicBool::new(false),
            stop: Stop::default(),
        }
    }

    /// What the experiment says about this lane.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let settings = self.settings.lock();
        settings.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where its price stands.
    #[must_use]
    pub fn whereabouts(&self) -> Whereabouts<'_> {
        Whereabouts {
            endpoint: self.endpoint.name(),
            host: self.endpoint.host(),
            model: &self.model,
        }
    }

    /// Other settings from now on; calls in flight keep theirs.
    pub fn set(&self, settings: Settings) {
        self.queue.set(settings.pace);
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
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
        let mut patience = Patience::new(self.settings().retries);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let call = self.attempt(request, digest, attempt, run, asker).await?;
            let trouble = match call.result {
                Ok(fresh) => {
                    let usage = &fresh.completion.usage;
                    self.estimator().learn(&call.expected, usage);
                    let (input, output) = (usage.input, usage.output);
                    let (changes, permit) = call.pass.settle(Outcome::Answered { input, output });
                    self.tell(changes, asker).await;
                    return Ok(Fresh { permit, ..fresh });
                }
                Err(trouble) => trouble,
            };
            let ever_answered = self.answered_once.load(Ordering::Relaxed);
            let verdict = patience.decide(&trouble, ever_answered);
            // Nothing is to be stored: the permit goes back at once.
            let (changes, _) = call.pass.settle(verdict.outcome());
            self.tell(changes, asker).await;
            let (cause, wait) = match verdict {
                Verdict::Fail(failure) => return Err(CallFailure::Trial(failure)),
                Verdict::Stop(reason) => {
                    self.stop.request(reason.clone());
                    return Err(CallFailure::Stopped(reason));
                }
                Verdict::Retry { cause, wait } => (cause, wait),
                Verdict::SlowDown(wait) => (Cause::RateLimited, wait),
            };
            asker
                .emit(Event::Retry {
                    config: asker.config,
                    digest,
                    cause: cause.text(),
                    message: trouble.message(),
                    wait_ms: wait.as_millis() as u64,
                })
                .await;
            self.unless_stopped(run, tokio::time::sleep(wait)).await?;
        }
    }

    /// One call, from the wait for its turn to the reading of its answer. `turn` reserves what the call will take before
    /// it leaves; whoever gets the pass settles it when that is known.
    async fn attempt(
        &self,
        request: &Request,
        digest: Digest,
        attempt: u32,
        run: &Stop,
        asker: &Asker,
    ) -> Result<Call, CallFailure> {
        let Some(transport) = &self.transport else {
            let message = format!("a call to `{}` in a replay", self.model);
            return Err(CallFailure::Stopped(StopReason::Internal(message)));
        };
        let expected = self
            .estimator()
            .expect(request.body.len(), asker.most_output);
        let urgency = if attempt == 1 {
            asker.urgency
        } else {
            Urgency::Again
        };
        // Before the turn: a call that waits for its budget takes no room from the others.
        let reservation = self
            .unless_stopped(run, self.reserve(request, asker))
            .await?;
        let reservation = reservation.map_err(CallFailure::Stopped)?;
        let turn = self.queue.turn(expected, urgency, asker);
        let mut pass = self.unless_stopped(run, turn).await?;
        let outgoing = self
            .outgoing(request)
            .inspect_err(|reason| self.stop.request(reason.clone()));
        let outgoing = outgoing.map_err(CallFailure::Stopped)?;
        let config = asker.config;
        asker.emit(Event::CallStarted { config }).await;
        let started = now();
        let result = transport.send(outgoing).await;
        let latency_ms = now().saturating_duration_since(started).as_millis() as u64;
        pass.landed();
        let status = result.as_ref().ok().map(|incoming| incoming.status);
        asker
            .emit(Event::CallEnded {
                config,
                digest,
                status,
                latency_ms,
                attempt,
            })
            .await;
        let fate = match &result {
            Ok(incoming) if (200..300).contains(&incoming.status) => Fate::MaybePaid,
            Ok(_) | Err(TransportError::Unreachable { .. } | TransportError::Redirect { .. }) => {
                Fate::NotPaid
            }
            Err(
                TransportError::Timeout { .. }
                | TransportError::Broken { .. }
                | TransportError::TooLarge { .. },
            ) => Fate::MaybePaid,
        };
        let result = match result {
            Err(error) => Err(Trouble::Transport(error)),
            Ok(incoming) => {
                let headers = self.shown_headers(&incoming);
                self.learn(&pass, &headers, asker).await;
                self.read(incoming, headers, latency_ms).await?
            }
        };
        settle(reservation, fate, result.as_ref().ok());
        Ok(Call {
            pass,
            result,
            expected,
        })
    }

    async fn reserve(
        &self,
        request: &Request,
        asker: &Asker,
    ) -> Result<Option<Reservation>, StopReason> {
        let Some(account) = &asker.account else {
            return Ok(None);
        };
        let at = self.whereabouts();
        let (bytes, most_output) = (request.body.len(), asker.most_output);
        let wish = Wish {
            config: asker.config,
            at,
            bytes,
            most_output,
            travel: Travel::Live,
        };
        account
            .reserve(&wish)
            .await
            .map(Some)
            .map_err(StopReason::from)
    }

    /// Limits from headers. A plugin that fails here has taught nothing, and the answer is worth no less.
    async fn learn(&self, pass: &Pass, headers: &[(String, String)], asker: &Asker) {
        if headers.is_empty() {
            return;
        }
        let plain = |(name, value): &(String, String)| Header {
            name: name.clone(),
            value: value.clone(),
        };
        let headers = headers.iter().map(plain).collect();
        if let Ok(allowances) = self.provider.allowances(headers).await {
            let changes = pass.read(&allowances);
            self.tell(changes, asker).await;
        }
    }

    async fn tell(&self, changes: Vec<LimitChange>, asker: &Asker) {
        for change in changes {
            let model = self.model.to_string();
            asker.emit(Event::Limits { model, change }).await;
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

    fn estimator(&self) -> MutexGuard<'_, Estimator> {
        self.estimator
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
    pub(crate) fn message(&self) -> String {
        match self {
            Trouble::Fault(fault) => fault.message.clone(),
            Trouble::Transport(error) => error.to_string(),
        }
    }
}

/// The failure of a trial by this cause.
pub(crate) fn failure(cause: Cause, message: String) -> CallFailure {
    CallFailure::Trial(TrialFailure::new(cause, message))
}

#[cfg(test)]
pub(crate) mod tests;
