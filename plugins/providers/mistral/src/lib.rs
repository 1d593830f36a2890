//! `mistral`: the chat API of Mistral.
//!
//! Sources: Mistral's API reference, pages "Chat Completion", "Batch" and "Files", and the types of its official SDK,
//! `mistralai` 3.7.

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

struct Mistral;

export_batch_provider!(Mistral);

impl Provider for Mistral {
    type Params = Params;

    fn describe(params: Params) -> Result<Profile, Refusal> {
        Ok(Profile {
            api: "mistral.chat".into(),
            base_url: "https://api.mistral.ai/v1".into(),
            base_url_variable: Some("MISTRAL_BASE_URL".into()),
            auth: Auth::Bearer,
            key_variable: "MISTRAL_API_KEY".into(),
            response_headers: limits::headers(),
            batch: Some(BatchLimits {
                requests: params.batch.most_requests,
                bytes: params.batch.most_bytes,
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

impl Batch for Mistral {
    fn frame(_: Params, _: String) -> Envelope {
        batch::frame()
    }

    fn line(_: &Params, model: &str, request: RequestLine) -> String {
        batch::line(model, &request)
    }

    fn submit(params: Params, submission: Submission, responses: Vec<HttpResponse>) -> SubmitStep {
        batch::submit(&params, &submission, &responses)
    }

    fn poll(_: Params, id: String) -> HttpRequest {
        batch::poll(&id)
    }

    fn read_poll(_: Params, _: String, response: HttpResponse) -> BatchState {
        batch::read_poll(&response)
    }

    fn read_line(_: &Params, line: &str) -> Result<(String, LineOutcome), Fault> {
        batch::read_line(line)
    }

    fn list_page(_: Params, cursor: Option<String>) -> HttpRequest {
        batch::list_page(cursor)
    }

    fn read_page(_: Params, response: HttpResponse) -> Result<BatchPage, Fault> {
        batch::read_page(&response)
    }

    fn cancel(_: Params, id: String) -> HttpRequest {
        batch::cancel(&id)
    }
}
