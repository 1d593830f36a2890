//! `xhost doctor`: what the machine allows, and a checklist for the experiments that are to run on it. Pure: it judges
//! what was read and estimated elsewhere. Each verdict that is not good says what to do.

/// The report for a person.
mod render;

pub use render::render;

use crate::machine::{Bound, Disk, Machine, SAFE_PERCENT, percent_of, shown_bytes};
use serde::Serialize;

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The machine.
    pub machine: Machine,
    /// Where the store is, and the room there.
    pub store: StorePlace,
    /// The experiments that were named.
    pub experiments: Vec<Work>,
    /// Providers that were tried, where that was asked for.
    pub reached: Vec<Reached>,
    /// The checklist.
    pub checks: Vec<Check>,
}

/// The store's place.
#[derive(Debug, Serialize)]
pub struct StorePlace {
    /// The file.
    pub path: String,
    /// Room on its disk; `None` where the system does not tell.
    pub disk: Option<Disk>,
    /// Whether it lies where every experiment of this user finds it.
    pub shared: bool,
}

/// An experiment, as far as the checklist cares.
#[derive(Clone, Debug, Serialize)]
pub struct Work {
    /// Its name.
    pub name: String,
    /// Requests without an answer in the store.
    pub missing: u64,
    /// The lane that these take.
    pub lane: &'static str,
    /// The most memory that it is expected to hold, in bytes.
    pub memory: u64,
    /// What it is expected to write, in bytes.
    pub disk: u64,
}

/// A provider that was tried.
#[derive(Debug, Serialize)]
pub struct Reached {
    /// Scheme, host and port.
    pub origin: String,
    /// Why it was not reached; `None` where it was.
    pub failure: Option<String>,
}

/// One line of the checklist.
#[derive(Debug, Serialize)]
pub struct Check {
    /// The question.
    pub question: &'static str,
    /// The verdict.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do; `None` where nothing is to be done.
    pub fix: Option<String>,
}

/// A verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It cannot be told.
    Unknown,
    /// It will work, and could work better.
    Better,
    /// A run would fail, or take others with it.
    Bad,
}

/// From so many missing requests on, a batch is worth its wait.
pub const BATCH_FROM: u64 = 1_000;

/// Less room than this on the store's disk is little whatever the experiment.
const LITTLE_DISK: u64 = 1 << 30;

/// Waiting for memory more than this share of the time, in percent, means that the limit is near.
const PRESSED: f64 = 10.0;

impl Report {
    /// Judges what was found.
    #[must_use]
    pub fn new(
        machine: Machine,
        store: StorePlace,
        experiments: Vec<Work>,
        reached: Vec<Reached>,
    ) -> Report {
        let mut checks = vec![
            one_process(&machine),
            limit(&machine),
            estimate(&machine, &experiments),
            pressure(&machine),
            batch(&experiments),
            cache(&store),
            disk(&store, &experiments),
            files(&machine),
        ];
        checks.extend(reached.iter().map(reach));
        Report {
            machine,
            store,
            experiments,
            reached,
            checks,
        }
    }

    /// The worst verdict.
    #[must_use]
    pub fn worst(&self) -> Verdict {
        self.checks
            .iter()
            .map(|check| check.verdict)
            .max()
            .unwrap_or(Verdict::Good)
    }
}

fn check(question: &'static str, verdict: Verdict, found: String, fix: &str) -> Check {
    let fix = (verdict != Verdict::Good && !fix.is_empty()).then(|| fix.to_owned());
    Check {
        question,
        verdict,
        found,
        fix,
    }
}

fn one_process(machine: &Machine) -> Check {
    let question = "one process for all configs?";
    let Some(largest) = machine.fan_outs.first() else {
        return check(
            question,
            Verdict::Good,
            "no program runs many times over".into(),
            "",
        );
    };
    let share = machine
        .memory
        .limit
        .map(|limit| largest.memory >= percent_of(limit, SAFE_PERCENT / 2));
    let verdict = if share == Some(true) {
        Verdict::Bad
    } else {
        Verdict::Better
    };
    let found = format!(
        "{} processes of `{}` hold {} together",
        largest.processes,
        largest.program,
        shown_bytes(largest.memory)
    );
    let fix = "one `xhost run` takes all configs of an experiment as a sweep (`sweep: {model.name: [a, b]}`), and several \
               files at once, in one process with one store";
    check(question, verdict, found, fix)
}

fn limit(machine: &Machine) -> Check {
    let question = "memory limit known?";
    let memory = &machine.memory;
    let Some(limit) = memory.limit else {
        let fix =
            "/proc and /sys/fs/cgroup cannot be read: set the limit by hand with `--max-memory`";
        return check(
            question,
            Verdict::Unknown,
            "neither a control group nor the machine tells".into(),
            fix,
        );
    };
    match (&memory.bound, memory.free_total) {
        (Bound::Group { group, file }, Some(total)) if total > limit => {
            let found = format!(
                "{} by {file} of {group}; `free` shows the machine's {}, which is not yours to use",
                shown_bytes(limit),
                shown_bytes(total)
            );
            check(question, Verdict::Good, found, "")
        }
        (Bound::Group { group, file }, _) => check(
            question,
            Verdict::Good,
            format!("{} by {file} of {group}", shown_bytes(limit)),
            "",
        ),
        (Bound::Machine, _) => {
            let found = format!(
                "{}, the whole machine: no control group sets less",
                shown_bytes(limit)
            );
            check(question, Verdict::Good, found, "")
        }
    }
}

fn estimate(machine: &Machine, experiments: &[Work]) -> Check {
    let question = "estimate under 80 % of what is there?";
    if experiments.is_empty() {
        let fix = "name the experiments: `xhost doctor a.yaml b.yaml`";
        return check(
            question,
            Verdict::Unknown,
            "no experiment was named".into(),
            fix,
        );
    }
    // Side by side they share one window, so the largest counts.
    let needed = experiments
        .iter()
        .map(|work| work.memory)
        .max()
        .unwrap_or(0);
    let (Some(limit), used) = (machine.memory.limit, machine.memory.used.unwrap_or(0)) else {
        return check(
            question,
            Verdict::Unknown,
            "the limit is not known".into(),
            "set it with `--max-memory`",
        );
    };
    let others = used.saturating_sub(machine.memory.own.unwrap_or(0));
    let safe = percent_of(limit, SAFE_PERCENT);
    let found = format!(
        "{} expected, {} used by others, {} is {SAFE_PERCENT} % of the limit",
        shown_bytes(needed),
        shown_bytes(others),
        shown_bytes(safe)
    );
    let fits = others.saturating_add(needed) <= safe;
    let fix =
        "lower `limits.concurrency`, end what else runs in this container, or ask for more memory";
    check(
        question,
        if fits { Verdict::Good } else { Verdict::Bad },
        found,
        fix,
    )
}

fn pressure(machine: &Machine) -> Check {
    let question = "memory not under pressure?";
    let killed = machine.memory.killed.unwrap_or(0);
    let killed_text = match killed {
        0 => String::new(),
        some => format!("; processes that the kernel has killed here for want of memory: {some}"),
    };
    let Some(pressure) = &machine.pressure else {
        let fix = "this kernel does not tell (PSI is off); the governor goes by usage alone";
        let verdict = if killed > 0 {
            Verdict::Better
        } else {
            Verdict::Unknown
        };
        return check(question, verdict, format!("unknown{killed_text}"), fix);
    };
    let found = format!(
        "tasks waited for memory {:.1} % of the last ten seconds{killed_text}",
        pressure.some_10
    );
    let verdict = match pressure.some_10 {
        high if high >= PRESSED => Verdict::Bad,
        _ if killed > 0 => Verdict::Better,
        _ => Verdict::Good,
    };
    check(
        question,
        verdict,
        found,
        "end what fills the memory before a run is started",
    )
}

fn batch(experiments: &[Work]) -> Check {
    let question = "batch for large runs?";
    if experiments.is_empty() {
        return check(
            question,
            Verdict::Unknown,
            "no experiment was named".into(),
            "name the experiments",
        );
    }
    let live = |work: &&Work| work.missing >= BATCH_FROM && work.lane == "live";
    let Some(large) = experiments.iter().find(live) else {
        return check(
            question,
            Verdict::Good,
            "each experiment has the lane that its size suggests".into(),
            "",
        );
    };
    let found = format!("`{}` sends {} requests live", large.name, large.missing);
    check(
        question,
        Verdict::Better,
        found,
        "`mode: batch` costs half at most providers, and can wait up to a day",
    )
}

fn cache(store: &StorePlace) -> Check {
    let question = "one store for all experiments?";
    let verdict = if store.shared {
        Verdict::Good
    } else {
        Verdict::Better
    };
    let fix = "leave `--store` out, or give all experiments the same file: an answer in another store is paid for again";
    check(question, verdict, store.path.clone(), fix)
}

fn disk(store: &StorePlace, experiments: &[Work]) -> Check {
    let question = "room on the store's disk?";
    let Some(disk) = &store.disk else {
        return check(
            question,
            Verdict::Unknown,
            "the system does not tell".into(),
            "",
        );
    };
    let needed: u64 = experiments.iter().map(|work| work.disk).sum();
    let files = disk
        .free_files
        .map_or_else(String::new, |files| format!(", {files} more files"));
    let found = format!(
        "{} free{files}; {} expected",
        shown_bytes(disk.free),
        shown_bytes(needed)
    );
    let verdict = if disk.free < needed || disk.free_files.is_some_and(|files| files < 100) {
        Verdict::Bad
    } else if disk.free.saturating_sub(needed) < LITTLE_DISK {
        Verdict::Better
    } else {
        Verdict::Good
    };
    check(
        question,
        verdict,
        found,
        "free some space, or put the store on another disk with `--store FILE`",
    )
}

fn files(machine: &Machine) -> Check {
    let question = "enough open files?";
    let files = &machine.files;
    let Some(most) = files.hard.or(files.limit) else {
        return check(
            question,
            Verdict::Good,
            "no limit that can be told".into(),
            "",
        );
    };
    let open = files.open.unwrap_or(0);
    let verdict = if most.saturating_sub(open) < 1_100 {
        Verdict::Better
    } else {
        Verdict::Good
    };
    let found = format!("{open} open, {most} allowed");
    check(
        question,
        verdict,
        found,
        "a thousand calls in flight are a thousand sockets: raise `ulimit -Hn`, or lower `limits.concurrency`",
    )
}

fn reach(reached: &Reached) -> Check {
    let question = "provider reached?";
    match &reached.failure {
        None => check(question, Verdict::Good, reached.origin.clone(), ""),
        Some(why) => {
            let fix = "look at the network, DNS, proxies and firewalls of this machine";
            check(
                question,
                Verdict::Bad,
                format!("{}: {why}", reached.origin),
                fix,
            )
        }
    }
}

#[cfg(test)]
mod tests;
