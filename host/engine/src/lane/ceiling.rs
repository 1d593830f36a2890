//! The most calls in flight, over all lanes of the process. It can be moved while calls are in flight: the governor of the
//! memory and `xhost limits` do so. Permits are given in the order in which they were asked for, so no lane starves.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A limit that can be moved. Shared by the lanes and by whoever moves it.
#[derive(Debug)]
pub struct Ceiling {
    permits: Arc<Semaphore>,
    limit: AtomicUsize,
    /// Permits that are to vanish when they come back: the limit was lowered while they were out.
    owed: Mutex<usize>,
}

/// One call may be in flight as long as this lives.
#[derive(Debug)]
pub struct Permit {
    ceiling: Arc<Ceiling>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Ceiling {
    /// A ceiling of so many calls, at least one.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Ceiling> {
        let limit = Self::sensible(limit);
        Arc::new(Ceiling {
            permits: Arc::new(Semaphore::new(limit)),
            limit: AtomicUsize::new(limit),
            owed: Mutex::new(0),
        })
    }

    /// The most calls in flight.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Moves the limit, to one call at least. Calls in flight are let finish: a lower limit holds when enough of them have.
    pub fn set_limit(&self, limit: usize) {
        let limit = Self::sensible(limit);
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.limit.swap(limit, Ordering::Relaxed);
        if let Some(more) = limit.checked_sub(before) {
            let forgiven = more.min(*owed);
            *owed -= forgiven;
            self.permits.add_permits(more - forgiven);
        } else {
            let fewer = before - limit;
            *owed += fewer - self.permits.forget_permits(fewer);
        }
    }

    /// Waits for a permit.
    pub async fn acquire(self: &Arc<Ceiling>) -> Permit {
        // The semaphore is never closed; without a permit of its own, the call would only not be counted.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        Permit {
            ceiling: Arc::clone(self),
            permit,
        }
    }

    fn sensible(limit: usize) -> usize {
        limit.clamp(1, Semaphore::MAX_PERMITS)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut owed = self
            .ceiling
            .owed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *owed > 0
            && let Some(permit) = self.permit.take()
        {
            *owed -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn take(ceiling: &Arc<Ceiling>) -> Option<Permit> {
        ceiling.acquire().now_or_never()
    }

    #[test]
    fn a_lower_limit_holds_as_soon_as_enough_calls_have_ended() {
        let ceiling = Ceiling::new(3);
        let mut out: Vec<_> = (0..3).filter_map(|_| take(&ceiling)).collect();
        assert_eq!((out.len(), take(&ceiling).is_some()), (3, false));
        ceiling.set_limit(1);
        out.pop();
        assert!(take(&ceiling).is_none(), "two are still out");
        out.pop();
        assert!(take(&ceiling).is_none(), "one is still out");
        out.pop();
        let last = take(&ceiling);
        assert!(last.is_some() && take(&ceiling).is_none(), "one may leave");
    }

    #[test]
    fn a_higher_limit_holds_at_once_and_forgives_what_is_owed() {
        let ceiling = Ceiling::new(4);
        let out: Vec<_> = (0..4).filter_map(|_| take(&ceiling)).collect();
        ceiling.set_limit(2);
        ceiling.set_limit(5);
        assert_eq!(ceiling.limit(), 5);
        let fifth = take(&ceiling);
        assert!(fifth.is_some() && take(&ceiling).is_none());
        drop((out, fifth));
        let all: Vec<_> = (0..9).filter_map(|_| take(&ceiling)).collect();
        assert_eq!(all.len(), 5);
    }

    #[test]
    fn nothing_stops_for_ever() {
        let ceiling = Ceiling::new(0);
        ceiling.set_limit(0);
        assert!(take(&ceiling).is_some());
    }
}
