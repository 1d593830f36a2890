//! How a command opens the user's store: by itself, or through the `xhost serve` that has it. It takes in what an earlier run
//! could not store, and waits for another process where it is told to.

use super::{Exit, Failure};
use crate::disk;
use crate::store::{ConnectError, Served, Store};
use std::path::Path;
use std::time::{Duration, Instant};
use xhost_store::{CopyError, OpenError, Options};

/// How often a store that is in use is tried again.
const TRIED_AGAIN: Duration = Duration::from_millis(200);

/// How long an `xhost serve` may take from having the store to listening.
const STARTING: Duration = Duration::from_secs(5);

/// What to do where another process has the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    /// Say who has it.
    Refuse,
    /// Wait until it is free.
    Wait,
}

impl Busy {
    pub(super) fn new(wait: bool) -> Busy {
        if wait { Busy::Wait } else { Busy::Refuse }
    }
}

/// Errors that may say that another process has the store.
pub(super) trait MaybeBusy: std::fmt::Display {
    /// Which process that is, as far as is known.
    fn holder(&self) -> Option<&str>;
}

impl MaybeBusy for OpenError {
    fn holder(&self) -> Option<&str> {
        match self {
            OpenError::Busy { holder, .. } => Some(holder),
            _ => None,
        }
    }
}

impl MaybeBusy for CopyError {
    fn holder(&self) -> Option<&str> {
        match self {
            CopyError::Open(error) => error.holder(),
            _ => None,
        }
    }
}

/// Does something with the store's file, for which nobody else may have it open; where somebody does, as told. It must
/// have changed nothing where it says so.
pub(super) async fn when_free<T, E: MaybeBusy>(
    path: &Path,
    busy: Busy,
    mut act: impl FnMut() -> Result<T, E>,
) -> Result<T, Failure> {
    let mut waiting = Waiting::default();
    loop {
        match act() {
            Ok(done) => return Ok(done),
            Err(error) => match error.holder() {
                None => return Err(Failure::new(Exit::Disk, error)),
                Some(holder) => waiting.or_refuse(busy, needed_alone(path, holder)).await?,
            },
        }
    }
}

/// Says once why it waits.
#[derive(Default)]
struct Waiting {
    told: bool,
}

impl Waiting {
    async fn or_refuse(&mut self, busy: Busy, words: String) -> Result<(), Failure> {
        if busy == Busy::Refuse {
            return Err(Failure::new(Exit::Disk, words));
        }
        if !std::mem::replace(&mut self.told, true) {
            eprintln!("waiting: {words}");
        }
        tokio::time::sleep(TRIED_AGAIN).await;
        Ok(())
    }
}

/// Whether there is a store, or something in its place. A folder that may not be looked into says nothing of that.
pub(super) fn is_there(path: &Path) -> Result<bool, Failure> {
    path.try_exists().map_err(|cause| {
        let path = path.into();
        Failure::new(Exit::Disk, OpenError::Io { path, cause })
    })
}

/// Opens a store, or makes one, and takes in what was spilled for it. `command` is what others are shown who want it too.
pub(super) async fn open(path: &Path, command: &str, busy: Busy) -> Result<Store, Failure> {
    let mut waiting = Waiting::default();
    loop {
        match reach(path, command).await? {
            Reached::Own(store) => return absorbed(*store).map(Store::from),
            Reached::Shared(served) => return Ok(Store::Served(*served)),
            Reached::Busy(words) => waiting.or_refuse(busy, words).await?,
        }
    }
}

/// Opens a store, or makes one, for this process alone.
pub(super) async fn open_alone(
    path: &Path,
    command: &str,
    busy: Busy,
) -> Result<xhost_store::Store, Failure> {
    let store = when_free(path, busy, || {
        xhost_store::Store::open(path, options(command))
    })
    .await?;
    absorbed(store)
}

/// Who has the store.
pub(super) enum Reached {
    /// This process, from now on.
    Own(Box<xhost_store::Store>),
    /// An `xhost serve`.
    Shared(Box<Served>),
    /// Another process, which does not share it: its words.
    Busy(String),
}

/// Tries to get at the store, once.
pub(super) async fn reach(path: &Path, command: &str) -> Result<Reached, Failure> {
    let begun = Instant::now();
    loop {
        let holder = match xhost_store::Store::open(path, options(command)) {
            Ok(store) => return Ok(Reached::Own(Box::new(store))),
            Err(OpenError::Busy { holder, .. }) => holder,
            Err(error) => return Err(Failure::new(Exit::Disk, error)),
        };
        match Served::connect(path).await {
            Ok(served) => return Ok(Reached::Shared(Box::new(served))),
            // It has the store and does not listen yet, or not any more.
            Err(ConnectError::Nobody { .. })
                if is_server(&holder) && begun.elapsed() < STARTING =>
            {
                tokio::time::sleep(TRIED_AGAIN / 4).await;
            }
            Err(ConnectError::Nobody { .. }) => return Ok(Reached::Busy(in_use(path, &holder))),
            Err(error) => return Err(Failure::new(Exit::Disk, error)),
        }
    }
}

fn options(command: &str) -> Options {
    Options {
        command: command.to_owned(),
        ..Options::default()
    }
}

fn absorbed(store: xhost_store::Store) -> Result<xhost_store::Store, Failure> {
    for folder in disk::spill_folders(store.path()) {
        let absorbed = store.absorb_spills(&folder).map_err(|error| {
            let words = format!("{error}; free some space, then run the same command again");
            Failure::new(Exit::Disk, words)
        })?;
        for line in absorbed.messages() {
            eprintln!("{line}");
        }
    }
    Ok(store)
}

fn is_server(holder: &str) -> bool {
    holder.contains(super::serve::COMMAND)
}

fn in_use(path: &Path, holder: &str) -> String {
    let path = path.display();
    format!(
        "the store {path} is in use{holder}: `--wait` waits until it is free; `xhost serve --store {path}`, started before \
         them, lets several commands share it; or name another store with --store"
    )
}

fn needed_alone(path: &Path, holder: &str) -> String {
    let shown = path.display();
    match is_server(holder) {
        true => format!(
            "the store {shown} is in use{holder}, and this command needs the file alone: stop `xhost serve`, or `--wait` until it \
             ends"
        ),
        false => in_use(path, holder),
    }
}
