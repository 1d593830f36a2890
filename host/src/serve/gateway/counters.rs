//! What the gateway did so far: `GET /stats`.

use crate::answers::Origin;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts from the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    hits: AtomicU64,
    shared: AtomicU64,
    calls: AtomicU64,
    retries: AtomicU64,
    refused: AtomicU64,
}

impl Counters {
    pub(super) fn answered(&self, origin: Origin) {
        let counter = match origin {
            Origin::Hit => &self.hits,
            Origin::Shared => &self.shared,
            Origin::Call => &self.calls,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// As JSON.
    pub(super) fn told(&self) -> Response {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let told = json!({
            "hits": count(&self.hits),
            "shared": count(&self.shared),
            "calls": count(&self.calls),
            "retries": count(&self.retries),
            "refused": count(&self.refused),
        });
        let kind = [(header::CONTENT_TYPE, "application/json")];
        (kind, told.to_string()).into_response()
    }
}
