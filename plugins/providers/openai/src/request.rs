//! From a prompt to a request: what the experiment sets and nothing else.

use crate::content::messages;
use crate::params::Params;
use provider_text::request::{json, merged, refuse_what_is_not_read};
use provider_text::tool::declared;
use serde::Serialize;
use serde_json::value::RawValue;
use xhost_plugin::{Body, Header, HttpRequest, Prompt, Refusal, Sampling, Tool};

/// The request for one completion.
pub fn encode(params: Params, model: &str, prompt: &Prompt) -> Result<HttpRequest, Refusal> {
    let body = Body::default()
        .with("model", model)
        .with("messages", &messages(&params, &prompt.messages)?);
    let body = with_tools(body, &prompt.tools)?;
    let body = with_sampling(body, &params, &prompt.sampling)?;
    let mut request = HttpRequest::post("/chat/completions", &body);
    request.query = params.query.into_iter().collect();
    request.headers = params
        .headers
        .into_iter()
        .map(|(name, value)| Header::new(name.to_ascii_lowercase(), value))
        .collect();
    Ok(request)
}

fn with_sampling(body: Body, params: &Params, sampling: &Sampling) -> Result<Body, Refusal> {
    let Sampling {
        max_tokens,
        temperature,
        top_p,
        stop,
        seed,
        response_schema,
        extra,
    } = sampling;
    let format = response_schema
        .as_deref()
        .map(ResponseFormat::new)
        .transpose()?;
    let body = body
        .with_some(params.max_tokens_key.as_str(), max_tokens.as_ref())
        .with_some("temperature", temperature.as_ref())
        .with_some("top_p", top_p.as_ref())
        .with_some("stop", (!stop.is_empty()).then_some(stop))
        .with_some("seed", seed.as_ref())
        .with_some("response_format", format.as_ref());
    let Some(extra) = extra else { return Ok(body) };
    let body = merged(body, extra)?;
    refuse_what_is_not_read(&body)?;
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

fn with_tools(body: Body, tools: &[Tool]) -> Result<Body, Refusal> {
    if tools.is_empty() {
        return Ok(body);
    }
    Ok(body.with("tools", &declared(tools)?))
}

#[cfg(test)]
mod tests;
