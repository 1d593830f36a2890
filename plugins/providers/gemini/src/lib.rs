//! `gemini`: the Gemini API of Google AI for developers.
//!
//! Sources: Google's API reference, pages "Generating content", "Batch API" and "Files", its guide "Rate limits", and the
//! official SDK, `google-genai` 3.4.

mod answer;
mod batch;
mod content;
mod failure;
mod params;
mod request;

use params::{Input, Params};
use serde_json::Value;
use xhost_plugin::{
    Allowance, Auth, Batch, BatchLimits, BatchPage, BatchState, Completion, Envelope, Fault,
    Header, HttpRequest, HttpResponse, LineOutcome, Profile, Prompt, Provider, Refusal,
    RequestLine, Submission, SubmitStep, export_batch_provider,
};

struct Gemini;

export_batch_provider!(Gemini);

impl Provider for Gemini {
    type Params = Params;

    fn describe(params: Params) -> Result<Profile, Refusal> {
        params.check()?;
        Ok(Profile {
            api: "gemini.generate-content".into(),
            // Without the version: files go up beside it, to `/upload/v1beta`.
            base_url: "https://generativelanguage.googleapis.com".into(),
            base_url_variable: Some("GOOGLE_GEMINI_BASE_URL".into()),
            auth: Auth::Header("x-goog-api-key".into()),
            key_variable: "GEMINI_API_KEY".into(),
            response_headers: ["retry-after", batch::UPLOAD_URL].map(str::to_owned).into(),
            batch: Some(BatchLimits {
                requests: params.batch.most_requests(),
                bytes: params.batch.most_bytes(),
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

    /// The API states no limits in headers.
    fn allowances(_: Vec<Header>) -> Vec<Allowance> {
        Vec::new()
    }
}

impl Batch for Gemini {
    fn frame(params: Params, _: String) -> Envelope {
        batch::frame(params.batch.input)
    }

    fn line(params: &Params, _: &str, request: RequestLine) -> String {
        batch::line(params.batch.input, &request)
    }

    fn submit(params: Params, submission: Submission, responses: Vec<HttpResponse>) -> SubmitStep {
        match params.batch.input {
            Input::File => batch::submit_file(&params, &submission, &responses),
            Input::Inline | Input::Requests => {
                batch::submit_inline(&params, &submission, &responses)
            }
        }
    }

    fn poll(params: Params, id: String) -> HttpRequest {
        batch::poll(&params, &id)
    }

    fn read_poll(params: Params, id: String, response: HttpResponse) -> BatchState {
        batch::read_poll(&params, &id, &response)
    }

    fn read_line(_: &Params, line: &str) -> Result<(String, LineOutcome), Fault> {
        batch::results::read_line(line)
    }

    fn read_all(_: &Params, text: &str) -> Vec<Result<(String, LineOutcome), Fault>> {
        batch::results::read_all(text)
    }

    fn list_page(params: Params, cursor: Option<String>) -> HttpRequest {
        batch::list::page(&params, cursor)
    }

    fn read_page(_: Params, response: HttpResponse) -> Result<BatchPage, Fault> {
        batch::list::read(&response)
    }

    fn cancel(params: Params, id: String) -> HttpRequest {
        batch::cancel(&params, &id)
    }
}
