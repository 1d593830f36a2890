//! The outward half of the loop: what was begun and is not sent yet, what waits, and the canary before it.

use super::Batches;
use super::engine::{Desk, Travelling, chance};
use super::journal::{self, Entry, Stage};
use super::submit::{Pending, Tried, now_ms};
use crate::event::Event;
use crate::lane::CallFailure;
use crate::record::{Cause, TrialFailure};
use crate::stop::StopReason;
use std::time::Instant;

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
                let (cause, message) = desk.lane.explain(fault);
                let digests = pending.packed.map(|packed| packed.digests);
                let failure = TrialFailure::new(cause, message);
                self.fail_all(desk.account, digests.unwrap_or_default(), &failure);
            }
            Tried::Absent(digests) => self.resolve(desk.account, digests),
        }
        Ok(())
    }

    /// Sends what waits, where a run has given all that it has, and there is room.
    pub(super) async fn send_waiting(&self, desk: &mut Desk) -> Result<(), StopReason> {
        loop {
            let (flush, waiting) = {
                let state = self.state();
                let account = &state.accounts[desk.account];
                (account.flush, account.spool.len())
            };
            if !flush || !desk.pending.is_empty() || self.is_held(desk) {
                return Ok(());
            }
            if waiting == 0 {
                self.state().accounts[desk.account].flush = false;
                self.resolved.send_modify(|_| {});
                return Ok(());
            }
            if waiting >= CANARY_FROM && !desk.canaried {
                desk.canaried = true;
                self.canary(desk).await?;
            }
            let enqueued: u64 = desk.travelling.iter().map(|one| one.entry.tokens).sum();
            let room = desk.token_room.saturating_sub(enqueued);
            if room == 0 || (enqueued > 0 && room < desk.token_room / 8) {
                // The rest is held until a batch ends.
                return Ok(());
            }
            self.send_next(desk, room).await?;
        }
    }

    fn is_held(&self, desk: &mut Desk) -> bool {
        if desk.hold_until.is_some_and(|until| until > Instant::now()) {
            return true;
        }
        desk.hold_until = None;
        false
    }

    async fn send_next(&self, desk: &mut Desk, room: u64) -> Result<(), StopReason> {
        let began = Instant::now();
        let (packed, too_large) = self.pack(desk.account, room).await?;
        if !too_large.is_empty() {
            let message = "the request is larger than a batch may be: run it with `--mode live`";
            let failure = TrialFailure::new(Cause::Rejected, message.into());
            self.fail_all(desk.account, too_large, &failure);
        }
        let Some(packed) = packed else {
            return Ok(());
        };
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

    /// One request, live. Three refusals in a row are not the samples' fault.
    async fn canary(&self, desk: &mut Desk) -> Result<(), StopReason> {
        let (candidates, asker) = {
            let mut state = self.state();
            let candidates = std::mem::take(&mut state.accounts[desk.account].canaries);
            (candidates, state.listeners.first().cloned())
        };
        let Some(asker) = asker else { return Ok(()) };
        let mut refused = None;
        let all = candidates.len();
        for (index, (request, digest)) in candidates.into_iter().enumerate() {
            match desk.lane.ask(&request, digest, &self.run, &asker).await {
                Ok(fresh) => {
                    let entry = xhost_store::Entry {
                        request: Some(request.stored()),
                        ..(digest, fresh.answer).into()
                    };
                    let stored = Batches::put(&self.store, vec![entry]).await;
                    let stored = stored.unwrap_or_else(|e| Err(e.to_string()));
                    stored.map_err(StopReason::Disk)?;
                    self.resolve(desk.account, [digest]);
                    return Ok(());
                }
                Err(CallFailure::Stopped(reason)) => return Err(reason),
                Err(CallFailure::Deferred) => return Ok(()),
                Err(CallFailure::Trial(failure)) => {
                    let final_one = index + 1 == all && failure.cause == Cause::Rejected;
                    self.fail_all(desk.account, vec![digest], &failure);
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
