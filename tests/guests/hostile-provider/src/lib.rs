//! A hostile provider. `params.attack` says what it tries; `../README.md` says what the host must answer.
//!
//! Without an attack it speaks the smallest part of OpenAI's chat API: texts go out, one text comes back. Each attack
//! changes one thing about that, in `profile` (what `describe` says), `request` (what `encode` builds), `answer` (what
//! `decode`, `diagnose` and `allowances` make of what came back) or `batch` (all of the batch half).

mod answer;
mod batch;
mod profile;
mod request;

use serde_json::Value as Json;

use exports::xhost::plugin::provider::{
    Allowance, Fault, Guest, Header, HttpRequest, HttpResponse, Profile,
};
use xhost::plugin::types::{Completion, Prompt, Refusal};

// The macro's own output holds `unsafe` code; it is the canonical ABI.
#[expect(unsafe_code, reason = "generated glue")]
mod bindings {
    wit_bindgen::generate!({ world: "batch-provider-plugin", path: "../../../wit" });

    export!(Hostile with_types_in self);

    /// The exported provider.
    pub struct Hostile;
}

use bindings::{Hostile, exports, xhost};

impl Guest for Hostile {
    fn schema() -> String {
        r#"{"type":"object","required":["attack"],"properties":{"attack":{"type":"string"}}}"#
            .to_owned()
    }

    fn describe(params: String) -> Result<Profile, Refusal> {
        profile::profile(&attack(&params)?)
    }

    fn encode(params: String, model: String, prompt: Prompt) -> Result<HttpRequest, Refusal> {
        request::request(&attack(&params)?, &model, &prompt)
    }

    fn decode(params: String, body: String) -> Result<Completion, Fault> {
        answer::completion(&attack(&params).unwrap_or_default(), &body)
    }

    fn diagnose(params: String, response: HttpResponse) -> Fault {
        answer::fault(&attack(&params).unwrap_or_default(), &response)
    }

    fn allowances(headers: Vec<Header>) -> Vec<Allowance> {
        answer::allowances(&headers)
    }
}

fn attack(params: &str) -> Result<String, Refusal> {
    let params: Json =
        serde_json::from_str(params).map_err(|error| Refusal::BadParams(error.to_string()))?;
    match params["attack"].as_str() {
        Some(attack) => Ok(attack.to_owned()),
        None => Err(Refusal::BadParams("`attack` must be a string".to_owned())),
    }
}
