//! Answers: from the store, from another trial's call that is in flight, or from a lane, and then into the store before
//! anybody sees them. At the first failed write no further call leaves.

/// Where nobody can be asked.
mod offline;

/// Into the store.
mod writer;

use crate::batch::{Deferral, Outbox, Takes};
use crate::cache::{Ending, Mode, Terms};
use crate::event::Event;
use crate::lane::{Asker, CallFailure, Fresh, Lane, failure};
use crate::plugin::types::{self as plugin, Completion};
use crate::record::Cause;
use crate::recorded::{Recorded, RecordedTrial};
use crate::request::Request;
use crate::stop::{Stop, StopReason};
use crate::store::{Claim, Sight, Store, Want};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use writer::Writer;
use xhost_store::{
    Answer, Begun, Digest, Entry, Put, ReadError, ResponseDigest, Run, Touched, Wish, WriteError,
};

/// How many later generations of a request are looked for where nothing may be asked for.
const LOOKED_AHEAD: u32 = 16;

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

/// A question to be answered.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The request.
    pub request: &'a Request,
    /// Its digest.
    pub digest: Digest,
    /// Who is asked where no answer is stored.
    pub lane: &'a Arc<Lane>,
    /// Which stored answers are used.
    pub terms: Terms,
    /// The trial, for the words of an error.
    pub trial: &'a str,
    /// What the run recorded of the trial, where this is a replay.
    pub recorded: Option<&'a RecordedTrial>,
}

/// An answer, read.
#[derive(Debug)]
pub struct Answered {
    /// The request that was answered: the one that was asked for, or a later generation of it.
    pub request: Digest,
    /// The blake3 of the provider's bytes.
    pub response: ResponseDigest,
    /// What the provider plugin reads in them.
    pub completion: Completion,
}

type Flight = Arc<OnceCell<Result<(Arc<Answered>, Origin), CallFailure>>>;

/// All answers of the process.
pub struct Answers {
    store: Arc<Store>,
    in_flight: Mutex<HashMap<(Digest, Terms), Flight>>,
    supply: Supply,
    run: Stop,
}

/// What there is beyond the store.
enum Supply {
    /// Lanes, whose answers are written.
    Lanes(Writer),
    /// Nothing: a replay reads what its run recorded, and writes nothing.
    Recorded(Recorded),
    /// Nothing: the first request without an answer is what is looked for.
    Missed(offline::Missed),
}

impl Answers {
    /// Answers over a store, and the task that writes to it. The task ends when the last `Answers` is gone.
    #[must_use]
    pub fn new(store: Arc<Store>, run: Stop) -> (Arc<Answers>, JoinHandle<()>) {
        let (writer, writing) = Writer::start(Arc::clone(&store), run.clone());
        let answers = Answers {
            store,
            in_flight: Mutex::default(),
            supply: Supply::Lanes(writer),
            run,
        };
        (Arc::new(answers), writing)
    }

    /// The answer to a request. Identical requests in flight, on equal terms, are one call. With `outbox`, a request without
    /// an answer goes there, where that takes it.
    ///
    /// # Errors
    /// As [`CallFailure`] says.
    pub async fn answer(
        &self,
        question: &Question<'_>,
        asker: &Asker,
        outbox: Option<Outbox<'_>>,
    ) -> Result<(Arc<Answered>, Origin), CallFailure> {
        match &self.supply {
            Supply::Lanes(_) => {}
            // Not shared: another trial may have had another end.
            Supply::Recorded(_) => return self.replay(question, asker).await,
            Supply::Missed(missed) => return self.look(question, asker, missed).await,
        }
        if question.terms.mode == Mode::Off {
            return self.ask_only(question, asker).await;
        }
        let name = (question.digest, question.terms);
        let flight = Arc::clone(self.flights().entry(name).or_default());
        let mut leads = false;
        let result = flight
            .get_or_init(|| {
                leads = true;
                self.find_or_ask(question, asker, outbox)
            })
            .await
            .clone();
        self.land(&name, &flight);
        result.map(|(answered, origin)| match origin {
            Origin::Call if !leads => (answered, Origin::Shared),
            other => (answered, other),
        })
    }

    /// The look into the store belongs to the flight: between a miss and a call nobody else can answer and leave.
    async fn find_or_ask(
        &self,
        question: &Question<'_>,
        asker: &Asker,
        outbox: Option<Outbox<'_>>,
    ) -> Result<(Arc<Answered>, Origin), CallFailure> {
        let (lane, terms) = (question.lane, question.terms);
        let mut place = Place::first(question);
        let mut objection = None;
        let want = match terms.mode {
            Mode::Only => Want::Answer,
            Mode::Use | Mode::Refresh | Mode::Replace | Mode::Off => Want::Claim,
        };
        // Held until the answer is stored, or there is none.
        let (wish, _claim) = loop {
            match self.stored(&place, question, asker, want).await? {
                Stored::Used(answered) => {
                    if outbox.is_some_and(|outbox| outbox.takes == Takes::All) {
                        self.complete(&place).await;
                    }
                    return Ok((Arc::new(answered), Origin::Hit));
                }
                Stored::NotUsed(_) if terms.mode == Mode::Replace => break (Wish::Replace, None),
                Stored::NotUsed(why) => objection = Some(why),
                Stored::Absent(_) if terms.mode == Mode::Only => {
                    // What came along without its elders: a bundle has what its run used.
                    if place.generation == LOOKED_AHEAD {
                        return Err(missing(question, objection));
                    }
                }
                Stored::Absent(claim) => break (Wish::Keep, claim),
            }
            place = place.next();
        };
        if let Some(outbox) = outbox.filter(|_| wish == Wish::Keep) {
            match outbox.offer(lane, &place.request, place.digest, asker) {
                Ok(Deferral::Deferred) => return Err(CallFailure::Deferred),
                Ok(Deferral::Failed(failure)) => return Err(CallFailure::Trial(failure)),
                Ok(Deferral::Stopped(reason)) => return Err(CallFailure::Stopped(reason)),
                Ok(Deferral::Live) => {}
                Err(reason) => {
                    self.run.request(reason.clone());
                    return Err(CallFailure::Stopped(reason));
                }
            }
        }
        let Fresh {
            answer,
            completion,
            permit,
        } = lane
            .ask(&place.request, place.digest, &self.run, asker)
            .await?;
        let response = answer.digest();
        // Where a call on other terms was faster, its answer stays, and this one is the next draw.
        while self.put(&place, answer.clone(), wish).await? == Put::Conflict {
            place = place.next();
        }
        drop(permit);
        let answered = Answered {
            request: place.digest,
            response,
            completion,
        };
        Ok((Arc::new(answered), Origin::Call))
    }

    /// A batch's answer is stored without its request, whose body nobody keeps while the batch is on its way. Whoever asks for
    /// batches and finds the answer has the request; it goes along with the next commit, and nobody waits for it.
    async fn complete(&self, place: &Place<'_>) {
        let Some(writer) = self.writer() else {
            return;
        };
        let Ok(None) = self.store.request(&place.digest) else {
            return;
        };
        if let Ok(Some(answer)) = self.store.get(&place.digest) {
            let entry = Entry {
                request: Some(place.request.stored()),
                ..Entry::from((place.digest, answer))
            };
            writer.put_unawaited(entry).await;
        }
    }

    /// A call whose answer the store neither has nor gets.
    async fn ask_only(
        &self,
        question: &Question<'_>,
        asker: &Asker,
    ) -> Result<(Arc<Answered>, Origin), CallFailure> {
        let (request, digest) = (question.request, question.digest);
        let Fresh {
            answer, completion, ..
        } = question.lane.ask(request, digest, &self.run, asker).await?;
        let answered = Answered {
            request: digest,
            response: answer.digest(),
            completion,
        };
        Ok((Arc::new(answered), Origin::Call))
    }

    async fn stored(
        &self,
        place: &Place<'_>,
        question: &Question<'_>,
        asker: &Asker,
        want: Want,
    ) -> Result<Stored, CallFailure> {
        let digest = place.digest;
        // Another process may be asking, for as long as a call takes.
        let look = tokio::select! {
            biased;
            look = self.store.look(&digest, want) => look,
            reason = self.run.requested() => return Err(CallFailure::Stopped(reason)),
            reason = question.lane.stop.requested() => return Err(CallFailure::Stopped(reason)),
        };
        let answer = match look {
            Ok(Sight::Answer(answer)) => answer,
            Ok(Sight::Absent) => return Ok(Stored::Absent(None)),
            Ok(Sight::Yours(claim, damage)) => {
                if let Some(damage) = damage {
                    let message = format!("{damage}; the request is asked again");
                    asker.emit(Event::Warning { message }).await;
                }
                return Ok(Stored::Absent(Some(claim)));
            }
            // Damage costs another call; a store that cannot be read must not.
            Err(error @ ReadError::Damaged { .. }) => {
                if self.writer().is_none() {
                    return Err(CallFailure::Stopped(StopReason::Missing(error.to_string())));
                }
                let message = format!("{error}; the request is asked again");
                asker.emit(Event::Warning { message }).await;
                return Ok(Stored::Absent(None));
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
        let (response, created_ms) = (answer.digest(), answer.created_ms);
        // Before it is read: what is not used need not be readable.
        if let Some(why) = question.terms.objection(created_ms, Ending::Whole) {
            return Ok(Stored::NotUsed(why));
        }
        let body = String::from_utf8(answer.body.into())
            .map_err(|_| unreadable(digest, "it is not UTF-8"))?;
        let completion = match question.lane.provider.decode(Arc::new(body)).await? {
            Ok(completion) => completion,
            Err(fault) => return Err(unreadable(digest, &fault.message)),
        };
        let ending = ending(completion.stop_reason);
        Ok(match question.terms.objection(created_ms, ending) {
            Some(why) => Stored::NotUsed(why),
            None => Stored::Used(Answered {
                request: digest,
                response,
                completion,
            }),
        })
    }

    async fn put(&self, place: &Place<'_>, answer: Answer, wish: Wish) -> Result<Put, CallFailure> {
        let entry = Entry {
            request: Some(place.request.stored()),
            wish,
            ..Entry::from((place.digest, answer))
        };
        let put = match self.writer() {
            Some(writer) => writer.put(entry).await,
            None => Err("nothing is written here".into()),
        };
        put.map_err(|message| CallFailure::Stopped(StopReason::Disk(message)))
    }

    /// Notes what a run touched, with the next commit. Where that fails, the run is stopped.
    pub async fn touched(&self, touched: Touched) {
        if let Some(writer) = self.writer() {
            writer.touched(touched).await;
        }
    }

    fn writer(&self) -> Option<&Writer> {
        match &self.supply {
            Supply::Lanes(writer) => Some(writer),
            Supply::Recorded(_) | Supply::Missed(_) => None,
        }
    }

    /// Notes that a run begins; a replay is not noted.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub async fn begin_run(&self, run: Run) -> Result<Option<Begun>, StopReason> {
        if self.writer().is_none() {
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
        if let Some(writer) = self.writer() {
            let noted = writer.touched_last(last).await;
            noted.map_err(StopReason::Disk)?;
        }
        self.note(move |store| store.end_run(begun, ended_ms)).await
    }

    async fn note<T: Send + 'static>(
        &self,
        note: impl FnOnce(&Store) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<T, StopReason> {
        let store = Arc::clone(&self.store);
        let noted = tokio::task::spawn_blocking(move || note(&store)).await;
        match noted {
            Ok(noted) => {
                noted.map_err(|error| StopReason::Disk(crate::disk::advise(&self.store, &error)))
            }
            Err(error) => Err(StopReason::Internal(format!(
                "a note in the store: {error}"
            ))),
        }
    }

    fn flights(&self) -> std::sync::MutexGuard<'_, HashMap<(Digest, Terms), Flight>> {
        self.in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever asks later finds the answer in the store.
    fn land(&self, name: &(Digest, Terms), flight: &Flight) {
        let mut flights = self.flights();
        if flights
            .get(name)
            .is_some_and(|current| Arc::ptr_eq(current, flight))
        {
            flights.remove(name);
        }
    }
}

/// What the store has in a place.
enum Stored {
    Used(Answered),
    /// And why.
    NotUsed(&'static str),
    /// And that nobody else asks meanwhile, where the store is shared.
    Absent(Option<Claim>),
}

/// Where an answer is, or will be: a request's own digest, or that of a later generation.
struct Place<'a> {
    request: Cow<'a, Request>,
    digest: Digest,
    generation: u32,
}

impl<'a> Place<'a> {
    fn first(question: &Question<'a>) -> Place<'a> {
        Place {
            request: Cow::Borrowed(question.request),
            digest: question.digest,
            generation: 0,
        }
    }

    fn next(&self) -> Place<'a> {
        let request = self.request.of_generation(1);
        Place {
            digest: request.digest(),
            request: Cow::Owned(request),
            generation: self.generation + 1,
        }
    }
}

fn ending(reason: plugin::StopReason) -> Ending {
    match reason {
        plugin::StopReason::MaxTokens => Ending::Truncated,
        plugin::StopReason::Filtered => Ending::Filtered,
        plugin::StopReason::End
        | plugin::StopReason::StopSequence
        | plugin::StopReason::ToolCalls
        | plugin::StopReason::Other => Ending::Whole,
    }
}

/// Nothing may be asked for, and there is no answer that may be used.
fn missing(question: &Question<'_>, objection: Option<&str>) -> CallFailure {
    let what = match objection {
        Some(why) => format!("the stored answer is not used ({why})"),
        None => "no answer is stored".to_owned(),
    };
    let Question { trial, digest, .. } = question;
    CallFailure::Stopped(StopReason::Missing(format!(
        "{trial}: {what} to its request {digest}, and `cache: only` lets nothing be asked for"
    )))
}

/// An answer was stored that this provider plugin cannot read: asking again would pay again, so the trial fails.
fn unreadable(digest: Digest, why: &str) -> CallFailure {
    failure(
        Cause::Malformed,
        format!("the stored answer to {digest} cannot be read: {why}"),
    )
}
