//! `xhost status`: how far runs are, what they have cost, and where their batches stand. Reads their folders only.

use super::{Exit, Failure};
use crate::prices::Money;
use crate::run::{BATCHES, BatchLine, ConfigStanding, STATUS, Standing, State};
use crate::text::{plain, settings, thousands};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Show how far runs are, what they have cost, and where their batches are.
///
/// Reads the runs' folders only: no credential, no provider, and another process may hold the store.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  xhost status\n  xhost status runs/gsm8k --watch\n  xhost status --json | jq '.[].cost_usd'"
)]
pub(super) struct Status {
    /// The results' folder [default: every run in `runs`]
    #[arg(value_name = "RUN")]
    run: Option<PathBuf>,
    /// Show it again every two seconds, until no process is at work on it any more
    #[arg(long)]
    watch: bool,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// What a run's folder says.
#[derive(Serialize)]
struct Seen {
    #[serde(flatten)]
    standing: Option<Standing>,
    /// Whether the process that makes its trials is there.
    alive: bool,
    batches: BTreeMap<String, BatchLine>,
}

pub(super) async fn main(arguments: Status) -> Result<Exit, Failure> {
    loop {
        let runs = match &arguments.run {
            Some(run) => vec![run.clone()],
            None => all_runs(),
        };
        let mut all: BTreeMap<String, Seen> = BTreeMap::new();
        for run in runs {
            all.insert(run.display().to_string(), look(&run)?);
        }
        match arguments.json {
            true => println!("{}", serde_json::json!(all)),
            false if all.is_empty() => println!("no run in `runs`: name the folder of one"),
            false => print!("{}", table(&all, now_ms())),
        }
        if !arguments.watch || !all.values().any(Seen::is_on_its_way) {
            return Ok(Exit::Done);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

impl Seen {
    fn is_on_its_way(&self) -> bool {
        let running = |standing: &Standing| standing.state == State::Running;
        let open = self.batches.values().any(BatchLine::is_open);
        self.alive && (open || self.standing.as_ref().is_some_and(running))
    }
}

fn all_runs() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("runs").into_iter().flatten().flatten();
    let mut runs: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.join(STATUS).exists() || path.join(BATCHES).exists())
        .collect();
    runs.sort();
    runs
}

fn look(run: &Path) -> Result<Seen, Failure> {
    if !run.join("run.json").exists() {
        return Err(Failure::wrong(format!(
            "{} is no run's folder: name the one that `xhost run` said",
            run.display()
        )));
    }
    let standing: Option<Standing> = read(&run.join(STATUS))?;
    let alive = standing.as_ref().is_some_and(|one| is_alive(one.process));
    let batches = read(&run.join(BATCHES))?.unwrap_or_default();
    Ok(Seen {
        standing,
        alive,
        batches,
    })
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, Failure> {
    let wrong = |e: String| Failure::wrong(format!("{} cannot be read: {e}", path.display()));
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong(error.to_string())),
    }
}

/// Whether there is such a process, as far as one may ask. Another's may have got the number since.
fn is_alive(process: u32) -> bool {
    let process = i32::try_from(process).ok();
    let process = process.and_then(rustix::process::Pid::from_raw);
    process.is_some_and(|process| {
        !matches!(
            rustix::process::test_kill_process(process),
            Err(rustix::io::Errno::SRCH)
        )
    })
}

fn table(all: &BTreeMap<String, Seen>, now_ms: u64) -> String {
    let mut text = String::new();
    for (run, seen) in all {
        let _ = match &seen.standing {
            Some(standing) => writeln!(text, "{run}: {}", told(standing, seen.alive, now_ms)),
            None => writeln!(text, "{run}:"),
        };
        let configs = seen.standing.iter().flat_map(|one| &one.configs);
        text.push_str(&by_config(&configs.collect::<Vec<_>>()));
        for (id, line) in &seen.batches {
            let _ = writeln!(
                text,
                "  {:<10} {:>7} of {:>7} done, {} failed, {} old{}  {}  {}",
                plain(&line.state),
                line.done,
                line.requests,
                line.failed,
                age(line.since_ms, now_ms),
                cost(line),
                plain(&line.model),
                plain(id),
            );
        }
    }
    text
}

/// What its answers cost, where it has some.
fn cost(line: &BatchLine) -> String {
    match line.cost_usd {
        Some(cost) if cost > Money::default() => format!(", {cost}"),
        Some(_) => String::new(),
        None => ", cost unknown".to_owned(),
    }
}

/// More configs than this are for `--json`.
const MOST_CONFIGS: usize = 24;

/// A line for each config, where there are several and not too many for a person.
fn by_config(configs: &[&ConfigStanding]) -> String {
    let mut text = String::new();
    if !(2..=MOST_CONFIGS).contains(&configs.len()) {
        return text;
    }
    let label = |one: &ConfigStanding| plain(&settings(&one.config, " "));
    let labels: Vec<String> = configs.iter().map(|one| label(one)).collect();
    let width = labels.iter().map(|label| label.chars().count()).max();
    let width = width.unwrap_or_default();
    for (one, label) in configs.iter().zip(labels) {
        let _ = writeln!(
            text,
            "  {label:width$}  {} of {}, {} failed, {}",
            thousands(one.done),
            thousands(one.trials),
            thousands(one.failures),
            told_cost(one.cost_usd),
        );
    }
    text
}

fn told_cost(cost: Option<Money>) -> String {
    cost.map_or_else(|| "cost unknown".to_owned(), |cost| cost.to_string())
}

fn told(standing: &Standing, alive: bool, now_ms: u64) -> String {
    let state = match (standing.state, alive) {
        (State::Running, true) => "running".to_owned(),
        (State::Running, false) => {
            "its process is gone; the same command, or `xhost resume`, goes on".to_owned()
        }
        (State::Stopped, _) => match &standing.reason {
            Some(reason) => format!("stopped ({})", plain(reason)),
            None => "stopped".to_owned(),
        },
        (State::Ended, _) => "ended".to_owned(),
    };
    let cost = match standing.cost_usd {
        Some(cost) => format!("{cost} so far"),
        None => "cost unknown".to_owned(),
    };
    format!(
        "{state}; {} of {} trials, {} failed; {} answers from the store, {} shared, {} calls, {} retries; {cost}; {} ago",
        thousands(standing.done),
        thousands(standing.trials),
        thousands(standing.failures),
        thousands(standing.origins.hits),
        thousands(standing.origins.shared),
        thousands(standing.origins.calls),
        thousands(standing.retries),
        age(standing.updated_ms, now_ms),
    )
}

fn age(since_ms: u64, now_ms: u64) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(now_ms.saturating_sub(since_ms) / 1_000))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Origins;

    #[test]
    fn a_run_whose_process_is_gone_says_so_and_what_it_has_cost() {
        let standing = Standing {
            experiment: "gsm8k".into(),
            trials: 2_638,
            done: 1_000,
            failures: 2,
            origins: Origins {
                hits: 1,
                shared: 2,
                calls: 997,
            },
            cost_usd: serde_json::from_str("0.3125").expect("money"),
            process: u32::MAX,
            updated_ms: 5_000,
            ..Standing::default()
        };
        assert!(!is_alive(standing.process) && is_alive(std::process::id()));
        insta::assert_snapshot!(told(&standing, false, 65_000), @"its process is gone; the same command, or `xhost resume`, goes on; 1,000 of 2,638 trials, 2 failed; 1 answers from the store, 2 shared, 997 calls, 0 retries; $0.3125 so far; 1m ago");
        assert!(told(&standing, true, 65_000).starts_with("running; 1,000 of 2,638 trials"));
    }
}
