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

/// What is known of each request, on disk.
mod register;

/// Whose requests they are.
mod state;

/// What the journal says about a batch.
mod journal;

/// Waiting requests, framed for an upload.
mod pack;

/// Sending a batch, and finding out whether one was sent.
mod submit;

/// Lines, however the stream is cut.
mod lines;

/// Which requests of a batch are decided.
mod tracker;

/// Result lines into the store.
mod ingest;

/// The one loop that speaks to providers.
mod engine;

/// The outward half of the loop.
mod dispatch;

/// How a batch ends, and what follows.
mod ends;

/// What a finished batch holds, taken into any store.
mod adopt;

pub use adopt::{Adopted, Cancelled, adopt, cancel};
pub use journal::{Entry, Stage, entries};

use crate::budget;
use crate::lane::{Asker, Lane};
use crate::record::TrialFailure;
use crate::request::Request;
use crate::stop::{Stop, StopReason};
use crate::store::Store;
use register::{Known, Stands};
use spool::Spool;
use state::{Account, OnDisk, State, closed};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use xhost_store::Digest;

#[cfg(any(test, feature = "fuzzing"))]
pub use lines::lines_of;

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
    /// Whether batches are being looked at, and read where they ended.
    looking: AtomicBool,
    wake: Notify,
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
    /// Its lane has ended.
    Stopped(StopReason),
}

/// Where a config's requests without an answer go.
#[derive(Clone, Copy)]
pub struct Outbox<'b> {
    /// The batches of the process.
    pub batches: &'b Batches,
    /// What is taken from this config.
    pub takes: Takes,
}

/// Which requests of a config wait for a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// All whose model takes batches.
    All,
    /// Those that another config put into one: what is on its way is not paid for again.
    Others,
}

impl Outbox<'_> {
    /// Takes a request that the store does not answer, or leaves it to be sent live.
    ///
    /// # Errors
    /// As [`Batches::defer`].
    pub fn offer(
        &self,
        lane: &Arc<Lane>,
        request: &Request,
        digest: Digest,
        asker: &Asker,
    ) -> Result<Deferral, StopReason> {
        if let Some(reason) = lane.stop.reason() {
            return Ok(Deferral::Stopped(reason));
        }
        if self.takes == Takes::All && lane.takes_batches() {
            return self.batches.defer(lane, request, digest, asker);
        }
        let state = self.batches.state();
        let known = state.known(&digest).map_err(|e| disk(&e))?;
        Ok(match known.stands {
            Stands::Open(account) if !state.is_abandoned(account) => Deferral::Deferred,
            Stands::Open(_) | Stands::Closed | Stands::Live | Stands::Failed(_) => Deferral::Live,
        })
    }
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Answers came, or will not come: trials may go on.
    Progress,
    /// Everything is submitted that can be, and nobody wants to wait. So many requests are held until batches end.
    Submitted {
        /// Requests that are held.
        held: u64,
    },
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
            looking: AtomicBool::new(false),
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
        asker: &Asker,
    ) -> Result<Deferral, StopReason> {
        let mut state = self.state();
        let number = self.account(&mut state, lane, asker.account.as_ref())?;
        let known = state.known(&digest).map_err(|e| disk(&e))?;
        match known.stands {
            Stands::Failed(place) => {
                let failure = state.disk()?.register.read_failure(place);
                return failure.map(Deferral::Failed).map_err(|e| disk(&e));
            }
            Stands::Live => return Ok(Deferral::Live),
            Stands::Open(other) if !state.is_abandoned(other) => return Ok(Deferral::Deferred),
            Stands::Open(_) | Stands::Closed => {}
        }
        let open = Known {
            stands: Stands::Open(number),
            ..known
        };
        let register = &mut state.disk()?.register;
        register.set(&digest, open).map_err(|e| disk(&e))?;
        let account = &mut state.accounts[number];
        account.open += 1;
        if account.canaries.len() < CANARIES {
            account.canaries.push((request.clone(), digest));
        }
        let path = request.path_below(lane.endpoint.base_path());
        account
            .spool
            .push(&digest, (path, &request.body), asker.most_output)
            .map_err(|e| disk(&e))?;
        Ok(Deferral::Deferred)
    }

    /// A file beside the store that is gone with this process.
    ///
    /// # Errors
    /// Where the disk cannot be used.
    pub fn scratch(&self) -> Result<std::fs::File, StopReason> {
        let mut state = self.state();
        let folder = state.disk()?.folder.path();
        tempfile::tempfile_in(folder).map_err(|e| disk(&e))
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
        state.accounts.iter().map(|one| one.open).sum()
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
        for number in 0..state.accounts.len() {
            let own = |lane: &Arc<Lane>| Arc::ptr_eq(lane, &state.accounts[number].lane);
            if !lanes.iter().any(own) {
                continue;
            }
            while state.accounts[number].spool.len() > 0 {
                let spool = &mut state.accounts[number].spool;
                for waiting in spool.take(1_024, 1 << 20).map_err(|e| disk(&e))? {
                    let decided = state.decide(&waiting.digest, closed);
                    decided.map_err(|e| disk(&e))?;
                }
            }
        }
        Ok(())
    }

    /// Submits what waits, and waits until a good part of it is decided, and nothing is being read: trials that are made
    /// meanwhile would take the processor from it, and most would find no answer yet. `since` is what [`Batches::resolved`]
    /// said before the trials were made that wait now.
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
            let looking = self.looking.load(Ordering::Acquire);
            if self.outstanding() == 0 || (now.saturating_sub(since) >= part && !looking) {
                return Ok(Settled::Progress);
            }
            if self.options.detach && self.is_submitted() {
                return Ok(match now > since {
                    true => Settled::Progress,
                    false => Settled::Submitted { held: self.held() },
                });
            }
            let changed = self.run.or(resolved.changed()).await?;
            if changed.is_err() {
                return Err(StopReason::Internal("the batch lane is gone".into()));
            }
        }
    }

    /// A run begins: what its batches have cost until now is spent.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn enter(&self, payer: &budget::Account) -> Result<(), StopReason> {
        let entries = entries(&self.store)?.into_iter();
        entries
            .filter(|(_, entry)| entry.is_paid_by(payer))
            .for_each(|(_, entry)| payer.spend(entry.spent));
        Ok(())
    }

    /// A run will ask this lane by batches: what is on its way from earlier processes is known from now on.
    ///
    /// # Errors
    /// Where the disk, or the journal, cannot be used.
    pub fn know(&self, lane: &Arc<Lane>, payer: &Arc<budget::Account>) -> Result<(), StopReason> {
        self.account(&mut self.state(), lane, Some(payer)).map(drop)
    }

    /// No run listens any more.
    pub fn leave(&self, asker: &Asker) {
        self.state()
            .listeners
            .retain(|one| !one.events.same_channel(&asker.events));
    }

    /// Batches are looked at until this is let go.
    fn look_at_batches(&self) -> Looking<'_> {
        self.looking.store(true, Ordering::Release);
        Looking(self)
    }

    fn is_submitted(&self) -> bool {
        let submitted = |one: &Account| (!one.flush || one.held) && one.unseen == 0;
        self.state().accounts.iter().all(submitted)
    }

    fn held(&self) -> u64 {
        let state = self.state();
        let held = state.accounts.iter().filter(|account| account.held);
        held.map(|account| account.spool.len()).sum()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lane's account with this payer; where there is none yet, one with what the journal holds for the lane.
    fn account(
        &self,
        state: &mut State,
        lane: &Arc<Lane>,
        payer: Option<&Arc<budget::Account>>,
    ) -> Result<usize, StopReason> {
        let known = |one: &Account| {
            Arc::ptr_eq(&one.lane, lane)
                && one.payer.as_ref().map(Arc::as_ptr) == payer.map(Arc::as_ptr)
        };
        if let Some(index) = state.accounts.iter().position(known) {
            return Ok(index);
        }
        self.store.reserve_batches().map_err(StopReason::Disk)?;
        if state.disk.is_none() {
            let beside = self.store.path().parent();
            let on_disk = OnDisk::beside(beside.unwrap_or_else(|| std::path::Path::new(".")));
            state.disk = Some(on_disk.map_err(|e| disk(&e))?);
        }
        let number = state.accounts.len();
        let mut account = Account {
            lane: Arc::clone(lane),
            payer: payer.map(Arc::clone),
            spool: Spool::create(state.disk()?.folder.path()).map_err(|e| disk(&e))?,
            open: 0,
            canaries: Vec::new(),
            flush: false,
            held: false,
            found: Vec::new(),
            unseen: 0,
        };
        // What an earlier process left goes to the first that asks this lane.
        if !state
            .accounts
            .iter()
            .any(|one| Arc::ptr_eq(&one.lane, lane))
        {
            account.found = journal::of_lane(&self.store, lane)?;
        }
        for (mark, entry) in &account.found {
            account.unseen += usize::from(entry.id.is_some());
            if let Some(payer) = account
                .payer
                .as_ref()
                .filter(|payer| entry.is_paid_by(payer))
            {
                payer.hold(entry.bound);
            }
            let register = &mut state.disk()?.register;
            for digest in journal::manifest(&self.store, mark)? {
                let known = Known {
                    stands: Stands::Open(number),
                    attempts: 0,
                };
                register.set(&digest, known).map_err(|e| disk(&e))?;
                account.open += 1;
            }
        }
        state.accounts.push(account);
        Ok(number)
    }

    /// Requests are decided: their trials may go on.
    fn decide(
        &self,
        decided: impl IntoIterator<Item = Digest>,
        change: impl Fn(Known) -> Known,
    ) -> Result<(), StopReason> {
        let mut decided = decided.into_iter().peekable();
        let mut count = 0;
        // In pieces: trials that go on meanwhile ask here too.
        while decided.peek().is_some() {
            let mut state = self.state();
            for digest in decided.by_ref().take(1_024) {
                let was_open = state.decide(&digest, &change).map_err(|e| disk(&e))?;
                count += u64::from(was_open);
            }
        }
        self.resolved.send_modify(|resolved| *resolved += count);
        Ok(())
    }

    /// Requests have an answer, or may be asked again.
    fn resolve(&self, digests: impl IntoIterator<Item = Digest>) -> Result<(), StopReason> {
        self.decide(digests, closed)
    }
}

/// Batches are being looked at. Whoever waits for that to be over hears of it.
struct Looking<'b>(&'b Batches);

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.0.looking.store(false, Ordering::Release);
        self.0.resolved.send_modify(|_| {});
    }
}

pub(crate) fn disk(error: &std::io::Error) -> StopReason {
    StopReason::Disk(format!(
        "requests that wait for a batch cannot be kept beside the store: {error}; free some space, then run the same \
         command again"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    #[tokio::test(start_paused = true)]
    async fn trials_go_on_when_enough_has_come_and_nothing_is_being_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s.redb");
        let store = xhost_store::Store::open(&path, xhost_store::Options::default());
        let store = Arc::new(Store::from(store.expect("it opens")));
        let batches = Batches::new(store, Stop::default(), Options::default());
        let lane = crate::lane::tests::idle().await;
        let opened = batches.account(&mut batches.state(), &lane, None);
        batches.state().accounts[opened.expect("the disk is there")].open = 100;
        let asker = Asker::new(0, mpsc::channel(1).0);
        let settled = async || {
            let hour = Duration::from_secs(3_600);
            let settled = tokio::time::timeout(hour, batches.settle(&asker, 0)).await;
            settled
                .ok()
                .map(|settled| settled.expect("the run goes on"))
        };
        batches.resolved.send_replace(24);
        assert_eq!(settled().await, None);
        let looking = batches.look_at_batches();
        batches.resolved.send_replace(25);
        assert_eq!(settled().await, None);
        drop(looking);
        assert_eq!(settled().await, Some(Settled::Progress));
    }
}
