//! `anthropic`: the Messages API of Anthropic.
//!
//! Sources: Anthropic's API documentation, pages "Create a Message", "Versions", "Errors" and "Rate limits".

mod answer;
mod batch;
mod content;
mod failure;
mod limits;
mod params;
mod request;

use params::Params;
use serde_json::Value;
use xhost_plugin::{
    Allowance, Auth, Batch, BatchLimits, BatchPage, BatchState, Completion, Envelope, Fault,
    Header, HttpRequest, HttpResponse, LineOutcome, Profile, Prompt, Provider, Refusal,
    RequestLine, Submission, SubmitStep, export_batch_provider,
};

struct Anthropic;

export_batch_provider!(Anthropic);

impl Provider for Anthropic {
    type Params = Params;

    fn describe(params: Params) -> Result<Profile, Refusal> {
        Ok(Profile {
            api: "anthropic.messages".into(),
            base_url: "https://api.anthropic.com".into(),
            base_url_variable: Some("ANTHROPIC_BASE_URL".into()),
            auth: if params.is_bearer() {
                Auth::Bearer
            } else {
                Auth::Header("x-api-key".into())
            },
            key_variable: "ANTHROPIC_API_KEY".into(),
            response_headers: ["retry-after", "retry-after-ms"]
                .into_iter()
                .map(str::to_owned)
                .chain(limits::headers())
                .collect(),
            batch: Some(BatchLimits {
                requests: 100_000,
                bytes: 256_000_000,
            }),
        })
    }

    fn encode(params: Params, model: String, prompt: Prompt) -> Result<HttpRequest, Refusal> {
        request::encode(&params, &model, &prompt)
    }

    fn decode(_: Params, body: Value) -> Result<Completion, Fault> {
        answer::decode(&body)
    }

    fn diagnose(_: Params, response: HttpResponse) -> Fault {
        failure::diagnose(&response)
    }

    fn allowances(headers: Vec<Header>) -> Vec<Allowance> {
        limits::allowances(&headers)
    }
}

impl Batch for Anthropic {
    fn frame(_: Params, _: String) -> Envelope {
        batch::frame()
    }

    fn line(_: &Params, _: &str, request: RequestLine) -> String {
        batch::line(&request)
    }

    fn submit(params: Params, _: Submission, responses: Vec<HttpResponse>) -> SubmitStep {
        batch::submit(&params, &responses)
    }

    fn poll(params: Params, id: String) -> HttpRequest {
        batch::poll(&params, &id)
    }

    fn read_poll(params: Params, id: String, response: HttpResponse) -> BatchState {
        batch::read_poll(&params, &id, &response)
    }

    fn read_line(_: &Params, line: &str) -> Result<(String, LineOutcome), Fault> {
        batch::read_line(line)
    }

    fn list_page(params: Params, cursor: Option<String>) -> HttpRequest {
        batch::list_page(&params, cursor)
    }

    fn read_page(_: Params, response: HttpResponse) -> Result<BatchPage, Fault> {
        batch::read_page(&response)
    }

    fn cancel(params: Params, id: String) -> HttpRequest {
        batch::cancel(&params, &id)
    }
}
