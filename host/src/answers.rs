//! Answers: from the store, from another trial's call that is in flight, or from a lane, and then into the store before
//! anybody sees them. One writer groups what waits into one commit. At the first failed write no further call leaves.

use crate::event::Event;
use crate::lane::{Asker, CallFailure, Fresh, Lane, failure};
use crate::plugin::types::Completion;
use crate::record::Cause;
use crate::recorded::{Recorded, RecordedTrial};
use crate::request::Request;
use crate::stop::{Stop, StopReason};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OnceCell, mpsc, oneshot};
use tokio::task::JoinHandle;
use xhost_store::{
    Answer, Begun, Digest, Entry, Group, Put, ReadError, ResponseDigest, Run, Store, StoredRequest,
    Touched, WriteError,
};

/// The most answers in one commit; past some hundreds a larger group gains nothing.
const GROUP: usize = 1_024;

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The store.
    Hit,
    /// Another trial's call.
    Shared,
    /// A call of its own.
    Call,
}

/// An answer, read.
#[derive(Debug)]
pub struct Answered {
    /// The blake3 of the provider's bytes.
    pub response: ResponseDigest,
    /// What the provider plugin reads in them.
    pub completion: Completion,
}

type Flight = Arc<OnceCell<Result<(Arc<Answered>, Origin), CallFailure>>>;

/// All answers of the process.
pub struct Answers {
    store: Arc<Store>,
    in_flight: Mutex<HashMap<Digest, Flight>>,
    supply: Supply,
    run: Stop,
}

/// What there is beyond the store.
enum Supply {
    /// Lanes, whose answers are written.
    Lanes(mpsc::Sender<Write>),
    /// Nothing: a replay reads what its run recorded, and writes nothing.
    Recorded(Recorded),
    /// Nothing: the first request without an answer is what is looked for.
    Missed(Mutex<Option<(Digest, StoredRequest)>>),
}

/// What waits for the next commit.
enum Write {
    Answer(Box<Entry>, oneshot::Sender<Result<Put, String>>),
    Touched(Touched, Option<oneshot::Sender<Result<(), String>>>),
}

impl Answers {
    /// Answers over a store, and the task that writes to it. The task ends when the last `Answers` is gone.
    #[must_use]
    pub fn new(store: Arc<Store>, run: Stop) -> (Arc<Answers>, JoinHandle<()>) {
        let (writes, queue) = mpsc::channel(GROUP);
        let writer = tokio::spawn(write_groups(Arc::clone(&store), queue, run.clone()));
        (
            Arc::new(Answers {
                store,
                in_flight: Mutex::default(),
                supply: Supply::Lanes(writes),
                run,
            }),
            writer,
        )
    }

    /// The answers of a recorded run: a miss is an error, and the store is only read.
    #[must_use]
    pub fn replayed(store: Arc<Store>, recorded: Recorded, run: Stop) -> Arc<Answers> {
        Arc::new(Answers {
            store,
            in_flight: Mutex::default(),
            supply: Supply::Recorded(recorded),
            run,
        })
    }

    /// What the store has, and nothing else: the first miss ends the trial, and [`Answers::missed`] tells of it.
    #[must_use]
    pub fn looked_up(store: Arc<Store>, run: Stop) -> Arc<Answers> {
        Arc::new(Answers {
            store,
            in_flight: Mutex::default(),
            supply: Supply::Missed(Mutex::default()),
            run,
        })
    }

    /// The first request that had no answer.
    #[must_use]
    pub fn missed(&self) -> Option<(Digest, StoredRequest)> {
        match &self.supply {
            Supply::Missed(missed) => missed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            Supply::Lanes(_) | Supply::Recorded(_) => None,
        }
    }

    /// A miss where nobody can be asked.
    fn miss(&self, request: &Request, digest: Digest) -> Option<CallFailure> {
        match &self.supply {
            Supply::Lanes(_) => return None,
            Supply::Recorded(_) => {}
            Supply::Missed(missed) => {
                let mut missed = missed.lock().unwrap_or_else(PoisonError::into_inner);
                if let Ok(request) = StoredRequest::from_bytes(&digest, &request.stored()) {
                    missed.get_or_insert((digest, request));
                }
            }
        }
        let message = format!("the store has no answer to the request {digest}");
        Some(CallFailure::Stopped(StopReason::Missing(message)))
    }

    /// What the run recorded of a trial, where this is a replay.
    ///
    /// # Errors
    /// [`StopReason::Missing`] where there is no such trial.
    pub fn recorded(&self, ordinal: u64) -> Result<Option<RecordedTrial>, StopReason> {
        let Supply::Recorded(recorded) = &self.supply else {
            return Ok(None);
        };
        match recorded.trial(ordinal) {
            Ok(Some(trial)) => Ok(Some(trial)),
            Ok(None) => Err(StopReason::Missing(format!(
                "the run recorded {} trials, and no trial {}",
                recorded.len(),
                ordinal + 1
            ))),
            Err(error) => Err(StopReason::Missing(format!(
                "line {} of the recorded trials cannot be read: {error}",
                ordinal + 1
            ))),
        }
    }

    fn writes(&self) -> Option<&mpsc::Sender<Write>> {
        match &self.supply {
            Supply::Lanes(writes) => Some(writes),
            Supply::Recorded(_) | Supply::Missed(_) => None,
        }
    }

    /// The answer to a request. Identical requests in flight are one call.
    ///
    /// # Errors
    /// As [`CallFailure`] says.
    pub async fn answer(
        &self,
        request: &Request,
        digest: Digest,
        lane: &Lane,
        asker: &Asker,
    ) -> Result<(Arc<Answered>, Origin), CallFailure> {
        let flight = Arc::clone(self.flights().entry(digest).or_default());
        let mut leads = false;
        let result = flight
            .get_or_init(|| {
                leads = true;
                self.find_or_ask(request, digest, lane, asker)
            })
            .await
            .clone();
        self.land(digest, &flight);
        result.map(|(answered, origin)| match origin {
            Origin::Call if !leads => (answered, Origin::Shared),
            other => (answered, other),
        })
    }

    /// The look into the store belongs to the flight: between a miss and a call nobody else can answer and leave.
    async fn find_or_ask(
        &self,
        request: &Request,
        digest: Digest,
        lane: &Lane,
        asker: &Asker,
    ) -> Result<(Arc<Answered>, Origin), CallFailure> {
        if let Some(answered) = self.stored(digest, lane, asker).await? {
            return Ok((Arc::new(answered), Origin::Hit));
        }
        if let Some(miss) = self.miss(request, digest) {
            return Err(miss);
        }
        let Fresh { answer, completion } = lane.ask(request, digest, &self.run, asker).await?;
        let response = answer.digest();
        self.put(request, digest, answer).await?;
        Ok((
            Arc::new(Answered {
                response,
                completion,
            }),
            Origin::Call,
        ))
    }

    async fn stored(
        &self,
        digest: Digest,
        lane: &Lane,
        asker: &Asker,
    ) -> Result<Option<Answered>, CallFailure> {
        let answer = match self.store.get(&digest) {
            Ok(Some(answer)) => answer,
            Ok(None) => return Ok(None),
            // Damage costs another call; a store that cannot be read must not.
            Err(error @ ReadError::Damaged { .. }) => {
                if self.writes().is_none() {
                    return Err(CallFailure::Stopped(StopReason::Missing(error.to_string())));
                }
                let message = format!("{error}; the request is asked again");
                asker.emit(Event::Warning { message }).await;
                return Ok(None);
            }
            Err(
                error @ (ReadError::Unsupported { .. }
                | ReadError::Note { .. }
                | ReadError::Io { .. }),
            ) => {
                let reason = StopReason::Disk(error.to_string());
                self.run.request(reason.clone());
                return Err(CallFailure::Stopped(reason));
            }
        };
        let response = answer.digest();
        let body = String::from_utf8(answer.body.into())
            .map_err(|_| unreadable(digest, "it is not UTF-8"))?;
        match lane.provider.decode(Arc::new(body)).await? {
            Ok(completion) => Ok(Some(Answered {
                response,
                completion,
            })),
            Err(fault) => Err(unreadable(digest, &fault.message)),
        }
    }

    async fn put(
        &self,
        request: &Request,
        digest: Digest,
        answer: Answer,
    ) -> Result<Put, CallFailure> {
        let (acknowledged, acknowledgement) = oneshot::channel();
        let gone = |_| CallFailure::Stopped(StopReason::Disk("the store's writer is gone".into()));
        let entry = Entry {
            request: Some(request.stored()),
            ..Entry::from((digest, answer))
        };
        let writes = self.writes().ok_or_else(|| gone(()))?;
        writes
            .send(Write::Answer(Box::new(entry), acknowledged))
            .await
            .map_err(|_| gone(()))?;
        let result = acknowledgement.await.map_err(|_| gone(()))?;
        result.map_err(|message| CallFailure::Stopped(StopReason::Disk(message)))
    }

    /// Notes what a run touched, with the next commit. Where that fails, the run is stopped.
    pub async fn touched(&self, touched: Touched) {
        if let Some(writes) = self.writes() {
            // The writer lives as long as this.
            let _ = writes.send(Write::Touched(touched, None)).await;
        }
    }

    /// Notes that a run begins; a replay is not noted.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub async fn begin_run(&self, run: Run) -> Result<Option<Begun>, StopReason> {
        if self.writes().is_none() {
            return Ok(None);
        }
        self.note(move |store| store.begin_run(run)).await.map(Some)
    }

    /// Notes the last that a run touched, and then that it ended with all of its trials.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub async fn end_run(&self, last: Touched, ended_ms: u64) -> Result<(), StopReason> {
        let begun = last.run;
        let (acknowledged, acknowledgement) = oneshot::channel();
        let write = Write::Touched(last, Some(acknowledged));
        if let Some(writes) = self.writes() {
            // Where the writer is gone, so is the acknowledgement.
            let _ = writes.send(write).await;
        }
        let noted = acknowledgement.await;
        noted
            .unwrap_or_else(|_| Err("the store's writer is gone".into()))
            .map_err(StopReason::Disk)?;
        self.note(move |store| store.end_run(begun, ended_ms)).await
    }

    async fn note<T: Send + 'static>(
        &self,
        note: impl FnOnce(&Store) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<T, StopReason> {
        let store = Arc::clone(&self.store);
        let noted = tokio::task::spawn_blocking(move || note(&store)).await;
        match noted {
            Ok(noted) => noted.map_err(|error| StopReason::Disk(crate::disk::advise(&error))),
            Err(error) => Err(StopReason::Internal(format!(
                "a note in the store: {error}"
            ))),
        }
    }

    fn flights(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Flight>> {
        self.in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever asks later finds the answer in the store.
    fn land(&self, digest: Digest, flight: &Flight) {
        let mut flights = self.flights();
        if flights
            .get(&digest)
            .is_some_and(|current| Arc::ptr_eq(current, flight))
        {
            flights.remove(&digest);
        }
    }
}

/// An answer was stored that this provider plugin cannot read: asking again would pay again, so the trial fails.
fn unreadable(digest: Digest, why: &str) -> CallFailure {
    failure(
        Cause::Malformed,
        format!("the stored answer to {digest} cannot be read: {why}"),
    )
}

/// Takes whatever waits, commits it as one, and only then tells who waited.
async fn write_groups(store: Arc<Store>, mut queue: mpsc::Receiver<Write>, run: Stop) {
    let mut group = Vec::with_capacity(GROUP);
    while queue.recv_many(&mut group, GROUP).await > 0 {
        let mut entries = Vec::with_capacity(group.len());
        let mut waiting = Vec::with_capacity(group.len());
        let (mut touched, mut last) = (Vec::new(), Vec::new());
        for write in group.drain(..) {
            match write {
                Write::Answer(entry, acknowledged) => {
                    entries.push(*entry);
                    waiting.push(acknowledged);
                }
                Write::Touched(part, acknowledged) => {
                    touched.push(part);
                    last.extend(acknowledged);
                }
            }
        }
        let result = commit(Arc::clone(&store), entries, touched).await;
        if let Err(message) = &result {
            run.request(StopReason::Disk(message.clone()));
        }
        for acknowledged in last {
            // As below.
            let _ = acknowledged.send(result.as_ref().map(|_| ()).map_err(Clone::clone));
        }
        for (number, acknowledged) in waiting.into_iter().enumerate() {
            let put = result.as_ref().map(|puts| puts[number]);
            // A trial that was cancelled does not wait any more; its answer is stored all the same.
            let _ = acknowledged.send(put.map_err(Clone::clone));
        }
    }
}

async fn commit(
    store: Arc<Store>,
    entries: Vec<Entry>,
    touched: Vec<Touched>,
) -> Result<Vec<Put>, String> {
    let written = tokio::task::spawn_blocking(move || {
        let group = Group {
            entries: &entries,
            touched: &touched,
            ..Group::default()
        };
        crate::disk::commit_or_spill(&store, &group)
    });
    written
        .await
        .unwrap_or_else(|_| Err("the store's writer panicked".into()))
}
