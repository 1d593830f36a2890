//! Anthropic's words for message batches (the API reference, "Create a Message Batch" and its neighbours).

use super::batch_errands::Words;
use super::batches::{Batch, End, Line, Outcome, wrong_name};
use super::{Dialect, Refusal, Shared, anthropic, openai_batches};
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

const MOST_REQUESTS: usize = 100_000;

const WORDS: Words = Words {
    dialect: Dialect::Anthropic,
    cursor: "after_id",
    most: 1_000,
    object,
    missing,
    ended: || Refusal::invalid("a batch that has ended cannot be canceled"),
};

#[derive(Deserialize)]
struct Document {
    requests: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    custom_id: String,
    params: Box<RawValue>,
}

/// `…/messages/batches…`.
pub(super) fn answer(
    shared: &Shared,
    method: &Method,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, Refusal> {
    if !headers.contains_key("anthropic-version") {
        return Err(Refusal::invalid("anthropic-version: header is required"));
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let origin = host.unwrap_or("api.anthropic.com");
    let (_, rest) = path.rsplit_once("/messages/batches").unwrap_or(("", ""));
    let mut parts = rest.trim_matches('/').split('/');
    let (id, act) = (parts.next().unwrap_or(""), parts.next());
    match (method, id, act) {
        (&Method::POST, "", None) => create(shared, origin, body),
        (&Method::GET, "", None) => WORDS.list(shared, query),
        (&Method::GET, id, None) => WORDS.batch(shared, id),
        (&Method::GET, id, Some("results")) => results(shared, id),
        (&Method::POST, id, Some("cancel")) => WORDS.cancel(shared, id),
        _ => Err(missing(path)),
    }
}

fn missing(what: &str) -> Refusal {
    Refusal {
        kind: "not_found_error",
        ..Refusal::new(404, format!("{what} not found"))
    }
}

/// `origin`: the host and port that were asked, at which the results will be.
fn create(shared: &Shared, origin: &str, body: &Bytes) -> Result<Response, Refusal> {
    let document: Document =
        serde_json::from_slice(body).map_err(|e| Refusal::invalid(format!("requests: {e}")))?;
    let lines: Vec<Line> = document
        .requests
        .into_iter()
        .map(|row| Line {
            custom_id: row.custom_id,
            body: row.params,
        })
        .collect();
    if lines.is_empty() {
        return Err(Refusal::invalid(
            "requests: at least one request is required",
        ));
    }
    if lines.len() > MOST_REQUESTS {
        return Err(Refusal::invalid("requests: at most 100000 requests"));
    }
    if let Some((number, what)) = wrong_name(&lines) {
        let index = number - 1;
        return Err(Refusal::invalid(format!(
            "requests.{index}.custom_id: {what}"
        )));
    }
    let id = shared
        .batches
        .begin(Dialect::Anthropic, json!({ "origin": origin }), lines, None);
    shared.stats.batch_made();
    WORDS.batch(shared, &id)
}

fn results(shared: &Shared, id: &str) -> Result<Response, Refusal> {
    shared.batches.settle(shared, id);
    let mut state = shared.batches.state();
    let found = state.batches.iter().find(|batch| batch.id == id);
    let done = found.ok_or_else(|| missing(id))?.done.clone();
    let done = done.ok_or_else(|| missing("the results of a batch that is in progress"))?;
    let file = done.output.and_then(|file| state.files.get_mut(&file));
    Ok(file.map_or_else(
        || openai_batches::text(Bytes::new(), false),
        |file| openai_batches::text(file.bytes.clone(), std::mem::take(&mut file.cut)),
    ))
}

fn object(batch: &Batch) -> Value {
    let instant = |time: SystemTime| humantime::format_rfc3339_seconds(time).to_string();
    let ended = batch
        .done
        .as_ref()
        .map(|done| instant(SystemTime::UNIX_EPOCH + Duration::from_secs(done.at)));
    let status = match (&batch.done, batch.cancelled) {
        (Some(_), _) => "ended",
        (None, Some(_)) => "canceling",
        (None, None) => "in_progress",
    };
    let done = batch.done.clone().unwrap_or_default();
    let expired = done.was_cut_short == Some(End::Expired);
    let total = batch.lines.len() as u64;
    let counts = if ended.is_some() {
        json!({
            "processing": 0, "succeeded": done.answered, "errored": done.failed,
            "canceled": if expired { 0 } else { done.unfinished }, "expired": if expired { done.unfinished } else { 0 },
        })
    } else {
        json!({"processing": total, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0})
    };
    json!({
        "id": batch.id, "type": "message_batch", "processing_status": status, "request_counts": counts,
        "created_at": instant(batch.created), "expires_at": instant(batch.created + Duration::from_secs(86_400)),
        "ended_at": ended, "cancel_initiated_at": batch.cancelled.map(instant), "archived_at": null,
        "results_url": ended.as_ref().map(|_| format!("http://{}/v1/messages/batches/{}/results", batch.asked["origin"].as_str().unwrap_or_default(), batch.id)),
    })
}

/// A result line.
pub(super) fn line(custom_id: &str, outcome: &Outcome, end: End) -> String {
    let result = match outcome {
        Outcome::Answered(message) => json!({"type": "succeeded", "message": message}),
        Outcome::Refused(refusal) => {
            json!({"type": "errored", "error": anthropic::error(refusal, "req_sim")})
        }
        Outcome::Unfinished if end == End::Expired => json!({"type": "expired"}),
        Outcome::Unfinished => json!({"type": "canceled"}),
    };
    json!({"custom_id": custom_id, "result": result}).to_string()
}
