//! What the store's journal says about batches. Two entries for each: a short one with where it stands, which stays, and
//! the digests of its requests, which go when their answers are in the store.
//!
//! ```text
//! batch/MARK          the entry, JSON
//! batch-lines/MARK    the digests, 32 bytes each
//! ```

use crate::budget::{self, Amount};
use crate::lane::Lane;
use crate::stop::StopReason;
use crate::store::Store;
use serde::{Deserialize, Serialize};
use xhost_store::{Change, Digest};

const ENTRY: &str = "batch/";
const LINES: &str = "batch-lines/";

/// Where a batch stands. Each is committed before the next act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Its requests are chosen; nothing was sent.
    Planned,
    /// It may have been sent.
    Submitting,
    /// The provider has it under `id`.
    Submitted,
    /// The provider is done with it.
    Ended,
    /// All that it held is in the store.
    Ingested,
    /// The provider refused it as a whole, or never had it.
    Dropped,
}

/// One batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it stands.
    pub stage: Stage,
    /// The provider plugin's name.
    pub provider: String,
    /// What stands for the server in digests.
    pub endpoint: String,
    /// The path of the base URL.
    pub base_path: String,
    /// The model.
    pub model: String,
    /// How many requests.
    pub requests: u64,
    /// How many bytes the upload had.
    pub bytes: u64,
    /// About how many tokens its prompts have.
    pub tokens: u64,
    /// When it was last begun to be sent, in milliseconds since 1970-01-01 UTC.
    pub since_ms: u64,
    /// The provider's name for it.
    pub id: Option<String>,
    /// Other batches that may be it, where the provider keeps no name of ours. Its lines decide.
    #[serde(default)]
    pub candidates: Vec<String>,
    /// Whether only its lines can prove that `id` is ours.
    #[serde(default)]
    pub unproven: bool,
    /// The run that pays for it: its folder.
    #[serde(default)]
    pub run: Option<String>,
    /// The most that it can cost.
    #[serde(default)]
    pub bound: Amount,
    /// What the answers cost that were read so far. Changed in the commits of these answers, so each is counted once.
    #[serde(default)]
    pub spent: Amount,
}

impl Entry {
    /// Whether it belongs to this account and model.
    #[must_use]
    pub fn is_of(&self, lane: &Lane) -> bool {
        self.provider == lane.provider.plugin.name()
            && self.endpoint == lane.endpoint.name()
            && self.base_path == lane.endpoint.base_path()
            && self.model == *lane.model
    }

    /// Whether this run pays for it.
    #[must_use]
    pub fn is_paid_by(&self, payer: &budget::Account) -> bool {
        self.run.as_deref() == Some(payer.name())
    }

    /// Whether the provider may still have something for us.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self.stage {
            Stage::Planned | Stage::Submitting | Stage::Submitted | Stage::Ended => true,
            Stage::Ingested | Stage::Dropped => false,
        }
    }
}

/// All batches that the journal knows, by their marks.
///
/// # Errors
/// Where the journal cannot be read.
pub fn entries(store: &Store) -> Result<Vec<(String, Entry)>, StopReason> {
    let (mut entries, mut after) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let page = store
            .journal_scan(ENTRY.as_bytes(), after.as_deref(), 256)
            .map_err(|e| StopReason::Disk(e.to_string()))?;
        let Some((last, _)) = page.last() else {
            return Ok(entries);
        };
        after = Some(last.clone());
        for (key, value) in page {
            let mark = String::from_utf8_lossy(&key[ENTRY.len()..]).into_owned();
            let entry = serde_json::from_slice(&value).map_err(|e| {
                StopReason::Disk(format!(
                    "the journal's entry for the batch {mark} cannot be read: {e}"
                ))
            })?;
            entries.push((mark, entry));
        }
    }
}

/// The lane's batches that are not done with. One that was never begun to be sent is forgotten: nothing of it left.
pub(super) fn of_lane(store: &Store, lane: &Lane) -> Result<Vec<(String, Entry)>, StopReason> {
    let mut open = Vec::new();
    for (mark, entry) in entries(store)? {
        if !entry.is_of(lane) || !entry.is_open() {
            continue;
        }
        if entry.stage == Stage::Planned {
            forget(store, &mark)?;
        } else {
            open.push((mark, entry));
        }
    }
    Ok(open)
}

/// The digests of a batch's requests.
pub(super) fn manifest(store: &Store, mark: &str) -> Result<Vec<Digest>, StopReason> {
    let key = format!("{LINES}{mark}");
    let value = store
        .journal_get(key.as_bytes())
        .map_err(|e| StopReason::Disk(e.to_string()))?
        .unwrap_or_default();
    let digests = value.chunks_exact(32);
    Ok(digests
        .map(|bytes| Digest::from_bytes(std::array::from_fn(|index| bytes[index])))
        .collect())
}

/// A new batch with its requests.
pub(super) fn plan(
    store: &Store,
    mark: &str,
    entry: &Entry,
    digests: &[Digest],
) -> Result<(), StopReason> {
    let lines = digests.iter().flat_map(|digest| *digest.as_bytes());
    write(
        store,
        &[
            Change::Put {
                key: format!("{LINES}{mark}").into_bytes(),
                value: lines.collect(),
            },
            put(mark, entry)?,
        ],
    )
}

/// Where a batch stands from now on.
pub(super) fn note(store: &Store, mark: &str, entry: &Entry) -> Result<(), StopReason> {
    let mut changes = vec![put(mark, entry)?];
    if !entry.is_open() {
        changes.push(Change::Delete {
            key: format!("{LINES}{mark}").into_bytes(),
        });
    }
    write(store, &changes)
}

fn forget(store: &Store, mark: &str) -> Result<(), StopReason> {
    let keys = [format!("{ENTRY}{mark}"), format!("{LINES}{mark}")];
    let changes = keys.map(|key| Change::Delete {
        key: key.into_bytes(),
    });
    write(store, &changes)
}

/// The change that says where a batch stands.
pub(super) fn put(mark: &str, entry: &Entry) -> Result<Change, StopReason> {
    let value = serde_json::to_vec(entry).map_err(|e| StopReason::Internal(e.to_string()))?;
    Ok(Change::Put {
        key: format!("{ENTRY}{mark}").into_bytes(),
        value,
    })
}

fn write(store: &Store, changes: &[Change]) -> Result<(), StopReason> {
    guarded(|| store.journal(changes))
        .map_err(|error| StopReason::Disk(crate::disk::advise(store, &error)))
}

/// Every commit that changes the journal goes through here.
pub(super) fn guarded<T>(commit: impl FnOnce() -> T) -> T {
    #[cfg(debug_assertions)]
    crash::point("before");
    let committed = commit();
    #[cfg(debug_assertions)]
    crash::point("after");
    committed
}

/// For the crash matrix, and only in builds for tests: the process dies at the n-th change of the journal.
#[cfg(debug_assertions)]
mod crash {
    use std::sync::atomic::{AtomicU32, Ordering};

    static COUNT: AtomicU32 = AtomicU32::new(0);

    pub(super) fn point(side: &str) {
        let count = match side {
            "before" => COUNT.fetch_add(1, Ordering::SeqCst) + 1,
            _ => COUNT.load(Ordering::SeqCst),
        };
        if crate::secret::test_variable("XHOST_TEST_ABORT").as_deref()
            == Some(&format!("{side}:{count}"))
        {
            std::process::abort();
        }
    }
}
