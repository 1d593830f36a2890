//! The batch lane: requests that wait on disk, go out by the ten thousand, and whose answers come back into the store. A
//! trial that meets a miss is not kept alive: its request is spooled, once for each digest, and the trial ends *deferred*;
//! when answers have come, the run makes it again and meets hits, or the next turn's misses. Every state of a batch is in
//! the store's journal before the next act, so a killed run finds what the provider has and sends nothing twice.
//!
//! ```text
//! defer -> spool -> pack -> journal: planned -> submitting -> submitted -> ended -> ingested
//! ```
//!
//! `answers` defers here, `run` waits here, and one task, `Batches::drive`, does everything that speaks to a provider.

/// Requests that wait for a batch, on disk.
mod spool;

/// What the journal says about a batch.
mod journal;

/// Waiting requests, framed for an upload.
mod pack;

/// Sending a batch, and finding out whether one was sent.
mod submit;

/// Result lines into the store.
mod ingest;

/// The one loop that speaks to providers.
mod engine;

/// The outward half of the loop.
mod dispatch;

/// What a finished batch holds, taken into any store.
mod adopt;

pub use adopt::{Adopted, Cancelled, adopt, cancel};
pub use journal::{Entry, Stage, entries};

use crate::lane::{Asker, Lane};
use crate::record::TrialFailure;
use crate::request::Request;
use crate::stop::{Stop, StopReason};
use spool::Spool;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use xhost_store::{Digest, Store};

/// How often a request goes into a batch before its trial fails.
const ATTEMPTS: u8 = 3;

/// Requests that are kept for the canary.
const CANARIES: usize = 3;

/// What the user wants.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A batch that is older is cancelled, and what it did not answer goes live.
    pub spill_after: Option<Duration>,
    /// The most tokens that a model's batches may hold at once.
    pub enqueued_tokens: Option<u64>,
    /// Submit, and do not wait for answers.
    pub detach: bool,
    /// Whether `auto` never means batch, as in a rehearsal.
    pub auto_is_live: bool,
}

/// All batches of a process.
pub struct Batches {
    store: Arc<Store>,
    run: Stop,
    options: Options,
    state: Mutex<State>,
    resolved: watch::Sender<u64>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    accounts: Vec<Account>,
    failed: HashMap<Digest, TrialFailure>,
    attempts: HashMap<Digest, u8>,
    live: HashSet<Digest>,
    listeners: Vec<Asker>,
    folder: Option<tempfile::TempDir>,
}

/// A lane's requests that have no answer yet.
struct Account {
    lane: Arc<Lane>,
    spool: Spool,
    /// The first eight bytes of each digest that waits or travels. Should two ever be alike, the second request waits for a
    /// later batch; nothing is lost.
    open: HashSet<u64>,
    canaries: Vec<(Request, Digest)>,
    /// Whether a run has given all that it has for now.
    flush: bool,
    /// What the journal holds for this lane, until the loop takes it.
    found: Vec<(String, Entry)>,
}

/// What becomes of a request that is not in the store.
#[derive(Debug)]
pub enum Deferral {
    /// Its answer comes with a batch.
    Deferred,
    /// It is to be sent live.
    Live,
    /// There will be no answer.
    Failed(TrialFailure),
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Answers came, or will not come: trials may go on.
    Progress,
    /// Everything is submitted that can be, and nobody wants to wait.
    Submitted,
}

impl Batches {
    /// No batch yet. `drive` must run beside.
    #[must_use]
    pub fn new(store: Arc<Store>, run: Stop, options: Options) -> Arc<Batches> {
        Arc::new(Batches {
            store,
            run,
            options,
            state: Mutex::default(),
            resolved: watch::Sender::new(0),
            wake: Notify::new(),
        })
    }

    /// What the user wants.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Takes a request that the store does not answer. The same digest is taken once.
    ///
    /// # Errors
    /// Where the disk, or the journal, cannot be used.
    pub fn defer(
        &self,
        lane: &Arc<Lane>,
        request: &Request,
        digest: Digest,
    ) -> Result<Deferral, StopReason> {
        let mut state = self.state();
        if let Some(failure) = state.failed.get(&digest) {
            return Ok(Deferral::Failed(failure.clone()));
        }
        if state.live.contains(&digest) {
            return Ok(Deferral::Live);
        }
        let account = self.account(&mut state, lane)?;
        let account = &mut state.accounts[account];
        if account.open.insert(short(&digest)) {
            if account.canaries.len() < CANARIES {
                account.canaries.push((request.clone(), digest));
            }
            let path = request.path_below(lane.endpoint.base_path());
            account
                .spool
                .push(&digest, path, &request.body)
                .map_err(|e| disk(&e))?;
        }
        Ok(Deferral::Deferred)
    }

    /// How many answers came or will never come, so far.
    #[must_use]
    pub fn resolved(&self) -> u64 {
        *self.resolved.borrow()
    }

    /// How many requests wait or travel.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        let state = self.state();
        state.accounts.iter().map(|one| one.open.len() as u64).sum()
    }

    /// How many of these lanes' requests have not been submitted.
    #[must_use]
    pub fn waiting(&self, lanes: &[Arc<Lane>]) -> u64 {
        let state = self.state();
        let own = |one: &&Account| lanes.iter().any(|lane| Arc::ptr_eq(lane, &one.lane));
        state
            .accounts
            .iter()
            .filter(own)
            .map(|one| one.spool.len())
            .sum()
    }

    /// Forgets these lanes' requests that have not been submitted: they will go live.
    ///
    /// # Errors
    /// Where the disk cannot be used.
    pub fn withdraw(&self, lanes: &[Arc<Lane>]) -> Result<(), StopReason> {
        let mut state = self.state();
        for account in &mut state.accounts {
            if lanes.iter().any(|lane| Arc::ptr_eq(lane, &account.lane)) {
                for digest in account.spool.clear().map_err(|e| disk(&e))? {
                    account.open.remove(&short(&digest));
                }
            }
        }
        Ok(())
    }

    /// Submits what waits, and waits until a good part of it is decided. `since` is what [`Batches::resolved`] said before
    /// the trials were made that wait now.
    ///
    /// # Errors
    /// The reason why the run ended.
    pub async fn settle(&self, asker: &Asker, since: u64) -> Result<Settled, StopReason> {
        let mut resolved = self.resolved.subscribe();
        {
            let mut state = self.state();
            let known = |one: &Asker| one.events.same_channel(&asker.events);
            if !state.listeners.iter().any(known) {
                state.listeners.push(asker.clone());
            }
            state
                .accounts
                .iter_mut()
                .for_each(|account| account.flush = true);
        }
        self.wake.notify_one();
        let part = (self.outstanding() / 4).max(1);
        loop {
            let now = *resolved.borrow_and_update();
            if self.outstanding() == 0 || now.saturating_sub(since) >= part {
                return Ok(Settled::Progress);
            }
            if self.options.detach && self.is_submitted() {
                return Ok(Settled::Submitted);
            }
            let changed = self.run.or(resolved.changed()).await?;
            if changed.is_err() {
                return Err(StopReason::Internal("the batch lane is gone".into()));
            }
        }
    }

    /// No run listens any more.
    pub fn leave(&self, asker: &Asker) {
        self.state()
            .listeners
            .retain(|one| !one.events.same_channel(&asker.events));
    }

    fn is_submitted(&self) -> bool {
        self.state().accounts.iter().all(|account| !account.flush)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lane's account; where there is none yet, one with what the journal holds for it.
    fn account(&self, state: &mut State, lane: &Arc<Lane>) -> Result<usize, StopReason> {
        let known = |one: &Account| Arc::ptr_eq(&one.lane, lane);
        if let Some(index) = state.accounts.iter().position(known) {
            return Ok(index);
        }
        if state.folder.is_none() {
            let beside = self.store.path().parent();
            let made = tempfile::Builder::new()
                .prefix("xhost-batch-")
                .tempdir_in(beside.unwrap_or_else(|| std::path::Path::new(".")));
            state.folder = Some(made.map_err(|e| disk(&e))?);
        }
        let folder = state
            .folder
            .as_ref()
            .map_or_else(|| std::path::Path::new("."), |folder| folder.path());
        let path = folder.join(format!("spool-{}", state.accounts.len()));
        let mut account = Account {
            lane: Arc::clone(lane),
            spool: Spool::create(&path).map_err(|e| disk(&e))?,
            open: HashSet::new(),
            canaries: Vec::new(),
            flush: false,
            found: Vec::new(),
        };
        for (mark, entry) in journal::of_lane(&self.store, lane)? {
            for digest in journal::manifest(&self.store, &mark)? {
                account.open.insert(short(&digest));
            }
            account.found.push((mark, entry));
        }
        state.accounts.push(account);
        Ok(state.accounts.len() - 1)
    }

    /// Requests of an account are decided: their trials may go on.
    fn resolve(&self, account: usize, digests: impl IntoIterator<Item = Digest>) {
        let mut count = 0;
        {
            let mut state = self.state();
            for digest in digests {
                count += u64::from(state.accounts[account].open.remove(&short(&digest)));
            }
        }
        self.resolved.send_modify(|resolved| *resolved += count);
    }
}

fn short(digest: &Digest) -> u64 {
    let bytes = digest.as_bytes();
    u64::from_le_bytes(std::array::from_fn(|index| bytes[index]))
}

fn disk(error: &std::io::Error) -> StopReason {
    StopReason::Disk(format!(
        "requests that wait for a batch cannot be kept beside the store: {error}; free some space, then run the same \
         command again"
    ))
}
