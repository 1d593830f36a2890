//! One config, resolved.

use super::PlanError;
use super::lanes::Lanes;
use super::library::Library;
use crate::cache;
use crate::dataset::{self, Selection};
use crate::experiment::{self, Cell, Experiment, Limits, Mode, replace_files};
use crate::lane::Lane;
use crate::plugin::types::Sampling;
use crate::plugin::{Kind, Params, Plugin};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// One cell of the sweep, with everything that its trials need.
pub struct Config {
    /// Its place in the sweep.
    pub index: usize,
    /// The swept settings and their values.
    pub axes: Arc<Map<String, Value>>,
    /// What is asked.
    pub prompt: PluginUse,
    /// Who is asked.
    pub lane: Arc<Lane>,
    /// How requests travel.
    pub mode: Mode,
    /// How the model chooses its words, where the prompt says nothing.
    pub sampling: Sampling,
    /// Who judges the answers.
    pub scorers: Vec<ScorerUse>,
    /// Models that scorers ask, by name.
    pub judges: BTreeMap<String, Judge>,
    /// Answers of each sample.
    pub epochs: u32,
    /// Mixed into each request's digest.
    pub salt: String,
    /// Which stored answers are used.
    pub cache: cache::Policy,
}

/// A plugin with its parameters.
#[derive(Clone)]
pub struct PluginUse {
    /// The plugin.
    pub plugin: Plugin,
    /// A JSON object, as text.
    pub params: Params,
}

/// A scorer with its parameters and its label.
pub struct ScorerUse {
    /// What the results call it.
    pub label: Arc<str>,
    /// The plugin.
    pub plugin: PluginUse,
}

/// A model that scorers may ask.
pub struct Judge {
    /// Who is asked.
    pub lane: Arc<Lane>,
    /// How it chooses its words.
    pub sampling: Sampling,
}

pub(super) async fn resolve(
    index: usize,
    cell: &Cell,
    experiment: &Experiment,
    library: &mut Library,
    lanes: &mut Lanes,
) -> Result<Config, PlanError> {
    let settings = &cell.settings;
    let folder = &experiment.folder;
    let limits = settings.limits.clone().unwrap_or_else(Limits::none);
    let prompt = PluginUse {
        plugin: library.get(
            &settings.prompt.plugin,
            Kind::PromptBuilder,
            "`prompt.plugin`",
        )?,
        params: params(&settings.prompt.params, folder, "prompt.params")?,
    };
    let place = "prompt.params";
    library.check(&prompt.plugin, &prompt.params, place).await?;
    let (lane, sampling) = model(&settings.model, "model", folder, &limits, library, lanes).await?;
    let mode = settings.mode.unwrap_or(Mode::Live);
    takes(mode, &lane)?;
    let mut judges = BTreeMap::new();
    for (name, written) in &settings.models {
        let place = format!("models.{name}");
        let (lane, sampling) = model(written, &place, folder, &limits, library, lanes).await?;
        judges.insert(name.clone(), Judge { lane, sampling });
    }
    Ok(Config {
        index,
        axes: Arc::new(cell.axes.clone()),
        prompt,
        lane,
        mode,
        sampling,
        scorers: scorers(settings, folder, library).await?,
        judges,
        epochs: settings.epochs.unwrap_or(1),
        salt: settings.salt.clone().unwrap_or_default(),
        cache: policy(settings.cache.as_ref())?,
    })
}

/// A judge whose provider takes no batches is asked live; the model itself must take them where they are asked for.
fn takes(mode: Mode, lane: &Lane) -> Result<(), PlanError> {
    match lane.why_no_batches().filter(|_| mode == Mode::Batch) {
        None => Ok(()),
        Some(why) => Err(PlanError::Settings(format!(
            "`mode: batch`: {why}; write `mode: live`, or `auto`"
        ))),
    }
}

async fn model(
    written: &experiment::Model,
    place: &str,
    folder: &Path,
    limits: &Limits,
    library: &mut Library,
    lanes: &mut Lanes,
) -> Result<(Arc<Lane>, Sampling), PlanError> {
    let params = params(&written.params, folder, &format!("{place}.params"))?;
    let lane = lanes.lane(written, params, limits, library, place).await?;
    Ok((lane, sampling(written.sampling.as_ref(), place)?))
}

fn policy(written: Option<&experiment::Cache>) -> Result<cache::Policy, PlanError> {
    let Some(experiment::Cache {
        policy,
        max_age,
        reuse_truncated,
        reuse_filtered,
        replace,
    }) = written
    else {
        return Ok(cache::Policy::default());
    };
    let mode = match (policy, replace) {
        (Some(experiment::CachePolicy::Refresh), Some(true)) => cache::Mode::Replace,
        (Some(experiment::CachePolicy::Refresh), Some(false) | None) => cache::Mode::Refresh,
        (_, Some(true)) => {
            let message = "`cache.replace` goes with `cache.policy: refresh` only: leave one out";
            return Err(PlanError::Settings(message.into()));
        }
        (Some(experiment::CachePolicy::Only), _) => cache::Mode::Only,
        (Some(experiment::CachePolicy::Off), _) => cache::Mode::Off,
        (Some(experiment::CachePolicy::Use) | None, _) => cache::Mode::Use,
    };
    Ok(cache::Policy {
        mode,
        max_age: max_age.map(|span| span.0),
        skips_truncated: *reuse_truncated == Some(false),
        skips_filtered: *reuse_filtered == Some(false),
    })
}

fn sampling(written: Option<&experiment::Sampling>, place: &str) -> Result<Sampling, PlanError> {
    let text = |map: &Map<String, Value>| Value::Object(map.clone()).to_string();
    let seed = written.and_then(|written| written.seed);
    let too_large =
        |_| PlanError::Settings(format!("`{place}.sampling.seed` is above {}", i64::MAX));
    Ok(Sampling {
        max_tokens: written.and_then(|written| written.max_tokens),
        temperature: written.and_then(|written| written.temperature),
        top_p: written.and_then(|written| written.top_p),
        stop: written
            .map(|written| written.stop.clone())
            .unwrap_or_default(),
        seed: seed.map(i64::try_from).transpose().map_err(too_large)?,
        response_schema: written
            .and_then(|written| written.response_schema.as_ref())
            .map(text),
        extra: written
            .map(|written| &written.extra)
            .filter(|extra| !extra.is_empty())
            .map(text),
    })
}

/// The scorers that the experiment names, then those that were given and that it does not name.
async fn scorers(
    settings: &experiment::Written,
    folder: &Path,
    library: &mut Library,
) -> Result<Vec<ScorerUse>, PlanError> {
    let mut uses = Vec::new();
    for (index, scorer) in settings.scorers.iter().enumerate() {
        let plugin = library.get(&scorer.plugin, Kind::Scorer, &format!("`scorers.{index}`"))?;
        let place = format!("scorers.{index}.params");
        let params = params(&scorer.params, folder, &place)?;
        library.check(&plugin, &params, &place).await?;
        uses.push(ScorerUse {
            label: Arc::from(scorer.label()),
            plugin: PluginUse { plugin, params },
        });
    }
    let named: Vec<&str> = uses
        .iter()
        .map(|scorer| scorer.plugin.plugin.name())
        .collect();
    for name in library.further_scorers(&named) {
        let plugin = library.get(&name, Kind::Scorer, "`--plugin`")?;
        let params = Arc::new("{}".to_owned());
        let place = format!("scorers.{name}.params");
        library.check(&plugin, &params, &place).await?;
        uses.push(ScorerUse {
            label: Arc::from(name),
            plugin: PluginUse { plugin, params },
        });
    }
    Ok(uses)
}

/// Parameters with the files that they include.
fn params(written: &Map<String, Value>, folder: &Path, place: &str) -> Result<Params, PlanError> {
    let include = |path: &Path| {
        dataset::read_included(path).map_err(|cause| PlanError::Include {
            place: place.into(),
            path: path.into(),
            cause,
        })
    };
    let complete = replace_files(Value::Object(written.clone()), folder, include)?;
    Ok(Arc::new(complete.to_string()))
}

/// Where the rows are, as the dataset module wants it.
pub(super) fn selection(written: &experiment::Dataset, folder: &Path) -> Selection {
    let experiment::Dataset {
        path,
        format,
        fields,
        limit,
        range,
        ids,
        shuffle,
    } = written;
    let fields = fields.as_ref();
    Selection {
        paths: path.iter().map(|path| folder.join(path)).collect(),
        format: format.map(|format| match format {
            experiment::Format::Jsonl => dataset::Format::Jsonl,
            experiment::Format::Json => dataset::Format::Json,
            experiment::Format::Csv => dataset::Format::Csv,
            experiment::Format::Tsv => dataset::Format::Tsv,
            experiment::Format::Parquet => dataset::Format::Parquet,
        }),
        fields: dataset::FieldMap {
            id: fields.and_then(|fields| fields.id.clone()),
            input: fields.and_then(|fields| fields.input.clone()),
            target: fields.and_then(|fields| fields.target.clone()),
        },
        ids: ids.clone(),
        range: range.map(|range| range.start..range.end.unwrap_or(u64::MAX)),
        limit: *limit,
        shuffle: shuffle.as_ref().map(|shuffle| shuffle.seed),
    }
}

impl Config {
    /// Everything about this config that decides what is asked and how it is judged.
    pub(super) fn identity(&self, dataset: usize) -> Value {
        let plugin = |plugin: &PluginUse| {
            json!({
                "plugin": plugin.plugin.name(),
                "digest": plugin.plugin.digest().to_string(),
                "params": parsed(&plugin.params),
            })
        };
        let scorer =
            |scorer: &ScorerUse| json!({ "label": *scorer.label, "use": plugin(&scorer.plugin) });
        let judges = self
            .judges
            .iter()
            .map(|(name, judge)| (name.clone(), lane(&judge.lane, &judge.sampling)));
        json!({
            "config": *self.axes,
            "dataset": dataset,
            "prompt": plugin(&self.prompt),
            "model": lane(&self.lane, &self.sampling),
            "models": judges.collect::<Map<String, Value>>(),
            "scorers": self.scorers.iter().map(scorer).collect::<Vec<_>>(),
            "epochs": self.epochs,
            "salt": self.salt,
        })
    }
}

fn lane(lane: &Lane, sampling: &Sampling) -> Value {
    let Sampling {
        max_tokens,
        temperature,
        top_p,
        stop,
        seed,
        response_schema,
        extra,
    } = sampling;
    json!({
        "provider": lane.provider.plugin.name(),
        "digest": lane.provider.plugin.digest().to_string(),
        "params": parsed(&lane.provider.params),
        "endpoint": lane.endpoint.name(),
        "path": lane.endpoint.base_path(),
        "name": *lane.model,
        "sampling": {
            "max_tokens": max_tokens,
            "temperature": temperature,
            "top_p": top_p,
            "stop": stop,
            "seed": seed,
            "response_schema": response_schema.as_deref().map(parse),
            "extra": extra.as_deref().map(parse),
        },
    })
}

fn parsed(params: &Params) -> Value {
    parse(params)
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}
