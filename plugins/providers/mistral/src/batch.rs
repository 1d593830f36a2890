//! Batches: a file of lines, a job over it with the model of all of them, one or two files of results. Mistral's API
//! reference, pages "Batch" and "Files".

use crate::failure;
use crate::params::Params;
use provider_text::{answer, line};
use serde_json::{Value, json};
use xhost_plugin::{
    BatchCounts, BatchPage, BatchResults, BatchState, Body, Envelope, Fault, FaultKind,
    HttpRequest, HttpResponse, LineOutcome, ListedBatch, Multipart, RequestLine, Submission,
    SubmitStep, Upload, join_lines,
};

const JOBS: &str = "/batch/jobs";

/// Where the server finds the mark again.
const MARK: &str = "xhost_submission";

/// Jobs of the first page of the list.
const PAGE: u64 = 100;

pub fn frame() -> Envelope {
    Envelope {
        prefix: String::new(),
        separator: "\n".into(),
        suffix: "\n".into(),
    }
}

/// The job names the model; a line does not. `encode` writes it first.
pub fn line(model: &str, request: &RequestLine) -> String {
    let named = format!(r#"{{"model":{},"#, Value::from(model));
    let rest = request.body.strip_prefix(&named);
    let body = rest.map_or_else(|| request.body.clone(), |rest| format!("{{{rest}"));
    format!(
        r#"{{"custom_id":"{}","body":{}}}"#,
        request.custom_id,
        join_lines(&body),
    )
}

pub fn submit(params: &Params, submission: &Submission, responses: &[HttpResponse]) -> SubmitStep {
    match responses {
        [] => SubmitStep::Upload(Upload {
            request: HttpRequest::post("/files", &Body::default()).bare(),
            content_type: "application/jsonl".into(),
            multipart: Some(Multipart {
                fields: vec![("purpose".into(), "batch".into())],
                file_field: "file".into(),
                file_name: format!("xhost-{}.jsonl", submission.mark),
            }),
        }),
        [uploaded] => match answer::made(uploaded) {
            Ok(file) => SubmitStep::Send(create(params, submission, &file)),
            Err(fault) => SubmitStep::Failed(fault),
        },
        [.., created] => {
            answer::made(created).map_or_else(SubmitStep::Failed, SubmitStep::Submitted)
        }
    }
}

fn create(params: &Params, submission: &Submission, file: &str) -> HttpRequest {
    let body = Body::default()
        .with("input_files", &[file])
        .with("model", &submission.model)
        .with("endpoint", "/v1/chat/completions")
        .with("metadata", &json!({ MARK: submission.mark }))
        .with_some("timeout_hours", params.batch.timeout_hours.as_ref());
    HttpRequest::post(JOBS, &body)
}

pub fn poll(id: &str) -> HttpRequest {
    HttpRequest::get(format!("{JOBS}/{id}"))
}

pub fn cancel(id: &str) -> HttpRequest {
    HttpRequest::post(format!("{JOBS}/{id}/cancel"), &Body::default()).bare()
}

pub fn read_poll(response: &HttpResponse) -> BatchState {
    let job = match answer::object(response) {
        Ok(job) => job,
        Err(fault) => return BatchState::Failed(fault),
    };
    let count = |name: &str| job[name].as_u64().unwrap_or(0);
    match job["status"].as_str().unwrap_or_default() {
        "QUEUED" | "RUNNING" | "CANCELLATION_REQUESTED" => BatchState::Running(BatchCounts {
            total: count("total_requests"),
            done: count("completed_requests"),
            failed: count("failed_requests"),
        }),
        // What was done by then was paid for, however it ended.
        "SUCCESS" | "TIMEOUT_EXCEEDED" | "CANCELLED" => BatchState::Ended(files(&job)),
        "FAILED" => match files(&job) {
            none if none.is_empty() => BatchState::Failed(refused(&job)),
            files => BatchState::Ended(files),
        },
        other => BatchState::Failed(Fault::malformed(format!("the job's status is `{other}`"))),
    }
}

/// Both files. Some servers show the file itself in the place of its id.
fn files(job: &Value) -> Vec<BatchResults> {
    ["output_file", "error_file"]
        .iter()
        .map(|name| &job[*name])
        .filter_map(|file| answer::plain_id(file).or_else(|| answer::plain_id(&file["id"])))
        .map(|id| BatchResults::lines(HttpRequest::get(format!("/files/{id}/content"))))
        .collect()
}

/// Why a job failed as a whole.
fn refused(job: &Value) -> Fault {
    let errors = job["errors"].as_array();
    let words = errors.and_then(|errors| errors.first()?["message"].as_str());
    let words = words.unwrap_or("the job failed without a reason");
    Fault::new(FaultKind::Rejected, xhost_plugin::lasting(words))
}

pub fn read_line(text: &str) -> Result<(String, LineOutcome), Fault> {
    line::openai(text, failure::diagnose)
}

/// A cursor is a page's number; the newest jobs stand on the first, 0. An answer does not say which page it is, so each page
/// is asked for with one job less than the one before, and its length tells. Pages overlap a little; none is left out.
pub fn list_page(cursor: Option<String>) -> HttpRequest {
    let page = cursor.and_then(|page| page.parse::<u64>().ok());
    let page = page.unwrap_or(0).min(PAGE - 1);
    let mut request = HttpRequest::get(JOBS);
    request.query = vec![
        ("page".into(), page.to_string()),
        ("page_size".into(), (PAGE - page).to_string()),
        ("order_by".into(), "-created".into()),
    ];
    request
}

pub fn read_page(response: &HttpResponse) -> Result<BatchPage, Fault> {
    let list = answer::object(response)?;
    // The API leaves the list out where it is empty.
    let data = list["data"].as_array().map_or(&[][..], Vec::as_slice);
    let total = list["total"].as_u64().unwrap_or(0);
    Ok(BatchPage {
        batches: data.iter().filter_map(listed).collect(),
        next: next(data.len() as u64, total).map(|page| page.to_string()),
    })
}

/// The page after one of this length, where jobs are left. One that is not full is taken for a later page, after which there
/// is nothing.
fn next(length: u64, total: u64) -> Option<u64> {
    let page = PAGE.checked_sub(length)?;
    let seen = (page + 1) * length;
    (length > 1 && seen < total).then_some(page + 1)
}

fn listed(job: &Value) -> Option<ListedBatch> {
    let created = &job["created_at"];
    let created_at_ms = match created.as_u64() {
        Some(seconds) => seconds.saturating_mul(1_000),
        None => answer::instant_ms(created.as_str()?)?,
    };
    // Jobs of other programs have no mark of ours, and that is known.
    let mark = job["metadata"][MARK].as_str().unwrap_or_default();
    Some(ListedBatch {
        id: answer::plain_id(&job["id"])?.to_owned(),
        mark: Some(mark.to_owned()),
        created_at_ms,
        total: job["total_requests"].as_u64().unwrap_or(0),
    })
}

#[cfg(test)]
mod tests;
