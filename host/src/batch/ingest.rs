//! Result lines into the store, as they are read: any order, duplicates, strangers, lines that are no JSON, streams that
//! break. A request is decided once, by the first line that answers it; what no line answers is queued again or fails.

use super::submit::now_ms;
use super::{ATTEMPTS, Batches, journal};
use crate::lane::{ErrandError, Lane};
use crate::plugin::bindings::batch::{Answer as LineAnswer, Outcome, ResultFormat, Results};
use crate::plugin::bindings::provider::{Fault, FaultKind};
use crate::record::{Cause, TrialFailure};
use crate::stop::StopReason;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use std::sync::Arc;
use tokio::task::JoinHandle;
use xhost_store::{Answer, Digest, Group, Put, Store};

/// The longest line that is taken; a longer one counts as missing.
const LINE: usize = 6 << 20;

/// A document that is read as a whole.
const DOCUMENT: usize = 4 << 20;

/// A portion for one call of the plugin.
const PORTION: usize = 128;
const PORTION_BYTES: usize = 512 << 10;

/// Portions at once.
const AT_ONCE: usize = 4;

/// Answers in one commit.
const COMMIT: usize = 2_048;

/// What is known of a batch's requests.
pub(super) struct Tracker {
    digests: Vec<Digest>,
    decided: Vec<bool>,
    /// Where it is not known which requests the batch holds: those that lines have named.
    named: Option<std::collections::HashSet<Digest>>,
    /// Why a request was not answered, where its line said so.
    reasons: Vec<(u32, Undone)>,
    /// Lines that name a request of this batch.
    pub ours: u64,
    /// Lines that held an answer.
    pub answers: u64,
    /// Lines that are no use: strangers, duplicates, broken ones.
    pub useless: u64,
}

/// Why a line holds no answer, though asking again may help.
#[derive(Clone)]
enum Undone {
    Expired,
    Cancelled,
    Fault(Cause, Arc<str>),
}

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

impl Tracker {
    pub fn of(mut digests: Vec<Digest>) -> Tracker {
        digests.sort_unstable();
        Tracker {
            decided: vec![false; digests.len()],
            digests,
            named: None,
            reasons: Vec::new(),
            ours: 0,
            answers: 0,
            useless: 0,
        }
    }

    /// For a batch of which nothing is known: every line that names a digest counts.
    pub fn of_any() -> Tracker {
        Tracker {
            named: Some(std::collections::HashSet::new()),
            ..Tracker::of(Vec::new())
        }
    }

    /// All requests.
    pub fn requests(self) -> Vec<Digest> {
        self.digests
    }

    /// How many were decided.
    pub fn decided(&self) -> u64 {
        self.decided.iter().filter(|decided| **decided).count() as u64
    }

    /// The place of the request that a line answers first.
    fn place(&mut self, custom_id: &str) -> Option<usize> {
        let digest = custom_id.parse::<Digest>().ok();
        if let Some(named) = &mut self.named {
            let first = digest.filter(|digest| named.insert(*digest));
            self.ours += u64::from(digest.is_some());
            self.useless += u64::from(first.is_none());
            self.digests.push(first?);
            self.decided.push(false);
            return Some(self.digests.len() - 1);
        }
        let place = digest.and_then(|digest| self.digests.binary_search(&digest).ok());
        self.ours += u64::from(place.is_some());
        let first = place.filter(|place| !self.decided[*place]);
        self.useless += u64::from(first.is_none());
        first
    }
}

/// A commit that is under way, and whose requests it decides.
struct Commit {
    task: JoinHandle<Result<Vec<Put>, String>>,
    digests: Vec<Digest>,
}

/// What one reading of results carries along.
struct Reading<'a> {
    batches: &'a Batches,
    account: usize,
    lane: &'a Lane,
    tracker: &'a mut Tracker,
    fresh: Vec<xhost_store::Entry>,
    commit: Option<Commit>,
}

impl Batches {
    /// Reads all results of a batch; what was decided before stays so.
    pub(super) async fn ingest(
        &self,
        account: usize,
        lane: &Lane,
        results: Vec<Results>,
        tracker: &mut Tracker,
    ) -> Result<(), Broken> {
        let mut reading = Reading {
            batches: self,
            account,
            lane,
            tracker,
            fresh: Vec::new(),
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

    /// What no line decided: queued again, sent live, or failed.
    pub(super) fn conclude(&self, account: usize, tracker: Tracker, spilled: bool) {
        let Tracker {
            digests,
            decided,
            reasons,
            ..
        } = tracker;
        let mut undone = std::collections::HashMap::new();
        undone.extend(reasons);
        let mut open = Vec::new();
        {
            let mut state = self.state();
            for (place, digest) in digests.into_iter().enumerate() {
                if decided[place] {
                    continue;
                }
                let reason = undone.get(&(place as u32));
                if spilled && !matches!(reason, Some(Undone::Fault(..))) {
                    state.live.insert(digest);
                } else {
                    let attempts = state.attempts.entry(digest).or_default();
                    *attempts += 1;
                    if *attempts >= ATTEMPTS {
                        let failure = given_up(reason, *attempts);
                        state.failed.insert(digest, failure);
                    }
                }
                open.push(digest);
            }
        }
        self.resolve(account, open);
    }

    /// All requests of a batch fail for one reason.
    pub(super) fn fail_all(&self, account: usize, digests: Vec<Digest>, failure: &TrialFailure) {
        {
            let mut state = self.state();
            for digest in &digests {
                state.failed.insert(*digest, failure.clone());
            }
        }
        self.resolve(account, digests);
    }

    /// Stores answers beside the live lane's writer; a failed commit spills them and stops the run.
    pub(super) fn put(
        store: &Arc<Store>,
        entries: Vec<xhost_store::Entry>,
    ) -> JoinHandle<Result<Vec<Put>, String>> {
        let store = Arc::clone(store);
        tokio::task::spawn_blocking(move || {
            let group = Group {
                entries: &entries,
                ..Group::default()
            };
            crate::disk::commit_or_spill(&store, &group)
        })
    }
}

fn given_up(reason: Option<&Undone>, attempts: u8) -> TrialFailure {
    let (cause, why) = match reason {
        None => (
            Cause::Malformed,
            "the provider's results do not hold it".to_owned(),
        ),
        Some(Undone::Expired) => (Cause::Timeout, "the batch expired before its turn".into()),
        Some(Undone::Cancelled) => (
            Cause::Timeout,
            "the batch was cancelled before its turn".into(),
        ),
        Some(Undone::Fault(cause, message)) => (*cause, message.to_string()),
    };
    TrialFailure::new(cause, format!("{why}, in {attempts} batches"))
}

impl Reading<'_> {
    async fn lines(&mut self, part: Results) -> Result<(), Broken> {
        let mut download = self.lane.download(part.request).await?;
        let mut splitter = Splitter::default();
        let mut portions = Vec::new();
        while let Some(piece) = download.pieces.next().await {
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    self.read(&mut portions).await?;
                    return Err(Broken::Again(error.to_string()));
                }
            };
            self.tracker.useless += splitter.push(&piece, &mut portions);
            if portions.len() > AT_ONCE {
                let last = portions.pop();
                self.read(&mut portions).await?;
                portions.extend(last);
            }
        }
        splitter.finish(&mut portions);
        self.read(&mut portions).await
    }

    async fn document(&mut self, part: Results) -> Result<(), Broken> {
        let download = self.lane.download(part.request).await?;
        let body = download.short(DOCUMENT).await;
        let body = body.map_err(|error| Broken::Again(error.to_string()))?;
        let text = String::from_utf8_lossy(&body).into_owned();
        self.read(&mut vec![vec![text]]).await
    }

    /// Has the plugin read some portions side by side, and takes what it finds.
    async fn read(&mut self, portions: &mut Vec<Vec<String>>) -> Result<(), Broken> {
        let provider = &self.lane.provider;
        let calls = portions.drain(..).map(|lines| provider.read_lines(lines));
        for answers in join_all(calls).await {
            let answers = answers
                .map_err(|failure| Broken::Stop(StopReason::Experiment(failure.to_string())))?;
            for answer in answers {
                match answer {
                    Ok(answer) => self.take(answer),
                    Err(_) => self.tracker.useless += 1,
                }
            }
        }
        if self.fresh.len() >= COMMIT {
            self.commit().await?;
        }
        Ok(())
    }

    fn take(&mut self, answer: LineAnswer) {
        let Some(place) = self.tracker.place(&answer.custom_id) else {
            return;
        };
        let digest = self.tracker.digests[place];
        let undone = match answer.outcome {
            Outcome::Completed(completed) => {
                let answer = Answer {
                    status: 200,
                    api: self.lane.profile.api.clone(),
                    model: completed.model,
                    headers: Vec::new(),
                    created_ms: now_ms(),
                    latency_ms: 0,
                    body: Bytes::from(completed.body),
                };
                self.tracker.decided[place] = true;
                self.tracker.answers += 1;
                self.fresh.push((digest, answer).into());
                return;
            }
            Outcome::Failed(fault) => match self.failed(place, digest, fault) {
                Some(undone) => undone,
                None => return,
            },
            Outcome::Expired => Undone::Expired,
            Outcome::Cancelled => Undone::Cancelled,
        };
        self.tracker.reasons.push((place as u32, undone));
    }

    /// A request that failed for good is decided; one whose time may come is not.
    fn failed(&mut self, place: usize, digest: Digest, fault: Fault) -> Option<Undone> {
        let passes = matches!(fault.kind, FaultKind::RateLimited | FaultKind::Overloaded);
        let (cause, message) = self.lane.explain(fault);
        if passes {
            return Some(Undone::Fault(cause, Arc::from(message)));
        }
        self.tracker.decided[place] = true;
        let failure = TrialFailure::new(cause, message);
        self.batches.fail_all(self.account, vec![digest], &failure);
        None
    }

    /// Begins a commit of what was read; the one before is over by then.
    async fn commit(&mut self) -> Result<(), Broken> {
        self.committed().await?;
        let entries = std::mem::take(&mut self.fresh);
        if entries.is_empty() {
            return Ok(());
        }
        let digests = entries.iter().map(|entry| entry.digest).collect();
        let task = Batches::put(&self.batches.store, entries);
        self.commit = Some(Commit { task, digests });
        Ok(())
    }

    async fn committed(&mut self) -> Result<(), Broken> {
        let Some(Commit { task, digests }) = self.commit.take() else {
            return Ok(());
        };
        let written = task
            .await
            .unwrap_or_else(|_| Err("the store's writer panicked".into()));
        written.map_err(|message| Broken::Stop(StopReason::Disk(message)))?;
        self.batches.resolve(self.account, digests);
        Ok(())
    }
}

/// Cuts a stream into lines, and lines into portions.
#[derive(Default)]
struct Splitter {
    line: Vec<u8>,
    too_long: bool,
    portion: Vec<String>,
    bytes: usize,
}

impl Splitter {
    /// How many lines were too long.
    fn push(&mut self, mut piece: &[u8], portions: &mut Vec<Vec<String>>) -> u64 {
        let mut dropped = 0;
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            self.extend(&piece[..end]);
            piece = &piece[end + 1..];
            dropped += self.end(portions);
        }
        self.extend(piece);
        dropped
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.line.len() + bytes.len() > LINE {
            self.too_long = true;
            self.line = Vec::new();
        }
        if !self.too_long {
            self.line.extend_from_slice(bytes);
        }
    }

    fn end(&mut self, portions: &mut Vec<Vec<String>>) -> u64 {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.too_long) {
            return 1;
        }
        let text = String::from_utf8_lossy(&line);
        if !text.trim().is_empty() {
            self.bytes += text.len();
            self.portion.push(text.into_owned());
            if self.portion.len() >= PORTION || self.bytes >= PORTION_BYTES {
                portions.push(std::mem::take(&mut self.portion));
                self.bytes = 0;
            }
        }
        0
    }

    fn finish(&mut self, portions: &mut Vec<Vec<String>>) {
        self.end(portions);
        if !self.portion.is_empty() {
            portions.push(std::mem::take(&mut self.portion));
        }
    }
}

impl Batches {
    /// A tracker of a batch's requests.
    pub(super) fn tracker(&self, mark: &str) -> Result<Tracker, StopReason> {
        journal::manifest(&self.store, mark).map(Tracker::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_wherever_the_pieces_end_and_endless_ones_are_dropped() {
        let (mut splitter, mut portions) = (Splitter::default(), Vec::new());
        let mut dropped = 0;
        for piece in [&b"on"[..], b"e\r\ntwo\n\n \nth", b"ree"] {
            dropped += splitter.push(piece, &mut portions);
        }
        splitter.finish(&mut portions);
        assert_eq!(portions.concat(), ["one\r", "two", "three"]);
        let endless = vec![b'x'; LINE / 2 + 1];
        for piece in [&endless[..], &endless, b"\nfour\n"] {
            dropped += splitter.push(piece, &mut portions);
        }
        splitter.finish(&mut portions);
        assert_eq!((portions.concat().len(), dropped), (4, 1));
    }
}
