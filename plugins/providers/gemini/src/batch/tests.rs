//! Batches, act by act and line by line.

use super::*;
use provider_text::line::told;
use xhost_plugin::{LineOutcome, Method, header_value};

fn response(body: &Value) -> HttpResponse {
    told(200, &body.to_string())
}

fn submission() -> Submission {
    Submission {
        mark: "6f2a9c41".into(),
        model: "gemini-2.5-flash".into(),
        requests: 2,
        bytes: 99,
    }
}

fn begun(url: &str) -> HttpResponse {
    HttpResponse {
        headers: vec![Header::new("x-goog-upload-url", url)],
        ..response(&json!({}))
    }
}

const UPLOAD: &str = "https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id=AB%2Bc-_&upload_protocol=resumable";

#[test]
fn a_submission_begins_an_upload_uploads_and_makes_a_batch_that_carries_the_mark() {
    let params = Params::default();
    let submit = |responses: &[HttpResponse]| submit_file(&params, &submission(), responses);
    let SubmitStep::Send(start) = submit(&[]) else {
        panic!("the upload begins");
    };
    assert_eq!(start.path, "/upload/v1beta/files");
    let header = |name: &str| header_value(&start.headers, name);
    assert_eq!(header("x-goog-upload-command"), Some("start"));
    assert_eq!(header("x-goog-upload-header-content-length"), Some("99"));
    let SubmitStep::Upload(upload) = submit(&[begun(UPLOAD)]) else {
        panic!("the lines follow");
    };
    assert_eq!(upload.request.path, "/upload/v1beta/files");
    let query = [("upload_id", "AB+c-_"), ("upload_protocol", "resumable")];
    assert_eq!(
        upload.request.query,
        query.map(|(name, value)| (name.into(), value.into()))
    );
    assert_eq!(
        header_value(&upload.request.headers, "x-goog-upload-command"),
        Some("upload, finalize")
    );
    let uploaded = response(&json!({"file": {"name": "files/abc-1", "state": "ACTIVE"}}));
    let SubmitStep::Send(create) = submit(&[begun(UPLOAD), uploaded.clone()]) else {
        panic!("the batch comes last");
    };
    assert_eq!(create.method, Method::Post);
    assert_eq!(
        create.path,
        "/v1beta/models/gemini-2.5-flash:batchGenerateContent"
    );
    assert_eq!(
        create.body.unwrap(),
        r#"{"batch":{"inputConfig":{"fileName":"files/abc-1"},"displayName":"xhost-6f2a9c41"}}"#
    );
    let made = response(&json!({"name": "batches/xyz", "metadata": {}}));
    let done = submit(&[begun(UPLOAD), uploaded, made]);
    assert_eq!(done, SubmitStep::Submitted("batches/xyz".into()));
}

/// The credential goes with the lines: whoever answers names the path, and never the host.
#[test]
fn nothing_that_a_server_says_leads_an_upload_or_an_id_elsewhere() {
    let params = Params::default();
    let failed = |responses: &[HttpResponse]| {
        matches!(
            submit_file(&params, &submission(), responses),
            SubmitStep::Failed(_)
        )
    };
    let SubmitStep::Upload(upload) = upload(&begun("https://evil.example/upload/x")).unwrap()
    else {
        panic!("the lines follow");
    };
    assert_eq!(upload.request.path, "/upload/x");
    assert!(failed(&[begun("https://evil.example/elsewhere")]));
    assert!(failed(&[begun(
        "https://evil.example/upload/../v1beta/files"
    )]));
    assert!(failed(&[begun(
        "https://evil.example/upload//evil.example"
    )]));
    assert!(failed(&[begun("https://evil.example/?x=/upload/y")]));
    assert!(failed(&[response(&json!({}))]));
    for name in [
        "files/../x",
        "files/",
        "x",
        "files/a/b",
        "https://evil.example",
    ] {
        assert!(
            failed(&[begun(UPLOAD), response(&json!({"file": {"name": name}}))]),
            "{name}"
        );
    }
    for name in ["batches/../x", "xyz", "operations/1"] {
        let last = response(&json!({ "name": name }));
        assert!(failed(&[begun(UPLOAD), last.clone(), last]), "{name}");
    }
}

#[test]
fn lines_keep_the_text_of_their_requests_in_every_form() {
    let request = RequestLine {
        custom_id: "ab".into(),
        path: "/v1beta/models/m:generateContent".into(),
        body: "{\"contents\":[],\n\"x\":1.0}".into(),
    };
    let body = r#"{"contents":[], "x":1.0}"#;
    let check = |input, expect: String| {
        let envelope = frame(input);
        let line = line(input, &request);
        assert_eq!(line, expect);
        let lines = [line.as_str(), line.as_str()].join(&envelope.separator);
        format!("{}{lines}{}", envelope.prefix, envelope.suffix)
    };
    let file = check(Input::File, format!(r#"{{"key":"ab","request":{body}}}"#));
    assert_eq!(file.lines().count(), 2);
    let inline = check(
        Input::Inline,
        format!(r#"{{"request":{body},"metadata":{{"key":"ab"}}}}"#),
    );
    let inline: Value = serde_json::from_str(&inline).unwrap();
    assert_eq!(
        inline["batch"]["inputConfig"]["requests"]["requests"][1]["metadata"]["key"],
        "ab"
    );
    let plain = check(
        Input::Requests,
        format!(r#"{{"custom_id":"ab","request":{body}}}"#),
    );
    let plain: Value = serde_json::from_str(&plain).unwrap();
    assert_eq!(plain["requests"][1]["custom_id"], "ab");
}

fn polled(operation: &Value) -> BatchState {
    read_poll(&Params::default(), "batches/xyz", &response(operation))
}

#[test]
fn every_state_that_ends_a_batch_gives_what_there_is() {
    let check = |operation: Value, expect: &[&str]| {
        let BatchState::Ended(results) = polled(&operation) else {
            panic!("{operation} is an end");
        };
        let paths: Vec<_> = results.iter().map(|of| of.request.path.as_str()).collect();
        assert_eq!(paths, expect, "{operation}");
    };
    let file = "/v1beta/files/batch-1:download";
    let state = |state: &str| json!({ "state": state });
    let response = json!({"responsesFile": "files/batch-1"});
    check(
        json!({"done": true, "metadata": state("BATCH_STATE_SUCCEEDED"), "response": response}),
        &[file],
    );
    check(
        json!({"metadata": state("JOB_STATE_PARTIALLY_SUCCEEDED"), "response": response}),
        &[file],
    );
    check(
        json!({"metadata": {"state": "BATCH_STATE_SUCCEEDED", "output": response}}),
        &[file],
    );
    check(
        json!({"metadata": {"state": "BATCH_STATE_FAILED", "output": response}}),
        &[file],
    );
    check(
        json!({"metadata": state("BATCH_STATE_EXPIRED"), "error": {"code": 4}}),
        &[],
    );
    check(
        json!({"metadata": state("BATCH_STATE_CANCELLED"), "error": {"code": 1}}),
        &[],
    );
    check(
        json!({"metadata": state("BATCH_STATE_SUCCEEDED"), "response": {"responsesFile": "files/../x"}}),
        &[],
    );
    let inlined = json!({"inlinedResponses": {"inlinedResponses": []}});
    check(
        json!({"metadata": state("BATCH_STATE_SUCCEEDED"), "response": inlined}),
        &["/v1beta/batches/xyz"],
    );
}

#[test]
fn a_batch_that_goes_on_counts_and_one_that_failed_says_why() {
    for state in [
        "BATCH_STATE_PENDING",
        "BATCH_STATE_RUNNING",
        "JOB_STATE_CANCELLING",
    ] {
        let stats =
            json!({"requestCount": "9", "successfulRequestCount": "4", "failedRequestCount": 1});
        let counts = BatchCounts {
            total: 9,
            done: 5,
            failed: 1,
        };
        let operation = json!({"metadata": {"state": state, "batchStats": stats}});
        assert_eq!(polled(&operation), BatchState::Running(counts));
    }
    let check = |operation: Value, kind: FaultKind, words: &str| {
        let BatchState::Failed(fault) = polled(&operation) else {
            panic!("{operation} failed");
        };
        assert_eq!((fault.kind, fault.message.as_str()), (kind, words));
    };
    let failed = json!({"state": "BATCH_STATE_FAILED"});
    check(
        json!({"metadata": failed, "error": {"code": 3, "message": "Line 3."}}),
        FaultKind::Rejected,
        "Line 3. (INVALID_ARGUMENT)",
    );
    check(
        json!({"metadata": failed}),
        FaultKind::Rejected,
        "the batch failed without a reason",
    );
    check(
        json!({"metadata": {}}),
        FaultKind::Malformed,
        "the batch's state is ``",
    );
}

#[test]
fn a_result_is_read_from_a_line_and_from_a_list_as_it_is_written() {
    let check = |text: &str, id: &str, expect: LineOutcome| {
        assert_eq!(
            results::read_line(text).unwrap(),
            (id.to_owned(), expect),
            "{text}"
        );
    };
    let body = r#"{"candidates": [], "x": 1.0}"#;
    let answer = || LineOutcome::Completed(body.into());
    let failed = |kind, words: &str| LineOutcome::Failed(Fault::new(kind, words));
    check(
        &format!(r#"{{"key": "a", "response": {body}}}"#),
        "a",
        answer(),
    );
    check(
        r#"{"key": "a", "error": {"code": 3, "message": "No."}}"#,
        "a",
        failed(FaultKind::Rejected, "No. (INVALID_ARGUMENT)"),
    );
    check(
        r#"{"key": "a", "error": {"code": 14, "message": "Busy."}}"#,
        "a",
        failed(FaultKind::Overloaded, "Busy. (UNAVAILABLE)"),
    );
    check(
        r#"{"key": "a", "error": {"code": 1, "message": "c"}}"#,
        "a",
        LineOutcome::Cancelled,
    );
    check(
        r#"{"key": "a", "error": {"code": 4, "message": "c"}}"#,
        "a",
        LineOutcome::Expired,
    );
    assert!(matches!(
        results::read_line(r#"{"key": "a"}"#),
        Ok((_, LineOutcome::Failed(_)))
    ));
    assert!(results::read_line(r#"{"response": {}}"#).is_err());
    let one = format!(r#"{{"metadata": {{"key": "b"}}, "response": {body}}}"#);
    for operation in [
        format!(
            r#"{{"name": "batches/x", "response": {{"inlinedResponses": {{"inlinedResponses": [{one}]}}}}}}"#
        ),
        format!(
            r#"{{"metadata": {{"output": {{"inlinedResponses": {{"inlinedResponses": [{one}]}}}}}}}}"#
        ),
        format!(
            r#"{{"dest": {{"inlinedResponses": [{{"custom_id": "b", "response": {body}}}]}}}}"#
        ),
        format!(r#"{{"key": "b", "response": {body}}}"#),
    ] {
        let read = results::read_all(&operation);
        assert_eq!(read, [Ok(("b".to_owned(), answer()))], "{operation}");
    }
}

#[test]
fn the_list_is_read_page_by_page_and_the_mark_is_found_again() {
    let params = Params::default();
    let query = list::page(&params, Some("t".into())).query;
    assert_eq!(query[1], ("pageToken".into(), "t".into()));
    let operation = |name: &str, display: Value| {
        json!({"name": name, "metadata": {"displayName": display, "createTime": "2023-11-14T22:13:20.123456Z",
                                          "batchStats": {"requestCount": "2"}}})
    };
    let operations = [
        operation("batches/1", json!("xhost-6f2a9c41")),
        operation("batches/2", json!("my own")),
        operation("batches/3", json!("xhost")),
        operation("batches/4", json!(null)),
        operation("../5", json!("xhost-6f2a9c41")),
    ];
    let page = list::read(&response(
        &json!({"operations": operations, "nextPageToken": "n"}),
    ))
    .unwrap();
    let found: Vec<_> = page
        .batches
        .iter()
        .map(|of| {
            (
                of.id.as_str(),
                of.mark.as_deref(),
                of.created_at_ms,
                of.total,
            )
        })
        .collect();
    let at = 1_700_000_000_123;
    assert_eq!(
        found,
        [
            ("batches/1", Some("6f2a9c41"), at, 2),
            ("batches/2", Some(""), at, 2),
            ("batches/3", None, at, 2),
            ("batches/4", None, at, 2),
        ]
    );
    assert_eq!(page.next.as_deref(), Some("n"));
    let empty = list::read(&response(&json!({}))).unwrap();
    assert_eq!((empty.batches.len(), empty.next), (0, None));
}
