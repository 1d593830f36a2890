//! `xhost resume`, `cancel` and `batch adopt`: what one does about batches between the run that submits them and
//! the one that ends.

use super::opening::{self, Busy};
use super::{Cli, Command, Exit, Failure, chosen, places, run};
use crate::batch::{Cancelled, adopt, cancel};
use crate::budget::{self, Budget};
use crate::experiment::{Model, Sampling};
use crate::plan::{Lanes, Library, Network, Plan};
use crate::plugin::Engine;
use crate::results::RunFile;
use crate::run::note_cancelled;
use clap::{Parser, Subcommand};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file of a run's folder that says how it was started.
pub(super) const COMMAND: &str = "command.json";

/// How a run was started.
#[derive(Serialize, Deserialize)]
pub(super) struct Started {
    /// Where.
    pub folder: PathBuf,
    /// With which words.
    pub arguments: Vec<String>,
}

/// Go on with a run: with the words it was started with, where it was started.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  xhost resume runs/gsm8k")]
pub(super) struct Resume {
    /// The results' folder
    #[arg(value_name = "RUN")]
    run: PathBuf,
}

/// Cancel a run's batches, and keep what they answered until then.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  xhost cancel runs/gsm8k")]
pub(super) struct Cancel {
    /// The results' folder
    #[arg(value_name = "RUN")]
    run: PathBuf,
}

/// Batches by their ids.
#[derive(Subcommand)]
pub(super) enum Batch {
    Adopt(Adopt),
}

/// Take a finished batch of xhost's into the store, on another machine too: its lines name their requests.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  xhost batch adopt batch_68f2 --model openai/gpt-4o-mini")]
pub(super) struct Adopt {
    /// The provider's id of the batch
    #[arg(value_name = "ID")]
    id: String,
    /// Whose batch it is
    #[arg(long, value_name = "PROVIDER/NAME")]
    model: String,
    /// Address of the API [default: the provider's own]
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Environment variable with the credential for another address
    #[arg(long, value_name = "VARIABLE")]
    key_variable: Option<String>,
    /// Parameters of the provider, as a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}")]
    params: String,
    /// Store of answers [default: in the user's data folder]
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

/// The words that a run was started with, ready to be carried out again.
fn started(run: &Path) -> Result<(run::Arguments, Started), Failure> {
    let path = run.join(COMMAND);
    let wrong =
        |e: String| Failure::wrong(format!("{}: {e}; is it a run's folder?", path.display()));
    let text = std::fs::read_to_string(&path).map_err(|e| wrong(e.to_string()))?;
    let mut started: Started = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    let file = std::fs::read_to_string(run.join("run.json")).map_err(|e| wrong(e.to_string()))?;
    let file: RunFile = serde_json::from_str(&file).map_err(|e| wrong(e.to_string()))?;
    std::env::set_current_dir(&started.folder).map_err(|e| wrong(e.to_string()))?;
    started.arguments.insert(0, "xhost".into());
    let cli = Cli::try_parse_from(&started.arguments).map_err(|e| wrong(e.to_string()))?;
    started.arguments.remove(0);
    match cli.command {
        Command::Run(mut arguments) => {
            arguments.go_on(file.plan, started.arguments.clone());
            Ok((*arguments, started))
        }
        _ => Err(wrong("it was not started by `xhost run`".into())),
    }
}

pub(super) async fn resume(arguments: Resume) -> Result<Exit, Failure> {
    let (again, _) = started(&arguments.run)?;
    Box::pin(run::main(again)).await
}

pub(super) async fn cancel_run(arguments: Cancel) -> Result<Exit, Failure> {
    let run = arguments.run.canonicalize();
    let run = run.map_err(|e| Failure::wrong(format!("{}: {e}", arguments.run.display())))?;
    let (again, _) = started(&run)?;
    let chosen: &chosen::Chosen = again.chosen();
    let experiments = chosen.experiments().await?;
    let engine = Engine::new(places::compiled()).map_err(|e| Failure::new(Exit::Internal, e))?;
    let mut lanes = Lanes::new(Network::Real, &experiments, chosen.concurrency());
    for experiment in &experiments {
        Plan::new(experiment, &engine, &mut lanes)
            .await
            .map_err(Failure::wrong)?;
    }
    let store =
        Arc::new(opening::open(&chosen.store(), "xhost cancel", Busy::new(chosen.wait)).await?);
    let disk = |e: &dyn std::fmt::Display| Failure::new(Exit::Disk, e);
    let table = Arc::new(super::prices::table()?);
    let nothing = Budget::new(budget::Limits::default());
    let payer = budget::Account::open(&run, nothing, table, 0).map_err(|e| disk(&e))?;
    let mut sum = 0;
    for lane in lanes.iter() {
        let cancelled = cancel(&store, lane, &payer).await;
        for one in cancelled.map_err(|reason| Failure::new((&reason).into(), reason))? {
            sum += 1;
            tell(&run, &one).map_err(|e| disk(&e))?;
        }
    }
    if sum == 0 {
        println!("no batch of this run is on its way");
    }
    Ok(Exit::Done)
}

fn tell(run: &Path, one: &Cancelled) -> std::io::Result<()> {
    let Cancelled {
        id,
        requests,
        answers,
        spent,
    } = one;
    let Some(id) = id else {
        println!(
            "{requests} requests may have been submitted when the run was killed: `xhost resume` finds out"
        );
        return Ok(());
    };
    let cost = match spent.known() {
        Some(cost) => cost.to_string(),
        None => "an unknown amount".to_owned(),
    };
    println!(
        "{}: cancelled; {answers} of {requests} requests were answered before, for {cost}, and their answers are kept",
        crate::text::plain(id)
    );
    note_cancelled(run, id, *answers, spent.known())
}

pub(super) async fn adopt_batch(command: Batch) -> Result<Exit, Failure> {
    let Batch::Adopt(arguments) = command;
    let (provider, name) = arguments.model.split_once('/').ok_or_else(|| {
        Failure::wrong("--model: write it as PROVIDER/NAME, such as openai/gpt-4o-mini")
    })?;
    let params = serde_json::from_str(&arguments.params)
        .map_err(|e| Failure::wrong(format!("--params is not a JSON object: {e}")))?;
    let model = Model {
        provider: provider.into(),
        name: name.into(),
        base_url: arguments.base_url,
        key_variable: arguments.key_variable,
        endpoint: None,
        params,
        sampling: None::<Sampling>,
    };
    let engine = Engine::new(places::compiled()).map_err(|e| Failure::new(Exit::Internal, e))?;
    let mut library = Library::empty(&engine);
    let mut lanes = Lanes::new(Network::Real, &[], None);
    let lane = lanes
        .of_model(&model, &mut library)
        .await
        .map_err(Failure::wrong)?;
    if let Some(why) = lane.why_no_batches() {
        return Err(Failure::wrong(why));
    }
    let store = arguments.store.unwrap_or_else(places::store);
    let store = Arc::new(opening::open(&store, "xhost batch adopt", Busy::new(false)).await?);
    let adopted = adopt(&store, &lane, &arguments.id).await;
    let adopted = adopted.map_err(|reason| Failure::new((&reason).into(), reason))?;
    println!(
        "{} answers are in the store; {} requests have none, {} lines were of no use",
        adopted.answers, adopted.failed, adopted.useless
    );
    Ok(Exit::Done)
}
