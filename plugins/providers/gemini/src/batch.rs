//! Batches: a file of lines, uploaded in two steps, and a long-running operation over it. Google's pages "Batch API" and
//! "Files API"; where the words of `google-genai` differ from the pages', both are read.

use crate::failure;
use crate::params::{Input, Params};
use crate::request::resource;
use provider_text::answer;
use serde_json::{Value, json};
use xhost_plugin::{
    BatchCounts, BatchResults, BatchState, Body, Envelope, Fault, FaultKind, Header, HttpRequest,
    HttpResponse, RequestLine, Submission, SubmitStep, Upload, header_value, join_lines,
};

/// The list of batches.
pub mod list;

/// Result lines and documents.
pub mod results;

/// The header that says where the lines go.
pub const UPLOAD_URL: &str = "x-goog-upload-url";

const LINES: &str = "application/jsonl";

pub fn frame(input: Input) -> Envelope {
    let (prefix, separator, suffix) = match input {
        Input::File => ("", "\n", "\n"),
        Input::Inline => (
            r#"{"batch":{"displayName":"xhost","inputConfig":{"requests":{"requests":["#,
            ",\n",
            "]}}}}",
        ),
        Input::Requests => (r#"{"requests":["#, ",\n", "]}"),
    };
    Envelope {
        prefix: prefix.into(),
        separator: separator.into(),
        suffix: suffix.into(),
    }
}

pub fn line(input: Input, request: &RequestLine) -> String {
    let RequestLine {
        custom_id: id,
        path: _,
        body,
    } = request;
    let body = join_lines(body);
    match input {
        Input::File => format!(r#"{{"key":"{id}","request":{body}}}"#),
        Input::Inline => format!(r#"{{"request":{body},"metadata":{{"key":"{id}"}}}}"#),
        Input::Requests => format!(r#"{{"custom_id":"{id}","request":{body}}}"#),
    }
}

/// The mark as a person sees it in a list.
fn display_name(mark: &str) -> String {
    format!("xhost-{mark}")
}

/// Begin an upload, upload, make the batch.
pub fn submit_file(
    params: &Params,
    submission: &Submission,
    responses: &[HttpResponse],
) -> SubmitStep {
    let step = match responses {
        [] => Ok(SubmitStep::Send(begin_upload(params, submission))),
        [begun] => upload(begun),
        [_, uploaded] => create(params, submission, uploaded).map(SubmitStep::Send),
        [.., created] => operation_name(created).map(SubmitStep::Submitted),
    };
    step.unwrap_or_else(SubmitStep::Failed)
}

/// The batch and its requests are one body.
pub fn submit_inline(
    params: &Params,
    submission: &Submission,
    responses: &[HttpResponse],
) -> SubmitStep {
    let step = match responses {
        [] => batches_of(params, &submission.model).map(|path| {
            SubmitStep::Upload(Upload {
                request: HttpRequest::post(path, &Body::default()).bare(),
                content_type: "application/json".into(),
                multipart: None,
            })
        }),
        [.., created] => operation_name(created).map(SubmitStep::Submitted),
    };
    step.unwrap_or_else(SubmitStep::Failed)
}

fn begin_upload(params: &Params, submission: &Submission) -> HttpRequest {
    let file = json!({
        "display_name": display_name(&submission.mark),
        "mime_type": LINES,
        "size_bytes": submission.bytes,
    });
    let path = format!("/upload/{}/files", params.api_version);
    let mut request = HttpRequest::post(path, &Body::default().with("file", &file));
    request.headers = vec![
        Header::new("x-goog-upload-protocol", "resumable"),
        Header::new("x-goog-upload-command", "start"),
        Header::new(
            "x-goog-upload-header-content-length",
            submission.bytes.to_string(),
        ),
        Header::new("x-goog-upload-header-content-type", LINES),
    ];
    request
}

/// The lines go to the path that the server names, at the server that is asked: a URL names a host, and that is not ours to
/// follow.
fn upload(begun: &HttpResponse) -> Result<SubmitStep, Fault> {
    let url = header_value(&begun.headers, UPLOAD_URL);
    let url = url.ok_or_else(|| Fault::malformed(format!("the answer has no {UPLOAD_URL}")))?;
    let (url, query) = url.split_once('?').unwrap_or((url, ""));
    let path = url.find("/upload/").map(|at| &url[at..]);
    let path = path.filter(|path| answer::is_plain_path(&path[1..]));
    let path = path.ok_or_else(|| {
        Fault::malformed(format!(
            "the answer's {UPLOAD_URL} has no plain path below /upload/"
        ))
    })?;
    let mut request = HttpRequest::post(path, &Body::default()).bare();
    request.query = pairs(query);
    request.headers = vec![
        Header::new("x-goog-upload-command", "upload, finalize"),
        Header::new("x-goog-upload-offset", "0"),
    ];
    Ok(SubmitStep::Upload(Upload {
        request,
        content_type: LINES.into(),
        multipart: None,
    }))
}

/// The names and values of a query, unescaped: the host escapes them again.
fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let split = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (unescaped(name), unescaped(value))
    };
    pairs.map(split).collect()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = (byte == b'%').then(|| after.get(..2)).flatten();
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(escaped) => {
                bytes.push(escaped);
                rest = &after[2..];
            }
            None => {
                bytes.push(if byte == b'+' { b' ' } else { byte });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn create(
    params: &Params,
    submission: &Submission,
    uploaded: &HttpResponse,
) -> Result<HttpRequest, Fault> {
    let file = answer::object(uploaded)?;
    let name = file["file"]["name"]
        .as_str()
        .filter(|name| is_name(name, "files"));
    let name = name.ok_or_else(|| Fault::malformed("the answer has no `file.name`"))?;
    let batch = json!({
        "inputConfig": {"fileName": name},
        "displayName": display_name(&submission.mark),
    });
    let path = batches_of(params, &submission.model)?;
    Ok(HttpRequest::post(
        path,
        &Body::default().with("batch", &batch),
    ))
}

fn batches_of(params: &Params, model: &str) -> Result<String, Fault> {
    let model = resource(model);
    let model = model.map_err(|refusal| Fault::new(FaultKind::Rejected, refusal.message()))?;
    Ok(params.path(&format!("{model}:batchGenerateContent")))
}

/// Whether it is `COLLECTION/ID`: a name becomes part of a path.
fn is_name(name: &str, collection: &str) -> bool {
    let id = name
        .strip_prefix(collection)
        .and_then(|rest| rest.strip_prefix('/'));
    id.is_some_and(answer::is_plain)
}

fn operation_name(created: &HttpResponse) -> Result<String, Fault> {
    let operation = answer::object(created)?;
    let name = operation["name"]
        .as_str()
        .filter(|name| is_name(name, "batches"));
    let name = name.ok_or_else(|| Fault::malformed("the answer has no `name` of a batch"))?;
    Ok(name.to_owned())
}

/// An id is the operation's name, `batches/ID`; a person may leave out the first half.
fn path_of(params: &Params, id: &str) -> String {
    params.path(&format!(
        "batches/{}",
        id.strip_prefix("batches/").unwrap_or(id)
    ))
}

pub fn poll(params: &Params, id: &str) -> HttpRequest {
    HttpRequest::get(path_of(params, id))
}

pub fn cancel(params: &Params, id: &str) -> HttpRequest {
    let path = format!("{}:cancel", path_of(params, id));
    HttpRequest::post(path, &Body::default()).bare()
}

pub fn read_poll(params: &Params, id: &str, response: &HttpResponse) -> BatchState {
    let operation = match answer::object(response) {
        Ok(operation) => operation,
        Err(fault) => return BatchState::Failed(fault),
    };
    let word = operation["metadata"]["state"].as_str().unwrap_or_default();
    // The API says BATCH_STATE_…, its guide and SDK JOB_STATE_….
    let state = word.split_once("STATE_").map_or(word, |(_, state)| state);
    let results = || results_of(params, id, &operation);
    match state {
        // What was done by then was paid for, however it ended.
        "SUCCEEDED" | "PARTIALLY_SUCCEEDED" | "CANCELLED" | "EXPIRED" => {
            BatchState::Ended(results())
        }
        "FAILED" => match results() {
            none if none.is_empty() => BatchState::Failed(refused(&operation)),
            results => BatchState::Ended(results),
        },
        "UNSPECIFIED" | "PENDING" | "QUEUED" | "RUNNING" | "CANCELLING" | "PAUSED" | "UPDATING" => {
            BatchState::Running(counts(&operation))
        }
        _ => BatchState::Failed(Fault::malformed(format!("the batch's state is `{word}`"))),
    }
}

/// 64-bit numbers are texts in protobuf's JSON.
fn number(value: &Value) -> u64 {
    let text = || value.as_str().and_then(|text| text.parse().ok());
    value.as_u64().or_else(text).unwrap_or(0)
}

fn counts(operation: &Value) -> BatchCounts {
    let stats = &operation["metadata"]["batchStats"];
    let failed = number(&stats["failedRequestCount"]);
    BatchCounts {
        total: number(&stats["requestCount"]),
        done: number(&stats["successfulRequestCount"]).saturating_add(failed),
        failed,
    }
}

/// A file of lines; or the operation itself, where the requests went in without a file.
fn results_of(params: &Params, id: &str, operation: &Value) -> Vec<BatchResults> {
    let outputs = results::outputs(operation);
    let files = outputs
        .iter()
        .flat_map(|output| [&output["responsesFile"], &output["fileName"]]);
    let mut files = files.filter_map(|file| file.as_str().filter(|file| is_name(file, "files")));
    if let Some(file) = files.next() {
        let mut request = HttpRequest::get(params.path(&format!("{file}:download")));
        request.query.push(("alt".into(), "media".into()));
        return vec![BatchResults::lines(request)];
    }
    match results::inlined(operation) {
        Some(_) => vec![BatchResults::document(poll(params, id))],
        None => Vec::new(),
    }
}

/// Why a batch failed as a whole.
fn refused(operation: &Value) -> Fault {
    match &operation["error"] {
        error if error.is_object() => failure::of_status(error, 0),
        _ => Fault::new(FaultKind::Rejected, "the batch failed without a reason"),
    }
}

#[cfg(test)]
mod tests;
