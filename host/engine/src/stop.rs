//! Ending early. Whoever finds that a run, or one model of it, cannot go on says so here once; everybody who waits for
//! something looks here too. The first reason wins. Calls that are in flight are let finish: they are paid for.

use tokio::sync::watch;

/// Why no further call leaves. Each has its own exit code and says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    /// Ctrl-C, or a request to terminate.
    #[error("interrupted")]
    Interrupted,
    /// Everything is submitted, and nobody wanted to wait.
    #[error("{0}")]
    Detached(String),
    /// A credential is needed and not there.
    #[error("{0}")]
    MissingKey(String),
    /// The provider refuses the credential.
    #[error("{0}")]
    Denied(String),
    /// Credit or quota is used up.
    #[error("{0}")]
    Exhausted(String),
    /// The server cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// Nothing may be asked for, and an answer is not there.
    #[error("{0}")]
    Missing(String),
    /// The store, or a result file, cannot be written.
    #[error("{0}")]
    Disk(String),
    /// The budget of the run is used up.
    #[error("{0}")]
    Budget(String),
    /// This program is at fault.
    #[error("internal error: {0}; please report it")]
    Internal(String),
    /// The experiment asks for something that no trial can do.
    #[error("{0}")]
    Experiment(String),
}

/// One switch. Cheap to clone; every clone is the same switch.
#[derive(Clone, Debug)]
pub struct Stop {
    reason: watch::Sender<Option<StopReason>>,
}

impl Default for Stop {
    fn default() -> Stop {
        Stop {
            reason: watch::Sender::new(None),
        }
    }
}

impl Stop {
    /// Ends it, unless it has ended already.
    pub fn request(&self, reason: StopReason) {
        self.reason.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(reason);
            }
            first
        });
    }

    /// The reason, if it has ended.
    #[must_use]
    pub fn reason(&self) -> Option<StopReason> {
        self.reason.borrow().clone()
    }

    /// Waits until it ends.
    pub async fn requested(&self) -> StopReason {
        let mut watcher = self.reason.subscribe();
        loop {
            if let Some(reason) = watcher.borrow_and_update().clone() {
                return reason;
            }
            if watcher.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// `work`, or the reason that came first.
    ///
    /// # Errors
    /// The reason.
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Result<T, StopReason> {
        tokio::select! {
            biased;
            reason = self.requested() => Err(reason),
            value = work => Ok(value),
        }
    }
}
