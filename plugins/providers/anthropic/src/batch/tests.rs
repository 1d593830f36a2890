//! Message batches, act by act and line by line.

use super::*;
use serde_json::json;
use xhost_plugin::FaultKind;

fn response(body: &Value) -> HttpResponse {
    HttpResponse {
        status: 200,
        headers: Vec::new(),
        body: body.to_string(),
    }
}

#[test]
fn one_upload_makes_the_batch_and_every_call_names_the_version() {
    let params = Params::default();
    let SubmitStep::Upload(upload) = submit(&params, &[]) else {
        panic!("the lines are the document");
    };
    assert_eq!(upload.request.headers[0].name, "anthropic-version");
    assert_eq!(upload.multipart, None);
    let created = response(&json!({"id": "msgbatch_1"}));
    assert_eq!(
        submit(&params, &[created]),
        SubmitStep::Submitted("msgbatch_1".into())
    );
    let lines = [line(&request("a")), line(&request("b"))].join(&frame().separator);
    let document = format!("{}{lines}{}", frame().prefix, frame().suffix);
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(
        document["requests"][1],
        json!({"custom_id": "b", "params": {"model": "m"}})
    );
}

fn request(custom_id: &str) -> RequestLine {
    RequestLine {
        custom_id: custom_id.into(),
        path: "/v1/messages".into(),
        body: "{\"model\":\n\"m\"}".into(),
    }
}

#[test]
fn results_are_asked_for_by_id_wherever_results_url_points() {
    let ended = json!({"processing_status": "ended", "results_url": "https://evil.example/x"});
    let BatchState::Ended(requests) = read_poll(&Params::default(), "b1", &response(&ended)) else {
        panic!("it ended");
    };
    assert_eq!(requests[0].request.path, "/v1/messages/batches/b1/results");
}

#[test]
fn the_four_ends_of_a_request() {
    let read = |result: Value| {
        read_line(&json!({"custom_id": "a", "result": result}).to_string())
            .unwrap()
            .1
    };
    let message = LineOutcome::Completed(r#"{"n":1}"#.into());
    assert_eq!(
        read(json!({"type": "succeeded", "message": {"n": 1}})),
        message
    );
    assert_eq!(read(json!({"type": "expired"})), LineOutcome::Expired);
    assert_eq!(read(json!({"type": "canceled"})), LineOutcome::Cancelled);
    let error = json!({"type": "error", "error": {"type": "invalid_request_error", "message": "Bad."}, "request_id": null});
    let LineOutcome::Failed(fault) = read(json!({"type": "errored", "error": error})) else {
        panic!("it failed");
    };
    assert_eq!(fault.kind, FaultKind::Rejected);
    assert!(fault.message.contains("Bad."), "{}", fault.message);
    assert!(read_line("{}").is_err() && read_line("nonsense").is_err());
}

#[test]
fn a_page_counts_requests_and_reads_instants() {
    let batch = json!({"id": "b1", "created_at": "2026-11-23T20:00:00.5+00:00", "request_counts": {"processing": 3, "succeeded": 2}});
    let page = read_page(&response(
        &json!({"data": [batch], "has_more": true, "last_id": "b1"}),
    ))
    .unwrap();
    assert_eq!(
        (page.batches[0].total, page.batches[0].mark.clone()),
        (5, None)
    );
    assert_eq!(page.batches[0].created_at_ms, 1_795_464_000_500);
    assert_eq!(page.next.as_deref(), Some("b1"));
}
