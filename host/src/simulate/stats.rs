//! Counters of a simulator. What they say of repetition is what a test of "pay once" stands on, so it is exact: every
//! answered body is remembered by its digest. A rehearsal, whose counters nobody reads, remembers none: it must not need
//! more memory than the run.

use serde::Serialize;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What `GET /stats` answers.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Stats {
    /// Calls that arrived, whatever they were answered.
    pub calls: u64,
    /// Calls that were answered with a completion: those that cost money.
    pub answered: u64,
    /// The same, under the name that says what it means: live or in a batch, each of these is charged for.
    pub charged: u64,
    /// Batches that were made.
    pub batches: u64,
    /// Different requests (path and body) among the answered ones.
    pub distinct: u64,
    /// Answered calls whose very request had been answered before. Epochs ask the same on purpose.
    pub repeated: u64,
    /// The most calls at one time.
    pub most_in_flight: u64,
    /// Calls refused for speed.
    pub rate_limited: u64,
    /// Calls refused for any other reason.
    pub failed: u64,
}

/// The counters as they count.
#[derive(Default)]
pub(super) struct Counters {
    calls: AtomicU64,
    in_flight: AtomicU64,
    most_in_flight: AtomicU64,
    rate_limited: AtomicU64,
    failed: AtomicU64,
    batches: AtomicU64,
    /// Whether requests are told apart.
    forgetful: bool,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    answered: u64,
    repeated: u64,
    /// How often each request arrived, and how often it was answered.
    requests: HashMap<u128, (u64, u64)>,
}

/// A call that is under way.
pub(super) struct InFlight<'a> {
    in_flight: &'a AtomicU64,
    /// Which call it is, from 1.
    pub number: u64,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What tells requests apart.
pub(super) fn body_digest(path: &str, body: &[u8]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(&(path.len() as u64).to_le_bytes())
        .update(path.as_bytes())
        .update(body);
    let hash = hasher.finalize();
    u128::from_le_bytes(std::array::from_fn(|index| hash.as_bytes()[index]))
}

/// A request's part of the name of its answers: 48 bits are enough that two requests of a rehearsal share none.
fn name(digest: u128) -> u64 {
    let [.., a, b, c, d, e, f] = digest.to_le_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}

impl Counters {
    pub(super) fn new(forgetful: bool) -> Counters {
        Counters {
            forgetful,
            ..Counters::default()
        }
    }

    pub(super) fn arrive(&self) -> InFlight<'_> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
        InFlight {
            in_flight: &self.in_flight,
            number,
        }
    }

    /// Counts a batch.
    pub(super) fn batch_made(&self) {
        self.batches.fetch_add(1, Ordering::SeqCst);
    }

    /// How often this request arrived before, as far as it is remembered.
    pub(super) fn attempt(&self, digest: u128) -> u64 {
        if self.forgetful {
            return 0;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (arrived, _) = seen.requests.entry(digest).or_default();
        *arrived += 1;
        *arrived - 1
    }

    /// Counts an answer, and gives what names it: the same for the same request, whenever it is asked and beside
    /// whatever else, so that a rehearsal can be repeated to the byte; another for each time that it is answered, unless that is forgotten.
    pub(super) fn answered(&self, digest: u128) -> u64 {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.answered += 1;
        if self.forgetful {
            return name(digest);
        }
        let (_, answered) = seen.requests.entry(digest).or_default();
        *answered += 1;
        let times = *answered;
        seen.repeated += u64::from(times > 1);
        name(digest).wrapping_add(times)
    }

    pub(super) fn refused(&self, status: u16) {
        let counter = if status == 429 {
            &self.rate_limited
        } else {
            &self.failed
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn snapshot(&self) -> Stats {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Stats {
            calls: self.calls.load(Ordering::SeqCst),
            answered: seen.answered,
            charged: seen.answered,
            batches: self.batches.load(Ordering::SeqCst),
            distinct: seen.answered - seen.repeated,
            repeated: seen.repeated,
            most_in_flight: self.most_in_flight.load(Ordering::SeqCst),
            rate_limited: self.rate_limited.load(Ordering::SeqCst),
            failed: self.failed.load(Ordering::SeqCst),
        }
    }
}
