//! redb's handle on the file: contains its panics, and opens the file once more, for reads, after a failed commit.

use crate::view::{Kept, View};
use redb::{Database, StorageError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};

/// Opens the file.
pub(crate) type Opener = Box<dyn Fn() -> Result<Database, redb::Error> + Send + Sync>;

pub(crate) struct Handle {
    state: RwLock<State>,
    /// Of the database in `state`, and given up before that one is.
    kept: Kept,
    opener: Opener,
}

enum State {
    First(Database),
    /// Opened once more, or nothing where that failed.
    Again(Option<Database>),
}

impl Handle {
    /// Opens the file for the first time.
    pub(crate) fn open(opener: Opener) -> Result<Handle, redb::Error> {
        let database = guarded(&opener)?;
        Ok(Handle {
            state: RwLock::new(State::First(database)),
            kept: Kept::default(),
            opener,
        })
    }

    /// Does something with the database. Many do at once.
    pub(crate) fn with<T>(
        &self,
        act: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::First(database) | State::Again(Some(database)) => guarded(|| act(database)),
            State::Again(None) => Err(redb::Error::PreviousIo),
        }
    }

    /// What reads look into now. To be called, and let go, within [`Handle::with`].
    pub(crate) fn view(&self, database: &Database) -> Result<Arc<View>, redb::Error> {
        self.kept.view(database)
    }

    /// A commit, one at a time: whoever reads after it sees it.
    pub(crate) fn commit<T>(
        &self,
        act: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        self.kept.begin_commit();
        let result = self.with(act);
        self.kept.end_commit();
        result
    }

    /// Opens the file once more, and makes it ready; the second time, nothing happens.
    pub(crate) fn open_again(&self, ready: impl Fn(&Database) -> Result<(), redb::Error>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::First(_)) {
            // The old handle goes first: it has the lock. A view would keep it from going.
            self.kept.let_go();
            *state = State::Again(None);
            let opened = guarded(&self.opener).and_then(|database| {
                guarded(|| ready(&database))?;
                Ok(database)
            });
            *state = State::Again(opened.ok());
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.kept.let_go();
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let state = std::mem::replace(state, State::Again(None));
        // redb writes at the close, and meets damage there too; what was acknowledged is on disk already.
        let _ = guarded(|| {
            drop(state);
            Ok(())
        });
    }
}

/// redb may panic on a file that was changed behind its back: that is an error of the file, and not the end of the run.
/// Nothing is used after a panic that it could have left half changed: a commit that fails stops the store.
pub(crate) fn guarded<T>(act: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(corrupted(
            text.or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("redb panicked"),
        ))
    })
}

pub(crate) fn corrupted(what: &str) -> redb::Error {
    StorageError::Corrupted(what.to_owned()).into()
}
