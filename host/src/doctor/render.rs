//! The report for a person: the machine, then the checklist.

use super::{Report, Verdict};
use crate::machine::{Machine, Scope, Version, shown_bytes};
use std::fmt::Write as _;

/// The report as lines.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    machine(&mut text, &report.machine);
    let disk = report.store.disk.as_ref().map_or_else(
        || "unknown".to_owned(),
        |disk| {
            let files = disk.free_files.zip(disk.total_files);
            let files = files.map_or_else(String::new, |(free, total)| {
                format!(", {free} of {total} files")
            });
            format!(
                "{} of {} free{files}",
                shown_bytes(disk.free),
                shown_bytes(disk.total)
            )
        },
    );
    line(&mut text, "store", &report.store.path);
    line(&mut text, "its disk", &disk);
    for work in &report.experiments {
        let told = format!(
            "{}: {} requests to be asked, {}; {} of memory, {} on disk expected",
            work.name,
            work.missing,
            work.lane,
            shown_bytes(work.memory),
            shown_bytes(work.disk)
        );
        line(&mut text, "experiment", &told);
    }
    text.push('\n');
    for check in &report.checks {
        let sign = match check.verdict {
            Verdict::Good => "ok",
            Verdict::Unknown => "?",
            Verdict::Better => "better",
            Verdict::Bad => "BAD",
        };
        let _ = writeln!(text, "{sign:7} {} {}", check.question, check.found);
        if let Some(fix) = &check.fix {
            let _ = writeln!(text, "        -> {fix}");
        }
    }
    text
}

fn machine(text: &mut String, machine: &Machine) {
    let memory = &machine.memory;
    let version = match memory.version {
        Some(Version::V1) => "control groups version 1",
        Some(Version::V2) => "control groups version 2",
        None => "no control groups",
    };
    line(
        text,
        "inside",
        &format!("{}, {version}", machine.container.text()),
    );
    let unknown = |bytes: Option<u64>| bytes.map_or_else(|| "unknown".to_owned(), shown_bytes);
    let limits = format!(
        "{} may be used, {} are used, {} are left",
        unknown(memory.limit),
        unknown(memory.used),
        unknown(memory.available)
    );
    line(text, "memory", &limits);
    let claims = format!(
        "{} in all, {} available",
        unknown(memory.free_total),
        unknown(memory.free_available)
    );
    line(text, "`free` says", &claims);
    for group in &memory.groups {
        let parts = [
            ("limit", group.limit),
            ("high", group.high),
            ("limit above", group.above),
            ("used", group.used),
        ];
        let known = parts
            .iter()
            .filter_map(|(name, bytes)| Some(format!("{name} {}", shown_bytes((*bytes)?))));
        let known: Vec<String> = known.collect();
        let known = if known.is_empty() {
            "no limit".to_owned()
        } else {
            known.join(", ")
        };
        line(text, "group", &format!("{}: {known}", group.name));
    }
    let pressure = machine.pressure.map_or_else(
        || "unknown".to_owned(),
        |pressure| {
            let whose = match pressure.of {
                Scope::Group => "this group",
                Scope::Machine => "the machine",
            };
            format!(
                "some {:.1} %, all {:.1} % of ten seconds, of {whose}",
                pressure.some_10, pressure.full_10
            )
        },
    );
    line(text, "pressure", &pressure);
    line(text, "processors", &cpus(machine));
    let files = &machine.files;
    let number = |number: Option<u64>| {
        number.map_or_else(|| "unknown".to_owned(), |number| number.to_string())
    };
    let told = format!(
        "{} open, limit {}, at most {}",
        number(files.open),
        number(files.limit),
        number(files.hard)
    );
    line(text, "files", &told);
    for fan_out in &machine.fan_outs {
        let each = if fan_out.proportional {
            ""
        } else {
            ", shared pages counted for each"
        };
        let told = format!(
            "{} x `{}`, {}{each}",
            fan_out.processes,
            fan_out.program,
            shown_bytes(fan_out.memory)
        );
        line(text, "processes", &told);
    }
}

fn cpus(machine: &Machine) -> String {
    let cpus = &machine.cpus;
    let mut told = cpus.usable.map_or_else(
        || "unknown".to_owned(),
        |count| format!("{count:.1} may be used"),
    );
    if let Some(quota) = cpus.quota {
        let _ = write!(told, ", quota {quota:.1}");
    }
    if let Some(total) = cpus.machine {
        let _ = write!(told, ", {total} in the machine");
    }
    if let Some([one, five, fifteen]) = cpus.load {
        let _ = write!(told, "; load {one:.1}, {five:.1}, {fifteen:.1}");
        let busy = cpus.machine.is_some_and(|count| one > 2.0 * count as f64);
        told.push_str(if busy {
            ": far more than there are"
        } else {
            ""
        });
    }
    told
}

fn line(text: &mut String, name: &str, told: &str) {
    let _ = writeln!(text, "{name:12} {told}");
}
