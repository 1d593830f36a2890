//! Batches, act by act and line by line.

use super::*;
use xhost_plugin::Method;

fn response(body: &Value) -> HttpResponse {
    HttpResponse {
        status: 200,
        headers: Vec::new(),
        body: body.to_string(),
    }
}

fn submission() -> Submission {
    Submission {
        mark: "6f2a9c41".into(),
        model: "m".into(),
        requests: 2,
        bytes: 99,
    }
}

#[test]
fn a_submission_is_a_file_and_then_a_batch_that_carries_the_mark() {
    let params = Params::default();
    let SubmitStep::Upload(upload) = submit(&params, &submission(), &[]) else {
        panic!("the file comes first");
    };
    assert_eq!(upload.request.path, "/files");
    assert_eq!(upload.multipart.unwrap().file_name, "xhost-6f2a9c41.jsonl");
    let uploaded = response(&json!({"id": "file-1"}));
    let SubmitStep::Send(create) = submit(&params, &submission(), std::slice::from_ref(&uploaded))
    else {
        panic!("the batch comes second");
    };
    assert_eq!(
        (create.method, create.path.as_str()),
        (Method::Post, "/batches")
    );
    let body: Value = serde_json::from_str(&create.body.unwrap()).unwrap();
    assert_eq!(
        body,
        json!({"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h",
               "metadata": {"xhost_submission": "6f2a9c41"}})
    );
    let done = submit(
        &params,
        &submission(),
        &[uploaded, response(&json!({"id": "batch_1"}))],
    );
    assert_eq!(done, SubmitStep::Submitted("batch_1".into()));
    let strange = submit(&params, &submission(), &[response(&json!({"id": "../x"}))]);
    assert!(matches!(strange, SubmitStep::Failed(_)), "{strange:?}");
}

#[test]
fn a_line_is_one_line_and_its_body_keeps_its_text() {
    let request = RequestLine {
        custom_id: "ab".into(),
        path: "/chat/completions".into(),
        body: "{\"seed\":12345678901234567890123,\n\"x\":1.0}".into(),
    };
    assert_eq!(
        line(&Params::default(), &request),
        r#"{"custom_id":"ab","method":"POST","url":"/v1/chat/completions","body":{"seed":12345678901234567890123, "x":1.0}}"#
    );
}

#[test]
fn every_status_that_ends_a_batch_gives_both_files_and_an_empty_id_is_none() {
    let check = |status: &str, output: Value, error: Value, expect: &[&str]| {
        let batch = json!({"status": status, "output_file_id": output, "error_file_id": error});
        let BatchState::Ended(requests) = read_poll(&Params::default(), &response(&batch)) else {
            panic!("{status} is an end");
        };
        let paths: Vec<_> = requests
            .iter()
            .map(|results| results.request.path.as_str())
            .collect();
        assert_eq!(paths, expect);
    };
    let (output, error) = ("/files/o/content", "/files/e/content");
    check("completed", json!("o"), json!("e"), &[output, error]);
    check("completed", json!(null), json!("e"), &[error]);
    check("expired", json!("o"), json!(""), &[output]);
    check("cancelled", json!("o"), json!("e"), &[output, error]);
    check("completed", json!(null), json!(null), &[]);
}

#[test]
fn a_batch_that_failed_says_why_and_a_token_limit_passes() {
    let check = |code: &str, expect: FaultKind| {
        let batch = json!({"status": "failed", "errors": {"data": [{"code": code, "message": "Words.", "line": 3}]}});
        let BatchState::Failed(fault) = read_poll(&Params::default(), &response(&batch)) else {
            panic!("it failed");
        };
        assert_eq!(fault.kind, expect);
        assert_eq!(fault.message, format!("Words. ({code}, line 3)"));
    };
    check("invalid_json_line", FaultKind::Rejected);
    check("token_limit_exceeded", FaultKind::RateLimited);
    let running = response(
        &json!({"status": "in_progress", "request_counts": {"total": 9, "completed": 4, "failed": 1}}),
    );
    let expect = BatchCounts {
        total: 9,
        done: 5,
        failed: 1,
    };
    assert_eq!(
        read_poll(&Params::default(), &running),
        BatchState::Running(expect)
    );
}

#[test]
fn a_result_line_is_an_answer_only_with_status_200_and_no_error() {
    let read = |line: Value| read_line(&line.to_string()).unwrap().1;
    let completed =
        r#"{"custom_id":"a","response":{"status_code":200,"body":{"n": 1.0}},"error":null}"#;
    assert_eq!(
        read_line(completed).unwrap(),
        ("a".into(), LineOutcome::Completed(r#"{"n": 1.0}"#.into()))
    );
    let refused = json!({"custom_id": "a", "response": {"status_code": 400, "body": {"error": {"message": "Bad.", "type": "invalid_request_error"}}}, "error": null});
    let LineOutcome::Failed(fault) = read(refused) else {
        panic!("400 is no answer");
    };
    assert_eq!(
        (fault.kind, fault.message.as_str()),
        (FaultKind::Rejected, "Bad. (invalid_request_error)")
    );
    let expired = json!({"custom_id": "a", "response": null, "error": {"code": "batch_expired", "message": "Late."}});
    assert_eq!(read(expired), LineOutcome::Expired);
    let odd =
        json!({"custom_id": "a", "response": {"status_code": 0, "body": null}, "error": null});
    assert!(matches!(read(odd), LineOutcome::Failed(_)));
    assert!(read_line("{\"custom_id\":").is_err());
    assert!(read_line(r#"{"custom_id":null}"#).is_err());
}

#[test]
fn a_page_gives_the_marks_and_where_the_next_one_begins() {
    let batch = json!({"id": "b1", "created_at": 12, "metadata": {"xhost_submission": "m1"}, "request_counts": {"total": 3}});
    let other = json!({"id": "b2", "created_at": 11, "metadata": null});
    let page = read_page(&response(
        &json!({"data": [batch, other], "has_more": true}),
    ))
    .unwrap();
    assert_eq!(page.next.as_deref(), Some("b2"));
    assert_eq!(page.batches[0].mark.as_deref(), Some("m1"));
    assert_eq!(
        (page.batches[0].created_at_ms, page.batches[0].total),
        (12_000, 3)
    );
    assert_eq!(
        page.batches[1].mark.as_deref(),
        Some(""),
        "it is known to be another's"
    );
}
