//! Which experiments a command is about, and where their answers are: the same words for every command.

use super::gather::{Pinning, gather};
use super::{Failure, places};
use crate::experiment::{Experiment, Parts, is_override};
use std::path::{Path, PathBuf};

/// Experiments as named on the command line.
#[derive(clap::Args)]
pub(super) struct Chosen {
    /// Experiment files, and settings as KEY=VALUE (a comma makes a sweep) [default: xhost.yaml]
    #[arg(value_name = "FILE | KEY=V1,V2")]
    pub(super) words: Vec<String>,
    /// Plugin: a component (what it does is read from it), a .py or .js file with a function `score` or `prompt`, a built-in
    /// one's name, a URL with a digest, or REGISTRY/NAME:TAG
    #[arg(long, value_name = "PLUGIN")]
    pub(super) plugin: Vec<String>,
    #[command(flatten)]
    pub(super) pinning: Pinning,
    /// Dataset: JSONL, CSV or Parquet; quote globs
    #[arg(long, value_name = "FILE")]
    pub(super) dataset: Option<String>,
    /// Model to ask
    #[arg(long, value_name = "PROVIDER/NAME")]
    pub(super) model: Option<String>,
    /// Prompt template
    #[arg(long, value_name = "TEXT")]
    pub(super) prompt: Option<String>,
    /// Scorer by name; repeatable
    #[arg(long, value_name = "NAME")]
    pub(super) scorer: Vec<String>,
    /// Experiment's name
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Store of answers [default: in the user's data folder]
    #[arg(long, value_name = "FILE")]
    pub(super) store: Option<PathBuf>,
    /// Wait while another process has the store
    #[arg(long)]
    pub(super) wait: bool,
    /// Which stored answers are used: use, refresh, only or off; overrides `cache.policy`
    #[arg(long, value_name = "POLICY", value_parser = ["use", "refresh", "only", "off"])]
    pub(super) cache: Option<String>,
    /// Ask again where the stored answer is older, such as 7d; overrides `cache.max_age`
    #[arg(long, value_name = "AGE")]
    pub(super) max_age: Option<String>,
    /// How requests travel: in batches at half the price, live, or as their number suggests; overrides `mode`
    #[arg(long, value_name = "batch|live|auto", value_parser = ["batch", "live", "auto"])]
    pub(super) mode: Option<String>,
    /// Calls in flight, over all configs; overrides `limits.concurrency`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) concurrency: Option<u16>,
}

impl Chosen {
    /// The experiments, read, and their plugins made ready.
    pub(super) async fn experiments(&self) -> Result<Vec<Experiment>, Failure> {
        let mut experiments = self.read()?;
        gather(&mut experiments, &self.pinning).await?;
        Ok(experiments)
    }

    /// The experiments as written.
    pub(super) fn read(&self) -> Result<Vec<Experiment>, Failure> {
        let (overrides, files): (Vec<String>, Vec<String>) = self
            .words
            .iter()
            .cloned()
            .partition(|word| is_override(word));
        let mut options = Vec::new();
        options.extend(
            self.cache
                .iter()
                .map(|policy| format!("cache.policy={policy}")),
        );
        options.extend(
            self.max_age
                .iter()
                .map(|age| format!("cache.max_age={age}")),
        );
        options.extend(self.mode.as_ref().map(|mode| format!("mode={mode}")));
        // Options first, so that an override has the last word.
        let overrides = [options, overrides].concat();
        let parts = Parts {
            name: self.name.clone(),
            dataset: self.dataset.clone(),
            model: self.model.clone(),
            prompt: self.prompt.clone(),
            scorers: self.scorer.clone(),
            plugins: self.plugin.clone(),
        };
        let here = Path::new("xhost.yaml");
        if !files.is_empty() {
            let load = |file: &String| {
                Experiment::load(Path::new(file), &parts, &overrides).map_err(Failure::wrong)
            };
            return files.iter().map(load).collect();
        }
        if here.exists() {
            return Experiment::load(here, &parts, &overrides)
                .map(|one| vec![one])
                .map_err(Failure::wrong);
        }
        if self.dataset.is_none() {
            return Err(Failure::wrong(
                "there is no experiment: name a file, or write an xhost.yaml in this folder, or give --dataset, --model and \
             --prompt (see `xhost run --help`)",
            ));
        }
        Experiment::from_parts(&parts, &overrides)
            .map(|one| vec![one])
            .map_err(Failure::wrong)
    }

    /// Whether there is any: on the command line, or in this folder.
    pub(super) fn names_any(&self) -> bool {
        !self.words.is_empty() || self.dataset.is_some() || Path::new("xhost.yaml").exists()
    }

    /// The store's file.
    pub(super) fn store(&self) -> PathBuf {
        self.store.clone().unwrap_or_else(places::store)
    }

    /// Calls in flight, where the command says.
    pub(super) fn concurrency(&self) -> Option<usize> {
        self.concurrency.map(usize::from)
    }
}
