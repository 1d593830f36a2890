//! The table as litellm writes it: a flat map from a model's name to an object with prices of a token in dollars. Numbers
//! are read from their text, so that no digit is lost.

use super::money::{Money, decimal};
use super::{Price, Rates, Tier};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

const EMBEDDED: &str = include_str!("../../data/prices.json");

/// The most of a table's file: the whole of litellm's is 3.5 MB.
const LARGEST: u64 = 64 << 20;

/// Where a batch costs half though the table may not say so.
const HALF_IN_BATCHES: [&str; 7] = [
    "anthropic",
    "azure",
    "gemini",
    "groq",
    "mistral",
    "openai",
    "together_ai",
];

/// Prices of models.
#[derive(Debug)]
pub struct Table {
    /// Where they come from.
    pub source: Source,
    /// Their entries as text: a run looks at one or two of thousands.
    models: HashMap<String, Box<RawValue>>,
}

/// Where prices come from.
#[derive(Clone, Debug, serde::Serialize, Deserialize)]
pub struct Source {
    /// The table's name.
    pub name: String,
    /// When it was taken.
    pub taken: String,
}

/// A table cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the prices in {path}: {cause}; it takes litellm's model_prices_and_context_window.json, or a part of it", path = path.display())]
pub struct TableError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub cause: String,
}

impl Table {
    /// The one that is part of this program.
    #[must_use]
    pub fn embedded() -> Table {
        // A test reads all of it.
        Table::entries(EMBEDDED.as_bytes()).unwrap_or_else(|_| Table {
            source: Source {
                name: "none".into(),
                taken: "never".into(),
            },
            models: HashMap::new(),
        })
    }

    /// A file's.
    ///
    /// # Errors
    /// Where it cannot be read, or holds no price.
    pub fn load(path: &Path) -> Result<Table, TableError> {
        let wrong = |cause: String| TableError {
            path: path.into(),
            cause,
        };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(|e| wrong(e.to_string()))?;
        file.take(LARGEST)
            .read_to_end(&mut bytes)
            .map_err(|e| wrong(e.to_string()))?;
        Table::parse(&bytes).map_err(wrong)
    }

    /// A table as litellm has it, every entry looked at.
    ///
    /// # Errors
    /// In words, where the bytes are none.
    pub fn parse(bytes: &[u8]) -> Result<Table, String> {
        let table = Table::entries(bytes)?;
        for (name, entry) in &table.models {
            Cells::read(entry).map_err(|e| format!("`{name}`: {e}"))?;
        }
        match table.models.keys().any(|name| table.price(name).is_some()) {
            true => Ok(table),
            false => Err("no model in it has a price of input and output".into()),
        }
    }

    fn entries(bytes: &[u8]) -> Result<Table, String> {
        let mut entries: HashMap<String, Box<RawValue>> =
            serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        let source = entries
            .remove("xhost_source")
            .and_then(|raw| serde_json::from_str(raw.get()).ok());
        let source = source.unwrap_or_else(|| Source {
            name: "a table of the user's".into(),
            taken: "unknown".into(),
        });
        entries.remove("sample_spec");
        Ok(Table {
            source,
            models: entries,
        })
    }

    /// How many models it knows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether it knows none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// The price of the model that stands under this name; `None` where it is not known.
    #[must_use]
    pub fn price(&self, name: &str) -> Option<Price> {
        let cells = Cells::read(self.models.get(name)?).ok()?;
        let live = cells.rates("", "")?;
        let discounted = cells
            .text("litellm_provider")
            .is_some_and(|name| HALF_IN_BATCHES.contains(&name.as_str()));
        let batch = cells.batch("", &live, discounted);
        let tiers = cells.thresholds().into_iter().filter_map(|thousands| {
            let suffix = format!("_above_{thousands}k_tokens");
            let live = cells
                .rates(&suffix, "")
                .or_else(|| cells.overlaid(&live, &suffix))?;
            let batch = cells.batch(&suffix, &live, discounted);
            Some(Tier {
                above: thousands.checked_mul(1_000)?,
                live,
                batch,
            })
        });
        Some(Price {
            tiers: tiers.collect(),
            most_output: cells.number("max_output_tokens"),
            most_input: cells.number("max_input_tokens"),
            live,
            batch,
        })
    }

    /// Names that contain this one, for a person who looks for a model.
    #[must_use]
    pub fn like(&self, name: &str) -> Vec<&str> {
        let mut found: Vec<&str> = self
            .models
            .keys()
            .map(String::as_str)
            .filter(|known| known.contains(name))
            .collect();
        found.sort_unstable();
        found
    }
}

struct Cells<'t>(BTreeMap<String, &'t RawValue>);

impl<'t> Cells<'t> {
    fn read(entry: &'t RawValue) -> Result<Cells<'t>, serde_json::Error> {
        serde_json::from_str(entry.get()).map(Cells)
    }

    fn money(&self, key: &str) -> Option<Money> {
        decimal(self.0.get(key)?.get().trim_matches('"'))
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.0.get(key)?.get().parse().ok()
    }

    fn text(&self, key: &str) -> Option<String> {
        serde_json::from_str(self.0.get(key)?.get()).ok()
    }

    /// What the table does not say of caches and reasoning costs what other tokens do.
    fn rates(&self, tier: &str, lane: &str) -> Option<Rates> {
        let cell = |name: &str| self.money(&format!("{name}{tier}{lane}"));
        let (input, output) = (
            cell("input_cost_per_token")?,
            cell("output_cost_per_token")?,
        );
        let cache_write = cell("cache_creation_input_token_cost").unwrap_or(input);
        Some(Rates {
            input,
            output,
            cache_read: cell("cache_read_input_token_cost").unwrap_or(input),
            cache_write,
            cache_write_hour: cell("cache_creation_input_token_cost_above_1hr")
                .unwrap_or(cache_write),
            reasoning: cell("output_cost_per_reasoning_token").unwrap_or(output),
        })
    }

    /// A tier that changes the input's price alone.
    fn overlaid(&self, live: &Rates, tier: &str) -> Option<Rates> {
        let input = self.money(&format!("input_cost_per_token{tier}"))?;
        Some(Rates {
            input,
            cache_read: input.min(live.cache_read),
            ..live.clone()
        })
    }

    fn batch(&self, tier: &str, live: &Rates, discounted: bool) -> Option<Rates> {
        let half = |money: Money| Money(money.0.div_ceil(2));
        let halved = || Rates {
            input: half(live.input),
            output: half(live.output),
            cache_read: half(live.cache_read),
            cache_write: half(live.cache_write),
            cache_write_hour: half(live.cache_write_hour),
            reasoning: half(live.reasoning),
        };
        let mut rates = self
            .rates(tier, "_batches")
            .or_else(|| discounted.then(halved))?;
        // Where the table has no price for caches in batches, what a single request pays bounds it.
        rates.cache_read = rates.cache_read.min(live.cache_read);
        Some(rates)
    }

    fn thresholds(&self) -> Vec<u64> {
        let threshold = |key: &String| {
            let rest = key.strip_prefix("input_cost_per_token_above_")?;
            rest.strip_suffix("k_tokens")?.parse().ok()
        };
        let mut found: Vec<u64> = self.0.keys().filter_map(threshold).collect();
        found.sort_unstable();
        found
    }
}
