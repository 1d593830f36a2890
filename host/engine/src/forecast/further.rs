//! What is asked beyond the first prompts: later turns, and judges. Some trials are looked through with the answers that
//! are in the store, made-up ones in the place of others; what all trials ask is estimated from them.

use super::range::{self, Range};
use super::stored::LENGTH;
use super::walk::{Effort, ForecastError};
use crate::dataset::DatasetError;
use crate::lane::{CallFailure, Lane};
use crate::plan::{Block, Config, Plan, guest_sample};
use crate::plugin::types::Sample;
use crate::store::Store;
use crate::trial::{self, Draft, Known, Trial};
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;

/// Rows that each config is looked at with; fewer where a run waits.
const ROWS: usize = 16;
const ROWS_IN_HASTE: usize = 2;

/// The longest answer where nobody says, as for first prompts.
const LONGEST: u64 = 4_096;

/// Why something is asked beyond the first prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// A prompt builder goes on. What real answers lead to may be more.
    LaterTurns,
    /// A scorer asks a model.
    Judges,
}

/// What is asked of one model for one reason.
pub(super) struct Row {
    pub(super) why: Why,
    pub(super) lane: Arc<Lane>,
    pub(super) requests: Range<u64>,
    pub(super) tokens_in: Range<u64>,
    pub(super) tokens_out: Range<u64>,
}

/// What one config's trials that were looked at ask of one model for one reason.
struct Seen {
    why: Why,
    lane: Arc<Lane>,
    /// For each trial that was looked at.
    counts: Vec<u64>,
    bytes: u64,
    /// The sum of what limits their answers; where nobody says, the longest that is supposed.
    caps: u64,
    /// The sum of what they are expected to have.
    lengths: u64,
}

/// Looks at some trials of each config, until it is late.
pub(super) async fn look(
    plan: &Plan,
    effort: Effort,
    store: Option<&Store>,
) -> Result<Vec<Row>, ForecastError> {
    let mut rows = Vec::new();
    let (mut looked, mut all) = (0, 0);
    for block in &plan.blocks {
        let samples = samples(block, effort).await?;
        for (config, _) in &block.members {
            let trials = block.dataset.len() * u64::from(config.epochs);
            all += trials;
            let late = matches!(effort, Effort::Some(_, until) if Instant::now() >= until);
            if samples.is_empty() || (late && looked > 0) {
                continue;
            }
            looked += trials;
            let seen = config_seen(config, &samples, store).await?;
            for seen in &seen {
                seen.add_to(&mut rows, trials, samples.len() as u64);
            }
        }
    }
    // Configs that nobody had the time to look at are taken to be like the others.
    let scale = |number: u64| match looked {
        0 => number,
        looked => (u128::from(number) * u128::from(all) / u128::from(looked)) as u64,
    };
    for row in &mut rows {
        row.requests = row.requests.map(scale);
        row.tokens_in = row.tokens_in.map(scale);
        row.tokens_out = row.tokens_out.map(scale);
    }
    Ok(rows)
}

/// Some rows, from all over the dataset where there is time to read it.
async fn samples(block: &Block, effort: Effort) -> Result<Vec<Arc<Sample>>, ForecastError> {
    let (most, step) = match effort {
        Effort::All => (ROWS, (block.dataset.len() as usize / ROWS).max(1)),
        Effort::Some(..) => (ROWS_IN_HASTE, 1),
    };
    let rows = block.dataset.rows().step_by(step).take(most);
    let read = move || {
        let samples = rows.map(|row| Ok(Arc::new(guest_sample(row?))));
        samples.collect::<Result<Vec<_>, DatasetError>>()
    };
    let samples = tokio::task::spawn_blocking(read).await;
    Ok(samples.map_err(std::io::Error::other)??)
}

async fn config_seen(
    config: &Arc<Config>,
    samples: &[Arc<Sample>],
    store: Option<&Store>,
) -> Result<Vec<Seen>, ForecastError> {
    let mut seen = Vec::new();
    for (number, sample) in samples.iter().enumerate() {
        let trial = Trial {
            config: Arc::clone(config),
            sample: Arc::clone(sample),
            epoch: 1,
            ordinal: 0,
            run_started_ms: 0,
        };
        let known = Known {
            store,
            stand_in: &stand_in(sample),
        };
        let further = match trial::further(&trial, known).await {
            Ok(further) => further,
            Err(CallFailure::Stopped(reason)) => return Err(reason.into()),
            Err(CallFailure::Trial(_) | CallFailure::Deferred) => continue,
        };
        for (why, drafts) in [
            (Why::LaterTurns, further.turns),
            (Why::Judges, further.judges),
        ] {
            for draft in drafts {
                take(&mut seen, why, &draft, number, samples.len());
            }
        }
    }
    Ok(seen)
}

/// An answer of the length that is expected, which begins as a right one may.
fn stand_in(sample: &Sample) -> String {
    let mut text = sample.targets.first().cloned().unwrap_or_default();
    while text.len() < 4 * LENGTH as usize {
        text.push_str(" so it is said,");
    }
    text
}

fn take(seen: &mut Vec<Seen>, why: Why, draft: &Draft, number: usize, trials: usize) {
    let same = |one: &Seen| one.why == why && Arc::ptr_eq(&one.lane, &draft.lane);
    let place = seen.iter().position(same).unwrap_or_else(|| {
        seen.push(Seen {
            why,
            lane: Arc::clone(&draft.lane),
            counts: vec![0; trials],
            bytes: 0,
            caps: 0,
            lengths: 0,
        });
        seen.len() - 1
    });
    let one = &mut seen[place];
    let cap = draft.max_tokens.map_or(LONGEST, u64::from);
    one.counts[number] += 1;
    one.bytes += draft.request.body.len() as u64;
    one.caps += cap;
    one.lengths += cap.min(LENGTH);
}

impl Seen {
    /// What all trials of the config ask, if they are like those that were looked at.
    fn add_to(&self, rows: &mut Vec<Row>, trials: u64, looked: u64) {
        let sum: u64 = self.counts.iter().sum();
        let of_all =
            |number: u64| (u128::from(number) * u128::from(trials) / u128::from(looked)) as u64;
        let end = |count: Option<&u64>| count.copied().unwrap_or(0) * trials;
        let requests = Range {
            low: end(self.counts.iter().min()),
            expected: of_all(sum),
            high: end(self.counts.iter().max()),
        };
        // Each end with its own number of requests, of the mean size.
        let with = |requests: u64, all: u64| match sum {
            0 => 0,
            sum => (u128::from(requests) * u128::from(all) / u128::from(sum)) as u64,
        };
        let bytes = requests.map(|requests| with(requests, self.bytes));
        let tokens_in = Range {
            low: range::tokens_of_bytes(bytes.low).low,
            expected: range::tokens_of_bytes(bytes.expected).expected,
            high: range::tokens_of_bytes(bytes.high).high,
        };
        let tokens_out = Range {
            low: requests.low,
            expected: with(requests.expected, self.lengths),
            high: with(requests.high, self.caps),
        };
        let same = |row: &&mut Row| row.why == self.why && Arc::ptr_eq(&row.lane, &self.lane);
        match rows.iter_mut().find(same) {
            Some(row) => {
                row.requests = row.requests.with(requests, u64::saturating_add);
                row.tokens_in = row.tokens_in.with(tokens_in, u64::saturating_add);
                row.tokens_out = row.tokens_out.with(tokens_out, u64::saturating_add);
            }
            None => rows.push(Row {
                why: self.why,
                lane: Arc::clone(&self.lane),
                requests,
                tokens_in,
                tokens_out,
            }),
        }
    }
}
