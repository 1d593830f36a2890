//! Answers where nobody can be asked: a replay, which gives each trial the answers that it had, and a look at what the store
//! lacks. The store is only read.

use super::{Answered, Answers, LOOKED_AHEAD, Origin, Place, Question, Stored, Supply};
use crate::lane::{Asker, CallFailure};
use crate::recorded::{Recorded, RecordedTrial};
use crate::stop::{Stop, StopReason};
use crate::store::{Store, Want};
use std::sync::{Arc, Mutex, PoisonError};
use xhost_store::{Digest, StoredRequest};

/// The first request that had no answer.
pub(super) type Missed = Mutex<Option<(Digest, StoredRequest)>>;

impl Answers {
    /// The answers of a recorded run: a miss is an error.
    #[must_use]
    pub fn replayed(store: Arc<Store>, recorded: Recorded, run: Stop) -> Arc<Answers> {
        Answers::offline(store, Supply::Recorded(recorded), run)
    }

    /// What the store has, and nothing else: the first miss ends the trial, and [`Answers::missed`] tells of it.
    #[must_use]
    pub fn looked_up(store: Arc<Store>, run: Stop) -> Arc<Answers> {
        Answers::offline(store, Supply::Missed(Mutex::default()), run)
    }

    fn offline(store: Arc<Store>, supply: Supply, run: Stop) -> Arc<Answers> {
        Arc::new(Answers {
            store,
            in_flight: Mutex::default(),
            supply,
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

    /// What the run recorded of a trial, where this is a replay.
    ///
    /// # Errors
    /// [`StopReason::Missing`] where there is no such trial.
    pub fn recorded(&self, ordinal: u64) -> Result<Option<RecordedTrial>, StopReason> {
        let Supply::Recorded(recorded) = &self.supply else {
            return Ok(None);
        };
        let number = ordinal + 1;
        match recorded.trial(ordinal) {
            Ok(Some(trial)) => Ok(Some(trial)),
            Ok(None) => Err(StopReason::Missing(format!(
                "the run recorded {} trials, and no trial {number}",
                recorded.len(),
            ))),
            Err(error) => Err(StopReason::Missing(format!(
                "line {number} of the recorded trials cannot be read: {error}",
            ))),
        }
    }

    /// The answer that the trial had: to the request itself, or to a later generation of it, whatever else the store has. A
    /// failure from outside stands for answers that never came.
    pub(super) async fn replay(
        &self,
        question: &Question<'_>,
        asker: &Asker,
    ) -> Result<(Arc<Answered>, Origin), CallFailure> {
        let Some(recorded) = question.recorded else {
            return Err(absent(question, "the run did not record this trial"));
        };
        let mut place = Place::first(question);
        while !recorded.requests.contains_key(&place.digest) {
            if place.generation == LOOKED_AHEAD {
                let failure = recorded.failure_outside().map(CallFailure::Trial);
                return Err(failure.unwrap_or_else(|| absent(question, "the run did not ask")));
            }
            place = place.next();
        }
        let Stored::Used(answered) = self.stored(&place, question, asker, Want::Answer).await?
        else {
            return Err(absent(question, "the store has no answer to"));
        };
        match recorded.requests.get(&place.digest) {
            Some(response) if *response == answered.response => {
                Ok((Arc::new(answered), Origin::Hit))
            }
            _ => Err(absent(question, "the store has another answer to")),
        }
    }

    /// The answer that the store has; the first that it lacks is remembered.
    pub(super) async fn look(
        &self,
        question: &Question<'_>,
        asker: &Asker,
        missed: &Missed,
    ) -> Result<(Arc<Answered>, Origin), CallFailure> {
        let mut place = Place::first(question);
        loop {
            match self.stored(&place, question, asker, Want::Answer).await? {
                Stored::Used(answered) => return Ok((Arc::new(answered), Origin::Hit)),
                Stored::NotUsed(_) => place = place.next(),
                Stored::Absent(_) => break,
            }
        }
        let bytes = place.request.stored();
        if let Ok(request) = StoredRequest::from_bytes(&place.digest, &bytes) {
            let mut missed = missed.lock().unwrap_or_else(PoisonError::into_inner);
            missed.get_or_insert((place.digest, request));
        }
        Err(absent(question, "the store has no answer to"))
    }
}

fn absent(question: &Question<'_>, what: &str) -> CallFailure {
    let Question { trial, digest, .. } = question;
    CallFailure::Stopped(StopReason::Missing(format!(
        "{trial}: {what} its request {digest}"
    )))
}
