//! What a call did besides its result, for those who write plugins: `authoring` asks for it, a run never does.

use super::load::Plugin;
use super::sandbox::Sandbox;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::Store;

/// What one call did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Instructions, as wasmtime counts them, host calls priced in.
    pub fuel: u64,
    /// The most bytes of linear memory that the instance had.
    pub memory: usize,
    /// What the guest logged and wrote to stderr, in full (64 KiB at most), without control characters.
    pub output: String,
}

/// Holds the trace of the last call.
#[derive(Clone, Debug, Default)]
pub struct Observer(Arc<Mutex<Trace>>);

impl Observer {
    /// The trace of the last call that ended.
    #[must_use]
    pub fn last(&self) -> Trace {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Looks at an instance before it is gone. `budget` is the fuel that it began with.
    pub(super) fn look(&self, store: &Store<Sandbox>, budget: u64) {
        let trace = Trace {
            fuel: budget.saturating_sub(store.get_fuel().unwrap_or(0)),
            memory: store.data().memory_peak(),
            output: store.data().stderr(),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = trace;
    }
}

impl Plugin {
    /// The same plugin, and what tells of its calls.
    #[must_use]
    pub fn observed(&self) -> (Plugin, Observer) {
        let observer = Observer::default();
        let plugin = Plugin {
            observer: Some(observer.clone()),
            ..self.clone()
        };
        (plugin, observer)
    }
}
