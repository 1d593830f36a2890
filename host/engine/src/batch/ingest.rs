//! Result lines into the store, as they are read: any order, duplicates, strangers, lines that are no JSON, streams that
//! break. A request is decided once, by the first line that answers it; what no line answers is queued again or fails.

use super::Batches;
use super::journal::{self, Entry};
use super::lines::Splitter;
use super::submit::now_ms;
use super::tracker::{Tracker, Undone};
use crate::budget::{self, Amount};
use crate::lane::{ErrandError, Lane};
use crate::plugin::bindings::batch::{Completed, Outcome, ResultFormat, Results};
use crate::plugin::bindings::provider::{Fault, FaultKind};
use crate::plugin::{BatchLine, Failure, types};
use crate::prices::Travel;
use crate::record::{TrialFailure, Usage};
use crate::stop::StopReason;
use crate::store::Store;
use bytes::Bytes;
use futures_util::StreamExt;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::task::JoinHandle;
use xhost_store::{Answer, Change, Digest, Group, Put};

/// A document that is read as a whole.
const DOCUMENT: usize = 4 << 20;

/// Portions at once.
const AT_ONCE: usize = 4;

/// Answers in one commit, and their bytes.
const COMMIT: usize = 2_048;
const COMMIT_BYTES: usize = 4 << 20;

/// Why the results could not be read to their end.
pub(super) enum Broken {
    /// Reading again may help.
    Again(String),
    Stop(StopReason),
}

impl From<ErrandError> for Broken {
    fn from(error: ErrandError) -> Broken {
        match error {
            ErrandError::Stopped(reason) => Broken::Stop(reason),
            ErrandError::Trouble(_) => Broken::Again(error.message()),
        }
    }
}

/// A commit that is under way, and whose requests it decides.
struct Commit {
    task: JoinHandle<Result<Vec<Put>, String>>,
    digests: Vec<Digest>,
    cost: Amount,
}

/// Who pays for what is read, and where that is noted.
#[derive(Default)]
pub(super) struct Paying<'a> {
    pub payer: Option<&'a budget::Account>,
    /// The batch's mark and entry; none where the journal knows nothing of it.
    pub batch: Option<(&'a str, &'a mut Entry)>,
}

/// What the plugin finds in some lines.
type Portion = Vec<Result<BatchLine, Fault>>;

/// What one reading of results carries along.
struct Reading<'a> {
    batches: &'a Batches,
    lane: &'a Lane,
    tracker: &'a mut Tracker,
    paying: Paying<'a>,
    /// Portions that the plugin reads, in their order.
    under_way: VecDeque<JoinHandle<Result<Portion, Failure>>>,
    fresh: Vec<xhost_store::Entry>,
    fresh_bytes: usize,
    /// What those cost.
    cost: Amount,
    commit: Option<Commit>,
}

impl Batches {
    /// Reads all results of a batch; what was decided before stays so.
    pub(super) async fn ingest(
        &self,
        lane: &Lane,
        results: Vec<Results>,
        tracker: &mut Tracker,
        paying: Paying<'_>,
    ) -> Result<(), Broken> {
        let mut reading = Reading {
            batches: self,
            lane,
            tracker,
            paying,
            under_way: VecDeque::new(),
            fresh: Vec::new(),
            fresh_bytes: 0,
            cost: Amount::default(),
            commit: None,
        };
        let mut ended = Ok(());
        for part in results {
            ended = match part.format {
                ResultFormat::Lines => reading.lines(part).await,
                ResultFormat::Document => reading.document(part).await,
            };
            if ended.is_err() {
                break;
            }
        }
        // What was read is kept, however the reading ended.
        reading.commit().await?;
        reading.committed().await?;
        ended
    }

    /// Stores answers beside the live lane's writer; a failed commit spills them and stops the run.
    pub(super) fn put(
        store: &Arc<Store>,
        entries: Vec<xhost_store::Entry>,
        change: Option<Change>,
    ) -> JoinHandle<Result<Vec<Put>, String>> {
        let store = Arc::clone(store);
        tokio::task::spawn_blocking(move || {
            let group = Group {
                entries: &entries,
                journal: change.as_slice(),
                ..Group::default()
            };
            journal::guarded(|| crate::disk::commit_or_spill(&store, &group))
        })
    }
}

impl Reading<'_> {
    async fn lines(&mut self, part: Results) -> Result<(), Broken> {
        let mut download = self.lane.download(part.request).await?;
        let mut splitter = Splitter::default();
        let mut portions = Vec::new();
        let mut ended = Ok(());
        while let Some(piece) = download.pieces.next().await {
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    ended = Err(Broken::Again(error.to_string()));
                    break;
                }
            };
            self.tracker.useless += splitter.push(&piece, &mut portions);
            for portion in portions.drain(..) {
                self.read(portion).await?;
            }
        }
        if ended.is_ok() {
            splitter.finish(&mut portions);
        }
        for portion in portions {
            self.read(portion).await?;
        }
        self.all_read().await?;
        ended
    }

    async fn document(&mut self, part: Results) -> Result<(), Broken> {
        let download = self.lane.download(part.request).await?;
        let body = download.short(DOCUMENT).await;
        let body = body.map_err(|error| Broken::Again(error.to_string()))?;
        let text = String::from_utf8_lossy(&body).into_owned();
        self.read(vec![text]).await?;
        self.all_read().await
    }

    /// Has the plugin read a portion, while further ones come and earlier ones are taken.
    async fn read(&mut self, portion: Vec<String>) -> Result<(), Broken> {
        if self.under_way.len() == AT_ONCE {
            self.next_read().await?;
        }
        let provider = self.lane.provider.clone();
        let call = async move { provider.read_lines(portion).await };
        self.under_way.push_back(tokio::spawn(call));
        Ok(())
    }

    async fn all_read(&mut self) -> Result<(), Broken> {
        while !self.under_way.is_empty() {
            self.next_read().await?;
        }
        Ok(())
    }

    /// Takes what the plugin found in the earliest portion.
    async fn next_read(&mut self) -> Result<(), Broken> {
        let Some(call) = self.under_way.pop_front() else {
            return Ok(());
        };
        let answers = call.await.map_err(|e| {
            let message = format!("the reading of a batch's results ended by itself: {e}");
            Broken::Stop(StopReason::Internal(message))
        })?;
        for answer in answers.map_err(|failure| plugin_failed(&failure))? {
            match answer {
                Ok(line) => self.take(line)?,
                Err(_) => self.tracker.useless += 1,
            }
        }
        if self.fresh.len() >= COMMIT || self.fresh_bytes >= COMMIT_BYTES {
            self.commit().await?;
        }
        Ok(())
    }

    /// What a line says of a request of ours.
    fn take(&mut self, line: BatchLine) -> Result<(), Broken> {
        let Some(place) = self.tracker.place(&line.custom_id) else {
            return Ok(());
        };
        let undone = match line.outcome {
            Outcome::Completed(completed) => {
                self.keep(place, completed, line.usage);
                return Ok(());
            }
            Outcome::Failed(fault) => match self.failed(place, fault)? {
                Some(undone) => undone,
                None => return Ok(()),
            },
            Outcome::Expired => Undone::Expired,
            Outcome::Cancelled => Undone::Cancelled,
        };
        self.tracker.undone(place, undone);
        Ok(())
    }

    /// An answer, and what it costs.
    fn keep(&mut self, place: usize, completed: Completed, used: Option<types::Usage>) {
        let answer = Answer {
            status: 200,
            api: self.lane.profile.api.clone(),
            model: crate::text::plain(&completed.model),
            headers: Vec::new(),
            created_ms: now_ms(),
            latency_ms: 0,
            body: Bytes::from(completed.body),
        };
        if let Some(payer) = self.paying.payer {
            let mut usage = Usage::default();
            used.iter().for_each(|used| usage.add(used));
            let cost = payer.cost(self.lane.whereabouts(), &usage, Travel::Batch);
            let unread = u64::from(used.is_none() && cost.unpriced == 0);
            self.cost = self.cost.plus(cost).plus(Amount {
                unpriced: unread,
                ..Amount::default()
            });
        }
        self.tracker.decided[place] = true;
        self.tracker.answers += 1;
        self.fresh_bytes += answer.body.len();
        self.fresh
            .push((self.tracker.digests[place], answer).into());
    }

    /// A request that failed for good is decided; one whose time may come is not.
    fn failed(&mut self, place: usize, fault: Fault) -> Result<Option<Undone>, Broken> {
        let passes = matches!(fault.kind, FaultKind::RateLimited | FaultKind::Overloaded);
        let (cause, message) = self.lane.explain(fault);
        if passes {
            return Ok(Some(Undone::Fault(cause, Arc::from(message))));
        }
        self.tracker.decided[place] = true;
        let failure = TrialFailure::new(cause, message);
        let digest = self.tracker.digests[place];
        let failed = self.batches.fail_all([digest], &failure);
        failed.map(|()| None).map_err(Broken::Stop)
    }

    /// Begins a commit of what was read; the one before is over by then.
    async fn commit(&mut self) -> Result<(), Broken> {
        self.committed().await?;
        let entries = std::mem::take(&mut self.fresh);
        self.fresh_bytes = 0;
        if entries.is_empty() {
            return Ok(());
        }
        let cost = std::mem::take(&mut self.cost);
        let change = match &mut self.paying.batch {
            Some((mark, entry)) => {
                entry.spent = entry.spent.plus(cost);
                Some(journal::put(mark, entry).map_err(Broken::Stop)?)
            }
            None => None,
        };
        let digests = entries.iter().map(|entry| entry.digest).collect();
        let task = Batches::put(&self.batches.store, entries, change);
        self.commit = Some(Commit {
            task,
            digests,
            cost,
        });
        Ok(())
    }

    async fn committed(&mut self) -> Result<(), Broken> {
        let Some(Commit {
            task,
            digests,
            cost,
        }) = self.commit.take()
        else {
            return Ok(());
        };
        let written = task
            .await
            .unwrap_or_else(|_| Err("the store's writer panicked".into()));
        written.map_err(|message| Broken::Stop(StopReason::Disk(message)))?;
        if let Some(payer) = self.paying.payer {
            payer.spend(cost);
        }
        self.batches.resolve(digests).map_err(Broken::Stop)
    }
}

fn plugin_failed(failure: &Failure) -> Broken {
    Broken::Stop(StopReason::Experiment(failure.to_string()))
}
