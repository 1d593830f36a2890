//! What a person, or a script, sees of a run while it goes on: a listener of its events. On a terminal a line for each
//! config, in a pipe a plain line now and then, with `--json` every event, with `--quiet` nothing but warnings. Writes to
//! stderr, but for the events of `--json`, which are the output.

use crate::budget::Amount;
use crate::event::{Event, LimitChange};
use crate::plan::Plan;
use crate::prices::Money;
use crate::text::settings;
use indicatif::{
    HumanCount, HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle,
};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Lines that move, or plain ones where there is no terminal.
    Person,
    /// Warnings only.
    Quiet,
    /// Events as JSON on stdout.
    Json,
}

/// With more configs than this, only their sum is shown.
const MOST_LINES: usize = 24;

/// In a pipe, a line this often.
const PLAIN: Duration = Duration::from_secs(5);

/// A wait that a person wants to know of.
const LONG_WAIT_MS: u64 = 60_000;

/// The progress of one run.
pub struct Progress {
    view: View,
    counts: Vec<Counts>,
    started: Instant,
    name: String,
    spent: Amount,
    spent_by_config: Vec<Amount>,
}

enum View {
    Bars {
        all: MultiProgress,
        bars: Vec<ProgressBar>,
    },
    Plain {
        last: Instant,
    },
    Quiet,
    Json,
}

#[derive(Clone, Default)]
struct Counts {
    label: String,
    total: u64,
    done: u64,
    failed: u64,
    hits: u64,
    calls: u64,
    in_flight: u64,
    retries: u64,
    tokens: u64,
}

impl Progress {
    /// Progress of a plan. Runs that go on side by side share `screen`.
    #[must_use]
    pub fn new(plan: &Plan, style: Style, screen: &MultiProgress) -> Progress {
        let counts: Vec<Counts> = counts(plan);
        let view = match style {
            Style::Quiet => View::Quiet,
            Style::Json => View::Json,
            Style::Person if std::io::stderr().is_terminal() => bars(&counts, screen),
            Style::Person => View::Plain {
                last: Instant::now(),
            },
        };
        Progress {
            view,
            counts,
            started: Instant::now(),
            name: plan.name.clone(),
            spent: Amount::default(),
            spent_by_config: Vec::new(),
        }
    }

    /// Takes what the run has spent so far, and each of its configs.
    pub fn spent(&mut self, spent: Amount, by_config: Vec<Amount>) {
        self.spent = spent;
        self.spent_by_config = by_config;
    }

    /// A screen that several runs can share.
    #[must_use]
    pub fn screen() -> MultiProgress {
        MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10))
    }

    /// Takes an event.
    pub fn take(&mut self, event: &Event) {
        if matches!(self.view, View::Json) {
            // Nobody reads the output any more: the results are on disk all the same.
            let _ = writeln!(
                std::io::stdout(),
                "{}",
                serde_json::to_string(event).unwrap_or_default()
            );
        }
        match event {
            Event::Started { .. } => self.say_start(),
            Event::CallStarted { config } => self.count(*config, |counts| counts.in_flight += 1),
            Event::CallEnded { config, .. } => {
                self.count(*config, |counts| {
                    counts.in_flight = counts.in_flight.saturating_sub(1);
                });
            }
            Event::Retry { config, .. } => self.count(*config, |counts| counts.retries += 1),
            Event::TrialEnded {
                config,
                origins,
                record,
                trial: _,
            } => self.count(*config, |counts| {
                counts.done += 1;
                counts.failed += u64::from(record.failure.is_some());
                counts.hits += origins.hits + origins.shared;
                counts.calls += origins.calls;
                let tokens = record.usage.input.saturating_add(record.usage.output);
                counts.tokens = counts.tokens.saturating_add(tokens);
            }),
            Event::Batch { .. } => self.batch(event),
            Event::BatchPacked { .. } | Event::BatchRead { .. } => {}
            Event::Notice { message } => self.say(message),
            Event::Warning { message } => self.say(&format!("warning: {message}")),
            Event::Stopping { reason } => {
                self.say(&format!("stopping: {reason}; calls in flight are let finish (Ctrl-C again leaves at once)"));
            }
            Event::Limits { model, change } => self.limits(model, change),
            Event::Ended { .. } => {}
        }
    }

    /// What a person should know of batches: that one is on its way, and that one came back.
    fn batch(&mut self, event: &Event) {
        let Event::Batch {
            id,
            model,
            state,
            requests,
            done,
            failed,
            since_ms: _,
            cost_usd,
        } = event
        else {
            return;
        };
        match *state {
            "running" => {}
            "submitted" => self.say(&format!(
                "{model}: batch {id} is submitted, {requests} requests"
            )),
            state => {
                let cost = cost_usd.filter(|cost| *cost > Money::default());
                let cost = cost.map_or_else(String::new, |cost| format!(", {cost}"));
                self.say(&format!(
                    "{model}: batch {id} is {state}: {done} of {requests} decided, {failed} not{cost}"
                ));
            }
        }
    }

    /// What a person should know of the pace: that nothing happens, and why.
    fn limits(&self, model: &str, change: &LimitChange) {
        let wait_ms = match change {
            LimitChange::Refused { wait_ms, .. } | LimitChange::Parked { wait_ms } => *wait_ms,
            LimitChange::Learned { .. }
            | LimitChange::Opened
            | LimitChange::Narrowed { .. }
            | LimitChange::Set => return,
        };
        if wait_ms >= LONG_WAIT_MS {
            let wait = HumanDuration(Duration::from_millis(wait_ms));
            self.say(&format!(
                "{model}: the provider's limit leaves no room for {wait}; waiting (Ctrl-C ends the run, and the same command \
                 goes on from there)"
            ));
        }
    }

    /// Shows where things are.
    pub fn draw(&mut self) {
        let elapsed = self.started.elapsed();
        let all = cost(self.spent);
        match &mut self.view {
            View::Bars { bars, .. } => {
                let last = bars.len().saturating_sub(1);
                for (place, (bar, counts)) in bars.iter().zip(shown(&self.counts)).enumerate() {
                    let own = self.spent_by_config.get(place).copied();
                    let told = match (bars.len(), place == last) {
                        (1, _) => all.clone(),
                        (_, true) => format!("{} ({all} together)", cost(own.unwrap_or_default())),
                        (_, false) => cost(own.unwrap_or_default()),
                    };
                    bar.set_position(counts.done);
                    bar.set_message(format!("{}, {told}", counts.text(elapsed)));
                }
            }
            View::Plain { last } if last.elapsed() >= PLAIN => {
                *last = Instant::now();
                let sum = sum(&self.counts);
                eprintln!(
                    "{}: {} of {}, {}, {all}",
                    self.name,
                    sum.done,
                    sum.total,
                    sum.text(elapsed)
                );
            }
            View::Plain { .. } | View::Quiet | View::Json => {}
        }
    }

    /// Removes what moves.
    pub fn finish(&mut self) {
        self.draw();
        if let View::Bars { all, bars } = &self.view {
            bars.iter().for_each(ProgressBar::finish_and_clear);
            // The lines are gone either way.
            let _ = all.clear();
        }
    }

    fn count(&mut self, config: usize, change: impl FnOnce(&mut Counts)) {
        if let Some(counts) = self.counts.get_mut(config) {
            change(counts);
        }
    }

    fn say_start(&self) {
        if matches!(self.view, View::Plain { .. } | View::Bars { .. }) {
            let sum = sum(&self.counts);
            let configs = self.counts.len();
            self.say(&format!(
                "{}: {} trials, {configs} configs",
                self.name,
                HumanCount(sum.total)
            ));
        }
    }

    fn say(&self, line: &str) {
        match &self.view {
            // A terminal that went away takes nothing with it.
            View::Bars { all, .. } => drop(all.println(line)),
            View::Plain { .. } | View::Quiet => eprintln!("{line}"),
            View::Json => {}
        }
    }
}

impl Counts {
    fn text(&self, elapsed: Duration) -> String {
        let rate = self.done as f64 / elapsed.as_secs_f64().max(0.001);
        let left = self.total.saturating_sub(self.done) as f64;
        let eta = match self.done {
            0 => "-".to_owned(),
            _ if left == 0.0 => "0 s".to_owned(),
            _ => format!(
                "{:#}",
                HumanDuration(Duration::from_secs_f64((left / rate).min(1e8)))
            ),
        };
        let failed = if self.failed == 0 {
            String::new()
        } else {
            format!("{} failed, ", self.failed)
        };
        format!(
            "{failed}{} hits, {} calls, {} in flight, {} retries, {} tokens, {rate:.0}/s, {eta} left",
            HumanCount(self.hits),
            HumanCount(self.calls),
            self.in_flight,
            self.retries,
            HumanCount(self.tokens),
        )
    }
}

fn cost(spent: Amount) -> String {
    match spent.known() {
        Some(cost) => cost.to_string(),
        None => "cost unknown".to_owned(),
    }
}

fn counts(plan: &Plan) -> Vec<Counts> {
    let mut counts = vec![Counts::default(); plan.configs.len()];
    for block in &plan.blocks {
        for (config, _) in &block.members {
            let label = settings(&config.axes, " ");
            let total = block.dataset.len() * u64::from(config.epochs);
            let label = if label.is_empty() {
                plan.name.clone()
            } else {
                label
            };
            counts[config.index] = Counts {
                label,
                total,
                ..Counts::default()
            };
        }
    }
    counts
}

fn sum(counts: &[Counts]) -> Counts {
    let mut sum = Counts::default();
    for counts in counts {
        sum.total += counts.total;
        sum.done += counts.done;
        sum.failed += counts.failed;
        sum.hits += counts.hits;
        sum.calls += counts.calls;
        sum.in_flight += counts.in_flight;
        sum.retries += counts.retries;
        sum.tokens = sum.tokens.saturating_add(counts.tokens);
    }
    sum
}

/// What has a line of its own.
fn shown(counts: &[Counts]) -> Vec<Counts> {
    if counts.len() <= MOST_LINES {
        return counts.to_vec();
    }
    vec![Counts {
        label: format!("{} configs", counts.len()),
        ..sum(counts)
    }]
}

fn bars(counts: &[Counts], screen: &MultiProgress) -> View {
    let shown = shown(counts);
    let width = shown
        .iter()
        .map(|counts| counts.label.chars().count())
        .max()
        .unwrap_or(0)
        .min(40);
    let bars = shown.iter().map(|counts| {
        let bar = screen.add(ProgressBar::new(counts.total));
        let template = format!("{{prefix:{width}}} {{bar:20}} {{pos}}/{{len}} {{wide_msg}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        bar.with_prefix(counts.label.chars().take(40).collect::<String>())
    });
    View::Bars {
        bars: bars.collect(),
        all: screen.clone(),
    }
}
