//! The outward half of the loop: what was begun and is not sent yet, what waits, and the canary before it.

use super::Batches;
use super::engine::{Desk, Travelling, chance};
use super::journal::{self, Entry, Stage};
use super::pack::{Held, Packed, Packing};
use super::submit::{Pending, Tried, now_ms};
use crate::budget::{self, Amount};
use crate::event::Event;
use crate::lane::{Asker, CallFailure};
use crate::record::{Cause, TrialFailure};
use crate::stop::StopReason;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// From so many requests on, one goes live first: a bad parameter then costs one call and not a day.
const CANARY_FROM: u64 = 100;

impl Batches {
    pub(super) async fn send_pending(&self, desk: &mut Desk) -> Result<(), StopReason> {
        let now = Instant::now();
        for pending in std::mem::take(&mut desk.pending) {
            if pending.not_before > now {
                desk.pending.push(pending);
            } else {
                self.send_one(desk, pending).await?;
            }
        }
        Ok(())
    }

    async fn send_one(&self, desk: &mut Desk, pending: Pending) -> Result<(), StopReason> {
        match self.try_submit(&desk.lane, pending).await? {
            Tried::Later(pending) => desk.pending.push(pending),
            Tried::Submitted(pending) => {
                let one = Travelling::new(pending.mark, pending.entry);
                self.tell(&one, "submitted", 0, 0).await;
                desk.travelling.push(one);
            }
            Tried::Refused(pending, fault) => {
                self.release(desk.account, &pending.entry);
                let (cause, message) = desk.lane.explain(fault);
                let digests = pending.packed.map(|packed| packed.digests);
                let failure = TrialFailure::new(cause, message);
                self.fail_all(digests.unwrap_or_default(), &failure)?;
            }
            Tried::Absent(pending, digests) => {
                self.release(desk.account, &pending.entry);
                self.resolve(digests)?;
            }
        }
        Ok(())
    }

    /// Sends what waits, where a run has given all that it has, and there is room.
    pub(super) async fn send_waiting(&self, desk: &mut Desk) -> Result<(), StopReason> {
        loop {
            let waiting = {
                let mut state = self.state();
                let account = &mut state.accounts[desk.account];
                account.held = false;
                if !account.flush || !desk.pending.is_empty() {
                    return Ok(());
                }
                let waiting = account.spool.len();
                account.flush = waiting > 0;
                waiting
            };
            if waiting == 0 {
                return Ok(());
            }
            if waiting >= CANARY_FROM && !desk.canaried {
                desk.canaried = true;
                self.canary(desk).await?;
            }
            if self.is_held(desk) || !self.send_next(desk).await? {
                self.state().accounts[desk.account].held = true;
                return Ok(());
            }
        }
    }

    fn is_held(&self, desk: &mut Desk) -> bool {
        if desk.hold_until.is_some_and(|until| until > Instant::now()) {
            return true;
        }
        desk.hold_until = None;
        false
    }

    /// Packs and sends the next batch. Whether there was room for one.
    async fn send_next(&self, desk: &mut Desk) -> Result<bool, StopReason> {
        let began = Instant::now();
        let enqueued: u64 = desk.travelling.iter().map(|one| one.entry.tokens).sum();
        let room = desk.token_room.saturating_sub(enqueued);
        if room == 0 || (enqueued > 0 && room < desk.token_room / 8) {
            return Ok(false);
        }
        let Packing {
            packed,
            too_large,
            held,
        } = self.pack(desk.account, room).await?;
        if !too_large.is_empty() {
            let message = "the request is larger than a batch may be: run it with `--mode live`";
            let failure = TrialFailure::new(Cause::Rejected, message.into());
            self.fail_all(too_large, &failure)?;
        }
        match (packed, held) {
            (Some(packed), _) => self.send_packed(desk, packed, began).await.map(|()| true),
            (None, None) => Ok(true),
            // What is on its way may turn out cheaper.
            (None, Some(Held::ForGood(refusal))) if desk.travelling.is_empty() => {
                Err(refusal.into())
            }
            (None, Some(_)) => {
                desk.hold_until = Some(Instant::now() + Duration::from_secs(1));
                Ok(false)
            }
        }
    }

    async fn send_packed(
        &self,
        desk: &mut Desk,
        packed: Packed,
        began: Instant,
    ) -> Result<(), StopReason> {
        let payer = self.payer(desk.account);
        let entry = Entry {
            stage: Stage::Planned,
            provider: desk.lane.provider.plugin.name().into(),
            endpoint: desk.lane.endpoint.name().into(),
            base_path: desk.lane.endpoint.base_path().into(),
            model: desk.lane.model.to_string(),
            requests: packed.digests.len() as u64,
            bytes: packed.bytes,
            tokens: packed.tokens,
            since_ms: now_ms(),
            id: None,
            candidates: Vec::new(),
            unproven: false,
            run: payer.map(|payer| payer.name().to_owned()),
            bound: packed.bound,
            spent: Amount::default(),
        };
        let mark = new_mark(&packed.digests);
        journal::plan(&self.store, &mark, &entry, &packed.digests)?;
        let pending = Pending {
            mark,
            entry,
            packed: Some(packed),
            tries: 0,
            not_before: began,
            doubt: false,
        };
        let packing_ms = began.elapsed().as_millis() as u64;
        self.emit(|| Event::BatchPacked {
            model: desk.lane.model.to_string(),
            requests: pending.entry.requests,
            bytes: pending.entry.bytes,
            took_ms: packing_ms,
        })
        .await;
        self.send_one(desk, pending).await
    }

    pub(super) fn payer(&self, account: usize) -> Option<Arc<budget::Account>> {
        self.state().accounts[account].payer.clone()
    }

    /// What a batch may cost is not reserved any more.
    pub(super) fn release(&self, account: usize, entry: &Entry) {
        if let Some(payer) = self.payer(account).filter(|payer| entry.is_paid_by(payer)) {
            payer.release(entry.bound);
        }
    }

    /// One request, live. Three refusals in a row are not the samples' fault.
    async fn canary(&self, desk: &mut Desk) -> Result<(), StopReason> {
        let (candidates, asker) = {
            let mut state = self.state();
            let candidates = std::mem::take(&mut state.accounts[desk.account].canaries);
            (candidates, state.listeners.first().cloned())
        };
        let Some(asker) = asker else { return Ok(()) };
        let asker = Asker {
            account: self.payer(desk.account),
            ..asker
        };
        let mut refused = None;
        let all = candidates.len();
        for (index, (request, digest)) in candidates.into_iter().enumerate() {
            match desk.lane.ask(&request, digest, &self.run, &asker).await {
                Ok(fresh) => {
                    let entry = xhost_store::Entry {
                        request: Some(request.stored()),
                        ..(digest, fresh.answer).into()
                    };
                    let stored = Batches::put(&self.store, vec![entry], None).await;
                    let stored = stored.unwrap_or_else(|e| Err(e.to_string()));
                    stored.map_err(StopReason::Disk)?;
                    return self.resolve([digest]);
                }
                Err(CallFailure::Stopped(reason)) => return Err(reason),
                Err(CallFailure::Deferred) => return Ok(()),
                Err(CallFailure::Trial(failure)) => {
                    let final_one = index + 1 == all && failure.cause == Cause::Rejected;
                    self.fail_all([digest], &failure)?;
                    if failure.cause != Cause::Rejected {
                        return Ok(());
                    }
                    refused = final_one.then_some(failure.message);
                }
            }
        }
        refused.map_or(Ok(()), |message| {
            Err(StopReason::Experiment(format!(
                "nothing was submitted: the first requests, sent live to see whether they are right, were all refused: \
                 {message}"
            )))
        })
    }
}

/// A name that no other batch has: it follows from the requests, the instant and chance.
fn new_mark(digests: &[xhost_store::Digest]) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("xhost batch mark v1");
    for digest in digests {
        hasher.update(digest.as_bytes());
    }
    hasher.update(&now_ms().to_le_bytes());
    hasher.update(&chance().to_le_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}
