//! From a prompt to a request: what the experiment sets and nothing else.

use crate::content::messages;
use crate::params::Params;
use provider_text::request::{json, merged, refuse_what_is_not_read};
use provider_text::tool::declared;
use serde::Serialize;
use serde_json::value::RawValue;
use xhost_plugin::{Body, HttpRequest, Prompt, Refusal, Sampling};

/// The request for one completion. The model comes first: a batch's line leaves it out.
pub fn encode(params: &Params, model: &str, prompt: &Prompt) -> Result<HttpRequest, Refusal> {
    let body = Body::default()
        .with("model", model)
        .with("messages", &messages(params, &prompt.messages)?);
    let body = match prompt.tools.as_slice() {
        [] => body,
        tools => body.with("tools", &declared(tools)?),
    };
    let body = with_sampling(body, &prompt.sampling)?;
    Ok(HttpRequest::post("/chat/completions", &body))
}

fn with_sampling(body: Body, sampling: &Sampling) -> Result<Body, Refusal> {
    let Sampling {
        max_tokens,
        temperature,
        top_p,
        stop,
        seed,
        response_schema,
        extra,
    } = sampling;
    if seed.is_some_and(|seed| seed < 0) {
        return Err(Refusal::bad_params(
            "this API takes no negative seed: change model.sampling.seed",
        ));
    }
    let format = response_schema
        .as_deref()
        .map(ResponseFormat::new)
        .transpose()?;
    let body = body
        .with_some("max_tokens", max_tokens.as_ref())
        .with_some("temperature", temperature.as_ref())
        .with_some("top_p", top_p.as_ref())
        .with_some("stop", (!stop.is_empty()).then_some(stop))
        .with_some("random_seed", seed.as_ref())
        .with_some("response_format", format.as_ref());
    let Some(extra) = extra else { return Ok(body) };
    let model = body.get("model").map(str::to_owned);
    let body = merged(body, extra)?;
    refuse_what_is_not_read(&body)?;
    if body.get("model") != model.as_deref() {
        return Err(Refusal::bad_params(
            "sampling.extra sets `model`; set model.name instead",
        ));
    }
    Ok(body)
}

#[derive(Serialize)]
struct ResponseFormat {
    r#type: &'static str,
    json_schema: NamedSchema,
}

#[derive(Serialize)]
struct NamedSchema {
    name: &'static str,
    strict: bool,
    schema: Box<RawValue>,
}

impl ResponseFormat {
    fn new(schema: &str) -> Result<ResponseFormat, Refusal> {
        let schema = json("sampling.response_schema", schema)?;
        Ok(ResponseFormat {
            r#type: "json_schema",
            json_schema: NamedSchema {
                name: "answer",
                strict: true,
                schema,
            },
        })
    }
}

#[cfg(test)]
mod tests;
