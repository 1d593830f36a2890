//! `anthropic`: the Messages API of Anthropic.
//!
//! Sources: Anthropic's API documentation, pages "Create a Message", "Versions", "Errors" and "Rate limits".

mod answer;
mod content;
mod failure;
mod limits;
mod params;
mod request;

use params::Params;
use serde_json::Value;
use xhost_plugin::{
    Allowance, Auth, Completion, Fault, Header, HttpRequest, HttpResponse, Profile, Prompt,
    Provider, Refusal, export_provider,
};

struct Anthropic;

export_provider!(Anthropic);

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
            batch: None,
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
