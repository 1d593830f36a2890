//! From a prompt to a request: what the experiment sets and nothing else.

use crate::content;
use crate::params::Params;
use provider_text::request::{json, merged, refuse_what_is_not_read};
use provider_text::tool::schema;
use serde::Serialize;
use serde_json::value::RawValue;
use xhost_plugin::{Body, Header, HttpRequest, Prompt, Refusal, Sampling, Tool};

/// The request for one completion.
pub fn encode(params: &Params, model: &str, prompt: &Prompt) -> Result<HttpRequest, Refusal> {
    let (system, messages) = content::split(&prompt.messages);
    let body = Body::default()
        .with("model", model)
        .with_some("max_tokens", prompt.sampling.max_tokens.as_ref())
        .with_some("system", content::system(system)?.as_ref())
        .with("messages", &content::messages(messages)?);
    let body = with_tools(body, &prompt.tools)?;
    let body = with_sampling(body, params, &prompt.sampling)?;
    let mut request = HttpRequest::post("/v1/messages", &body);
    request.headers = headers(params);
    Ok(request)
}

/// What every call carries.
pub fn headers(params: &Params) -> Vec<Header> {
    let mut headers = vec![Header::new("anthropic-version", &params.api_version)];
    if !params.beta.is_empty() {
        headers.push(Header::new("anthropic-beta", params.beta.join(",")));
    }
    headers
}

fn with_sampling(body: Body, params: &Params, sampling: &Sampling) -> Result<Body, Refusal> {
    let Sampling {
        max_tokens: _,
        temperature,
        top_p,
        stop,
        seed,
        response_schema,
        extra,
    } = sampling;
    refuse_what_the_version_lacks(params, sampling)?;
    if seed.is_some() {
        return Err(Refusal::bad_params(
            "this API knows no seed: remove model.sampling.seed",
        ));
    }
    let format = response_schema
        .as_deref()
        .map(OutputConfig::new)
        .transpose()?;
    let body = body
        .with_some("temperature", temperature.as_ref())
        .with_some("top_p", top_p.as_ref())
        .with_some("stop_sequences", (!stop.is_empty()).then_some(stop))
        .with_some("output_config", format.as_ref());
    let body = match extra {
        Some(extra) => with_extra(body, extra)?,
        None => body,
    };
    match body.get("max_tokens") {
        Some(_) => Ok(body),
        None => Err(Refusal::bad_params(
            "this API demands a limit on the answer: set model.sampling.max_tokens",
        )),
    }
}

fn refuse_what_the_version_lacks(params: &Params, sampling: &Sampling) -> Result<(), Refusal> {
    let version = &params.api_version;
    let set = [
        ("temperature", sampling.temperature.is_some()),
        ("top_p", sampling.top_p.is_some()),
    ];
    match set
        .iter()
        .find(|(_, is_set)| *is_set && !params.takes_sampling())
    {
        Some((name, _)) => Err(Refusal::bad_params(format!(
            "version {version} of this API takes no {name}: remove model.sampling.{name}, or set \
             model.params.api_version to 2023-06-01 for a model that still takes it"
        ))),
        None => Ok(()),
    }
}

fn with_extra(body: Body, extra: &str) -> Result<Body, Refusal> {
    let had_schema = body.get("output_config").map(str::to_owned);
    let body = merged(body, extra)?;
    if had_schema.is_some_and(|schema| body.get("output_config") != Some(schema.as_str())) {
        return Err(Refusal::bad_params(
            "sampling.extra sets `output_config`, which holds sampling.response_schema too: write the schema into \
             sampling.extra as `output_config.format`, and remove response_schema",
        ));
    }
    refuse_what_is_not_read(&body)?;
    Ok(body)
}

#[derive(Serialize)]
struct OutputConfig {
    format: Format,
}

#[derive(Serialize)]
struct Format {
    r#type: &'static str,
    schema: Box<RawValue>,
}

impl OutputConfig {
    fn new(schema: &str) -> Result<OutputConfig, Refusal> {
        let schema = json("sampling.response_schema", schema)?;
        Ok(OutputConfig {
            format: Format {
                r#type: "json_schema",
                schema,
            },
        })
    }
}

#[derive(Serialize)]
struct Declared<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    input_schema: Box<RawValue>,
}

fn with_tools(body: Body, tools: &[Tool]) -> Result<Body, Refusal> {
    if tools.is_empty() {
        return Ok(body);
    }
    let declared = tools.iter().map(
        |Tool {
             name,
             description,
             parameters,
         }| {
            let input_schema = schema(name, parameters)?;
            Ok(Declared {
                name,
                description,
                input_schema,
            })
        },
    );
    Ok(body.with("tools", &declared.collect::<Result<Vec<_>, Refusal>>()?))
}

#[cfg(test)]
mod tests;
