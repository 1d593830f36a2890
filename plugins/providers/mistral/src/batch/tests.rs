//! Batches, act by act and line by line.

use super::*;
use xhost_plugin::Method;

fn response(body: &Value) -> HttpResponse {
    line::told(200, &body.to_string())
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
fn a_submission_is_a_file_and_then_a_job_that_carries_model_and_mark() {
    let params = Params::default();
    let SubmitStep::Upload(upload) = submit(&params, &submission(), &[]) else {
        panic!("the file comes first");
    };
    assert_eq!(upload.request.path, "/files");
    assert_eq!(
        upload.multipart.unwrap().fields,
        [("purpose".into(), "batch".into())]
    );
    let uploaded = response(&json!({"id": "123e4567-e89b-12d3-a456-426614174000"}));
    let step = submit(&params, &submission(), std::slice::from_ref(&uploaded));
    let SubmitStep::Send(create) = step else {
        panic!("the job comes second");
    };
    assert_eq!(
        (create.method, create.path.as_str()),
        (Method::Post, "/batch/jobs")
    );
    assert_eq!(
        create.body.unwrap(),
        concat!(
            r#"{"input_files":["123e4567-e89b-12d3-a456-426614174000"],"model":"m","endpoint":"/v1/chat/completions","#,
            r#""metadata":{"xhost_submission":"6f2a9c41"}}"#,
        )
    );
    let done = submit(
        &params,
        &submission(),
        &[uploaded, response(&json!({"id": "job-1"}))],
    );
    assert_eq!(done, SubmitStep::Submitted("job-1".into()));
    let strange = submit(&params, &submission(), &[response(&json!({"id": "../x"}))]);
    assert!(matches!(strange, SubmitStep::Failed(_)), "{strange:?}");
}

#[test]
fn a_line_leaves_the_model_to_its_job_and_keeps_the_rest_as_it_is() {
    let check = |model: &str, body: &str, expect: &str| {
        let request = RequestLine {
            custom_id: "ab".into(),
            path: "/chat/completions".into(),
            body: body.into(),
        };
        let expect = format!(r#"{{"custom_id":"ab","body":{expect}}}"#);
        assert_eq!(line(model, &request), expect);
    };
    check(
        "m",
        "{\"model\":\"m\",\"messages\":[],\n\"x\":1.0,\"model\":3}",
        r#"{"messages":[], "x":1.0,"model":3}"#,
    );
    check(
        "a\"b",
        r#"{"model":"a\"b","messages":[]}"#,
        r#"{"messages":[]}"#,
    );
    check(
        "m",
        r#"{"messages":[],"model":"m"}"#,
        r#"{"messages":[],"model":"m"}"#,
    );
}

#[test]
fn every_status_that_ends_a_job_gives_both_files() {
    let check = |status: &str, output: Value, error: Value, expect: &[&str]| {
        let job = json!({"status": status, "output_file": output, "error_file": error});
        let BatchState::Ended(results) = read_poll(&response(&job)) else {
            panic!("{status} is an end");
        };
        let paths: Vec<_> = results.iter().map(|of| of.request.path.as_str()).collect();
        assert_eq!(paths, expect);
    };
    let (output, error) = ("/files/o/content", "/files/e/content");
    check("SUCCESS", json!("o"), json!("e"), &[output, error]);
    check(
        "SUCCESS",
        json!({"id": "o", "object": "file"}),
        json!(null),
        &[output],
    );
    check("TIMEOUT_EXCEEDED", json!("o"), json!(""), &[output]);
    check("CANCELLED", json!(null), json!(null), &[]);
    check("FAILED", json!(null), json!("e"), &[error]);
}

#[test]
fn a_job_that_goes_on_counts_and_one_that_failed_says_why() {
    for status in ["QUEUED", "RUNNING", "CANCELLATION_REQUESTED"] {
        let job = json!({"status": status, "total_requests": 9, "completed_requests": 5, "failed_requests": 1});
        let counts = BatchCounts {
            total: 9,
            done: 5,
            failed: 1,
        };
        assert_eq!(read_poll(&response(&job)), BatchState::Running(counts));
    }
    let check = |job: Value, kind: FaultKind, words: &str| {
        let BatchState::Failed(fault) = read_poll(&response(&job)) else {
            panic!("{job} failed");
        };
        assert_eq!((fault.kind, fault.message.as_str()), (kind, words));
    };
    check(
        json!({"status": "FAILED", "errors": [{"message": "Line 3 is no JSON.", "count": 1}]}),
        FaultKind::Rejected,
        "Line 3 is no JSON.",
    );
    check(
        json!({"status": "FAILED"}),
        FaultKind::Rejected,
        "the job failed without a reason",
    );
    check(
        json!({"status": "NEW"}),
        FaultKind::Malformed,
        "the job's status is `NEW`",
    );
}

#[test]
fn a_refused_line_has_the_reason_of_a_live_call() {
    let text = json!({"id": "b", "custom_id": "a", "error": null, "response": {"status_code": 429, "body": {
        "object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"}}});
    let (id, outcome) = read_line(&text.to_string()).unwrap();
    let fault = Fault::new(FaultKind::RateLimited, "Rate limit exceeded (1300)");
    assert_eq!((id.as_str(), outcome), ("a", LineOutcome::Failed(fault)));
}

#[test]
fn a_job_of_ours_is_found_in_the_list_by_its_mark() {
    let jobs = json!({"object": "list", "total": 2, "data": [
        {"id": "j1", "created_at": 1_700_000_000, "total_requests": 2, "metadata": {"xhost_submission": "6f2a9c41"}},
        {"id": "j2", "created_at": "2023-11-14T22:13:20Z", "metadata": null},
        {"id": "../j3", "created_at": 3},
    ]});
    let page = read_page(&response(&jobs)).unwrap();
    let found: Vec<_> = page
        .batches
        .iter()
        .map(|job| {
            (
                job.id.as_str(),
                job.mark.as_deref(),
                job.created_at_ms,
                job.total,
            )
        })
        .collect();
    let at = 1_700_000_000_000;
    assert_eq!(
        found,
        [("j1", Some("6f2a9c41"), at, 2), ("j2", Some(""), at, 0)]
    );
    assert_eq!(page.next, None);
    let empty = read_page(&response(&json!({"total": 0}))).unwrap();
    assert_eq!((empty.batches.len(), empty.next), (0, None));
}

/// The server's side of the list: so many jobs, the newest first.
fn walked(jobs: usize) -> (usize, Vec<usize>) {
    let (mut seen, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let query = list_page(cursor).query;
        let number = |at: usize| query[at].1.parse::<usize>().unwrap();
        let (page, size) = (number(0), number(1));
        let shown = (page * size).min(jobs)..((page + 1) * size).min(jobs);
        let data: Vec<Value> = shown
            .clone()
            .map(|job| json!({"id": job.to_string(), "created_at": 1}))
            .collect();
        seen.extend(shown);
        pages += 1;
        let answer = response(&json!({"object": "list", "total": jobs, "data": data}));
        match read_page(&answer).unwrap().next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    seen.sort_unstable();
    seen.dedup();
    (pages, seen)
}

#[test]
fn every_job_of_the_list_is_on_some_page_though_no_answer_says_which_it_is() {
    for (jobs, pages) in [
        (0, 1),
        (1, 1),
        (57, 1),
        (100, 1),
        (101, 2),
        (198, 2),
        (199, 3),
        (1_000, 12),
        (2_500, 44),
    ] {
        let (asked, seen) = walked(jobs);
        assert_eq!((asked, seen.len()), (pages, jobs), "{jobs}");
    }
}
