//! The batch half: attacks on where a submission goes, on how it is framed, and on what is made of its results. Without one
//! it speaks the smallest part of OpenAI's batches.

use serde_json::{Value as Json, json};

use crate::bindings::Hostile;
use crate::bindings::exports::xhost::plugin::batch::{
    Answer, Completed, Counts, Envelope, Guest, Listed, Multipart, Outcome, Page, RequestLine,
    ResultFormat, Results, State, Submission, SubmitStep, Upload,
};
use crate::bindings::exports::xhost::plugin::provider::{FaultKind, Method};
use crate::{Fault, Header, HttpRequest, HttpResponse, answer, attack};

impl Guest for Hostile {
    fn frame(_params: String, _model: String) -> Envelope {
        Envelope {
            prefix: String::new(),
            separator: "\n".to_owned(),
            suffix: "\n".to_owned(),
        }
    }

    fn lines(params: String, _model: String, requests: Vec<RequestLine>) -> Vec<String> {
        let mut lines: Vec<String> = requests.iter().map(line).collect();
        match of(&params).as_str() {
            "batch-line-feed" => lines.iter_mut().for_each(|line| line.push('\n')),
            "batch-fewer-lines" => lines.truncate(1),
            _ => {}
        }
        lines
    }

    fn submit(params: String, submission: Submission, responses: Vec<HttpResponse>) -> SubmitStep {
        let attack = of(&params);
        match (responses.as_slice(), attack.as_str()) {
            (_, "batch-endless-acts") => SubmitStep::Send(request(Method::Get, "/batches", None)),
            ([], _) => SubmitStep::Upload(upload(&attack)),
            ([_, .., _], "batch-id") => SubmitStep::Submitted("\u{1b}[2J/../../x\r\n".to_owned()),
            ([uploaded], _) => {
                let body = json!({
                    "input_file_id": read(uploaded)["id"],
                    "endpoint": "/v1/chat/completions",
                    "completion_window": "24h",
                    "metadata": {"mark": submission.mark},
                });
                SubmitStep::Send(request(Method::Post, "/batches", Some(body)))
            }
            ([.., created], _) => {
                SubmitStep::Submitted(read(created)["id"].as_str().unwrap_or_default().to_owned())
            }
        }
    }

    fn poll(params: String, id: String) -> HttpRequest {
        let attack = of(&params);
        let mut poll = request(Method::Get, &format!("/batches/{id}"), None);
        match attack.as_str() {
            "batch-other-host" => poll.path = "//evil.example/batches".to_owned(),
            "batch-header" => poll.headers.push(Header {
                name: "x-a".to_owned(),
                value: "b\r\nauthorization: Bearer mine".to_owned(),
            }),
            _ => {}
        }
        poll
    }

    fn read_poll(params: String, _id: String, response: HttpResponse) -> State {
        let batch = read(&response);
        if batch["status"] != "completed" {
            return State::Running(Counts {
                total: u64::MAX,
                done: u64::MAX,
                failed: u64::MAX,
            });
        }
        let file = batch["output_file_id"].as_str().unwrap_or_default();
        let results = |path: &str| Results {
            request: request(Method::Get, path, None),
            format: ResultFormat::Lines,
        };
        let path = format!("/files/{file}/content");
        State::Ended(match of(&params).as_str() {
            "batch-results-elsewhere" => vec![results("//evil.example/results")],
            "batch-many-results" => vec![results(&path); 10_000],
            _ => vec![results(&path)],
        })
    }

    fn read_lines(params: String, lines: Vec<String>) -> Vec<Result<Answer, Fault>> {
        let mut answers: Vec<Result<Answer, Fault>> =
            lines.iter().map(|line| Ok(told(line))).collect();
        if of(&params) == "batch-strangers" {
            for index in 0..1_000 {
                answers.push(Ok(Answer {
                    custom_id: format!("{index:064x}"),
                    outcome: Outcome::Expired,
                }));
            }
        }
        answers
    }

    fn list_page(_params: String, _cursor: Option<String>) -> HttpRequest {
        request(Method::Get, "/batches", None)
    }

    /// There is always another page.
    fn read_page(_params: String, _response: HttpResponse) -> Result<Page, Fault> {
        Ok(Page {
            batches: vec![Listed {
                id: "somebody-else-s".to_owned(),
                mark: Some(String::new()),
                created_at_ms: u64::MAX,
                total: 0,
            }],
            next: Some("next".to_owned()),
        })
    }

    fn cancel(_params: String, id: String) -> HttpRequest {
        request(Method::Post, &format!("/batches/{id}/cancel"), None)
    }
}

fn of(params: &str) -> String {
    attack(params).unwrap_or_default()
}

fn request(method: Method, path: &str, body: Option<Json>) -> HttpRequest {
    HttpRequest {
        method,
        path: path.to_owned(),
        query: Vec::new(),
        headers: Vec::new(),
        body: body.map(|body| body.to_string()),
    }
}

fn upload(attack: &str) -> Upload {
    let content_type = match attack {
        "batch-content-type" => "application/jsonl\r\nx-hostile: yes",
        _ => "application/jsonl",
    };
    let file_name = match attack {
        "batch-form" => "a\"; filename*=\"\r\ncontent-type: text/html\r\n\r\nb",
        _ => "lines.jsonl",
    };
    Upload {
        request: request(Method::Post, "/files", None),
        content_type: content_type.to_owned(),
        multipart: Some(Multipart {
            fields: vec![("purpose".to_owned(), "batch".to_owned())],
            file_field: "file".to_owned(),
            file_name: file_name.to_owned(),
        }),
    }
}

fn line(request: &RequestLine) -> String {
    format!(
        r#"{{"custom_id":"{}","method":"POST","url":"/v1/chat/completions","body":{}}}"#,
        request.custom_id,
        request.body.replace('\n', " ")
    )
}

fn told(line: &str) -> Answer {
    let line: Json = serde_json::from_str(line).unwrap_or_default();
    let body = &line["response"]["body"];
    let outcome = match line["response"]["status_code"].as_u64() {
        Some(200) => Outcome::Completed(Completed {
            body: body.to_string(),
            model: body["model"].as_str().unwrap_or_default().to_owned(),
        }),
        _ => Outcome::Failed(answer::fault_of(FaultKind::Rejected, "no answer", None)),
    };
    Answer {
        custom_id: line["custom_id"].as_str().unwrap_or_default().to_owned(),
        outcome,
    }
}

fn read(response: &HttpResponse) -> Json {
    serde_json::from_str(&response.body).unwrap_or_default()
}
