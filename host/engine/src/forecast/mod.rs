//! What a run will ask, take and cost, before anything is paid for. Exact about first requests where every trial is walked
//! through; estimates are ranges. Reads the store and asks nobody.

/// Estimates.
mod range;

/// Requests, each once.
mod distinct;

/// Through the trials.
mod walk;

/// What is in the store.
mod stored;

/// Beyond the first prompts.
mod further;

/// For a person.
mod render;

pub use further::Why;
pub use range::Range;
pub use render::{render, short};
pub use walk::{Effort, ForecastError};

use crate::experiment::Mode;
use crate::lane::{Lane, PaceLimits};
use crate::plan::Plan;
use crate::prices::{self, Money, Price, Table, Travel, Whereabouts};
use crate::record::Usage;
use crate::store::Store;
use serde::Serialize;
use std::sync::Arc;
use stored::Tally;

/// What a run will come to.
#[derive(Debug, Serialize)]
pub struct Forecast {
    /// The experiment's name.
    pub experiment: String,
    /// The identity of what would be run.
    pub plan: String,
    /// Its configs.
    pub configs: usize,
    /// Its trials.
    pub trials: u64,
    /// Trials whose first prompt was built; where that is fewer than there are, the other numbers are scaled.
    pub built: u64,
    /// Trials whose prompt cannot be built: they will fail, and ask nothing.
    pub unbuildable: u64,
    /// Different first requests.
    pub requests: u64,
    /// Of these, answered in the store; `None` where the store could not be read.
    pub stored: Option<u64>,
    /// Of these, not answered in the store.
    pub missing: u64,
    /// One for each model at an address: what first prompts ask of it.
    pub models: Vec<ModelForecast>,
    /// What later turns ask, and judges, estimated from some trials with made-up answers where none are in the store.
    pub further: Vec<FurtherForecast>,
    /// What all of it costs if sent live, with later turns and judges; `None` where a price is not known.
    pub cost_live: Option<Range<Money>>,
    /// What all of it costs in batches; `None` where a price is not known, or a provider has none.
    pub cost_batch: Option<Range<Money>>,
    /// The lane, and why.
    pub lane: Choice,
    /// Batches that it would take, where every provider has them.
    pub batches: Option<u64>,
    /// Seconds, if sent live at the limits that are known.
    pub seconds_live: f64,
    /// What `seconds_live` supposes.
    pub supposes: String,
    /// The most memory that the process is expected to hold, in bytes.
    pub memory: u64,
    /// The largest request's body that was built, in bytes.
    pub largest_body: u64,
    /// What it is expected to write, in bytes.
    pub disk: u64,
    /// Where prices come from.
    pub prices: prices::Source,
}

/// A model at an address.
#[derive(Debug, Serialize)]
pub struct ModelForecast {
    /// The address, or the name that the experiment gives it.
    pub endpoint: String,
    /// The model.
    pub model: String,
    /// Requests to be asked.
    pub missing: u64,
    /// Tokens of these requests.
    pub tokens_in: Range<u64>,
    /// Tokens of their answers.
    pub tokens_out: Range<u64>,
    /// The model's name in the table of prices; `None` where its price is not known.
    pub priced_as: Option<String>,
    /// What they cost if sent live.
    pub cost_live: Option<Range<Money>>,
    /// What they cost in batches.
    pub cost_batch: Option<Range<Money>>,
    #[serde(skip)]
    seconds: Seconds,
    #[serde(skip)]
    batches: Option<u64>,
}

/// What is asked of a model beyond first prompts.
#[derive(Debug, Serialize)]
pub struct FurtherForecast {
    /// Why.
    pub why: Why,
    /// The address, or the name that the experiment gives it.
    pub endpoint: String,
    /// The model.
    pub model: String,
    /// Requests without an answer in the store. Later turns may be more than the most, for real answers lead on.
    pub requests: Range<u64>,
    /// Tokens of these requests.
    pub tokens_in: Range<u64>,
    /// Tokens of their answers.
    pub tokens_out: Range<u64>,
    /// The model's name in the table of prices; `None` where its price is not known.
    pub priced_as: Option<String>,
    /// What they cost if sent live.
    pub cost_live: Option<Range<Money>>,
    /// What they cost in batches.
    pub cost_batch: Option<Range<Money>>,
    #[serde(skip)]
    seconds: Seconds,
}

/// How long a model's calls take.
#[derive(Clone, Copy, Debug)]
struct Seconds {
    /// For calls that wait for their answers, as many at once as may be.
    waiting: f64,
    /// At the limits that are known.
    paced: f64,
}

/// The lane that a run takes.
#[derive(Debug, Serialize)]
pub struct Choice {
    /// The lane.
    pub lane: Travel,
    /// Why.
    pub why: String,
}

/// What a forecast looks at.
pub struct Sources<'s> {
    /// The store; `None` where it is not there, or another process holds it.
    pub store: Option<&'s Arc<Store>>,
    /// Prices.
    pub table: &'s Table,
    /// The most calls in flight.
    pub concurrency: usize,
}

/// From so many missing requests on, a batch is worth its wait.
pub const BATCH_FROM: u64 = 1_000;

/// The program, its engine and its pools, at rest: generous, as a run that does not fit must not begin.
const BASE: u64 = 64 << 20;

/// A call in flight beside its bodies: its trial, its task, its connection. Generous too; the summary has the real peak.
const PER_CALL: u64 = 128 << 10;

/// What a body is held as at once: prompt, request, what the plugin's memory held, answer.
const COPIES: u64 = 6;

/// Looks ahead.
///
/// # Errors
/// Where a row cannot be read, or a plugin refuses its parameters.
pub async fn forecast(
    plan: &Plan,
    sources: &Sources<'_>,
    effort: Effort,
) -> Result<Forecast, ForecastError> {
    let walk::Walked {
        lanes,
        distinct,
        trials: built,
        failed,
        largest,
    } = walk::walk(plan, effort).await?;
    let store = sources.store.map(Arc::clone);
    let tallies = stored::tally(distinct, lanes, store).await?;
    let store = sources.store.map(|store| &**store);
    let further = further::look(plan, effort, store).await?;
    let further: Vec<FurtherForecast> = further
        .iter()
        .map(|row| asked_further(row, sources))
        .collect();
    let scale = Scale {
        known: built,
        all: plan.trials,
    };
    let models: Vec<ModelForecast> = tallies
        .iter()
        .map(|tally| model(tally, scale, sources))
        .collect();
    let sum = |part: fn(&Tally) -> u64| scale.up(tallies.iter().map(part).sum());
    let missing = sum(|tally| tally.missing);
    let batches = models
        .iter()
        .try_fold(0_u64, |sum, model| Some(sum + model.batches?));
    let seconds = models.iter().map(|model| model.seconds);
    let seconds = seconds.chain(further.iter().map(|row| row.seconds));
    let cost_live = total(
        (models.iter().map(|model| model.cost_live)).chain(further.iter().map(|row| row.cost_live)),
    );
    let cost_batch = total(
        (models.iter().map(|model| model.cost_batch))
            .chain(further.iter().map(|row| row.cost_batch)),
    );
    Ok(Forecast {
        experiment: plan.name.clone(),
        plan: plan.digest.clone(),
        configs: plan.configs.len(),
        trials: plan.trials,
        built,
        unbuildable: scale.up(failed),
        requests: sum(|tally| tally.requests),
        stored: sources
            .store
            .map(|_| sum(|tally| tally.requests - tally.missing)),
        missing,
        cost_batch,
        cost_live,
        lane: choice(&modes(plan), missing, batches.is_some()),
        batches,
        seconds_live: together(seconds),
        further,
        supposes: supposed(&tallies, sources),
        memory: memory(sources.concurrency, largest),
        largest_body: largest,
        disk: disk(
            plan.trials,
            missing,
            scale.up(tallies.iter().map(|tally| tally.bytes).sum()),
        ),
        prices: sources.table.source.clone(),
        models,
    })
}

/// How many trials were walked through, of how many.
#[derive(Clone, Copy)]
struct Scale {
    known: u64,
    all: u64,
}

impl Scale {
    fn up(self, number: u64) -> u64 {
        match self.known {
            0 => 0,
            known => (u128::from(number) * u128::from(self.all) / u128::from(known)) as u64,
        }
    }
}

fn model(tally: &Tally, scale: Scale, sources: &Sources<'_>) -> ModelForecast {
    let lane = &tally.lane;
    let missing = scale.up(tally.missing);
    let tokens_in = range::tokens_of_bytes(scale.up(tally.bytes));
    let at = Whereabouts {
        endpoint: lane.endpoint.name(),
        host: lane.endpoint.host(),
        model: &lane.model,
    };
    let priced = prices::key(sources.table, at);
    let price = priced.as_ref().map(|(_, price)| price);
    let tokens_out = tally
        .output(price.and_then(|price| price.most_output))
        .map(|tokens| scale.up(tokens));
    let cost = |travel| price.map(|price| cost(price, missing, tokens_in, tokens_out, travel));
    let tokens = (tokens_in.expected, tokens_out.expected);
    let batch_limits = lane.profile.batch.as_ref();
    ModelForecast {
        endpoint: lane.endpoint.name().to_owned(),
        model: lane.model.to_string(),
        missing,
        cost_live: cost(Travel::Live),
        cost_batch: batch_limits.and_then(|_| cost(Travel::Batch)),
        tokens_in,
        tokens_out,
        seconds: seconds(lane, missing, tokens, tally.latency(), sources),
        batches: batch_limits.map(|limits| {
            let by_count = missing.div_ceil(u64::from(limits.requests.max(1)));
            by_count.max(scale.up(tally.bytes).div_ceil(limits.bytes.max(1)))
        }),
        priced_as: priced.map(|(name, _)| name),
    }
}

fn asked_further(row: &further::Row, sources: &Sources<'_>) -> FurtherForecast {
    let further::Row {
        why,
        ref lane,
        requests,
        tokens_in,
        tokens_out,
    } = *row;
    let at = Whereabouts {
        endpoint: lane.endpoint.name(),
        host: lane.endpoint.host(),
        model: &lane.model,
    };
    let priced = prices::key(sources.table, at);
    let price = priced.as_ref().map(|(_, price)| price);
    let alike = |tokens| Range {
        low: tokens,
        expected: tokens,
        high: tokens,
    };
    let each = |price, requests, input, output, travel| {
        cost(price, requests, alike(input), alike(output), travel).expected
    };
    let cost = |travel| {
        price.map(|price| Range {
            low: each(price, requests.low, tokens_in.low, tokens_out.low, travel),
            expected: each(
                price,
                requests.expected,
                tokens_in.expected,
                tokens_out.expected,
                travel,
            ),
            high: each(
                price,
                requests.high,
                tokens_in.high,
                tokens_out.high,
                travel,
            ),
        })
    };
    let tokens = (tokens_in.expected, tokens_out.expected);
    FurtherForecast {
        why,
        endpoint: lane.endpoint.name().to_owned(),
        model: lane.model.to_string(),
        requests,
        tokens_in,
        tokens_out,
        cost_live: cost(Travel::Live),
        cost_batch: lane
            .profile
            .batch
            .as_ref()
            .and_then(|_| cost(Travel::Batch)),
        seconds: seconds(lane, requests.expected, tokens, stored::LATENCY, sources),
        priced_as: priced.map(|(name, _)| name),
    }
}

/// How long so many calls with so many tokens in and out take.
fn seconds(
    lane: &Lane,
    calls: u64,
    (input, output): (u64, u64),
    latency: f64,
    sources: &Sources<'_>,
) -> Seconds {
    let PaceLimits {
        requests_per_minute,
        tokens_per_minute,
        input_tokens_per_minute,
        output_tokens_per_minute,
    } = lane.settings().pace;
    let paces = [
        (calls, requests_per_minute.map(u64::from)),
        (input.saturating_add(output), tokens_per_minute),
        (input, input_tokens_per_minute),
        (output, output_tokens_per_minute),
    ];
    let minutes = paces
        .into_iter()
        .filter_map(|(count, limit)| Some(count as f64 / limit? as f64));
    Seconds {
        waiting: calls as f64 * latency / sources.concurrency.max(1) as f64,
        paced: 60.0 * minutes.fold(0.0, f64::max),
    }
}

/// Calls of all models are in flight together, and each model has a pace of its own.
fn together(seconds: impl Iterator<Item = Seconds>) -> f64 {
    let (mut waiting, mut paced) = (0.0, 0.0);
    for one in seconds {
        waiting += one.waiting;
        paced = f64::max(paced, one.paced);
    }
    waiting.max(paced)
}

/// As if all requests were alike: a tier's price is decided by their mean.
fn cost(
    price: &Price,
    missing: u64,
    input: Range<u64>,
    output: Range<u64>,
    travel: Travel,
) -> Range<Money> {
    let cost = |input: u64, output: u64| match missing {
        0 => Money::default(),
        missing => {
            let mean = |tokens: u64| Usage {
                input: tokens,
                ..Usage::default()
            };
            // A million requests at once would look like one long request, so the mean is priced.
            let each = price.cost(
                &Usage {
                    output: output / missing,
                    ..mean(input / missing)
                },
                travel,
            );
            each.times(missing)
        }
    };
    input.with(output, cost)
}

fn total(costs: impl Iterator<Item = Option<Range<Money>>>) -> Option<Range<Money>> {
    costs.into_iter().try_fold(Range::default(), |sum, cost| {
        Some(sum.with(cost?, Money::plus))
    })
}

/// What the configs ask for, each once.
fn modes(plan: &Plan) -> Vec<Mode> {
    let mut modes: Vec<Mode> = plan.configs.iter().map(|config| config.mode).collect();
    modes.dedup();
    modes
}

/// The lane of most configs: where they differ, batches are named if any asks for them.
fn choice(modes: &[Mode], missing: u64, has_batches: bool) -> Choice {
    let many = missing >= BATCH_FROM;
    let (lane, why) = if modes.contains(&Mode::Batch) {
        (Travel::Batch, "`mode: batch`".to_owned())
    } else if !many {
        let why = format!("fewer than {BATCH_FROM} requests are missing");
        (Travel::Live, why)
    } else if !has_batches {
        (Travel::Live, "the provider has no batches here".to_owned())
    } else if modes.contains(&Mode::Auto) {
        let why = format!("`mode: auto`, and {BATCH_FROM} requests or more are missing");
        (Travel::Batch, why)
    } else {
        let why = "batches are not asked for (`mode: batch`)".to_owned();
        (Travel::Live, why)
    };
    Choice { lane, why }
}

fn supposed(tallies: &[Tally], sources: &Sources<'_>) -> String {
    let measured = tallies.iter().any(Tally::has_latency);
    let latency = tallies.iter().map(Tally::latency).fold(0.0, f64::max);
    let how = if measured {
        "as in the store"
    } else {
        "a guess"
    };
    format!(
        "{} calls in flight, {latency:.1} s each ({how}), and the limits of the experiment",
        sources.concurrency
    )
}

/// The most memory that a process with so many calls in flight is expected to hold.
#[must_use]
pub fn memory(concurrency: usize, largest_body: u64) -> u64 {
    let calls = concurrency as u64;
    BASE.saturating_add(
        calls.saturating_mul(PER_CALL.saturating_add(COPIES.saturating_mul(largest_body))),
    )
}

/// Supposes about 500 bytes of an answer in the store, 700 of its line in the results and 400 of its events, beside the
/// requests.
fn disk(trials: u64, missing: u64, bytes: u64) -> u64 {
    trials
        .saturating_mul(1_100)
        .saturating_add(missing.saturating_mul(500))
        .saturating_add(bytes)
}

#[cfg(test)]
mod tests;
