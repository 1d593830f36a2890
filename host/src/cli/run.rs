//! `xhost run`: experiments, in this one process.

use super::chosen::Chosen;
use super::opening::{self, Busy};
use super::start::{self, Start};
use super::{Exit, Failure, places, sockets, steer};
use crate::answers::Answers;
use crate::batch::{self, Batches};
use crate::budget::{self, Budget};
use crate::experiment::Experiment;
use crate::governor::Asked;
use crate::plan::{Lanes, Network, Plan};
use crate::plugin::Engine;
use crate::prices::Money;
use crate::progress::{Progress, Style};
use crate::run::{Ended, Ledger, Process, Window};
use crate::stop::{Stop, StopReason};
use crate::until::{Monitor, Until};
use crate::{disk, kept, simulate, summary};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

const EXAMPLES: &str = "\
Examples:
  xhost run                                     the experiment xhost.yaml of this folder
  xhost run a.yaml b.yaml                       two experiments side by side
  xhost run a.yaml model.name=x,y epochs=3      a sweep over two models, three answers a sample
  xhost run --plugin scorer.wasm                with a scorer of your own
  xhost run --plugin scorer.py                  with one that is a function in Python
  xhost run --dataset d.jsonl --model openai/gpt-4o-mini --prompt '{{ question }}' --scorer match
  xhost run a.yaml --rehearse                   without a provider: no key, no cost";

/// Run experiments.
///
/// Answers that are in the store are not asked for again. Interrupt with Ctrl-C; the same command goes on where it was.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    chosen: Chosen,
    /// Folder for the results [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What the run may cost, such as 20usd, all experiments together; overrides `limits.budget`
    #[arg(long, value_name = "USD", value_parser = Money::from_written)]
    budget: Option<Money>,
    /// Tokens, asked and answered, that the run may pay for; overrides `limits.max_tokens_total`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_tokens_total: Option<u64>,
    /// End when a measure of every config is known so well, such as 'accuracy ± 0.02' (or +-); needs `dataset.shuffle`
    #[arg(long, value_name = "MEASURE ± HALF")]
    until: Option<Until>,
    /// The most memory that this process may hold, such as 2GiB; the container's limit holds beside it
    #[arg(long, value_name = "SIZE", value_parser = start::size)]
    max_memory: Option<u64>,
    /// Ask a simulator inside this process instead of the provider, and keep its answers out of the store
    #[arg(long)]
    rehearse: bool,
    /// Recorded replies for --rehearse; overrides `rehearse.replies`
    #[arg(long, value_name = "FILE", requires = "rehearse")]
    replies: Option<PathBuf>,
    #[command(flatten)]
    batch: Batch,
    /// Print events as JSON lines, and the summary as the last of them
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
    /// Print no progress
    #[arg(long, short)]
    quiet: bool,
    /// The run that is gone on with: its plan, and the words that it was started with.
    #[arg(skip)]
    earlier: Option<(String, Vec<String>)>,
}

impl Arguments {
    /// Goes on with a run of this plan, which was started with these words.
    pub(super) fn go_on(&mut self, plan: String, words: Vec<String>) {
        self.earlier = Some((plan, words));
        self.batch.detach = false;
        self.chosen.pinning.forget_updates();
    }

    /// The experiments that the words choose.
    pub(super) fn chosen(&self) -> &Chosen {
        &self.chosen
    }

    /// What `xhost resume` needs, in the results' folder.
    fn remember(&self, out: &Path) -> std::io::Result<()> {
        let words = match &self.earlier {
            Some((_, words)) => words.clone(),
            None => std::env::args().skip(1).collect(),
        };
        let started = super::batch::Started {
            folder: std::env::current_dir()?,
            arguments: words,
        };
        std::fs::create_dir_all(out)?;
        let text = serde_json::to_string_pretty(&started)?;
        std::fs::write(out.join(super::batch::COMMAND), text)
    }
}

/// How batches are dealt with.
#[derive(clap::Args, Default)]
pub(super) struct Batch {
    /// Submit batches and leave; `xhost resume` with the results' folder goes on
    #[arg(long)]
    detach: bool,
    /// Cancel batches that are older, and send what they did not answer live, such as 20h
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    spill_after: Option<std::time::Duration>,
    /// Most tokens that one model's batches may hold at once, as the account's limit says
    #[arg(long, value_name = "N")]
    enqueued_tokens: Option<u64>,
}

/// Runs the experiments.
pub(super) async fn main(arguments: Arguments) -> Result<Exit, Failure> {
    let experiments = arguments.chosen.experiments().await?;
    let engine = Engine::new(places::compiled()).map_err(|e| Failure::new(Exit::Internal, e))?;
    let stage = Stage::set(&arguments, &experiments).await?;
    let concurrency = arguments.chosen.concurrency();
    let mut lanes = Lanes::new(stage.network.clone(), &experiments, concurrency);
    let mut jobs = Vec::with_capacity(experiments.len());
    for experiment in &experiments {
        let plan = Plan::new(experiment, &engine, &mut lanes)
            .await
            .map_err(Failure::wrong)?;
        let out = out(&arguments, &plan, experiments.len());
        jobs.push((Arc::new(plan), out));
    }
    // The simulator of a rehearsal holds the other end of each socket.
    let each = if arguments.rehearse { 2 } else { 1 };
    if let Some(warning) = sockets::respect_limit(lanes.ceiling(), each) {
        eprintln!("warning: {warning}");
    }
    if let Some((plan, _)) = &arguments.earlier {
        let same = |(known, _): &(Arc<Plan>, PathBuf)| known.digest == *plan;
        if !jobs.iter().any(same) {
            return Err(Failure::wrong(
                "the experiment, its data or its plugins are not what they were when this run was started: start another \
                 run, and it takes over every answer",
            ));
        }
    }
    let busy = Busy::new(arguments.chosen.wait);
    let names: Vec<&str> = jobs.iter().map(|(plan, _)| plan.name.as_str()).collect();
    let command = format!("xhost run ({})", names.join(", "));
    let store = Arc::new(opening::open(&stage.store, &command, busy).await?);
    if let Some(server) = store.server()
        && !arguments.quiet
    {
        eprintln!("the store is shared by `xhost serve`, process {server}");
    }
    let trials = jobs.iter().map(|(plan, _)| plan.trials).sum::<u64>();
    let missing = trials.saturating_sub(store.len().map_err(|e| Failure::new(Exit::Disk, e))?);
    disk::check_room(&stage.store, missing).map_err(|e| Failure::new(Exit::Disk, e))?;
    for (plan, _) in &jobs {
        kept::keep(plan, &store.blobs()).map_err(|e| Failure::new(Exit::Disk, e))?;
    }
    let start = Start {
        store: &store,
        ceiling: lanes.ceiling(),
        asked: asked(&arguments, &experiments),
        max_memory: arguments.max_memory,
        told: !arguments.quiet && !arguments.json,
    };
    let governor = start.check(jobs.iter().map(|(plan, _)| plan)).await?;
    let stop = Stop::default();
    let (answers, writer) = Answers::new(Arc::clone(&store), stop.clone());
    let options = batch::Options {
        spill_after: arguments.batch.spill_after,
        enqueued_tokens: arguments.batch.enqueued_tokens,
        detach: arguments.batch.detach,
        auto_is_live: arguments.rehearse,
    };
    let batches = Batches::new(store, stop.clone(), options);
    let driving = tokio::spawn(Arc::clone(&batches).drive());
    let interrupts = tokio::spawn(watch_interrupts(stop.clone()));
    let steered = jobs.iter().map(|(plan, folder)| steer::Steered {
        folder: folder.clone(),
        plan: Arc::clone(plan),
    });
    let (steered, ceiling) = (steered.collect(), Arc::clone(lanes.ceiling()));
    let window = Arc::new(Window::new(Arc::clone(lanes.ceiling())));
    let process = Process {
        answers,
        batches,
        window,
        stop,
    };
    let exit = tokio::select! {
        exit = run_all(&arguments, jobs, process) => exit,
        never = steer::watch(steered, ceiling, || arguments.chosen.read()) => match never {},
    };
    interrupts.abort();
    // What it is in the midst of stands in the journal.
    driving.abort();
    let _ = driving.await;
    governor.abort();
    writer.await.map_err(|e| Failure::new(Exit::Internal, e))?;
    exit
}

/// Who said how many calls may be in flight.
fn asked(arguments: &Arguments, experiments: &[Experiment]) -> Asked {
    let mut cells = experiments.iter().flat_map(|one| &one.cells);
    let written = cells.any(|cell| {
        let limits = cell.settings.limits.as_ref();
        limits.is_some_and(|limits| limits.concurrency.is_some())
    });
    match written || arguments.chosen.concurrency.is_some() {
        true => Asked::Written,
        false => Asked::Default,
    }
}

/// One experiment gets the folder itself, several get one each inside it.
fn out(arguments: &Arguments, plan: &Plan, experiments: usize) -> PathBuf {
    let rehearsal = if arguments.rehearse { "-rehearsal" } else { "" };
    match &arguments.out {
        Some(out) if experiments == 1 => out.clone(),
        Some(out) => out.join(&plan.name),
        None => places::results(&format!("{}{rehearsal}", plan.name), &plan.digest),
    }
}

/// Who answers, and where answers are kept.
struct Stage {
    network: Network,
    store: PathBuf,
    /// Gone, with its store, when the rehearsal is over.
    _rehearsal: Option<tempfile::TempDir>,
}

impl Stage {
    async fn set(arguments: &Arguments, experiments: &[Experiment]) -> Result<Stage, Failure> {
        if !arguments.rehearse {
            let store = arguments.chosen.store();
            return Ok(Stage {
                network: Network::Real,
                store,
                _rehearsal: None,
            });
        }
        let replies = arguments
            .replies
            .clone()
            .or_else(|| experiments.iter().find_map(|one| one.rehearse.clone()));
        let replies = replies
            .map(|file| simulate::Replies::load(&file))
            .transpose()
            .map_err(Failure::wrong)?;
        let options = simulate::Options {
            replies,
            forgetful: true,
            ..simulate::Options::default()
        };
        let loopback = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let simulator = simulate::bind(loopback, options)
            .await
            .map_err(|e| Failure::new(Exit::Internal, e))?;
        let network = Network::Rehearsal(simulator.address());
        tokio::spawn(simulator.serve(std::future::pending::<()>()));
        let folder = tempfile::tempdir().map_err(|e| Failure::new(Exit::Disk, e))?;
        let store = arguments.chosen.store.clone();
        let store = store.unwrap_or_else(|| folder.path().join("store.redb"));
        Ok(Stage {
            network,
            store,
            _rehearsal: Some(folder),
        })
    }
}

/// The first Ctrl-C lets calls in flight finish; the second leaves at once. Signals count from this call on, and not only
/// once somebody waits.
pub(super) fn watch_interrupts(stop: Stop) -> impl Future<Output = ()> {
    let interrupts = signal(SignalKind::interrupt());
    let signals = interrupts.and_then(|it| Ok((it, signal(SignalKind::terminate())?)));
    async move {
        let Ok((mut interrupts, mut terminate)) = signals else {
            return;
        };
        tokio::select! {
            _ = interrupts.recv() => {}
            _ = terminate.recv() => {}
        }
        stop.request(StopReason::Interrupted);
        if interrupts.recv().await.is_some() {
            #[expect(
                clippy::disallowed_methods,
                reason = "whoever asks twice does not want to wait for calls in flight"
            )]
            std::process::exit(Exit::Interrupted as i32);
        }
    }
}

/// All experiments side by side, and what they came to.
async fn run_all(
    arguments: &Arguments,
    jobs: Vec<(Arc<Plan>, PathBuf)>,
    process: Process,
) -> Result<Exit, Failure> {
    let style = match (arguments.quiet, arguments.json) {
        (true, _) => Style::Quiet,
        (_, true) => Style::Json,
        _ => Style::Person,
    };
    let screen = Progress::screen();
    let limits = budget::Limits {
        money: arguments.budget,
        tokens: arguments.max_tokens_total,
    };
    let common = (limits != budget::Limits::default()).then(|| Budget::new(limits));
    let table = Arc::new(super::prices::table()?);
    let runs = jobs.into_iter().map(|(plan, out)| {
        let (screen, process, table) = (screen.clone(), process.clone(), Arc::clone(&table));
        let until = arguments.until.clone();
        let budget = common.clone().unwrap_or_else(|| Budget::new(plan.budget));
        async move {
            let mut ledger = Ledger::open(&out, &plan, budget, table)
                .map_err(|e| Failure::new(Exit::Disk, e))?;
            start::affordable(&plan, ledger.account()).map_err(Failure::wrong)?;
            arguments
                .remember(&out)
                .map_err(|e| Failure::new(Exit::Disk, format!("{}: {e}", out.display())))?;
            if let Some(earlier) = ledger.earlier() {
                eprintln!(
                    "{} held the results of another run: they are in {} now",
                    out.display(),
                    earlier.display()
                );
            }
            if arguments.earlier.is_some() {
                ledger.recall().map_err(|e| Failure::new(Exit::Disk, e))?;
            }
            if let Some(until) = until {
                ledger.end_when(Monitor::new(until, &plan).map_err(Failure::wrong)?);
            }
            let mut progress = Progress::new(&plan, style, &screen);
            let ended = crate::run::run(&plan, &process, ledger, &mut progress).await;
            ended
                .map(|ended| (ended, out))
                .map_err(|e| Failure::new(Exit::Disk, e))
        }
    });
    let mut worst = Ok(Exit::Done);
    for result in futures_util::future::join_all(runs).await {
        let exit = result.map(|(ended, out)| conclude(&ended, &out, style));
        worst = match (worst, exit) {
            (Ok(Exit::Done), exit)
            | (Ok(Exit::TrialsFailed), exit @ (Ok(Exit::Interrupted) | Err(_))) => exit,
            (worst, _) => worst,
        };
    }
    worst
}

fn conclude(ended: &Ended, out: &Path, style: Style) -> Exit {
    let mut stdout = std::io::stdout().lock();
    // Nobody reads the output any more: the results are on disk all the same.
    let _ = match style {
        Style::Json => writeln!(
            stdout,
            "{}",
            serde_json::json!({ "event": "summary", "out": out, "summary": ended.summary })
        ),
        Style::Person | Style::Quiet => {
            writeln!(
                stdout,
                "{}\nresults in {}",
                summary::render(&ended.summary),
                out.display()
            )
        }
    };
    match &ended.stopped {
        Some(reason @ StopReason::Detached(_)) => {
            eprintln!("submitted: {reason}");
            reason.into()
        }
        Some(reason) => {
            let totals = &ended.summary.totals;
            let kept = totals.hits + totals.calls;
            eprintln!(
                "stopped: {reason}\n{kept} answers are in the store; the same command goes on from there"
            );
            reason.into()
        }
        None if ended.summary.totals.failures > 0 => Exit::TrialsFailed,
        None => Exit::Done,
    }
}
