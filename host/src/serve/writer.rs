//! The one writer of a shared store. It takes what all clients want stored, makes one durable commit of it, and only then
//! tells who waited. Claims of stored answers end here, whoever stored them.

use super::Shared;
use crate::stop::{Stop, StopReason};
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use xhost_store::{Change, Entry, Group, Put, Store, Touched, WriteError};

/// The most jobs in one commit; each is a group of its client's already.
const JOBS: usize = 64;

/// What a client wants stored.
pub(super) struct Job {
    pub(super) entries: Vec<Entry>,
    pub(super) journal: Vec<Change>,
    pub(super) touched: Vec<Touched>,
    pub(super) done: Done,
    /// Its part of the room for messages, until it is stored.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// Who waits for a job.
pub(super) type Done = oneshot::Sender<Result<Vec<Put>, String>>;

/// Writes until nobody can want anything any more. The first write that fails is the last.
pub(super) async fn write(shared: Arc<Shared>, mut queue: mpsc::Receiver<Job>, stop: Stop) {
    let mut jobs = Vec::with_capacity(JOBS);
    while queue.recv_many(&mut jobs, JOBS).await > 0 {
        let mut batch = Batch::default();
        let waiting: Vec<_> = jobs.drain(..).map(|job| batch.add(job)).collect();
        let store = Arc::clone(&shared.store);
        let written = tokio::task::spawn_blocking(move || {
            let results = batch.commit(&store);
            (batch, results)
        });
        let Ok((batch, results)) = written.await else {
            stop.request(StopReason::Internal("the store's writer panicked".into()));
            return;
        };
        for ((part, (done, _room)), result) in batch.parts.iter().zip(waiting).zip(results) {
            if result.is_ok() {
                let mut claims = shared.claims();
                let stored = &batch.entries[part.entries.clone()];
                stored
                    .iter()
                    .for_each(|entry| claims.answered(&entry.digest));
            }
            if let Err(error @ (WriteError::Failed { .. } | WriteError::Stopped { .. })) = &result {
                stop.request(StopReason::Disk(format!(
                    "{error}; free some space, then start `xhost serve` again: its clients keep what was on its way"
                )));
            }
            // A client that is gone has its answers stored all the same.
            let _ = done.send(result.map_err(|error| cause(&error)));
        }
    }
}

/// What one commit takes, and which of it is whose.
#[derive(Default)]
struct Batch {
    entries: Vec<Entry>,
    journal: Vec<Change>,
    touched: Vec<Touched>,
    parts: Vec<Part>,
}

struct Part {
    entries: Range<usize>,
    journal: Range<usize>,
    touched: Range<usize>,
}

impl Batch {
    fn add(&mut self, job: Job) -> (Done, Option<OwnedSemaphorePermit>) {
        let Job {
            entries,
            journal,
            touched,
            done,
            room,
        } = job;
        self.parts.push(Part {
            entries: append(&mut self.entries, entries),
            journal: append(&mut self.journal, journal),
            touched: append(&mut self.touched, touched),
        });
        (done, room)
    }

    /// All jobs in one commit; where something of one of them can be stored by nobody, each in its own.
    fn commit(&self, store: &Store) -> Vec<Result<Vec<Put>, WriteError>> {
        let group = Group {
            entries: &self.entries,
            journal: &self.journal,
            touched: &self.touched,
        };
        match store.commit_group(&group) {
            Ok(puts) => {
                let own = |part: &Part| Ok(puts[part.entries.clone()].to_vec());
                self.parts.iter().map(own).collect()
            }
            Err(error) if self.parts.len() == 1 => vec![Err(error)],
            // Where the disk refused, each job hears that the store has stopped.
            Err(_) => self
                .parts
                .iter()
                .map(|part| self.alone(part, store))
                .collect(),
        }
    }

    fn alone(&self, part: &Part, store: &Store) -> Result<Vec<Put>, WriteError> {
        store.commit_group(&Group {
            entries: &self.entries[part.entries.clone()],
            journal: &self.journal[part.journal.clone()],
            touched: &self.touched[part.touched.clone()],
        })
    }
}

fn append<T>(all: &mut Vec<T>, mut own: Vec<T>) -> Range<usize> {
    let start = all.len();
    all.append(&mut own);
    start..all.len()
}

/// What went wrong, without the path, for which each client has its own words.
fn cause(error: &WriteError) -> String {
    match error {
        WriteError::Failed { cause, .. } | WriteError::Stopped { cause, .. } => cause.clone(),
        WriteError::Answer { .. } | WriteError::Journal { .. } => error.to_string(),
    }
}
