//! `openai`: the chat API of OpenAI and of the many servers that speak it: Azure, Groq, OpenRouter, DeepSeek, vLLM,
//! llama.cpp and more.
//!
//! Sources: OpenAI's API reference, pages "Create chat completion", "Error codes" and "Rate limits".

mod answer;
mod batch;
mod content;
mod failure;
mod limits;
mod params;
mod request;

use params::{Auth as ParamsAuth, Params};
use serde_json::Value;
use xhost_plugin::{
    Allowance, Auth, Batch, BatchLimits, BatchPage, BatchState, Completion, Envelope, Fault,
    Header, HttpRequest, HttpResponse, LineOutcome, Profile, Prompt, Provider, Refusal,
    RequestLine, Submission, SubmitStep, export_batch_provider,
};

struct OpenAi;

export_batch_provider!(OpenAi);

impl Provider for OpenAi {
    type Params = Params;

    fn describe(params: Params) -> Result<Profile, Refusal> {
        Ok(Profile {
            api: "openai.chat".into(),
            base_url: "https://api.openai.com/v1".into(),
            base_url_variable: Some("OPENAI_BASE_URL".into()),
            auth: match params.auth {
                ParamsAuth::Bearer => Auth::Bearer,
                ParamsAuth::ApiKey => Auth::Header("api-key".into()),
                ParamsAuth::None => Auth::None,
            },
            key_variable: "OPENAI_API_KEY".into(),
            response_headers: ["retry-after", "retry-after-ms"]
                .into_iter()
                .map(str::to_owned)
                .chain(limits::headers())
                .collect(),
            batch: Some(BatchLimits {
                requests: params.batch.most_requests,
                bytes: params.batch.most_bytes,
            }),
        })
    }

    fn encode(params: Params, model: String, prompt: Prompt) -> Result<HttpRequest, Refusal> {
        request::encode(params, &model, &prompt)
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

impl Batch for OpenAi {
    fn frame(_: Params, _: String) -> Envelope {
        batch::frame()
    }

    fn line(params: &Params, _: &str, request: RequestLine) -> String {
        batch::line(params, &request)
    }

    fn submit(params: Params, submission: Submission, responses: Vec<HttpResponse>) -> SubmitStep {
        batch::submit(&params, &submission, &responses)
    }

    fn poll(params: Params, id: String) -> HttpRequest {
        batch::poll(&params, &id)
    }

    fn read_poll(params: Params, _: String, response: HttpResponse) -> BatchState {
        batch::read_poll(&params, &response)
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
