//! `xhost cache`: what the store has for a trial, and why not.

use super::carry::{Run, existing_store};
use super::gather::{Pinning, gather};
use super::{Exit, Failure, places};
use crate::experiment::{Experiment, Parts};
use crate::kept;
use crate::plan::{Lanes, Network, Plan, Recording};
use crate::plugin::Engine;
use crate::store::Store;
use crate::why::{Verdict, Wanted, why};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xhost_store::{BlobDigest, Digest};

const EXAMPLES: &str = "\
Examples:
  xhost cache why gsm8k.yaml:17                      the first epoch of sample 17, in each config
  xhost cache why gsm8k.yaml:17:2 --config model.name=gpt-4o
  xhost cache why runs/gsm8k:17                      as that run asked
  xhost cache why 3f0c…                              a digest, as trials.jsonl and events.jsonl have them";

/// What the store has.
#[derive(clap::Subcommand)]
pub(super) enum Command {
    Why(Arguments),
}

/// Say why a trial's request has no answer in the store: the nearest stored request, and what differs.
///
/// Asks nobody, and writes nothing.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Experiment file or run, sample and epoch; or a request's digest
    #[arg(value_name = "RUN:SAMPLE[:EPOCH] | DIGEST")]
    trial: String,
    /// Only configs with this swept setting; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    config: Vec<String>,
    /// Store of answers [default: in the user's data folder]
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Print a JSON line for each config
    #[arg(long)]
    json: bool,
}

pub(super) async fn main(command: Command) -> Result<Exit, Failure> {
    let Command::Why(arguments) = command;
    let store = Arc::new(existing_store(arguments.store.clone()).await?);
    if let Ok(digest) = arguments.trial.parse::<Digest>() {
        return of_digest(&arguments, &store, digest);
    }
    let (run, wanted) = wanted(&arguments)?;
    let engine = Engine::new(places::compiled()).map_err(|e| Failure::new(Exit::Internal, e))?;
    let plan = plan(&run, &engine, &store).await?;
    let verdicts = Box::pin(why(&plan, &store, &wanted, now_ms())).await;
    for verdict in verdicts.map_err(Failure::wrong)? {
        match arguments.json {
            true => println!("{}", serde_json::json!(verdict)),
            false => print!("{}", told(&verdict)),
        }
    }
    Ok(Exit::Done)
}

fn of_digest(arguments: &Arguments, store: &Store, digest: Digest) -> Result<Exit, Failure> {
    let found = store
        .get(&digest)
        .map_err(|e| Failure::new(Exit::Disk, e))?;
    let request = store
        .request(&digest)
        .map_err(|e| Failure::new(Exit::Disk, e))?;
    if arguments.json {
        let answered = found.is_some();
        println!(
            "{}",
            serde_json::json!({ "digest": digest, "answered": answered, "request": request })
        );
        return Ok(Exit::Done);
    }
    match (found, request) {
        (None, _) => println!(
            "{digest} has no answer in the store. A digest does not say what was asked: name the trial as RUN:SAMPLE to see \
             what differs"
        ),
        (Some(_), None) => {
            println!("{digest} has an answer in the store, which came without its request");
        }
        (Some(_), Some(request)) => {
            let shown = serde_json::to_string_pretty(&request)
                .map_err(|e| Failure::new(Exit::Internal, e))?;
            println!("{digest} has an answer in the store, to\n{shown}");
        }
    }
    Ok(Exit::Done)
}

/// Takes `RUN:SAMPLE[:EPOCH]` apart. A sample's id may hold colons: what ends in a number is an epoch.
fn wanted(arguments: &Arguments) -> Result<(String, Wanted), Failure> {
    let wrong = || {
        Failure::wrong("name the trial as RUN:SAMPLE or RUN:SAMPLE:EPOCH, such as gsm8k.yaml:17")
    };
    let (run, rest) = arguments.trial.split_once(':').ok_or_else(wrong)?;
    let epoch = rest
        .rsplit_once(':')
        .and_then(|(sample, epoch)| Some((sample, epoch.parse().ok()?)));
    let (sample, epoch) = epoch.unwrap_or((rest, 1));
    let pair = |text: &String| {
        let (key, value) = text.split_once('=').ok_or_else(|| {
            Failure::wrong(format!(
                "`--config {text}`: write KEY=VALUE, such as model.name=gpt-4o"
            ))
        })?;
        Ok((key.to_owned(), value.to_owned()))
    };
    let config = arguments
        .config
        .iter()
        .map(pair)
        .collect::<Result<_, Failure>>()?;
    let sample = sample.to_owned();
    Ok((
        run.to_owned(),
        Wanted {
            sample,
            epoch,
            config,
        },
    ))
}

/// The plan of an experiment file as it stands, or of a run as it was.
async fn plan(run: &str, engine: &Engine, store: &Store) -> Result<Plan, Failure> {
    if Path::new(run).is_file() {
        let experiment = Experiment::load(Path::new(run), &Parts::default(), &[]);
        let mut experiments = [experiment.map_err(Failure::wrong)?];
        gather(&mut experiments, &Pinning::default()).await?;
        let mut lanes = Lanes::new(Network::Real, &experiments, None);
        return Plan::new(&experiments[0], engine, &mut lanes)
            .await
            .map_err(Failure::wrong);
    }
    let run = Run::find(run)?;
    let blobs = store.blobs();
    let recording = Recording {
        name: &run.file.experiment,
        digest: &run.file.plan,
        resolved: &run.file.resolved,
        plugin: &|digest: &BlobDigest| kept::plugin(&blobs, digest),
        rows: &|digest: &BlobDigest| kept::rows(&blobs, digest),
    };
    Plan::recorded(&recording, engine, None)
        .await
        .map_err(Failure::wrong)
}

fn told(verdict: &Verdict) -> String {
    let config = |axes: &serde_json::Map<String, Value>| Value::Object(axes.clone());
    match verdict {
        Verdict::Hit {
            config: axes,
            requests,
        } => {
            format!(
                "config {}: the store has all {} answers\n",
                config(axes),
                requests.len()
            )
        }
        Verdict::Unknown {
            config: axes,
            reason,
        } => format!("config {}: {reason}\n", config(axes)),
        Verdict::Miss {
            config: axes,
            digest,
            nearest,
            compared,
        } => {
            let mut text = format!("config {}: no answer to {digest}\n", config(axes));
            match nearest {
                None => text.push_str("  the store has no request to compare it with\n"),
                Some(nearest) => {
                    text.push_str(&format!(
                        "  the nearest of {compared} stored requests is {}\n",
                        nearest.digest
                    ));
                    for field in &nearest.fields {
                        text.push_str(&format!("  {field}\n"));
                    }
                }
            }
            text
        }
    }
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
