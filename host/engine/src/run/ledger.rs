//! What is kept on disk of a run, and counted for its summary: a listener of its events.

use super::batches::Batches;
use super::counts::Counts;
use super::standing::{STATUS, Standing};
use crate::budget::{Account, Budget, Refusal};
use crate::event::Event;
use crate::plan::Plan;
use crate::prices::Table;
use crate::results::{Folder, FolderError, Known, Results, RunFile};
use crate::stop::StopReason;
use crate::summary::{ConfigSummary, Summary, Tally, Totals, peak_memory_bytes};
use crate::until::{Flow, Monitor};
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use xhost_store::{Begun, Digest, Run, Touched};

/// The results, the event log and the counts of one run.
pub struct Ledger {
    folder: Folder,
    results: Results,
    events: BufWriter<File>,
    account: Arc<Account>,
    monitor: Option<Monitor>,
    enough: Arc<AtomicBool>,
    plan: Arc<Plan>,
    tallies: Vec<Tally>,
    retries: u64,
    batches: Batches,
    standing: Standing,
    started: Instant,
    /// The run as the store knows it; none until it is begun.
    begun: Option<Begun>,
    touched: Vec<Digest>,
    parts: u64,
    /// Trials that an earlier process made.
    known: Option<Arc<Known>>,
}

/// Requests that are noted at once: a note costs 32 bytes a request, and goes with the next commit of answers.
const TOUCHED: usize = 4_096;

/// The results cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// What was spent cannot be written down.
    #[error(transparent)]
    Spend(#[from] Refusal),
    /// A file cannot be written.
    #[error("cannot write the results to {path}: {cause}; free some space and run the same command again: every answer is in the store", path = path.display())]
    Write {
        /// The folder.
        path: PathBuf,
        /// The operating system's words.
        cause: io::Error,
    },
}

impl LedgerError {
    pub(super) fn reason(&self) -> StopReason {
        StopReason::Disk(self.to_string())
    }
}

#[derive(Serialize)]
struct Stamped<'a> {
    at_ms: u64,
    #[serde(flatten)]
    event: &'a Event,
}

impl Ledger {
    /// A ledger in this folder. `budget` and `table` say what the run may spend, and what calls cost.
    ///
    /// # Errors
    /// Where the folder cannot be used.
    pub fn open(
        path: &Path,
        plan: &Arc<Plan>,
        budget: Budget,
        table: Arc<Table>,
    ) -> Result<Ledger, LedgerError> {
        let run = RunFile {
            xhost: env!("CARGO_PKG_VERSION").into(),
            experiment: plan.name.clone(),
            plan: plan.digest.clone(),
            resolved: plan.resolved.clone(),
        };
        let folder = Folder::prepare(path, &run)?;
        let write = |cause| LedgerError::Write {
            path: path.into(),
            cause,
        };
        let events = OpenOptions::new()
            .append(true)
            .create(true)
            .open(folder.file("events.jsonl"))
            .map_err(write)?;
        let account = Account::open(&folder.path, budget, table, plan.configs.len())?;
        let results = Results::open(&folder.path).map_err(write)?;
        let tally = |config: &Arc<crate::plan::Config>| {
            Tally::new(
                Arc::clone(&config.axes),
                config
                    .scorers
                    .iter()
                    .map(|scorer| Arc::clone(&scorer.label))
                    .collect(),
            )
        };
        Ok(Ledger {
            folder,
            results,
            events: BufWriter::new(events),
            account,
            monitor: None,
            enough: Arc::default(),
            tallies: plan.configs.iter().map(tally).collect(),
            plan: Arc::clone(plan),
            retries: 0,
            batches: Batches::default(),
            standing: Standing::new(plan),
            started: Instant::now(),
            begun: None,
            touched: Vec::new(),
            parts: 0,
            known: None,
        })
    }

    /// The run as the store notes it.
    pub(super) fn as_noted(&self) -> Run {
        let folder = self.folder.path.canonicalize();
        let folder = folder.unwrap_or_else(|_| self.folder.path.clone());
        Run {
            experiment: self.plan.name.clone(),
            plan: self.plan.digest.clone(),
            resolved: self.plan.resolved.to_string(),
            folder: folder.to_string_lossy().into_owned(),
            started_ms: now_ms(),
            ended_ms: None,
            generation: 0,
        }
    }

    /// From now on, requests of trials are noted under this.
    pub(super) fn begin(&mut self, begun: Begun) {
        self.begun = Some(begun);
    }

    /// The next part of what the run touched, when it is large enough.
    pub(super) fn next_touched(&mut self) -> Option<Touched> {
        (self.touched.len() >= TOUCHED).then(|| self.last_touched())?
    }

    /// The rest of what the run touched, which may be nothing; none where it was not begun.
    pub(super) fn last_touched(&mut self) -> Option<Touched> {
        let number = self.parts;
        self.parts += 1;
        Some(Touched {
            run: self.begun?,
            number,
            digests: std::mem::take(&mut self.touched),
        })
    }

    /// Lets the run end when this is known.
    pub fn end_when(&mut self, monitor: Monitor) {
        self.monitor = Some(monitor);
    }

    /// Becomes true when no further trial is needed.
    pub(super) fn enough(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.enough)
    }

    /// Who pays for the run's calls.
    #[must_use]
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Where the files of another run went that were in the folder.
    #[must_use]
    pub fn earlier(&self) -> Option<&Path> {
        self.folder.earlier.as_deref()
    }

    pub(super) fn take(&mut self, event: &Event) -> Result<(), LedgerError> {
        self.note(event).map_err(|cause| LedgerError::Write {
            path: self.folder.path.clone(),
            cause,
        })
    }

    /// Takes over the trials that an earlier process of the run made, as far as it vouched for them. Whether there are any.
    ///
    /// # Errors
    /// Where the results cannot be read or written.
    pub fn recall(&mut self) -> Result<bool, LedgerError> {
        self.take_over().map_err(|cause| LedgerError::Write {
            path: self.folder.path.clone(),
            cause,
        })
    }

    fn take_over(&mut self) -> io::Result<bool> {
        let standing = match std::fs::read(self.folder.file(STATUS)) {
            Ok(bytes) => serde_json::from_slice::<Standing>(&bytes).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        // An earlier version, or another run's: everything is made again.
        let Some(checkpoint) = standing.and_then(|standing| standing.results) else {
            return Ok(false);
        };
        self.known = Known::open(&self.folder.path, &checkpoint)?.map(Arc::new);
        if let Some(known) = &self.known {
            self.results.recall(Arc::clone(known));
        }
        Ok(self.known.is_some())
    }

    /// Trials that need not be made.
    pub(super) fn known(&self) -> Option<Arc<Known>> {
        self.known.clone()
    }

    /// Writes some of the trials that need not be made and whose turn has come. Whether there are more.
    pub(super) fn write_known(&mut self) -> Result<bool, LedgerError> {
        if self.known.is_none() {
            return Ok(false);
        }
        let mut counts = Counts {
            plan: &self.plan,
            tallies: &mut self.tallies,
            monitor: self.monitor.as_mut(),
            touched: self.begun.and(Some(&mut self.touched)),
            standing: &mut self.standing,
        };
        let written = self.results.write_known(|line| counts.line(&line));
        let (flow, more) = written.map_err(|cause| LedgerError::Write {
            path: self.folder.path.clone(),
            cause,
        })?;
        if flow == Flow::Enough {
            self.enough.store(true, Ordering::Relaxed);
        }
        Ok(more)
    }

    pub(super) fn flush(&mut self) -> Result<(), LedgerError> {
        self.standing.results = Some(self.results.checkpoint());
        let flushed = self.results.flush().and_then(|()| self.events.flush());
        let flushed = flushed.and_then(|()| {
            self.standing
                .write_sometimes(&self.folder, &self.account, now_ms())
        });
        flushed.map_err(|cause| LedgerError::Write {
            path: self.folder.path.clone(),
            cause,
        })
    }

    fn note(&mut self, event: &Event) -> io::Result<()> {
        self.standing.note(event);
        match event {
            Event::TrialEnded {
                config,
                origins,
                trial,
                record,
            } => {
                self.tallies[*config].origins(*origins);
                if self.begun.is_some() {
                    let asked = record.requests.iter();
                    self.touched.extend(asked.map(|exchange| exchange.digest));
                }
                let mut counts = Counts {
                    plan: &self.plan,
                    tallies: &mut self.tallies,
                    monitor: self.monitor.as_mut(),
                    touched: self.begun.and(Some(&mut self.touched)),
                    standing: &mut self.standing,
                };
                let results = &mut self.results;
                let flow = results.put(trial.ordinal, record, |line| counts.line(&line))?;
                if flow == Flow::Enough {
                    self.enough.store(true, Ordering::Relaxed);
                }
            }
            Event::Retry { .. } => self.retries += 1,
            Event::Batch { .. } => self.batches.note(event, &self.folder)?,
            Event::Started { .. }
            | Event::CallStarted { .. }
            | Event::CallEnded { .. }
            | Event::Limits { .. }
            | Event::BatchPacked { .. }
            | Event::BatchRead { .. }
            | Event::Notice { .. }
            | Event::Warning { .. }
            | Event::Stopping { .. }
            | Event::Ended { .. } => {}
        }
        let at_ms = now_ms();
        serde_json::to_writer(&mut self.events, &Stamped { at_ms, event })?;
        self.events.write_all(b"\n")
    }

    pub(super) fn finish(
        mut self,
        plan: &Plan,
        mut tell: impl FnMut(&Event),
    ) -> Result<Summary, LedgerError> {
        let path = self.folder.path.clone();
        let write = |cause| LedgerError::Write {
            path: path.clone(),
            cause,
        };
        let checkpoint = self.results.checkpoint();
        let (known, tallies) = (&self.plan, &mut self.tallies);
        let ended = self.results.finish(plan.trials, |line| {
            if let Some(place) = known.place(line.ordinal) {
                tallies[place.config].line(place.sample, line.bytes);
            }
        });
        let (trials, run_digest) = ended.map_err(write)?;
        let run_digest = run_digest.map(|digest| digest.to_hex().to_string());
        let event = Event::Ended {
            trials,
            run_digest: run_digest.clone(),
        };
        let at_ms = now_ms();
        serde_json::to_writer(
            &mut self.events,
            &Stamped {
                at_ms,
                event: &event,
            },
        )
        .map_err(|e| write(e.into()))?;
        self.events
            .write_all(b"\n")
            .and_then(|()| self.events.flush())
            .map_err(write)?;
        tell(&event);
        self.standing.note(&event);
        self.standing.results = Some(checkpoint);
        let spent = self.account.spent();
        let told = self.standing.write(&self.folder, &self.account, now_ms());
        told.map_err(write)?;
        let costs = self.account.spent_by_config();
        let configs = self.tallies.iter().zip(costs);
        let configs: Vec<_> = configs
            .map(|(tally, cost)| ConfigSummary {
                cost_usd: cost.known(),
                ..tally.summary()
            })
            .collect();
        self.account.close()?;
        let totals = Totals {
            cost_usd: spent.known(),
            retries: self.retries,
            peak_memory_bytes: peak_memory_bytes(),
            seconds: self.started.elapsed().as_secs_f64(),
            ..Totals::of(&configs)
        };
        let complete = run_digest.is_some();
        let (experiment, plan) = (plan.name.clone(), plan.digest.clone());
        let summary = Summary {
            experiment,
            plan,
            complete,
            run_digest,
            configs,
            until: self.monitor.as_ref().map(Monitor::told),
            totals,
        };
        self.folder.write("summary.json", &summary).map_err(write)?;
        Ok(summary)
    }
}

/// Milliseconds since 1970-01-01 UTC.
pub(super) fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
