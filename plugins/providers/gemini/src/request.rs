//! From a prompt to a request: what the experiment sets and nothing else.

use crate::content;
use crate::params::Params;
use provider_text::answer::is_plain_path;
use provider_text::request::{json, merged, refuse_what_is_not_read};
use provider_text::tool::schema;
use serde::Serialize;
use serde_json::value::RawValue;
use xhost_plugin::{Body, HttpRequest, Prompt, Refusal, Sampling, Tool};

/// The member that holds the sampling.
const CONFIG: &str = "generationConfig";

/// The request for one completion. The model stands in its path alone.
pub fn encode(params: &Params, model: &str, prompt: &Prompt) -> Result<HttpRequest, Refusal> {
    params.check()?;
    let (system, messages) = content::split(&prompt.messages);
    let body = Body::default()
        .with_some("systemInstruction", content::system(system)?.as_ref())
        .with("contents", &content::contents(messages)?);
    let body = match prompt.tools.as_slice() {
        [] => body,
        tools => body.with("tools", &[Tools::new(tools)?]),
    };
    let body = with_sampling(body, &prompt.sampling)?;
    let path = params.path(&format!("{}:generateContent", resource(model)?));
    Ok(HttpRequest::post(path, &body))
}

/// The model as a path names it: `models/NAME`, unless its own name says where it is, as `tunedModels/NAME` does.
///
/// # Errors
/// For a name that a path cannot hold.
pub fn resource(model: &str) -> Result<String, Refusal> {
    if !is_plain_path(model) {
        return Err(Refusal::bad_params(format!(
            "`{model}` is no name of a model of this API: set model.name to one such as gemini-2.5-flash"
        )));
    }
    Ok(match model.contains('/') {
        true => model.to_owned(),
        false => format!("models/{model}"),
    })
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
    if seed.is_some_and(|seed| i32::try_from(seed).is_err()) {
        return Err(Refusal::bad_params(
            "this API's seeds have 32 bits: change model.sampling.seed",
        ));
    }
    let response_schema = response_schema
        .as_deref()
        .map(|schema| json("sampling.response_schema", schema))
        .transpose()?;
    let kind = response_schema.as_ref().map(|_| "application/json");
    let config = Body::default()
        .with_some("maxOutputTokens", max_tokens.as_ref())
        .with_some("temperature", temperature.as_ref())
        .with_some("topP", top_p.as_ref())
        .with_some("stopSequences", (!stop.is_empty()).then_some(stop))
        .with_some("seed", seed.as_ref())
        .with_some("responseMimeType", kind)
        .with_some("responseJsonSchema", response_schema.as_ref());
    match extra {
        Some(extra) => with_extra(body, config, extra),
        None => Ok(with_config(body, &config)),
    }
}

fn with_config(body: Body, config: &Body) -> Body {
    match config.to_string().as_str() {
        "{}" => body,
        _ => body.with(CONFIG, config),
    }
}

/// Key by key, in the configuration too: what the experiment sets elsewhere stays.
fn with_extra(body: Body, config: Body, extra: &str) -> Result<Body, Refusal> {
    let extras = merged(Body::default(), extra)?;
    let own = extras.get(CONFIG).unwrap_or("{}");
    let config = merged(config, own).map_err(|_| {
        Refusal::bad_params("sampling.extra.generationConfig is not an object: make it one")
    })?;
    for (name, instead) in [
        ("generation_config", "write it as `generationConfig`"),
        ("model", "set model.name instead"),
    ] {
        if extras.get(name).is_some() {
            let words = format!("sampling.extra sets `{name}`; {instead}");
            return Err(Refusal::bad_params(words));
        }
    }
    if config
        .get("candidateCount")
        .is_some_and(|count| count != "1")
    {
        return Err(Refusal::bad_params(
            "sampling.extra asks for several answers at once (`candidateCount`); set `epochs` instead",
        ));
    }
    refuse_what_is_not_read(&extras)?;
    Ok(with_config(merged(body, extra)?, &config))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tools<'a> {
    function_declarations: Vec<Declared<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Declared<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    parameters_json_schema: Box<RawValue>,
}

impl Tools<'_> {
    fn new(tools: &[Tool]) -> Result<Tools<'_>, Refusal> {
        let function_declarations = tools.iter().map(declare).collect::<Result<_, _>>()?;
        Ok(Tools {
            function_declarations,
        })
    }
}

fn declare(tool: &Tool) -> Result<Declared<'_>, Refusal> {
    let Tool {
        name,
        description,
        parameters,
    } = tool;
    Ok(Declared {
        name,
        description,
        parameters_json_schema: schema(name, parameters)?,
    })
}

#[cfg(test)]
mod tests;
