//! A plan as a run recorded it: `resolved` in `run.json`, with the plugins and rows that were kept under their digests. Needs
//! neither the experiment file nor the dataset, and makes lanes that no call can leave by.

use super::{Config, Judge, Plan, PlanError, PluginUse, ScorerUse, digest, in_order, resolved};
use crate::budget;
use crate::cache::Policy;
use crate::dataset::{Dataset, Lines};
use crate::lane::{Ceiling, Lane, PaceLimits, Road, Settings};
use crate::plugin::inspect::API_VERSION;
use crate::plugin::types::Sampling;
use crate::plugin::{Engine, Kind, Plugin, Provider};
use crate::request::Endpoint;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use xhost_store::BlobDigest;

/// What a run wrote down of itself, and where to find what it names.
pub struct Recording<'a> {
    /// The experiment's name.
    pub name: &'a str,
    /// The identity of what was run.
    pub digest: &'a str,
    /// What the identity covers.
    pub resolved: &'a Value,
    /// Gives a plugin's bytes.
    pub plugin: &'a dyn Fn(&BlobDigest) -> Result<Vec<u8>, String>,
    /// Gives a dataset's rows.
    pub rows: &'a dyn Fn(&BlobDigest) -> Lines,
}

/// Another scorer in place of one that the run had.
pub struct Substitute {
    /// The new scorer.
    pub plugin: Plugin,
    /// The label of the one that it replaces; `None` for the scorer of the same plugin name, or the only one.
    pub label: Option<String>,
    /// Its parameters, a JSON object; `None` keeps those of the one that it replaces.
    pub params: Option<Arc<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Experiment {
    api: String,
    datasets: Vec<Rows>,
    configs: Vec<Cell>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    rows: u64,
    digest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cell {
    config: Map<String, Value>,
    dataset: usize,
    prompt: Use,
    model: Model,
    models: BTreeMap<String, Model>,
    scorers: Vec<Scorer>,
    epochs: u32,
    salt: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Use {
    plugin: String,
    digest: String,
    params: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scorer {
    label: String,
    r#use: Use,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    provider: String,
    digest: String,
    params: Value,
    endpoint: String,
    path: String,
    name: String,
    sampling: Choices,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choices {
    max_tokens: Option<u32>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    stop: Vec<String>,
    seed: Option<i64>,
    response_schema: Option<Value>,
    extra: Option<Value>,
}

impl Plan {
    /// The plan of a recorded run, its scorers as they were or with a substitute.
    ///
    /// # Errors
    /// Where something that the record names is missing, or the record contradicts itself.
    pub async fn recorded(
        recording: &Recording<'_>,
        engine: &Engine,
        substitute: Option<&Substitute>,
    ) -> Result<Plan, PlanError> {
        let wrong = |what: String| PlanError::Settings(format!("the recorded run {what}"));
        let experiment = Experiment::deserialize(recording.resolved)
            .map_err(|error| wrong(format!("is not one of this version: {error}")))?;
        if experiment.api != API_VERSION {
            let api = &experiment.api;
            return Err(wrong(format!(
                "has plugins of the contract {api}; this is {API_VERSION}"
            )));
        }
        let mut bench = Bench::new(recording, engine);
        let mut configs = Vec::with_capacity(experiment.configs.len());
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); experiment.datasets.len()];
        for (index, cell) in experiment.configs.into_iter().enumerate() {
            let group = groups.get_mut(cell.dataset);
            let group =
                group.ok_or_else(|| wrong("names a dataset that it does not have".into()))?;
            group.push(index);
            configs.push(Arc::new(bench.config(index, cell).await?));
        }
        let mut opened = Vec::with_capacity(groups.len());
        for (rows, group) in experiment.datasets.iter().zip(groups) {
            let dataset = bench.dataset(rows)?;
            opened.push((
                dataset,
                group
                    .iter()
                    .map(|index| Arc::clone(&configs[*index]))
                    .collect(),
            ));
        }
        let (blocks, trials) = in_order(opened);
        let again = resolved(&configs, &blocks);
        if again != *recording.resolved || digest(&again) != recording.digest {
            return Err(wrong("does not have the digest that it says".into()));
        }
        let mut plan = Plan {
            name: recording.name.to_owned(),
            digest: recording.digest.to_owned(),
            resolved: again,
            configs,
            blocks,
            trials,
            warnings: Vec::new(),
            // A replay spends nothing, and goes to the end.
            is_shuffled: false,
            budget: budget::Limits {
                money: None,
                tokens: None,
            },
        };
        if let Some(substitute) = substitute {
            plan.substitute(substitute)?;
        }
        Ok(plan)
    }

    fn substitute(&mut self, substitute: &Substitute) -> Result<(), PlanError> {
        let mut configs = Vec::with_capacity(self.configs.len());
        for config in &self.configs {
            configs.push(Arc::new(substitute.in_config(config)?));
        }
        for block in &mut self.blocks {
            for (member, _) in &mut block.members {
                *member = Arc::clone(&configs[member.index]);
            }
        }
        self.configs = configs;
        self.resolved = resolved(&self.configs, &self.blocks);
        self.digest = digest(&self.resolved);
        Ok(())
    }
}

impl Substitute {
    /// Which of these scorers it replaces.
    fn replaces(&self, scorers: &[ScorerUse]) -> Result<usize, PlanError> {
        let fits = |scorer: &ScorerUse| match &self.label {
            Some(label) => *scorer.label == **label,
            None => scorer.plugin.plugin.name() == self.plugin.name(),
        };
        let mut fitting = scorers.iter().enumerate().filter(|(_, one)| fits(one));
        match (fitting.next(), fitting.next(), scorers) {
            (Some((index, _)), None, _) => Ok(index),
            (None, _, [_]) if self.label.is_none() => Ok(0),
            _ => {
                let labels: Vec<String> = scorers
                    .iter()
                    .map(|scorer| format!("`{}`", scorer.label))
                    .collect();
                let labels = labels.join(", ");
                Err(PlanError::Settings(format!(
                    "say which scorer the new one replaces, with `--as LABEL`: the run has {labels}"
                )))
            }
        }
    }

    fn in_config(&self, config: &Config) -> Result<Config, PlanError> {
        let index = self.replaces(&config.scorers)?;
        let scorers = config.scorers.iter().enumerate().map(|(at, scorer)| {
            let mut plugin = scorer.plugin.clone();
            if at == index {
                plugin.plugin = self.plugin.clone();
                plugin.params = self.params.clone().unwrap_or(plugin.params);
            }
            let label = Arc::clone(&scorer.label);
            ScorerUse { label, plugin }
        });
        let judges = config.judges.iter().map(|(name, judge)| {
            let (lane, sampling) = (Arc::clone(&judge.lane), judge.sampling.clone());
            (name.clone(), Judge { lane, sampling })
        });
        Ok(Config {
            index: config.index,
            axes: Arc::clone(&config.axes),
            prompt: config.prompt.clone(),
            lane: Arc::clone(&config.lane),
            mode: crate::experiment::Mode::Live,
            sampling: config.sampling.clone(),
            scorers: scorers.collect(),
            judges: judges.collect(),
            epochs: config.epochs,
            salt: config.salt.clone(),
            cache: config.cache,
        })
    }
}

/// Where recorded configs are put together; each plugin is loaded once, each model has one lane.
struct Bench<'a> {
    recording: &'a Recording<'a>,
    engine: &'a Engine,
    plugins: HashMap<(String, String), Plugin>,
    lanes: Vec<(Value, Arc<Lane>)>,
    ceiling: Arc<Ceiling>,
}

impl<'a> Bench<'a> {
    fn new(recording: &'a Recording<'a>, engine: &'a Engine) -> Bench<'a> {
        Bench {
            recording,
            engine,
            plugins: HashMap::new(),
            lanes: Vec::new(),
            ceiling: Ceiling::new(1),
        }
    }

    async fn config(&mut self, index: usize, cell: Cell) -> Result<Config, PlanError> {
        let prompt = self.used(&cell.prompt, Kind::PromptBuilder)?;
        let (lane, sampling) = self.model(cell.model).await?;
        let mut judges = BTreeMap::new();
        for (name, model) in cell.models {
            let (lane, sampling) = self.model(model).await?;
            judges.insert(name, Judge { lane, sampling });
        }
        let mut scorers = Vec::with_capacity(cell.scorers.len());
        for scorer in cell.scorers {
            scorers.push(ScorerUse {
                label: Arc::from(scorer.label),
                plugin: self.used(&scorer.r#use, Kind::Scorer)?,
            });
        }
        Ok(Config {
            index,
            axes: Arc::new(cell.config),
            prompt,
            lane,
            mode: crate::experiment::Mode::Live,
            sampling,
            scorers,
            judges,
            epochs: cell.epochs,
            salt: cell.salt,
            cache: Policy::default(),
        })
    }

    fn used(&mut self, used: &Use, kind: Kind) -> Result<PluginUse, PlanError> {
        Ok(PluginUse {
            plugin: self.plugin(&used.plugin, &used.digest, kind)?,
            params: Arc::new(used.params.to_string()),
        })
    }

    fn plugin(&mut self, name: &str, digest: &str, kind: Kind) -> Result<Plugin, PlanError> {
        let key = (name.to_owned(), digest.to_owned());
        let plugin = match self.plugins.get(&key) {
            Some(plugin) => plugin.clone(),
            None => {
                let missing = |why: String| {
                    PlanError::Settings(format!("the plugin `{name}` of the run: {why}"))
                };
                let blob = blob(digest)?;
                let bytes = (self.recording.plugin)(&blob).map_err(missing)?;
                let plugin = Plugin::from_bytes(self.engine, name, &bytes)?;
                if plugin.digest().to_string() != digest {
                    return Err(missing("its bytes are others than were recorded".into()));
                }
                self.plugins.insert(key, plugin.clone());
                plugin
            }
        };
        Ok(plugin.expect(kind, "the recorded run")?)
    }

    async fn model(&mut self, model: Model) -> Result<(Arc<Lane>, Sampling), PlanError> {
        let Model {
            provider: name,
            digest,
            params,
            endpoint,
            path,
            name: model,
            sampling,
        } = model;
        let identity = Value::from_iter(
            [&digest, &endpoint, &path, &model, &params.to_string()].map(String::as_str),
        );
        let known = self.lanes.iter().find(|(known, _)| *known == identity);
        if let Some((_, lane)) = known {
            return Ok((Arc::clone(lane), sampling.complete()));
        }
        let plugin = self.plugin(&name, &digest, Kind::Provider)?;
        let provider = Provider {
            plugin,
            params: Arc::new(params.to_string()),
        };
        let refused = |failure| PlanError::Refused {
            place: "the recorded run".into(),
            failure,
        };
        let profile = provider.describe().await.map_err(refused)?;
        let endpoint = Endpoint::recorded(&profile, &endpoint, &path)?;
        let ceiling = Arc::clone(&self.ceiling);
        let road = Road {
            transport: None,
            ceiling,
        };
        let lane = Lane::new(
            provider,
            profile,
            endpoint,
            Arc::from(model),
            no_calls(),
            road,
        );
        let lane = Arc::new(lane);
        self.lanes.push((identity, Arc::clone(&lane)));
        Ok((lane, sampling.complete()))
    }

    fn dataset(&self, rows: &Rows) -> Result<Dataset, PlanError> {
        let dataset = Dataset::kept((self.recording.rows)(&blob(&rows.digest)?))?;
        let found = dataset.digest().to_hex();
        if dataset.len() == rows.rows && *found == *rows.digest {
            return Ok(dataset);
        }
        Err(PlanError::Settings(
            "the recorded run has other rows than it says".into(),
        ))
    }
}

impl Choices {
    fn complete(self) -> Sampling {
        Sampling {
            max_tokens: self.max_tokens,
            temperature: self.temperature,
            top_p: self.top_p,
            stop: self.stop,
            seed: self.seed,
            response_schema: self.response_schema.map(|value| value.to_string()),
            extra: self.extra.map(|value| value.to_string()),
        }
    }
}

/// Settings of calls, of which there are none.
fn no_calls() -> Settings {
    Settings {
        pace: PaceLimits {
            requests_per_minute: None,
            tokens_per_minute: None,
            input_tokens_per_minute: None,
            output_tokens_per_minute: None,
        },
        retries: 0,
        timeout: Duration::ZERO,
    }
}

fn blob(digest: &str) -> Result<BlobDigest, PlanError> {
    BlobDigest::from_hex(digest).ok_or_else(|| {
        PlanError::Settings(format!(
            "the recorded run has the digest `{}`, which is none",
            crate::text::plain(digest)
        ))
    })
}
