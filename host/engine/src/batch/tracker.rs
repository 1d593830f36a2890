//! Which requests of a batch are decided, and what becomes of those that no line decided.

use super::journal::{self, Entry};
use super::register::{Known, Stands};
use super::{ATTEMPTS, Batches, disk};
use crate::budget::Amount;
use crate::record::{Cause, TrialFailure};
use crate::stop::StopReason;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use xhost_store::Digest;

/// What is known of a batch's requests.
pub(super) struct Tracker {
    pub digests: Vec<Digest>,
    pub decided: Vec<bool>,
    /// Where it is not known which requests the batch holds: those that lines have named.
    named: Option<HashSet<Digest>>,
    /// Why a request was not answered, where its line said so.
    reasons: HashMap<usize, Undone>,
    /// Lines that name a request of this batch.
    pub ours: u64,
    /// Lines that held an answer.
    pub answers: u64,
    /// Lines that are no use: strangers, duplicates, broken ones.
    pub useless: u64,
}

/// Why a line holds no answer, though asking again may help.
#[derive(Clone)]
pub(super) enum Undone {
    Expired,
    Cancelled,
    Fault(Cause, Arc<str>),
}

impl Tracker {
    pub fn of(mut digests: Vec<Digest>) -> Tracker {
        digests.sort_unstable();
        Tracker {
            decided: vec![false; digests.len()],
            digests,
            named: None,
            reasons: HashMap::new(),
            ours: 0,
            answers: 0,
            useless: 0,
        }
    }

    /// For a batch of which nothing is known: every line that names a digest counts.
    pub fn of_any() -> Tracker {
        Tracker {
            named: Some(HashSet::new()),
            ..Tracker::of(Vec::new())
        }
    }

    /// All requests.
    pub fn requests(self) -> Vec<Digest> {
        self.digests
    }

    /// How many were decided.
    pub fn decided(&self) -> u64 {
        self.decided.iter().filter(|decided| **decided).count() as u64
    }

    /// A request has no answer, for this reason. The first one that is told stays, however many lines there are.
    pub fn undone(&mut self, place: usize, reason: Undone) {
        self.decided[place] = false;
        self.reasons.entry(place).or_insert(reason);
    }

    /// The place of the request that a line answers first.
    pub fn place(&mut self, custom_id: &str) -> Option<usize> {
        let digest = custom_id.parse::<Digest>().ok();
        if let Some(named) = &mut self.named {
            let first = digest.filter(|digest| named.insert(*digest));
            self.ours += u64::from(digest.is_some());
            self.useless += u64::from(first.is_none());
            self.digests.push(first?);
            self.decided.push(false);
            return Some(self.digests.len() - 1);
        }
        let place = digest.and_then(|digest| self.digests.binary_search(&digest).ok());
        self.ours += u64::from(place.is_some());
        let first = place.filter(|place| !self.decided[*place]);
        self.useless += u64::from(first.is_none());
        first
    }
}

impl Batches {
    /// A tracker of a batch's requests. Where a part of its answers was read before, those are decided.
    pub(super) fn tracker(&self, mark: &str, entry: &Entry) -> Result<Tracker, StopReason> {
        let mut tracker = Tracker::of(journal::manifest(&self.store, mark)?);
        if entry.spent != Amount::default() {
            for (place, digest) in tracker.digests.iter().enumerate() {
                let stored = self.store.get(digest);
                tracker.decided[place] = matches!(stored, Ok(Some(_)));
            }
        }
        Ok(tracker)
    }

    /// What no line decided: queued again, sent live, or failed.
    pub(super) fn conclude(&self, tracker: Tracker, spilled: bool) -> Result<(), StopReason> {
        let Tracker {
            digests,
            decided,
            reasons,
            ..
        } = tracker;
        for (place, digest) in digests
            .iter()
            .enumerate()
            .filter(|(place, _)| !decided[*place])
        {
            let reason = reasons.get(&place);
            if spilled && !matches!(reason, Some(Undone::Fault(..))) {
                let live = |known| Known {
                    stands: Stands::Live,
                    ..known
                };
                self.decide([*digest], live)?;
                continue;
            }
            let attempts = self.attempts(digest)? + 1;
            let stands = match attempts >= ATTEMPTS {
                true => self.write_failure(&given_up(reason, attempts))?,
                false => Stands::Closed,
            };
            self.decide([*digest], |_| Known { stands, attempts })?;
        }
        Ok(())
    }

    /// All these requests fail for one reason.
    pub(super) fn fail_all(
        &self,
        digests: impl IntoIterator<Item = Digest>,
        failure: &TrialFailure,
    ) -> Result<(), StopReason> {
        let stands = self.write_failure(failure)?;
        self.decide(digests, |known| Known { stands, ..known })
    }

    fn write_failure(&self, failure: &TrialFailure) -> Result<Stands, StopReason> {
        let mut state = self.state();
        let register = &mut state.disk()?.register;
        register.failure(failure).map_err(|e| disk(&e))
    }

    fn attempts(&self, digest: &Digest) -> Result<u8, StopReason> {
        let known = self.state().known(digest);
        known.map(|known| known.attempts).map_err(|e| disk(&e))
    }
}

fn given_up(reason: Option<&Undone>, attempts: u8) -> TrialFailure {
    let (cause, why) = match reason {
        None => (
            Cause::Malformed,
            "the provider's results do not hold it".to_owned(),
        ),
        Some(Undone::Expired) => (Cause::Timeout, "the batch expired before its turn".into()),
        Some(Undone::Cancelled) => (
            Cause::Timeout,
            "the batch was cancelled before its turn".into(),
        ),
        Some(Undone::Fault(cause, message)) => (*cause, message.to_string()),
    };
    TrialFailure::new(cause, format!("{why}, in {attempts} batches"))
}
