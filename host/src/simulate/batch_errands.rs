//! Looking at batches, listing them page by page, and cancelling them: alike in every dialect but for the words.

use super::batches::Batch;
use super::{Dialect, Refusal, Shared};
use axum::response::Response;
use serde_json::{Value, json};
use std::time::SystemTime;

/// Batches of a page where the client does not say.
const USUAL: usize = 20;

/// The words of a dialect.
pub(super) struct Words {
    pub dialect: Dialect,
    /// The parameter after whose batch a page begins.
    pub cursor: &'static str,
    /// Batches of a page at most.
    pub most: usize,
    pub object: fn(&Batch) -> Value,
    pub missing: fn(&str) -> Refusal,
    /// Why a batch that has ended is not cancelled.
    pub ended: fn() -> Refusal,
}

impl Words {
    /// One batch as it is now.
    pub(super) fn batch(&self, shared: &Shared, id: &str) -> Result<Response, Refusal> {
        shared.batches.settle(shared, id);
        let state = shared.batches.state();
        let found = state.batches.iter().find(|batch| batch.id == id);
        let batch = found.ok_or_else(|| (self.missing)(id))?;
        Ok(super::json(200, &(self.object)(batch)))
    }

    /// A page of batches, newest first.
    pub(super) fn list(&self, shared: &Shared, query: &str) -> Result<Response, Refusal> {
        let value = |name: &str| {
            url::form_urlencoded::parse(query.as_bytes())
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        let limit = match value("limit") {
            None => USUAL,
            Some(text) => self.limit(&text)?,
        };
        let mut ids = self.newest_first(shared);
        ids.iter().for_each(|id| shared.batches.settle(shared, id));
        if let Some(after) = value(self.cursor) {
            let at = ids.iter().position(|id| *id == after);
            ids.drain(..at.map_or(ids.len(), |at| at + 1));
        }
        let more = ids.len() > limit;
        ids.truncate(limit);
        let state = shared.batches.state();
        let batches = state.batches.iter().rev();
        let data: Vec<Value> = batches
            .filter(|batch| ids.contains(&batch.id))
            .map(self.object)
            .collect();
        let mut page = json!({
            "data": data, "first_id": ids.first(), "last_id": ids.last(), "has_more": more,
        });
        if self.dialect == Dialect::OpenAi {
            page["object"] = json!("list");
        }
        Ok(super::json(200, &page))
    }

    /// Begins to cancel a batch.
    pub(super) fn cancel(&self, shared: &Shared, id: &str) -> Result<Response, Refusal> {
        shared.batches.settle(shared, id);
        {
            let mut state = shared.batches.state();
            let found = state.batches.iter_mut().find(|batch| batch.id == id);
            let batch = found.ok_or_else(|| (self.missing)(id))?;
            if batch.done.is_some() {
                return Err((self.ended)());
            }
            batch.cancelled = Some(SystemTime::now());
        }
        self.batch(shared, id)
    }

    fn limit(&self, text: &str) -> Result<usize, Refusal> {
        let number = text.parse::<usize>().ok();
        let most = self.most;
        number
            .filter(|limit| (1..=most).contains(limit))
            .ok_or_else(|| Refusal::invalid(format!("limit: a number from 1 to {most}")))
    }

    fn newest_first(&self, shared: &Shared) -> Vec<String> {
        let state = shared.batches.state();
        let batches = state.batches.iter().rev();
        batches
            .filter(|one| one.dialect == self.dialect)
            .map(|batch| batch.id.clone())
            .collect()
    }
}
