//! OpenAI's words for files and batches (the API reference, "Files" and "Batch").

use super::batch_errands::Words;
use super::batches::{Batch, End, File, Line, Outcome, seconds, wrong_name};
use super::{Dialect, Refusal, Shared, openai};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The most requests and bytes of one batch.
const MOST_REQUESTS: usize = 50_000;
const MOST_BYTES: usize = 200_000_000;

const WORDS: Words = Words {
    dialect: Dialect::OpenAi,
    cursor: "after",
    most: 100,
    object,
    missing,
    ended: || Refusal::new(409, "Cannot cancel a batch that has ended."),
};

#[derive(Deserialize)]
struct Row {
    custom_id: String,
    method: String,
    url: String,
    body: Box<RawValue>,
}

/// `…/files…` and `…/batches…`.
pub(super) async fn answer(
    shared: &Shared,
    method: &Method,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let (_, rest) = path
        .rsplit_once("/files")
        .unwrap_or_else(|| path.rsplit_once("/batches").unwrap_or(("", path)));
    let is_file = path.contains("/files");
    let mut parts = rest.trim_matches('/').split('/');
    let (id, act) = (parts.next().unwrap_or(""), parts.next());
    match (method, is_file, id, act) {
        (&Method::POST, true, "", None) => upload(shared, headers, body).await,
        (&Method::GET, true, id, None) => {
            with_file(shared, id, |file| Ok(super::json(200, &file_object(file))))
        }
        (&Method::GET, true, id, Some("content")) => with_file(shared, id, content),
        (&Method::POST, false, "", None) => create(shared, &body),
        (&Method::GET, false, "", None) => WORDS.list(shared, query),
        (&Method::GET, false, id, None) => WORDS.batch(shared, id),
        (&Method::POST, false, id, Some("cancel")) => WORDS.cancel(shared, id),
        _ => Err(missing(path)),
    }
}

fn missing(what: &str) -> Refusal {
    Refusal::new(404, format!("No such thing: {what}"))
}

async fn upload(shared: &Shared, headers: &HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    let wrong = |what: String| Refusal::invalid(format!("The form cannot be read: {what}"));
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let boundary = multer::parse_boundary(kind).map_err(|e| wrong(e.to_string()))?;
    let stream = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(body)]);
    let mut form = multer::Multipart::new(stream, boundary);
    let (mut purpose, mut file) = (None, None);
    while let Some(field) = form.next_field().await.map_err(|e| wrong(e.to_string()))? {
        match field.name() {
            Some("purpose") => {
                purpose = Some(field.text().await.map_err(|e| wrong(e.to_string()))?);
            }
            Some("file") => {
                let name = field.file_name().unwrap_or("file").to_owned();
                let bytes = field.bytes().await.map_err(|e| wrong(e.to_string()))?;
                file = Some((name, bytes));
            }
            _ => {}
        }
    }
    let purpose = purpose.ok_or_else(|| Refusal::invalid("'purpose' is a required property"))?;
    let (name, bytes) = file.ok_or_else(|| Refusal::invalid("'file' is a required property"))?;
    if bytes.len() > MOST_BYTES {
        return Err(Refusal::new(413, "The file is larger than 200 MB."));
    }
    let mut state = shared.batches.state();
    let id = state.file(name, purpose, bytes);
    let object = state.files.get(&id).map(file_object);
    Ok(super::json(200, &object))
}

fn with_file(
    shared: &Shared,
    id: &str,
    show: impl FnOnce(&mut File) -> Result<Response, Refusal>,
) -> Result<Response, Refusal> {
    let mut state = shared.batches.state();
    state
        .files
        .get_mut(id)
        .map_or_else(|| Err(missing(id)), show)
}

fn file_object(file: &File) -> Value {
    json!({
        "id": file.id, "object": "file", "bytes": file.bytes.len(), "created_at": file.created,
        "filename": file.name, "purpose": file.purpose, "status": "processed",
    })
}

fn content(file: &mut File) -> Result<Response, Refusal> {
    Ok(text(file.bytes.clone(), std::mem::take(&mut file.cut)))
}

/// A body, or the half of one before the connection breaks.
pub(super) fn text(bytes: Bytes, cut: bool) -> Response {
    if !cut {
        return ([(header::CONTENT_TYPE, "application/jsonl")], bytes).into_response();
    }
    let half = bytes.slice(..bytes.len() / 2);
    let broken = std::io::Error::other("cut");
    Body::from_stream(futures_util::stream::iter([Ok(half), Err(broken)])).into_response()
}

fn create(shared: &Shared, body: &Bytes) -> Result<Response, Refusal> {
    let asked: Value = serde_json::from_slice(body)
        .map_err(|e| Refusal::invalid(format!("We could not parse the JSON body: {e}")))?;
    let required = |name: &str| {
        let missing = || Refusal::invalid(format!("Missing required parameter: '{name}'."));
        asked[name].as_str().ok_or_else(missing)
    };
    let (file, endpoint) = (required("input_file_id")?, required("endpoint")?);
    if required("completion_window")? != "24h" {
        return Err(Refusal::invalid("Invalid value for 'completion_window'."));
    }
    let bytes = {
        let state = shared.batches.state();
        let found = state.files.get(file);
        found.ok_or_else(|| missing(file))?.bytes.clone()
    };
    let (lines, invalid) = match read_lines(&bytes, endpoint) {
        Ok(lines) => (lines, None),
        Err(invalid) => (Vec::new(), Some(invalid)),
    };
    let id = shared
        .batches
        .begin(Dialect::OpenAi, asked.clone(), lines, invalid);
    shared.stats.batch_made();
    WORDS.batch(shared, &id)
}

type Invalid = (String, Option<usize>, String);

fn read_lines(bytes: &[u8], endpoint: &str) -> Result<Vec<Line>, Invalid> {
    let wrong =
        |code: &str, line: usize, words: &str| (code.to_owned(), Some(line), words.to_owned());
    let (mut lines, mut model) = (Vec::new(), None);
    for (index, text) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if text.trim_ascii().is_empty() {
            continue;
        }
        let number = index + 1;
        let row: Row = serde_json::from_slice(text).map_err(|_| {
            wrong(
                "invalid_json_line",
                number,
                "This line is not parseable as valid JSON.",
            )
        })?;
        if row.method != "POST" || row.url != endpoint {
            return Err(wrong(
                "url_mismatch",
                number,
                "The URL provided for this request does not match the batch endpoint.",
            ));
        }
        let own =
            serde_json::from_str::<Value>(row.body.get()).unwrap_or_default()["model"].clone();
        if *model.get_or_insert_with(|| own.clone()) != own {
            return Err(wrong(
                "model_mismatch",
                number,
                "All requests of a batch must use the same model.",
            ));
        }
        lines.push(Line {
            custom_id: row.custom_id,
            body: row.body,
        });
    }
    if lines.is_empty() {
        return Err(("empty_file".into(), None, "The file is empty.".into()));
    }
    if lines.len() > MOST_REQUESTS {
        return Err((
            "too_many_tasks".into(),
            None,
            "A batch has at most 50,000 requests.".into(),
        ));
    }
    match wrong_name(&lines) {
        Some((number, "duplicate")) => Err(wrong(
            "duplicate_custom_id",
            number,
            "The custom_id is not unique.",
        )),
        Some((number, _)) => Err(wrong(
            "invalid_custom_id",
            number,
            "The custom_id is not valid.",
        )),
        None => Ok(lines),
    }
}

fn object(batch: &Batch) -> Value {
    let created = seconds(batch.created);
    let done = batch.done.clone();
    let failed = batch.invalid.is_some();
    let status = match &done {
        None if batch.cancelled.is_some() => "cancelling",
        None => "in_progress",
        Some(_) if batch.cancelled.is_some() => "cancelled",
        Some(_) if failed => "failed",
        Some(done) => match done.was_cut_short {
            Some(End::Expired) => "expired",
            Some(_) => "cancelled",
            None => "completed",
        },
    };
    let at = |wanted: &str| {
        (status == wanted)
            .then(|| done.as_ref().map(|done| done.at))
            .flatten()
    };
    let errors = batch.invalid.as_ref().filter(|_| done.is_some()).map(|(code, line, message)| {
        json!({"object": "list", "data": [{"code": code, "line": line, "message": message, "param": null}]})
    });
    let output = done.clone().unwrap_or_default();
    let name = |file: &Option<String>| match file {
        None if batch.writes_empty_names() => json!(""),
        file => json!(file),
    };
    json!({
        "id": batch.id, "object": "batch", "endpoint": batch.asked["endpoint"], "errors": errors,
        "input_file_id": batch.asked["input_file_id"], "completion_window": batch.asked["completion_window"],
        "status": status, "output_file_id": name(&output.output), "error_file_id": name(&output.errors),
        "created_at": created, "in_progress_at": created, "expires_at": created + 86_400,
        "finalizing_at": at("completed"), "completed_at": at("completed"), "failed_at": at("failed"),
        "expired_at": at("expired"), "cancelling_at": batch.cancelled.map(seconds), "cancelled_at": at("cancelled"),
        "request_counts": {"total": batch.lines.len(), "completed": output.answered, "failed": output.failed + output.unfinished},
        "metadata": batch.asked["metadata"],
    })
}

/// A result line, and whether it belongs into the file of errors.
pub(super) fn line(custom_id: &str, outcome: &Outcome, end: End) -> (String, bool) {
    let id = format!("batch_req_{}", &custom_id[..custom_id.len().min(12)]);
    let response = |status: u16, body: &Value| json!({"status_code": status, "request_id": "req_sim", "body": body});
    let (response, error, is_error) = match outcome {
        Outcome::Answered(body) => (response(200, body), Value::Null, false),
        Outcome::Refused(refusal) => (
            response(refusal.status, &openai::error(refusal)),
            Value::Null,
            true,
        ),
        Outcome::Unfinished => {
            let (code, message) = match end {
                End::Expired => (
                    "batch_expired",
                    "This request could not be executed before the completion window expired.",
                ),
                _ => ("batch_cancelled", "This request was cancelled."),
            };
            (Value::Null, json!({"code": code, "message": message}), true)
        }
    };
    let line = json!({"id": id, "custom_id": custom_id, "response": response, "error": error});
    (line.to_string(), is_error)
}
