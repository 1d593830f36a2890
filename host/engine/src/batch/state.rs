//! What is known of all requests without an answer: which lane's they are, and, on disk, what is under way of each.

use super::journal::Entry;
use super::register::{Known, Register, Stands};
use super::spool::Spool;
use crate::budget;
use crate::lane::{Asker, Lane};
use crate::request::Request;
use crate::stop::StopReason;
use std::sync::Arc;
use xhost_store::Digest;

#[derive(Default)]
pub(super) struct State {
    pub accounts: Vec<Account>,
    pub listeners: Vec<Asker>,
    pub disk: Option<OnDisk>,
}

/// What grows with the requests.
pub(super) struct OnDisk {
    pub register: Register,
    pub folder: tempfile::TempDir,
}

/// A lane's requests that have no answer yet, of the runs that one budget pays for.
pub(super) struct Account {
    pub lane: Arc<Lane>,
    pub payer: Option<Arc<budget::Account>>,
    pub spool: Spool,
    /// How many wait or travel.
    pub open: u64,
    pub canaries: Vec<(Request, Digest)>,
    /// Whether a run has given all that it has for now, and not all of it is on its way.
    pub flush: bool,
    /// Whether what waits must wait until earlier batches have ended.
    pub held: bool,
    /// What the journal holds for this lane, until the loop takes it.
    pub found: Vec<(String, Entry)>,
    /// Batches of earlier processes that were not looked at yet: whoever does not want to wait looks once.
    pub unseen: usize,
}

impl OnDisk {
    pub fn beside(folder: &std::path::Path) -> std::io::Result<OnDisk> {
        let folder = tempfile::Builder::new()
            .prefix("xhost-batch-")
            .tempdir_in(folder)?;
        Ok(OnDisk {
            register: Register::create(folder.path())?,
            folder,
        })
    }
}

impl State {
    pub fn disk(&mut self) -> Result<&mut OnDisk, StopReason> {
        let missing = || StopReason::Internal("requests wait without an account".into());
        self.disk.as_mut().ok_or_else(missing)
    }

    pub fn known(&self, digest: &Digest) -> std::io::Result<Known> {
        let register = self.disk.as_ref().map(|disk| disk.register.get(digest));
        register.unwrap_or_else(|| Ok(Known::default()))
    }

    /// Changes what is known of a request. Whether it was open before, and is not any more.
    pub fn decide(
        &mut self,
        digest: &Digest,
        change: impl FnOnce(Known) -> Known,
    ) -> std::io::Result<bool> {
        let Some(disk) = &mut self.disk else {
            return Ok(false);
        };
        let before = disk.register.get(digest)?;
        let after = change(before);
        if after != before {
            disk.register.set(digest, after)?;
        }
        let Stands::Open(account) = before.stands else {
            return Ok(false);
        };
        let account = self.accounts.get_mut(account);
        account.map_or(Ok(false), |account| {
            account.open = account.open.saturating_sub(1);
            Ok(true)
        })
    }

    /// Whether an account's lane has ended: what was open there is anybody's again.
    pub fn is_abandoned(&self, account: usize) -> bool {
        let account = self.accounts.get(account);
        account.is_none_or(|account| account.lane.stop.reason().is_some())
    }
}

/// Nothing of it is under way any more.
pub(super) fn closed(known: Known) -> Known {
    Known {
        stands: Stands::Closed,
        ..known
    }
}
