//! Limits that change while a run goes on. `xhost limits` leaves orders as a file in the run's folder; the run looks there,
//! takes the file away and obeys. On SIGHUP it reads the experiments again, for their limits only. A file, and no signal to
//! a number that was written down: that number may be another program's by now.

use super::{Failure, sockets};
use crate::experiment::{Experiment, Limits};
use crate::lane::{Ceiling, Lane, PaceLimits};
use crate::plan::{Plan, lane_settings};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The file's name in a run's folder.
pub(super) const FILE: &str = "limits.json";

/// How often a run looks for orders.
const LOOK: Duration = Duration::from_millis(300);

/// Orders are a handful of numbers.
const MOST_BYTES: u64 = 4_096;

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Key {
    /// Calls in flight, over the whole process.
    Concurrency,
    RequestsPerMinute,
    TokensPerMinute,
    InputTokensPerMinute,
    OutputTokensPerMinute,
}

/// Numbers, or none for no limit.
pub(super) type Orders = BTreeMap<Key, Option<u64>>;

/// A run that takes orders.
pub(super) struct Steered {
    pub(super) folder: PathBuf,
    pub(super) plan: Arc<Plan>,
}

/// Obeys until it is dropped. `again` reads the experiments, in the order of `runs`.
pub(super) async fn watch(
    runs: Vec<Steered>,
    ceiling: Arc<Ceiling>,
    again: impl Fn() -> Result<Vec<Experiment>, Failure>,
) -> Infallible {
    let mut hangups = signal(SignalKind::hangup()).ok();
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            () = hangup(&mut hangups) => reread(&runs, &ceiling, &again),
            _ = look.tick() => {
                for run in &runs {
                    match take(&run.folder) {
                        Ok(Some(orders)) => obey(&orders, &run.plan, &ceiling),
                        Ok(None) => {}
                        Err(error) => eprintln!("warning: {}: {error}", run.folder.join(FILE).display()),
                    }
                }
            }
        }
    }
}

/// The next SIGHUP; never where signals cannot be had.
async fn hangup(hangups: &mut Option<Signal>) {
    let heard = match hangups {
        Some(hangups) => hangups.recv().await,
        None => None,
    };
    if heard.is_none() {
        std::future::pending::<()>().await;
    }
}

/// The orders in a folder. Whatever lies there is taken away: it is obeyed or told of once.
fn take(folder: &Path) -> io::Result<Option<Orders>> {
    let path = folder.join(FILE);
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(&path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            std::fs::remove_file(&path)?;
            return Err(error);
        }
    };
    std::fs::remove_file(&path)?;
    let metadata = file.metadata()?;
    let own = metadata.uid() == rustix::process::geteuid().as_raw();
    if !metadata.is_file() || !own {
        let message = "it is not a file of yours, and is not obeyed";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    let mut text = String::new();
    file.take(MOST_BYTES).read_to_string(&mut text)?;
    let orders = serde_json::from_str(&text)?;
    Ok(Some(orders))
}

fn obey(orders: &Orders, plan: &Plan, ceiling: &Ceiling) {
    for (key, value) in orders {
        if let (Key::Concurrency, Some(value)) = (key, value) {
            set_ceiling(ceiling, *value);
        }
    }
    for lane in lanes(plan) {
        let mut settings = lane.settings();
        settings.pace = changed(settings.pace, orders);
        lane.set(settings);
    }
    eprintln!("{}: limits set: {}", plan.name, in_words(orders));
}

/// A pace with these orders.
fn changed(pace: PaceLimits, orders: &Orders) -> PaceLimits {
    let mut pace = pace;
    for (key, value) in orders {
        match key {
            Key::Concurrency => {}
            Key::RequestsPerMinute => {
                let value = value.map(|value| u32::try_from(value).unwrap_or(u32::MAX));
                pace.requests_per_minute = value;
            }
            Key::TokensPerMinute => pace.tokens_per_minute = *value,
            Key::InputTokensPerMinute => pace.input_tokens_per_minute = *value,
            Key::OutputTokensPerMinute => pace.output_tokens_per_minute = *value,
        }
    }
    pace
}

pub(super) fn in_words(orders: &Orders) -> String {
    let word = |(key, value): (&Key, &Option<u64>)| {
        let key = serde_json::to_value(key).ok();
        let key = key.as_ref().and_then(|key| key.as_str()).unwrap_or("");
        let value = value.map_or_else(|| "none".to_owned(), |value| value.to_string());
        format!("{key}={value}")
    };
    orders.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn lanes(plan: &Plan) -> impl Iterator<Item = &Arc<Lane>> {
    plan.configs.iter().flat_map(|config| {
        let judges = config.judges.values().map(|judge| &judge.lane);
        std::iter::once(&config.lane).chain(judges)
    })
}

/// The experiments' limits as they are written now.
fn reread(
    runs: &[Steered],
    ceiling: &Ceiling,
    again: &impl Fn() -> Result<Vec<Experiment>, Failure>,
) {
    let experiments = match again() {
        Ok(experiments) => experiments,
        Err(failure) => {
            eprintln!("warning: limits stay as they are: {}", failure.message);
            return;
        }
    };
    let mut most = None;
    for (run, experiment) in runs.iter().zip(&experiments) {
        if run.plan.configs.len() != experiment.cells.len() {
            eprintln!(
                "warning: {}: its sweep changed, and only limits are taken while it runs: they stay as they are",
                run.plan.name
            );
            continue;
        }
        for (config, cell) in run.plan.configs.iter().zip(&experiment.cells) {
            let limits = cell.settings.limits.clone().unwrap_or_else(Limits::none);
            most = most.max(limits.concurrency);
            let settings = lane_settings(&limits);
            let judges = config.judges.values().map(|judge| &judge.lane);
            for lane in std::iter::once(&config.lane).chain(judges) {
                lane.set(settings.clone());
            }
        }
        eprintln!("{}: limits read again", run.plan.name);
    }
    if let Some(most) = most {
        set_ceiling(ceiling, most.into());
    }
}

/// As many as the sockets of this process allow.
fn set_ceiling(ceiling: &Ceiling, most: u64) {
    ceiling.set_limit(usize::try_from(most).unwrap_or(usize::MAX));
    if let Some(warning) = sockets::respect_limit(ceiling, 1) {
        eprintln!("warning: {warning}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(text: &str) -> io::Result<Option<Orders>> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(FILE), text).expect("it is written");
        let taken = take(folder.path());
        assert!(!folder.path().join(FILE).exists(), "it is taken away");
        taken
    }

    #[test]
    fn orders_are_taken_once_and_change_only_what_they_name() {
        let orders = left(r#"{"requests_per_minute":300,"tokens_per_minute":null}"#);
        let orders = orders.expect("orders").expect("there are some");
        let before = PaceLimits {
            requests_per_minute: Some(1),
            tokens_per_minute: Some(2),
            input_tokens_per_minute: Some(3),
            output_tokens_per_minute: None,
        };
        let after = PaceLimits {
            requests_per_minute: Some(300),
            tokens_per_minute: None,
            ..before
        };
        assert_eq!(changed(before, &orders), after);
        assert_eq!(
            in_words(&orders),
            "requests_per_minute=300 tokens_per_minute=none"
        );
        let empty = tempfile::tempdir().expect("a folder");
        assert!(matches!(take(empty.path()), Ok(None)));
    }

    #[test]
    fn what_is_no_order_is_told_of_and_taken_away() {
        for text in ["", "{", "[]", r#"{"retries":3}"#, r#"{"concurrency":-1}"#] {
            assert!(left(text).is_err(), "{text}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let elsewhere = folder.path().join("elsewhere");
        std::fs::write(&elsewhere, "{}").expect("it is written");
        std::os::unix::fs::symlink(&elsewhere, folder.path().join(FILE)).expect("a link");
        assert!(take(folder.path()).is_err(), "links are not followed");
        assert!(elsewhere.exists());
    }
}
