//! `batches.json` in a run's folder: where its batches stand, for whoever looks while another process holds the store.

use crate::event::Event;
use crate::prices::Money;
use crate::results::Folder;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The file's name.
pub const BATCHES: &str = "batches.json";

/// A batch as the file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The model.
    pub model: String,
    /// `submitted`, `running`, `ingested`, `failed` or `cancelled`.
    pub state: String,
    /// Its requests.
    pub requests: u64,
    /// Those that the provider is done with, as far as it says.
    pub done: u64,
    /// Those that failed.
    pub failed: u64,
    /// When it was submitted, in milliseconds since 1970-01-01 UTC.
    pub since_ms: u64,
    /// What its answers cost that were read so far, in dollars; none where a price is not known.
    #[serde(default)]
    pub cost_usd: Option<Money>,
}

impl Line {
    /// Whether it may still become something.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state.as_str(), "submitted" | "running")
    }
}

/// Writes down in a run's folder that a batch was cancelled, with so many answers.
///
/// # Errors
/// Where the disk refuses.
pub fn note_cancelled(
    folder: &Path,
    id: &str,
    answers: u64,
    cost_usd: Option<Money>,
) -> io::Result<()> {
    let path = folder.join(BATCHES);
    let mut lines: BTreeMap<String, Line> = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let Some(line) = lines.get_mut(id) else {
        return Ok(());
    };
    line.state = "cancelled".to_owned();
    line.done = answers;
    line.failed = line.requests.saturating_sub(answers);
    line.cost_usd = cost_usd;
    crate::results::write_whole(folder, BATCHES, &lines)
}

/// All batches of the run, by their ids.
#[derive(Debug, Default)]
pub(super) struct Batches {
    lines: BTreeMap<String, Line>,
}

impl Batches {
    /// Takes what happened to a batch, and writes the file anew.
    pub fn note(&mut self, event: &Event, folder: &Folder) -> io::Result<()> {
        let Event::Batch {
            id,
            model,
            state,
            requests,
            done,
            failed,
            since_ms,
            cost_usd,
        } = event
        else {
            return Ok(());
        };
        if self.lines.is_empty() {
            let earlier = std::fs::read(folder.file(BATCHES)).ok();
            let earlier = earlier.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            self.lines = earlier.unwrap_or_default();
        }
        let line = Line {
            model: model.clone(),
            state: (*state).to_owned(),
            requests: *requests,
            done: *done,
            failed: *failed,
            since_ms: *since_ms,
            cost_usd: *cost_usd,
        };
        if self.lines.get(id) == Some(&line) {
            return Ok(());
        }
        self.lines.insert(id.clone(), line);
        folder.write(BATCHES, &self.lines)
    }
}
