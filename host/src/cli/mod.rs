//! The command line. Turns words into calls of the library, and ends into exit codes; decides nothing else.

/// `xhost run`.
mod run;

/// `xhost resume`, `cancel`, `batch`.
mod batch;

/// `xhost status`.
mod status;

/// `xhost export` and `xhost import`.
mod carry;

/// `xhost replay`.
mod replay;

/// `xhost cache`.
mod cache;

/// `xhost simulate`.
mod simulate;

/// `xhost plugin`.
mod plugin;

/// `xhost limits`.
mod limits;

/// Limits that change while a run goes on.
mod steer;

/// How many sockets there may be.
mod sockets;

/// Where things are by default.
mod places;

/// How a command opens the store.
mod opening;

/// `xhost store`.
mod store;

/// `xhost serve`.
mod serve;

/// Which experiments a command is about.
mod chosen;

/// Their plugins, made ready.
mod gather;

/// What is looked at before a run begins.
mod start;

/// `xhost prices`.
mod prices;

/// `xhost plan`.
mod plan;

/// `xhost doctor`.
mod doctor;

#[cfg(test)]
mod tests;

use crate::stop::StopReason;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Exit codes. They are an interface: scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done, and no trial failed.
    Done = 0,
    /// This program is at fault.
    Internal = 1,
    /// The command line, the experiment, the data or a plugin is wrong. Nothing was sent, or no more.
    Wrong = 2,
    /// Everything was done, and some trials failed: the results say which and why.
    TrialsFailed = 3,
    /// A credential is missing or refused.
    Credential = 4,
    /// Credit or quota is used up.
    Exhausted = 5,
    /// A server cannot be reached.
    Unreachable = 6,
    /// The store or the results cannot be written, or another process holds the store.
    Disk = 7,
    /// This machine has too little room for the run; or `doctor` found what must be mended first.
    Room = 8,
    /// The budget is used up. The same command with a larger one goes on where it was.
    Budget = 9,
    /// A replay, or a run that may ask nobody, needs an answer that is not there.
    Missing = 10,
    /// A replay came to other results than were recorded.
    Differs = 11,
    /// A bundle is not what it says, or holds a credential.
    Refused = 12,
    /// Interrupted. The same command goes on where it was.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

impl From<&StopReason> for Exit {
    fn from(reason: &StopReason) -> Exit {
        match reason {
            StopReason::Interrupted => Exit::Interrupted,
            StopReason::Detached(_) => Exit::Done,
            StopReason::MissingKey(_) | StopReason::Denied(_) => Exit::Credential,
            StopReason::Exhausted(_) => Exit::Exhausted,
            StopReason::Unreachable(_) => Exit::Unreachable,
            StopReason::Disk(_) => Exit::Disk,
            StopReason::Budget(_) => Exit::Budget,
            StopReason::Missing(_) => Exit::Missing,
            StopReason::Internal(_) => Exit::Internal,
            StopReason::Experiment(_) => Exit::Wrong,
        }
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0    everything was done, and no trial failed
  1    a fault of xhost itself
  2    the command line, the experiment, the data or a plugin is wrong
  3    everything was done, and some trials failed; the results say which and why
  4    a credential is missing or refused
  5    credit or quota is used up
  6    a server cannot be reached
  7    the store or the results cannot be written, or another process holds the store
  8    this machine has too little room for the run, or `doctor` found what must be mended first
  9    the budget is used up; the same command with a larger one goes on where it was
  10   a replay, or a run that may ask nobody, needs an answer that is not there
  11   a replay came to other results than were recorded
  12   a bundle is not what it says, or holds a credential
  130  interrupted; the same command goes on where it was";

/// Runs experiments against language-model APIs in one small process: every answer is paid for once, every run can be
/// replayed to the byte, and plugins can do nothing but compute.
#[derive(Parser)]
#[command(name = "xhost", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(Box<run::Arguments>),
    Replay(replay::Arguments),
    Export(carry::Export),
    Import(carry::Import),
    #[command(subcommand)]
    Cache(cache::Command),
    Limits(limits::Arguments),
    Status(status::Status),
    Resume(batch::Resume),
    Cancel(batch::Cancel),
    #[command(subcommand)]
    Batch(batch::Batch),
    Simulate(simulate::Arguments),
    Store(store::Arguments),
    Serve(serve::Arguments),
    #[command(subcommand)]
    Plugin(plugin::Command),
    Plan(plan::Arguments),
    Doctor(doctor::Arguments),
    #[command(subcommand)]
    Prices(prices::Command),
    #[command(hide = true, name = crate::plugin::COMPILE)]
    CompilePlugin,
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    sockets::raise_limit();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return report(&Failure::new(
                Exit::Internal,
                format!("cannot start: {error}"),
            ));
        }
    };
    let ended = runtime.block_on(async {
        match cli.command {
            Command::Status(arguments) => status::main(arguments).await,
            Command::Resume(arguments) => Box::pin(batch::resume(arguments)).await,
            Command::Cancel(arguments) => Box::pin(batch::cancel_run(arguments)).await,
            Command::Batch(command) => Box::pin(batch::adopt_batch(command)).await,
            Command::Run(arguments) => Box::pin(run::main(*arguments)).await,
            Command::Replay(arguments) => Box::pin(replay::main(arguments)).await,
            Command::Cache(command) => Box::pin(cache::main(command)).await,
            Command::Export(arguments) => carry::export(arguments).await,
            Command::Import(arguments) => carry::import(arguments).await,
            Command::Limits(arguments) => limits::main(arguments).await,
            Command::Simulate(arguments) => simulate::main(arguments).await,
            Command::Store(arguments) => store::main(arguments).await,
            Command::Serve(arguments) => Box::pin(serve::main(arguments)).await,
            Command::Plugin(command) => plugin::main(command).await,
            Command::Plan(arguments) => Box::pin(plan::main(arguments)).await,
            Command::Doctor(arguments) => Box::pin(doctor::main(arguments)).await,
            Command::Prices(command) => prices::main(command),
            Command::CompilePlugin => plugin::compile(),
        }
    });
    // A blocking read of a dataset may still wait for a slow disk; nothing depends on it any more.
    runtime.shutdown_background();
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => report(&failure),
    }
}

/// Why a command ends, for a person.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an error that is told has no other use"
    )]
    fn new(exit: Exit, message: impl ToString) -> Failure {
        Failure {
            exit,
            message: message.to_string(),
        }
    }

    fn wrong(message: impl ToString) -> Failure {
        Failure::new(Exit::Wrong, message)
    }
}

fn report(failure: &Failure) -> ExitCode {
    eprintln!("error: {}", failure.message);
    failure.exit.into()
}
