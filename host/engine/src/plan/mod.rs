//! The plan: an experiment with nothing optional any more. Plugins loaded, parameters complete, datasets opened and
//! counted, models described. After this nothing looks at what was written. Made before anything is paid for, so what can
//! be wrong is found here.

/// Which plugin a name means.
mod library;

/// Parameters held against their plugin's schema.
mod schema;

/// Which model at which address, each once in a process.
mod lanes;

/// One config, resolved.
mod config;

/// A plan as a run recorded it.
mod recorded;

/// A first look at each config with the first sample, before anything is sent.
mod first_look;

pub use config::{Config, Judge, PluginUse, ScorerUse};
pub(crate) use first_look::guest_sample;
pub use lanes::{Lanes, Network, lane_settings};
pub use library::Library;
pub use recorded::{Recording, Substitute};
#[cfg(any(test, feature = "fuzzing"))]
pub use schema::fits_schema;

use crate::budget;
use crate::dataset::{Dataset, DatasetError};
use crate::experiment::{Cell, Experiment, ExperimentError};
use crate::lane::Lane;
use crate::plugin::inspect::API_VERSION;
use crate::plugin::{Engine, EngineError, Failure, Kind, LoadError};
use crate::prices::Money;
use crate::request::EndpointError;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// An experiment, resolved.
pub struct Plan {
    /// The experiment's name.
    pub name: String,
    /// The identity of what is run: settings, plugins and data. What only says how fast is not part of it.
    pub digest: String,
    /// What the identity covers.
    pub resolved: Value,
    /// The configs, in the order of the sweep.
    pub configs: Vec<Arc<Config>>,
    /// Configs over the same rows, together.
    pub blocks: Vec<Block>,
    /// All trials.
    pub trials: u64,
    /// Whether rows come in an order that says nothing of them, in every config.
    pub is_shuffled: bool,
    /// What the run may cost.
    pub budget: budget::Limits,
    /// What the user should know before the run.
    pub warnings: Vec<String>,
}

/// Configs over the same rows. Their trials stand in the results by sample, then config, then epoch.
pub struct Block {
    /// The rows.
    pub dataset: Dataset,
    /// The place of the block's first trial.
    pub first: u64,
    /// Trials of one sample.
    pub stride: u64,
    /// The configs, and the place of each one's first epoch within a sample's trials.
    pub members: Members,
}

/// Configs, and the place of each one's first epoch within a sample's trials.
pub type Members = Vec<(Arc<Config>, u64)>;

/// A place in the results, explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The config.
    pub config: usize,
    /// Tells samples apart.
    pub sample: u64,
}

/// The experiment cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// What is written is wrong.
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
    /// The data is wrong.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A plugin cannot be loaded.
    #[error(transparent)]
    Plugin(#[from] LoadError),
    /// The plugin engine does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A plugin refuses its parameters, or fails before anything was asked.
    #[error("{place}: {failure}")]
    Refused {
        /// The setting that names the plugin.
        place: String,
        /// The plugin's words.
        failure: Failure,
    },
    /// Parameters that the plugin's schema does not allow.
    #[error("`{path}`: {what} (the {kind} `{plugin}`; `xhost plugin show` prints what it takes)")]
    Params {
        /// Where, in the experiment's own terms.
        path: String,
        /// What is wrong with it.
        what: String,
        /// What the plugin does.
        kind: Kind,
        /// Its name.
        plugin: String,
    },
    /// A plugin was built wrongly.
    #[error("the plugin `{plugin}` has a schema of its parameters that cannot be used: {what}")]
    Schema {
        /// The plugin.
        plugin: String,
        /// Why.
        what: String,
    },
    /// An address is none.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A file that a parameter includes cannot be read.
    #[error("{place}: cannot include {path}: {cause}", path = path.display())]
    Include {
        /// The parameter's plugin.
        place: String,
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// Settings that do not go together.
    #[error("{0}")]
    Settings(String),
}

impl Plan {
    /// Resolves an experiment.
    ///
    /// # Errors
    /// Whatever is wrong with it, with what to edit.
    pub async fn new(
        experiment: &Experiment,
        engine: &Engine,
        lanes: &mut Lanes,
    ) -> Result<Plan, PlanError> {
        let mut library = Library::new(engine, experiment)?;
        let mut configs = Vec::with_capacity(experiment.cells.len());
        for (index, cell) in experiment.cells.iter().enumerate() {
            configs.push(Arc::new(
                config::resolve(index, cell, experiment, &mut library, lanes).await?,
            ));
        }
        library.refuse_unused()?;
        let (blocks, trials) = blocks(experiment, &configs)?;
        let resolved = resolved(&configs, &blocks);
        let digest = digest(&resolved);
        let mut plan = Plan {
            name: experiment.name.clone(),
            digest,
            resolved,
            configs,
            blocks,
            trials,
            is_shuffled: experiment
                .cells
                .iter()
                .all(|cell| cell.settings.dataset.shuffle.is_some()),
            budget: allowed(experiment)?,
            warnings: Vec::new(),
        };
        plan.warnings = first_look::look(&plan).await?;
        Ok(plan)
    }

    /// What a place in the results means.
    #[must_use]
    pub fn place(&self, ordinal: u64) -> Option<Place> {
        let block = self.blocks.iter().rfind(|block| block.first <= ordinal)?;
        let within = ordinal - block.first;
        let sample = within / block.stride;
        let (config, _) = block
            .members
            .iter()
            .rfind(|(_, offset)| *offset <= within % block.stride)?;
        Some(Place {
            config: config.index,
            sample,
        })
    }
}

impl Block {
    /// The block's configs by the model they ask: trials of one model wait for each other, those of two do not.
    #[must_use]
    pub fn tracks(&self) -> Vec<Members> {
        let mut tracks: Vec<(Arc<Lane>, Members)> = Vec::new();
        for member in &self.members {
            let lane = &member.0.lane;
            match tracks
                .iter_mut()
                .find(|(known, _)| Arc::ptr_eq(known, lane))
            {
                Some((_, members)) => members.push(member.clone()),
                None => tracks.push((Arc::clone(lane), vec![member.clone()])),
            }
        }
        tracks.into_iter().map(|(_, members)| members).collect()
    }
}

/// The budget that the experiment sets, once for all configs.
fn allowed(experiment: &Experiment) -> Result<budget::Limits, PlanError> {
    let of_cell = |cell: &Cell| {
        let limits = cell.settings.limits.as_ref();
        let money = limits.and_then(|limits| limits.budget.as_deref());
        let money = money.map(Money::from_written).transpose();
        let tokens = limits.and_then(|limits| limits.max_tokens_total);
        let money =
            money.map_err(|error| PlanError::Settings(format!("`limits.budget`: {error}")))?;
        Ok(budget::Limits { money, tokens })
    };
    let all: Result<Vec<budget::Limits>, PlanError> =
        experiment.cells.iter().map(of_cell).collect();
    let all = all?;
    let first = all.first().copied().unwrap_or_default();
    match all.iter().all(|limits| *limits == first) {
        true => Ok(first),
        false => Err(PlanError::Settings(
            "two configs set different budgets: `limits.budget` and `limits.max_tokens_total` are the whole run's, so set \
             them once"
                .into(),
        )),
    }
}

fn blocks(
    experiment: &Experiment,
    configs: &[Arc<Config>],
) -> Result<(Vec<Block>, u64), PlanError> {
    let mut groups: Vec<(&Cell, Vec<Arc<Config>>)> = Vec::new();
    for (cell, config) in experiment.cells.iter().zip(configs) {
        match groups
            .iter_mut()
            .find(|(first, _)| first.settings.dataset == cell.settings.dataset)
        {
            Some((_, members)) => members.push(Arc::clone(config)),
            None => groups.push((cell, vec![Arc::clone(config)])),
        }
    }
    let mut opened = Vec::with_capacity(groups.len());
    for (cell, group) in groups {
        let selection = config::selection(&cell.settings.dataset, &experiment.folder);
        opened.push((Dataset::open(&selection)?, group));
    }
    Ok(in_order(opened))
}

/// Gives every trial its place.
fn in_order(groups: Vec<(Dataset, Vec<Arc<Config>>)>) -> (Vec<Block>, u64) {
    let (mut blocks, mut first) = (Vec::with_capacity(groups.len()), 0);
    for (dataset, group) in groups {
        let (mut members, mut stride) = (Vec::with_capacity(group.len()), 0);
        for config in group {
            let epochs = u64::from(config.epochs);
            members.push((config, stride));
            stride += epochs;
        }
        let trials = dataset.len() * stride;
        blocks.push(Block {
            dataset,
            first,
            stride,
            members,
        });
        first += trials;
    }
    (blocks, first)
}

/// The identity of what is run.
fn digest(resolved: &Value) -> String {
    blake3::hash(resolved.to_string().as_bytes())
        .to_hex()
        .to_string()
}

/// Everything that decides what is asked and how it is judged.
fn resolved(configs: &[Arc<Config>], blocks: &[Block]) -> Value {
    let cells = configs.iter().map(|config| {
        let dataset = blocks.iter().position(|block| {
            block
                .members
                .iter()
                .any(|(member, _)| member.index == config.index)
        });
        config.identity(dataset.unwrap_or_default())
    });
    let datasets = blocks.iter().map(|block| {
        json!({
            "rows": block.dataset.len(),
            "digest": block.dataset.digest().to_hex().as_str(),
        })
    });
    json!({
        "api": API_VERSION,
        "datasets": datasets.collect::<Vec<_>>(),
        "configs": cells.collect::<Vec<_>>(),
    })
}
