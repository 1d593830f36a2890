//! From what readers find into the store: written as requests, read as answers, numbered, committed. Readers work on a
//! thread of their own, a portion ahead.

use super::draws::Draws;
use super::report::Report;
use super::writing::{Desk, Pen, Spelling, Unwritten};
use super::{Found, Item, Left, Source, Told, Why};
use crate::foreign::body::Fields;
use crate::plan::PlanError;
use crate::request::{Draw, REPEATS, Request};
use bytes::Bytes;
use futures_util::future::join_all;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;
use xhost_store::{
    Answer, Digest, Entry, OpenError, Options, Put, ReadError, Store, Stored, WriteError,
};

/// What a reader is ahead by, in items and bytes.
const PORTION: usize = 64;
const PORTION_BYTES: usize = 4 << 20;

/// Answers of one commit, and the bytes after which it ends early.
const GROUP: usize = 256;
const GROUP_BYTES: usize = 8 << 20;

/// An import cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// A file cannot be read.
    #[error("cannot read {0}")]
    File(io::Error),
    /// What the user said of the provider is wrong.
    #[error(transparent)]
    Wishes(PlanError),
    /// The spool beside the store.
    #[error("the answers cannot be put aside: {0}")]
    Spool(io::Error),
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// There is no store for a trial.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Where answers go.
pub enum Target<'s> {
    /// Into a store.
    Store(&'s Store),
    /// Nowhere: they are only counted, as if they went into this store; none for one that is yet to be made.
    Nowhere(Option<&'s Store>),
}

/// Takes answers in.
pub struct Intake<'s> {
    desk: Desk,
    target: Target<'s>,
    /// Stands in for the store that is left as it is.
    trial: Option<(tempfile::TempDir, Store)>,
    /// For what waits.
    folder: PathBuf,
    first_epoch: u32,
    report: Report,
    group: Vec<Entry>,
    bytes: usize,
    /// The equal requests of the trial that is being read.
    repeats: (u64, HashMap<Digest, u32>),
}

impl<'s> Intake<'s> {
    /// An intake. What waits to be numbered lies in `folder`; the epochs of files begin at `first_epoch`.
    ///
    /// # Errors
    /// Where there is no room for a trial.
    pub fn new(
        desk: Desk,
        target: Target<'s>,
        folder: PathBuf,
        first_epoch: u32,
    ) -> Result<Intake<'s>, IntakeError> {
        let trial = match &target {
            Target::Store(_) => None,
            Target::Nowhere(_) => {
                let folder = tempfile::tempdir().map_err(IntakeError::Spool)?;
                let store = Store::open(&folder.path().join("trial.redb"), Options::default())?;
                Some((folder, store))
            }
        };
        Ok(Intake {
            desk,
            target,
            trial,
            folder,
            first_epoch,
            report: Report::default(),
            group: Vec::new(),
            bytes: 0,
            repeats: (0, HashMap::new()),
        })
    }

    /// Takes in what a source has. `progress` is told how many were read so far.
    ///
    /// # Errors
    /// Where a file cannot be read, or the store cannot be written.
    pub async fn take(
        &mut self,
        source: Source,
        mut progress: impl FnMut(u64),
    ) -> Result<(), IntakeError> {
        let mut draws = Draws::beside(&self.folder).map_err(IntakeError::Spool)?;
        let (portions, mut coming) = mpsc::channel(1);
        let reading = tokio::task::spawn_blocking(move || read(&source, &portions));
        let mut done = 0;
        while let Some(portion) = coming.recv().await {
            done += portion.len() as u64;
            self.portion(portion, &mut draws).await?;
            progress(done);
        }
        let read = reading.await.map_err(io::Error::other);
        read.and_then(|read| read).map_err(IntakeError::File)?;
        for entry in draws
            .numbered(self.first_epoch)
            .map_err(IntakeError::Spool)?
        {
            self.put(entry.map_err(IntakeError::Spool)?)?;
        }
        self.commit()
    }

    /// What came of it.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    async fn portion(&mut self, items: Vec<Item>, draws: &mut Draws) -> Result<(), IntakeError> {
        let mut pens = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::Left(left) => self.report.leave(&left),
                Item::Found(found) => match self.desk.pen(&found).await {
                    Ok(pen) => pens.push((found, pen)),
                    Err(Unwritten::Left(left)) => self.report.leave(&left),
                    Err(Unwritten::Wishes(error)) => return Err(IntakeError::Wishes(error)),
                },
            }
        }
        let answered = pens.into_iter().map(|(found, pen)| answered(found, pen));
        for answered in join_all(answered).await {
            match answered {
                Ok(answered) => self.place(answered, draws)?,
                Err(left) => self.report.leave(&left),
            }
        }
        Ok(())
    }

    /// Gives an answer its draw, or lets it wait for one.
    fn place(&mut self, answered: Answered, draws: &mut Draws) -> Result<(), IntakeError> {
        let Answered {
            found,
            request,
            answer,
            spelling,
        } = answered;
        let draw = match found.draw {
            None => None,
            Some(Told::Draw(draw)) => Some(draw),
            Some(Told::Trial { epoch, trial }) => {
                let repeat = self.repeat(trial, request.digest());
                if repeat >= REPEATS {
                    let (place, why) = (found.place, Why::TooMany);
                    let detail = format!("a trial asks at most {REPEATS} equal requests");
                    self.report.leave(&Left { place, why, detail });
                    return Ok(());
                }
                Some(Draw { epoch, repeat })
            }
        };
        match spelling {
            Spelling::Ours(model) => {
                self.report.as_experiments_ask += 1;
                self.report.finds(model);
            }
            Spelling::Theirs(place) => self.report.as_they_were.add(&found.place, &place),
        }
        self.report.endpoint(&request.endpoint);
        let Some(Draw { epoch, repeat }) = draw else {
            let stored = Stored {
                digest: request.digest(),
                answer,
                request: Some(request.stored()),
            };
            return draws.add(found.order, &stored).map_err(IntakeError::Spool);
        };
        let epoch = epoch.saturating_add(self.first_epoch - 1);
        let request = Request {
            draw: Draw { epoch, repeat },
            ..request
        };
        self.put(Entry {
            request: Some(request.stored()),
            ..Entry::from((request.digest(), answer))
        })
    }

    fn repeat(&mut self, trial: u64, digest: Digest) -> u32 {
        if self.repeats.0 != trial {
            self.repeats = (trial, HashMap::new());
        }
        let next = self.repeats.1.entry(digest).or_default();
        *next += 1;
        *next - 1
    }

    fn put(&mut self, entry: Entry) -> Result<(), IntakeError> {
        self.bytes += entry.answer.body.len() + entry.request.as_ref().map_or(0, Bytes::len);
        self.group.push(entry);
        if self.group.len() == GROUP || self.bytes > GROUP_BYTES {
            self.commit()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), IntakeError> {
        let mut group = std::mem::take(&mut self.group);
        self.bytes = 0;
        if let Target::Nowhere(Some(store)) = &self.target {
            let mut fresh = Vec::with_capacity(group.len());
            for entry in group {
                match store.get(&entry.digest)? {
                    None => fresh.push(entry),
                    Some(there) if there.body == entry.answer.body => self.report.there += 1,
                    Some(_) => self.report.conflicts += 1,
                }
            }
            group = fresh;
        }
        let store = match (&self.target, &self.trial) {
            (Target::Store(store), _) => store,
            (Target::Nowhere(_), Some((_, trial))) => trial,
            // `new` makes one for every trial.
            (Target::Nowhere(_), None) => return Ok(()),
        };
        for put in store.commit(&group)? {
            match put {
                Put::Stored | Put::Replaced => self.report.stored += 1,
                Put::AlreadyThere => self.report.there += 1,
                Put::Conflict => self.report.conflicts += 1,
            }
        }
        Ok(())
    }
}

/// A request with its answer, read.
struct Answered {
    found: Box<Found>,
    request: Request,
    answer: Answer,
    spelling: Spelling,
}

async fn answered(found: Box<Found>, pen: Pen) -> Result<Answered, Left> {
    let left = |(why, detail)| Left {
        place: found.place.clone(),
        why,
        detail,
    };
    let damaged = |what| left((Why::Damaged, format!("its answer {what}")));
    crate::json::check(&found.response).map_err(damaged)?;
    let written = pen.write().await.map_err(left)?;
    let body = Arc::new(found.response.clone());
    let model = match written.provider.decode(body).await {
        Ok(Ok(completion)) => completion.model,
        Ok(Err(fault)) => return Err(left((Why::NoAnswer, fault.message))),
        Err(failure) => return Err(left((Why::NoAnswer, failure.to_string()))),
    };
    let created = Fields::of(&found.response).and_then(|body| body.get("created")?.parse().ok());
    let created_ms = found
        .asked_ms
        .or(created.map(|at: u64| at.saturating_mul(1_000)));
    let answer = Answer {
        body: Bytes::from(found.response.clone()),
        status: 200,
        api: written.api,
        model,
        headers: Vec::new(),
        // An answer of unknown age is an old one.
        created_ms: created_ms.unwrap_or(0),
        latency_ms: found.latency_ms,
    };
    Ok(Answered {
        found,
        request: written.request,
        answer,
        spelling: written.spelling,
    })
}

/// Reads a source, and sends what it finds in portions. Where nobody takes them any more, the reading ends.
fn read(source: &Source, portions: &mpsc::Sender<Vec<Item>>) -> io::Result<()> {
    let (mut portion, mut bytes) = (Vec::new(), 0);
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    source.read(&mut |item| {
        if let Item::Found(found) = &item {
            bytes += found.request.len() + found.response.len();
        }
        portion.push(item);
        if portion.len() == PORTION || bytes > PORTION_BYTES {
            bytes = 0;
            let full = std::mem::take(&mut portion);
            portions.blocking_send(full).map_err(gone)?;
        }
        Ok(())
    })?;
    portions.blocking_send(portion).map_err(gone)
}
