//! How a command opens the user's store: it takes in what an earlier run could not store, and waits for another process
//! where it is told to.

use super::{Exit, Failure};
use crate::disk;
use std::path::Path;
use std::time::Duration;
use xhost_store::{CopyError, OpenError, Options, Store};

/// How often a store that is in use is tried again.
const TRIED_AGAIN: Duration = Duration::from_millis(200);

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
    fn is_busy(&self) -> bool;
}

impl MaybeBusy for OpenError {
    fn is_busy(&self) -> bool {
        matches!(self, OpenError::Busy { .. })
    }
}

impl MaybeBusy for CopyError {
    fn is_busy(&self) -> bool {
        matches!(self, CopyError::Open(error) if error.is_busy())
    }
}

/// Does something with a store; where it is in use, as told. It must have changed nothing where it says so.
pub(super) async fn when_free<T, E: MaybeBusy>(
    busy: Busy,
    mut act: impl FnMut() -> Result<T, E>,
) -> Result<T, Failure> {
    let mut told = false;
    loop {
        match act() {
            Err(error) if busy == Busy::Wait && error.is_busy() => {
                if !told {
                    eprintln!("waiting: {error}");
                    told = true;
                }
                tokio::time::sleep(TRIED_AGAIN).await;
            }
            Err(error) => return Err(Failure::new(Exit::Disk, error)),
            Ok(done) => return Ok(done),
        }
    }
}

/// Opens a store, or makes one, and takes in what was spilled for it. `command` is what others are shown who want it too.
pub(super) async fn open(path: &Path, command: &str, busy: Busy) -> Result<Store, Failure> {
    let store = when_free(busy, || {
        let options = Options {
            command: command.to_owned(),
            ..Options::default()
        };
        Store::open(path, options)
    })
    .await?;
    for folder in disk::spill_folders(path) {
        let absorbed = store
            .absorb_spills(&folder)
            .map_err(|error| Failure::new(Exit::Disk, disk::advise(&error)))?;
        for line in absorbed.messages() {
            eprintln!("{line}");
        }
    }
    Ok(store)
}
