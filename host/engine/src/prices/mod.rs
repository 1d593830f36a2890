//! What models cost. The table is a part of the one that the ecosystem keeps, litellm's, and a newer one can be put into the
//! user's data folder; nothing is ever fetched. A model that the table does not know has an unknown price, which is not
//! nothing.

/// Amounts without rounding.
mod money;

/// The table as it is written.
mod table;

/// Where a model stands in the table.
mod place;

pub use money::{Money, MoneyError};
pub use place::{Whereabouts, key};
pub use table::{Source, Table, TableError};

use crate::record::Usage;
use serde::Serialize;

/// What a model costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Price {
    /// For requests that are sent one by one.
    pub live: Rates,
    /// For batches.
    pub batch: Option<Rates>,
    /// Other prices for requests with more input than a number of tokens, the smallest number first.
    pub tiers: Vec<Tier>,
    /// The most tokens that an answer can have.
    pub most_output: Option<u64>,
    /// The most tokens that a request can have.
    pub most_input: Option<u64>,
}

/// Prices from a number of input tokens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tier {
    /// Requests with more input than this.
    pub above: u64,
    /// For requests that are sent one by one.
    pub live: Rates,
    /// For batches.
    pub batch: Option<Rates>,
}

/// What a token costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rates {
    /// Of the input.
    pub input: Money,
    /// Of the output.
    pub output: Money,
    /// Of the input, from the provider's cache.
    pub cache_read: Money,
    /// Of the input, into the provider's cache for minutes.
    pub cache_write: Money,
    /// Of the input, into the provider's cache for an hour.
    pub cache_write_hour: Money,
    /// Of the output, where it is reasoning.
    pub reasoning: Money,
}

/// How a request travels, as far as its price cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Travel {
    /// One by one.
    Live,
    /// In a batch.
    Batch,
}

impl Price {
    /// What an answer with this usage cost. Without a price for batches, a batch costs what single requests do: too much
    /// rather than too little.
    #[must_use]
    pub fn cost(&self, usage: &Usage, travel: Travel) -> Money {
        let rates = self.rates(usage.input, travel);
        let cached = usage.cache_read.saturating_add(usage.cache_write);
        let parts = [
            rates.input.times(usage.input.saturating_sub(cached)),
            rates.cache_read.times(usage.cache_read),
            rates.cache_write.times(usage.cache_write),
            rates
                .output
                .times(usage.output.saturating_sub(usage.reasoning)),
            rates.reasoning.times(usage.reasoning.min(usage.output)),
        ];
        parts.into_iter().fold(Money::default(), Money::plus)
    }

    /// The most that a request with at most so many tokens can cost.
    #[must_use]
    pub fn bound(&self, input: u64, output: u64, travel: Travel) -> Money {
        let all = [self.rates(0, travel)].into_iter().chain(
            self.tiers
                .iter()
                .filter(|tier| input > tier.above)
                .map(|tier| tier.rates(travel)),
        );
        let most = |rates: &Rates| {
            let dearest = rates
                .input
                .max(rates.cache_read)
                .max(rates.cache_write)
                .max(rates.cache_write_hour);
            dearest
                .times(input)
                .plus(rates.output.max(rates.reasoning).times(output))
        };
        all.map(most).max().unwrap_or_default()
    }

    fn rates(&self, input: u64, travel: Travel) -> &Rates {
        let tier = self.tiers.iter().rfind(|tier| input > tier.above);
        match (tier, travel) {
            (Some(tier), travel) => tier.rates(travel),
            (None, Travel::Live) => &self.live,
            (None, Travel::Batch) => self.batch.as_ref().unwrap_or(&self.live),
        }
    }
}

impl Tier {
    fn rates(&self, travel: Travel) -> &Rates {
        match travel {
            Travel::Live => &self.live,
            Travel::Batch => self.batch.as_ref().unwrap_or(&self.live),
        }
    }
}

#[cfg(test)]
mod tests;
