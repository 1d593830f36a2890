//! Batches: a file of lines, a batch over it, one or two files of results. OpenAI's guide "Batch API" and its reference,
//! pages "Files" and "Batch"; Groq's and Azure's words where they differ.

use crate::failure;
use crate::params::Params;
use provider_text::{answer, line};
use serde_json::{Value, json};
use xhost_plugin::{
    BatchCounts, BatchPage, BatchResults, BatchState, Body, Envelope, Fault, FaultKind, Header,
    HttpRequest, HttpResponse, LineOutcome, ListedBatch, Multipart, RequestLine, Submission,
    SubmitStep, Upload, join_lines,
};

/// Where the server finds the mark again.
const MARK: &str = "xhost_submission";

pub fn frame() -> Envelope {
    Envelope {
        prefix: String::new(),
        separator: "\n".into(),
        suffix: "\n".into(),
    }
}

pub fn line(params: &Params, request: &RequestLine) -> String {
    format!(
        r#"{{"custom_id":"{}","method":"POST","url":"{}","body":{}}}"#,
        request.custom_id,
        params.batch.endpoint,
        join_lines(&request.body),
    )
}

/// What the experiment says of every request holds for these too.
fn with_params(params: &Params, mut request: HttpRequest) -> HttpRequest {
    request.query.extend(params.query.clone());
    request.headers = params
        .headers
        .iter()
        .map(|(name, value)| Header::new(name.to_ascii_lowercase(), value))
        .collect();
    request
}

pub fn submit(params: &Params, submission: &Submission, responses: &[HttpResponse]) -> SubmitStep {
    match responses {
        [] => SubmitStep::Upload(Upload {
            request: with_params(params, HttpRequest::post("/files", &Body::default()).bare()),
            content_type: "application/jsonl".into(),
            multipart: Some(Multipart {
                fields: vec![("purpose".into(), "batch".into())],
                file_field: "file".into(),
                file_name: format!("xhost-{}.jsonl", submission.mark),
            }),
        }),
        [uploaded] => match answer::made(uploaded) {
            Ok(file) => SubmitStep::Send(with_params(params, create(params, submission, &file))),
            Err(fault) => SubmitStep::Failed(fault),
        },
        [.., created] => {
            answer::made(created).map_or_else(SubmitStep::Failed, SubmitStep::Submitted)
        }
    }
}

fn create(params: &Params, submission: &Submission, file: &str) -> HttpRequest {
    let body = Body::default()
        .with("input_file_id", file)
        .with("endpoint", &params.batch.endpoint)
        .with("completion_window", &params.batch.completion_window)
        .with("metadata", &json!({ MARK: submission.mark }));
    HttpRequest::post("/batches", &body)
}

pub fn poll(params: &Params, id: &str) -> HttpRequest {
    with_params(params, HttpRequest::get(format!("/batches/{id}")))
}

pub fn cancel(params: &Params, id: &str) -> HttpRequest {
    let request = HttpRequest::post(format!("/batches/{id}/cancel"), &Body::default()).bare();
    with_params(params, request)
}

pub fn read_poll(params: &Params, response: &HttpResponse) -> BatchState {
    let batch = match answer::object(response) {
        Ok(batch) => batch,
        Err(fault) => return BatchState::Failed(fault),
    };
    let count = |name: &str| batch["request_counts"][name].as_u64().unwrap_or(0);
    match batch["status"].as_str().unwrap_or_default() {
        "validating" | "in_progress" | "finalizing" | "cancelling" => {
            BatchState::Running(BatchCounts {
                total: count("total"),
                done: count("completed").saturating_add(count("failed")),
                failed: count("failed"),
            })
        }
        // Expired and cancelled ones hold what was done by then, and that was paid for.
        "completed" | "expired" | "cancelled" => BatchState::Ended(files(params, &batch)),
        "failed" => BatchState::Failed(refused(&batch)),
        other => BatchState::Failed(Fault::malformed(format!("the batch's status is `{other}`"))),
    }
}

/// Both files, whatever the status. Some servers write "" where there is none.
fn files(params: &Params, batch: &Value) -> Vec<BatchResults> {
    ["output_file_id", "error_file_id"]
        .iter()
        .filter_map(|name| answer::plain_id(&batch[*name]))
        .map(|id| with_params(params, HttpRequest::get(format!("/files/{id}/content"))))
        .map(BatchResults::lines)
        .collect()
}

/// Why a batch failed at validation. A limit on enqueued tokens passes as others end.
fn refused(batch: &Value) -> Fault {
    let errors = batch["errors"]["data"].as_array();
    let first = errors.and_then(|errors| errors.first());
    let Some(first) = first else {
        return Fault::new(FaultKind::Rejected, "the batch failed without a reason");
    };
    let code = first["code"].as_str().unwrap_or("no code");
    let line = first["line"]
        .as_u64()
        .map_or_else(String::new, |line| format!(", line {line}"));
    let words = xhost_plugin::lasting(first["message"].as_str().unwrap_or("no words"));
    let kind = match code {
        "token_limit_exceeded" | "rate_limit_exceeded" => FaultKind::RateLimited,
        _ => FaultKind::Rejected,
    };
    Fault::new(kind, format!("{words} ({code}{line})"))
}

pub fn read_line(text: &str) -> Result<(String, LineOutcome), Fault> {
    line::openai(text, failure::diagnose)
}

pub fn list_page(params: &Params, cursor: Option<String>) -> HttpRequest {
    let mut request = with_params(params, HttpRequest::get("/batches"));
    request.query.push(("limit".into(), "100".into()));
    request
        .query
        .extend(cursor.map(|after| ("after".into(), after)));
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
            mark: batch["metadata"][MARK]
                .as_str()
                .map(str::to_owned)
                .or_else(|| Some(String::new())),
            created_at_ms: batch["created_at"]
                .as_u64()
                .unwrap_or(0)
                .saturating_mul(1_000),
            total: batch["request_counts"]["total"].as_u64().unwrap_or(0),
        })
    };
    let batches: Vec<_> = data.iter().filter_map(listed).collect();
    let more = list["has_more"] == true;
    let last = data.last().and_then(|batch| batch["id"].as_str());
    Ok(BatchPage {
        next: last.filter(|_| more).map(str::to_owned),
        batches,
    })
}

#[cfg(test)]
mod tests;
