//! What reads look into: the tables as the last commit left them, kept open from one read to the next. To open them takes as
//! long as to look something up in them. Never outlives redb's handle, nor what a later commit has made.

use crate::tables::{INDEX, RECORDS};
use redb::{Database, ReadOnlyTable, ReadableDatabase};
use std::sync::{Arc, PoisonError, RwLock};

/// The tables that every read of an answer needs, as one commit left them.
pub(crate) struct View {
    pub(crate) index: ReadOnlyTable<&'static [u8; 32], u64>,
    pub(crate) records: ReadOnlyTable<u64, &'static [u8]>,
}

/// The view that is kept.
#[derive(Default)]
pub(crate) struct Kept(RwLock<State>);

#[derive(Default)]
struct State {
    /// How many commits there were: a view from before one is not kept after it.
    commits: u64,
    /// While there is one, each read opens the tables for itself: two reads of one thread, a view from before the commit and
    /// one from after it between them, could otherwise see the commit and then not.
    committing: bool,
    view: Option<Arc<View>>,
}

impl Kept {
    /// The tables as they are now: every commit that was acknowledged is in them.
    pub(crate) fn view(&self, database: &Database) -> Result<Arc<View>, redb::Error> {
        let commits = {
            let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(view) = &state.view {
                return Ok(Arc::clone(view));
            }
            state.commits
        };
        let read = database.begin_read()?;
        let view = Arc::new(View {
            index: read.open_table(INDEX)?,
            records: read.open_table(RECORDS)?,
        });
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !state.committing && state.commits == commits {
            state.view = Some(Arc::clone(&view));
        }
        Ok(view)
    }

    /// Lets go of what is kept: it keeps pages from being used again, and the handle from being closed.
    pub(crate) fn let_go(&self) {
        self.change(|_| {});
    }

    /// A commit begins.
    pub(crate) fn begin_commit(&self) {
        self.change(|state| state.committing = true);
    }

    /// A commit has ended, well or not, and nobody was told yet.
    pub(crate) fn end_commit(&self) {
        self.change(|state| {
            state.committing = false;
            state.commits += 1;
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        state.view = None;
        change(&mut state);
    }
}
