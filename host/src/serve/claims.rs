//! Who asks for which answer. A claim is had by one at a time; whoever wants it too waits, in order. Pure: the connections
//! tell it what happens.

use std::collections::{BTreeMap, HashMap, VecDeque};
use tokio::sync::oneshot;
use xhost_store::Digest;

/// A question of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Holder {
    pub(super) connection: u64,
    pub(super) question: u64,
}

/// What a wait came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Whoever had it gave it up.
    Yours,
    /// The answer is stored.
    Answered,
}

/// All claims of a store.
#[derive(Debug, Default)]
pub(super) struct Claims {
    by_digest: HashMap<Digest, Claim>,
    by_holder: BTreeMap<Holder, Digest>,
}

#[derive(Debug)]
struct Claim {
    holder: Holder,
    waiting: VecDeque<(Holder, oneshot::Sender<Verdict>)>,
}

impl Claims {
    /// Takes a claim; where somebody has it, what to wait for.
    pub(super) fn take(
        &mut self,
        digest: Digest,
        holder: Holder,
    ) -> Option<oneshot::Receiver<Verdict>> {
        if let Some(claim) = self.by_digest.get_mut(&digest) {
            let (sender, receiver) = oneshot::channel();
            claim.waiting.push_back((holder, sender));
            return Some(receiver);
        }
        self.give(digest, holder, VecDeque::new());
        None
    }

    fn give(
        &mut self,
        digest: Digest,
        holder: Holder,
        waiting: VecDeque<(Holder, oneshot::Sender<Verdict>)>,
    ) {
        self.by_holder.insert(holder, digest);
        self.by_digest.insert(digest, Claim { holder, waiting });
    }

    /// The answer is stored, whoever asked for it.
    pub(super) fn answered(&mut self, digest: &Digest) {
        if let Some(claim) = self.by_digest.remove(digest) {
            self.by_holder.remove(&claim.holder);
            for (_, sender) in claim.waiting {
                // Who does not wait any more needs no answer.
                let _ = sender.send(Verdict::Answered);
            }
        }
    }

    /// Its holder gives it up, or used it: then it is gone already, and may be somebody else's.
    pub(super) fn release(&mut self, holder: Holder) {
        let Some(digest) = self.by_holder.remove(&holder) else {
            return;
        };
        let Some(mut claim) = self.by_digest.remove(&digest) else {
            return;
        };
        while let Some((next, sender)) = claim.waiting.pop_front() {
            if sender.send(Verdict::Yours).is_ok() {
                return self.give(digest, next, claim.waiting);
            }
        }
    }

    /// A connection ended. Its own waits must have been dropped before.
    pub(super) fn leave(&mut self, connection: u64) {
        let first = |connection| Holder {
            connection,
            question: 0,
        };
        let own = self
            .by_holder
            .range(first(connection)..first(connection + 1));
        let own: Vec<Holder> = own.map(|(holder, _)| *holder).collect();
        own.into_iter().for_each(|holder| self.release(holder));
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.by_digest.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(connection: u64, question: u64) -> Holder {
        Holder {
            connection,
            question,
        }
    }

    fn digest(number: u8) -> Digest {
        Digest::from_bytes([number; 32])
    }

    #[test]
    fn a_claim_passes_to_the_next_who_still_waits() {
        let mut claims = Claims::default();
        assert!(claims.take(digest(1), holder(1, 1)).is_none());
        let gone = claims.take(digest(1), holder(2, 1)).expect("it is taken");
        let mut waits = claims.take(digest(1), holder(3, 1)).expect("it is taken");
        drop(gone);
        assert!(waits.try_recv().is_err(), "not yet");
        claims.release(holder(1, 1));
        assert_eq!(waits.try_recv(), Ok(Verdict::Yours));
        // What the first one says of a claim that it has no more changes nothing.
        claims.release(holder(1, 1));
        assert!(claims.take(digest(1), holder(1, 2)).is_some());
        assert_eq!(claims.len(), 1);
    }

    #[test]
    fn an_answer_ends_a_claim_for_all_who_wait() {
        let mut claims = Claims::default();
        claims.take(digest(1), holder(1, 1));
        let waits = [2, 3].map(|one| claims.take(digest(1), holder(one, 1)).expect("taken"));
        claims.answered(&digest(1));
        for mut wait in waits {
            assert_eq!(wait.try_recv(), Ok(Verdict::Answered));
        }
        assert!(claims.take(digest(1), holder(4, 1)).is_none(), "it is free");
    }

    #[test]
    fn whoever_dies_leaves_nothing_claimed() {
        let mut claims = Claims::default();
        for number in 0..10 {
            claims.take(digest(number), holder(1, u64::from(number)));
        }
        let mut wait = claims.take(digest(3), holder(2, 7)).expect("taken");
        claims.leave(1);
        assert_eq!(wait.try_recv(), Ok(Verdict::Yours));
        assert_eq!(claims.len(), 1);
        // It died between the verdict and its use.
        claims.leave(2);
        assert_eq!((claims.len(), claims.by_holder.len()), (0, 0));
    }
}
