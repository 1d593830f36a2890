//! `openai`: the chat API of OpenAI and of the many servers that speak it: Azure, Groq, OpenRouter, DeepSeek, vLLM,
//! llama.cpp and more.
//!
//! Sources: OpenAI's API reference, pages "Create chat completion", "Error codes" and "Rate limits".

mod answer;
mod content;
mod failure;
mod limits;
mod params;
mod request;

use params::{Auth as ParamsAuth, Params};
use serde_json::Value;
use xhost_plugin::{
    Allowance, Auth, Completion, Fault, Header, HttpRequest, HttpResponse, Profile, Prompt,
    Provider, Refusal, export_provider,
};

struct OpenAi;

export_provider!(OpenAi);

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
            batch: None,
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
