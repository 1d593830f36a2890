//! Which requests have an answer in the store, and what those answers say of the ones that are missing: their tokens, and
//! how long they took.

use super::distinct::{Asked, Distinct};
use super::range::Range;
use super::walk::ForecastError;
use crate::lane::Lane;
use crate::store::Store;
use std::sync::Arc;

/// Answers of a model that are read for what they say of others.
const READ: usize = 48;

/// A call's length where no answer says, in seconds.
pub(super) const LATENCY: f64 = 2.0;

/// An answer's length where neither an answer nor the experiment says, in tokens.
pub(super) const LENGTH: u64 = 256;

/// The longest answer where nobody says.
const LONGEST: u64 = 4_096;

/// One model's requests.
pub(super) struct Tally {
    pub(super) lane: Arc<Lane>,
    /// Different ones.
    pub(super) requests: u64,
    /// Without an answer in the store.
    pub(super) missing: u64,
    /// Bytes of the missing ones.
    pub(super) bytes: u64,
    /// The sum of what limits their answers, over those that have a limit.
    caps: u64,
    /// How many have none.
    uncapped: u64,
    bodies: Vec<String>,
    latencies: Vec<u32>,
    lengths: Vec<u64>,
}

/// Counts each request once, and looks for it in the store.
pub(super) async fn tally(
    distinct: Distinct,
    lanes: Vec<Arc<Lane>>,
    store: Option<Arc<Store>>,
) -> Result<Vec<Tally>, ForecastError> {
    let counted = tokio::task::spawn_blocking(move || {
        let mut tallies: Vec<Tally> = lanes.into_iter().map(Tally::new).collect();
        let result = distinct.each(|asked| {
            if let Some(tally) = tallies.get_mut(usize::from(asked.lane)) {
                tally.take(asked, store.as_deref());
            }
        });
        result.map(|()| tallies)
    });
    let counted = counted.await.map_err(std::io::Error::other)?;
    let mut tallies = counted?;
    for tally in &mut tallies {
        tally.read_bodies().await;
    }
    Ok(tallies)
}

impl Tally {
    fn new(lane: Arc<Lane>) -> Tally {
        let (bodies, latencies, lengths) = (Vec::new(), Vec::new(), Vec::new());
        Tally {
            lane,
            requests: 0,
            missing: 0,
            bytes: 0,
            caps: 0,
            uncapped: 0,
            bodies,
            latencies,
            lengths,
        }
    }

    fn take(&mut self, asked: &Asked, store: Option<&Store>) {
        self.requests += 1;
        // A damaged record is a miss, as in a run.
        if let Some(answer) = store.and_then(|store| store.get(&asked.digest()).ok().flatten()) {
            if self.latencies.len() < READ {
                self.latencies.push(answer.latency_ms);
                self.bodies
                    .extend(String::from_utf8(answer.body.into()).ok());
            }
            return;
        }
        self.missing += 1;
        self.bytes += u64::from(asked.bytes);
        match asked.cap {
            0 => self.uncapped += 1,
            cap => self.caps += u64::from(cap),
        }
    }

    async fn read_bodies(&mut self) {
        for body in std::mem::take(&mut self.bodies) {
            if let Ok(Ok(completion)) = self.lane.provider.decode(Arc::new(body)).await {
                self.lengths.push(completion.usage.output);
            }
        }
    }

    /// Tokens of the missing answers. `most` is the model's own limit.
    pub(super) fn output(&self, most: Option<u64>) -> Range<u64> {
        let high = self
            .caps
            .saturating_add(self.uncapped.saturating_mul(most.unwrap_or(LONGEST)));
        let count = self.lengths.len() as u64;
        let (low, each) = match count {
            0 => (1, LENGTH),
            count => (
                self.lengths.iter().min().copied().unwrap_or(1),
                self.lengths.iter().sum::<u64>().div_ceil(count),
            ),
        };
        let (low, expected) = (
            self.missing.saturating_mul(low),
            self.missing.saturating_mul(each),
        );
        Range {
            low: low.min(high),
            expected: expected.min(high),
            high,
        }
    }

    pub(super) fn has_latency(&self) -> bool {
        !self.latencies.is_empty()
    }

    /// How long a call takes, in seconds.
    pub(super) fn latency(&self) -> f64 {
        match self.latencies.len() {
            0 => LATENCY,
            count => {
                self.latencies
                    .iter()
                    .map(|&ms| f64::from(ms) / 1_000.0)
                    .sum::<f64>()
                    / count as f64
            }
        }
    }
}
