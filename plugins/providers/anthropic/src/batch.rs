//! Batches: one document with all requests, one stream of results. Anthropic's API reference, pages "Create a Message
//! Batch" to "Retrieve Message Batch results", and the guide "Batch processing".

use crate::failure;
use crate::params::Params;
use crate::request::headers;
use provider_text::{answer, line};
use serde_json::Value;
use xhost_plugin::{
    BatchCounts, BatchPage, BatchResults, BatchState, Body, Envelope, Fault, HttpRequest,
    HttpResponse, LineOutcome, ListedBatch, RequestLine, SubmitStep, Upload, join_lines,
};

const BATCHES: &str = "/v1/messages/batches";

pub fn frame() -> Envelope {
    Envelope {
        prefix: r#"{"requests":["#.into(),
        separator: ",\n".into(),
        suffix: "]}".into(),
    }
}

pub fn line(request: &RequestLine) -> String {
    format!(
        r#"{{"custom_id":"{}","params":{}}}"#,
        request.custom_id,
        join_lines(&request.body),
    )
}

fn versioned(params: &Params, mut request: HttpRequest) -> HttpRequest {
    request.headers = headers(params);
    request
}

/// The API keeps no name of ours: a batch that was created and not acknowledged is known by its requests.
pub fn submit(params: &Params, responses: &[HttpResponse]) -> SubmitStep {
    match responses {
        [] => SubmitStep::Upload(Upload {
            request: versioned(params, HttpRequest::post(BATCHES, &Body::default()).bare()),
            content_type: "application/json".into(),
            multipart: None,
        }),
        [.., created] => {
            answer::made(created).map_or_else(SubmitStep::Failed, SubmitStep::Submitted)
        }
    }
}

pub fn poll(params: &Params, id: &str) -> HttpRequest {
    versioned(params, HttpRequest::get(format!("{BATCHES}/{id}")))
}

pub fn cancel(params: &Params, id: &str) -> HttpRequest {
    let request = HttpRequest::post(format!("{BATCHES}/{id}/cancel"), &Body::default()).bare();
    versioned(params, request)
}

/// The results' path follows from the id. `results_url` is not used: it may name any server.
pub fn read_poll(params: &Params, id: &str, response: &HttpResponse) -> BatchState {
    let batch = match answer::object(response) {
        Ok(batch) => batch,
        Err(fault) => return BatchState::Failed(fault),
    };
    match batch["processing_status"].as_str().unwrap_or_default() {
        "in_progress" | "canceling" => BatchState::Running(counts(&batch)),
        "ended" => {
            let results = HttpRequest::get(format!("{BATCHES}/{id}/results"));
            BatchState::Ended(vec![BatchResults::lines(versioned(params, results))])
        }
        other => BatchState::Failed(Fault::malformed(format!(
            "the batch's processing_status is `{other}`"
        ))),
    }
}

const COUNTS: [&str; 5] = ["processing", "succeeded", "errored", "canceled", "expired"];

/// All but `processing` stay 0 until the end.
fn counts(batch: &Value) -> BatchCounts {
    let count = |name: &str| batch["request_counts"][name].as_u64().unwrap_or(0);
    let sum = |names: &[&str]| {
        names
            .iter()
            .fold(0_u64, |sum, name| sum.saturating_add(count(name)))
    };
    BatchCounts {
        total: sum(&COUNTS),
        done: sum(&COUNTS[1..]),
        failed: sum(&COUNTS[2..]),
    }
}

pub fn read_line(text: &str) -> Result<(String, LineOutcome), Fault> {
    let members = line::members(text)?;
    let custom_id = line::text(&members, "custom_id")?;
    let result = line::members(members.get("result").unwrap_or("{}"))?;
    let outcome = match result.get("type").unwrap_or_default() {
        "\"succeeded\"" => LineOutcome::Completed(result.get("message").unwrap_or("null").into()),
        "\"errored\"" => errored(result.get("error").unwrap_or("null")),
        "\"canceled\"" => LineOutcome::Cancelled,
        "\"expired\"" => LineOutcome::Expired,
        other => LineOutcome::Failed(Fault::malformed(format!("a result line's type is {other}"))),
    };
    Ok((custom_id, outcome))
}

/// The error is that of a live call, wrapped once more.
fn errored(error: &str) -> LineOutcome {
    LineOutcome::Failed(failure::diagnose(&line::told(400, error)))
}

pub fn list_page(params: &Params, cursor: Option<String>) -> HttpRequest {
    let mut request = versioned(params, HttpRequest::get(BATCHES));
    request.query.push(("limit".into(), "100".into()));
    request
        .query
        .extend(cursor.map(|after| ("after_id".into(), after)));
    request
}

pub fn read_page(response: &HttpResponse) -> Result<BatchPage, Fault> {
    let list = answer::object(response)?;
    let data = list["data"]
        .as_array()
        .ok_or_else(|| Fault::malformed("the list has no `data`"))?;
    let listed = |batch: &Value| {
        Some(ListedBatch {
            id: answer::plain_id(&batch["id"])?.to_owned(),
            mark: None,
            created_at_ms: batch["created_at"].as_str().and_then(answer::instant_ms)?,
            total: counts(batch).total,
        })
    };
    let batches = data.iter().filter_map(listed).collect();
    let next = list["last_id"]
        .as_str()
        .filter(|_| list["has_more"] == true);
    Ok(BatchPage {
        next: next.map(str::to_owned),
        batches,
    })
}

#[cfg(test)]
mod tests;
