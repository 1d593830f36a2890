//! A run made again from what it recorded: the same plan, the same pipeline, its answers only read. What comes out is
//! compared line by line with what was recorded, and the first trial and field that differ are named.

use crate::answers::Answers;
use crate::budget::Budget;
use crate::dataset::Lines;
use crate::difference::{Difference, differences};
use crate::kept;
use crate::lane::Ceiling;
use crate::plan::{Plan, PlanError, Recording, Substitute};
use crate::plugin::Engine;
use crate::prices::Table;
use crate::progress::Progress;
use crate::recorded::Recorded;
use crate::results::{RunFile, TRIALS};
use crate::run::{Ended, Ledger, LedgerError, Process, Window};
use crate::stop::Stop;
use crate::store::Store;
use crate::summary::{ConfigSummary, Tally};
use serde::Serialize;
use serde_json::Value;
use std::io;
use std::path::Path;
use std::sync::Arc;
use xhost_store::BlobDigest;

/// Trials under way at once: nothing is waited for but the store.
const CONCURRENCY: usize = 64;

/// A recorded run, and the store that has its answers, plugins and rows.
pub struct Source<'a> {
    /// `run.json`.
    pub run: &'a RunFile,
    /// `trials.jsonl`.
    pub trials: &'a Path,
    /// The store.
    pub store: Arc<Store>,
}

/// A run cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Its plan cannot be made.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Its trials cannot be read.
    #[error("the recorded trials cannot be read: {0}")]
    Trials(#[from] io::Error),
    /// It was interrupted.
    #[error(
        "the run is not complete, {found} of {expected} trials are recorded: run the experiment to its end, and replay then"
    )]
    Incomplete {
        /// Lines.
        found: u64,
        /// Trials of the plan.
        expected: u64,
    },
    /// The results cannot be written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Makes a recorded run again, into a folder.
///
/// # Errors
/// Where it cannot be begun, or the results cannot be written. A miss is in [`Ended::stopped`].
pub async fn replay(
    source: &Source<'_>,
    engine: &Engine,
    substitute: Option<&Substitute>,
    out: &Path,
    progress: impl FnOnce(&Plan) -> Progress,
) -> Result<(Arc<Plan>, Ended), ReplayError> {
    let blobs = source.store.blobs();
    let plugin = |digest: &BlobDigest| kept::plugin(&blobs, digest);
    let rows = |digest: &BlobDigest| -> Lines { kept::rows(&blobs, digest) };
    let recording = Recording {
        name: &source.run.experiment,
        digest: &source.run.plan,
        resolved: &source.run.resolved,
        plugin: &plugin,
        rows: &rows,
    };
    let plan = Arc::new(Plan::recorded(&recording, engine, substitute).await?);
    let recorded = Recorded::open(source.trials)?;
    if recorded.len() != plan.trials {
        return Err(ReplayError::Incomplete {
            found: recorded.len(),
            expected: plan.trials,
        });
    }
    let stop = Stop::default();
    let process = Process {
        answers: Answers::replayed(Arc::clone(&source.store), recorded, stop.clone()),
        // A replay's configs are all live: nothing ever comes here.
        batches: crate::batch::Batches::new(
            Arc::clone(&source.store),
            stop.clone(),
            crate::batch::Options::default(),
        ),
        window: Arc::new(Window::new(Ceiling::new(CONCURRENCY))),
        stop,
    };
    let ledger = Ledger::open(
        out,
        &plan,
        Budget::new(plan.budget),
        Arc::new(Table::embedded()),
    )?;
    let mut progress = progress(&plan);
    let ended = crate::run::run(&plan, &process, ledger, &mut progress).await?;
    Ok((plan, ended))
}

/// A trial that came out in another way.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// The swept settings and their values.
    pub config: Value,
    /// The sample's id.
    pub sample: String,
    /// The epoch.
    pub epoch: u64,
    /// The first fields that differ.
    pub fields: Vec<Difference>,
}

/// Compares two `trials.jsonl` line by line, and hands every trial that differs to `each`, which says whether to go on.
///
/// # Errors
/// Where one cannot be read.
pub fn compare(
    recorded: &Path,
    made: &Path,
    mut each: impl FnMut(Changed) -> bool,
) -> io::Result<()> {
    let (recorded, made) = (Recorded::open(recorded)?, Recorded::open(made)?);
    for ordinal in 0..recorded.len().max(made.len()) {
        let (before, after) = (recorded.line(ordinal)?, made.line(ordinal)?);
        if before != after && !each(changed(before.as_deref(), after.as_deref())) {
            break;
        }
    }
    Ok(())
}

fn changed(before: Option<&[u8]>, after: Option<&[u8]>) -> Changed {
    let parse = |line: Option<&[u8]>| -> Value {
        line.map_or(Value::Null, |line| {
            serde_json::from_slice(line)
                .unwrap_or_else(|_| String::from_utf8_lossy(line).into_owned().into())
        })
    };
    let (before, after) = (parse(before), parse(after));
    let named = if after.is_null() { &before } else { &after };
    let mut fields = differences(&before, &after, 8);
    if fields.is_empty() {
        // The same values, written in another way.
        fields.push(Difference {
            field: String::new(),
            before: Some(before.to_string().into()),
            after: Some(after.to_string().into()),
        });
    }
    Changed {
        config: named["config"].clone(),
        sample: named["sample"].as_str().unwrap_or_default().to_owned(),
        epoch: named["epoch"].as_u64().unwrap_or_default(),
        fields,
    }
}

/// What recorded trials came to, by config: the same figures as in `summary.json`, from the lines alone.
///
/// # Errors
/// Where the lines cannot be read.
pub fn figures(plan: &Plan, trials: &Path) -> io::Result<Vec<ConfigSummary>> {
    let labels = |config: &crate::plan::Config| {
        let labels = config.scorers.iter();
        labels.map(|scorer| Arc::clone(&scorer.label)).collect()
    };
    let tally =
        |config: &Arc<crate::plan::Config>| Tally::new(Arc::clone(&config.axes), labels(config));
    let mut tallies: Vec<Tally> = plan.configs.iter().map(tally).collect();
    let recorded = Recorded::open(trials)?;
    for ordinal in 0..recorded.len() {
        if let (Some(place), Some(line)) = (plan.place(ordinal), recorded.line(ordinal)?) {
            tallies[place.config].line(place.sample, &line);
        }
    }
    Ok(tallies.iter().map(Tally::summary).collect())
}

/// The file with the trials of a run's folder.
#[must_use]
pub fn trials_of(folder: &Path) -> std::path::PathBuf {
    folder.join(TRIALS)
}
