//! What a run needs to be made again, kept beside the store under its blake3: every plugin, built-in ones included, so that
//! a newer version of this program can replay it, and the rows as plugins saw them. `run.json` refers to them.

use crate::dataset::Lines;
use crate::plan::{Config, Plan};
use crate::plugin::{LoadError, Plugin};
use serde_json::Value;
use std::io;
use std::sync::Arc;
use xhost_store::{BlobDigest, BlobError, Blobs};

/// No component is larger (`plugin::inspect`).
const PLUGIN_BYTES: u64 = crate::plugin::inspect::SIZE_LIMIT;

/// Something cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// A plugin's file is gone, or is another one by now.
    #[error(transparent)]
    Plugin(#[from] LoadError),
    /// The disk refuses, or the rows changed.
    #[error(
        "cannot keep what a replay needs: {0}; free some space, or name another store with --store"
    )]
    Blob(#[from] BlobError),
}

/// Keeps the plugins and rows of a plan. What is kept already costs nothing.
///
/// # Errors
/// Where one cannot be kept: the run could not be replayed.
pub fn keep(plan: &Plan, blobs: &Blobs) -> Result<(), KeepError> {
    for plugin in plan.configs.iter().flat_map(|config| plugins(config)) {
        let digest = BlobDigest::from_bytes(*plugin.digest().as_bytes());
        if blobs.path(&digest).is_file() {
            continue;
        }
        if let Some(bytes) = plugin.bytes()? {
            blobs.keep(&digest, |out| out.write_all(&bytes))?;
        }
    }
    for block in &plan.blocks {
        let digest = BlobDigest::from_bytes(*block.dataset.digest().as_bytes());
        blobs.keep(&digest, |out| {
            for sample in block.dataset.rows() {
                let sample = sample.map_err(|error| io::Error::other(error.to_string()))?;
                out.write_all(&sample.to_line()?)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn plugins(config: &Config) -> impl Iterator<Item = &Plugin> {
    let scorers = config.scorers.iter().map(|scorer| &scorer.plugin.plugin);
    let judges = config.judges.values();
    let providers = judges.map(|judge| &judge.lane.provider.plugin);
    [&config.prompt.plugin, &config.lane.provider.plugin]
        .into_iter()
        .chain(scorers)
        .chain(providers)
}

/// A plugin's bytes.
///
/// # Errors
/// In words that say how to get them back.
pub fn plugin(blobs: &Blobs, digest: &BlobDigest) -> Result<Vec<u8>, String> {
    blobs.bytes(digest, PLUGIN_BYTES).map_err(|e| advise(&e))
}

/// Rows, each time from their start.
#[must_use]
pub fn rows(blobs: &Blobs, digest: &BlobDigest) -> Lines {
    let (blobs, digest) = (blobs.clone(), *digest);
    Arc::new(move || {
        let read = blobs.read(&digest);
        read.map(|read| Box::new(read) as Box<dyn io::Read + Send>)
            .map_err(|error| io::Error::other(advise(&error)))
    })
}

fn advise(error: &BlobError) -> String {
    match error {
        BlobError::Missing { .. } => format!(
            "{error}: name the store that the run used with --store, or run the experiment again, which costs nothing"
        ),
        BlobError::Other { .. } | BlobError::Io { .. } => error.to_string(),
    }
}

/// What `resolved` of a run names: its plugins and its datasets, each once, in order.
#[must_use]
pub fn named(resolved: &Value) -> (Vec<BlobDigest>, Vec<BlobDigest>) {
    let digest = |value: &Value| value["digest"].as_str().and_then(BlobDigest::from_hex);
    let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut plugins = Vec::new();
    for config in items(&resolved["configs"]) {
        plugins.extend(digest(&config["prompt"]));
        plugins.extend(digest(&config["model"]));
        plugins.extend(
            items(&config["scorers"])
                .iter()
                .filter_map(|one| digest(&one["use"])),
        );
        let models = config["models"].as_object().into_iter().flatten();
        plugins.extend(models.filter_map(|(_, model)| digest(model)));
    }
    let datasets = items(&resolved["datasets"]);
    let mut datasets: Vec<_> = datasets.iter().filter_map(digest).collect();
    for list in [&mut plugins, &mut datasets] {
        list.sort();
        list.dedup();
    }
    (plugins, datasets)
}
