//! `json`: right where the answer holds JSON, the JSON satisfies a schema, and a value in it is a target; what is not asked for
//! in the parameters is not looked at.

mod document;
mod equal;
#[cfg(test)]
mod tests;

use document::document;
use equal::is_target;
use jsonschema::Validator;
use schemars::JsonSchema;
use scorer_text::subject::{beginning, targets};
use serde::Deserialize;
use serde_json::Value;
use xhost_plugin::{Exchange, Judgement, Refusal, Score, Scorer, Subject, export_scorer};

struct Json;

export_scorer!(Json);

/// Parameters of `json`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(crate = "schemars")]
pub struct Params {
    /// A JSON Schema that the answer must satisfy; draft 2020-12 unless its `$schema` says otherwise. References to other
    /// documents are errors.
    schema: Option<Value>,
    /// A JSON Pointer (RFC 6901), such as `/answer/0`, or the empty text for the whole. The value there is compared with the
    /// targets: as JSON with a target that is JSON, so that 18 is 18.0 and is not "18", else as a text.
    pointer: Option<String>,
    /// Where in the answer the JSON stands.
    from: From,
}

/// Where JSON stands in an answer.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(crate = "schemars")]
pub enum From {
    /// It is the whole answer, or else the last fenced block.
    #[default]
    Auto,
    /// It is the whole answer.
    Whole,
    /// It is the last fenced block that is marked as `json`, or else the last that is not marked.
    Fenced,
}

impl Scorer for Json {
    type Params = Params;

    fn judge(params: Params, subject: Subject, _: Vec<Exchange>) -> Result<Judgement, Refusal> {
        let schema = params.schema.as_ref().map(compile).transpose()?;
        let targets = match &params.pointer {
            Some(pointer) => {
                check_pointer(pointer)?;
                targets(&subject.sample)?
            }
            None => &[],
        };
        let score = match document(&subject.answer, params.from) {
            Ok(value) => judge_value(&params, schema.as_ref(), &value, targets),
            Err(reason) => wrong(reason),
        };
        Ok(Judgement::of(score))
    }
}

fn judge_value(
    params: &Params,
    schema: Option<&Validator>,
    value: &Value,
    targets: &[String],
) -> Score {
    if let Some(error) = schema.and_then(|schema| schema.iter_errors(value).next()) {
        let place = error.instance_path().to_string();
        let place = if place.is_empty() {
            "the whole".to_owned()
        } else {
            format!("`{place}`")
        };
        return wrong(format!("{place}: {}", beginning(&error.to_string())))
            .extracted(shown(value));
    }
    let Some(pointer) = &params.pointer else {
        return Score::boolean("correct", true).extracted(shown(value));
    };
    let Some(found) = value.pointer(pointer) else {
        return wrong(format!("there is nothing at `{pointer}`")).extracted(shown(value));
    };
    let score = match targets.iter().any(|target| is_target(found, target)) {
        true => Score::boolean("correct", true),
        false => wrong(format!("the value at `{pointer}` is no target")),
    };
    score.extracted(shown(found))
}

fn wrong(reason: impl Into<String>) -> Score {
    Score::boolean("correct", false).explanation(reason)
}

fn shown(value: &Value) -> String {
    beginning(&value.to_string())
}

fn compile(schema: &Value) -> Result<Validator, Refusal> {
    let message = |error| format!("`schema`: {}", beginning(&format!("{error}")));
    jsonschema::options()
        .build(schema)
        .map_err(|error| Refusal::bad_params(message(error)))
}

fn check_pointer(pointer: &str) -> Result<(), Refusal> {
    let tildes = pointer
        .split('~')
        .skip(1)
        .all(|after| after.starts_with(['0', '1']));
    match pointer.is_empty() || (pointer.starts_with('/') && tildes) {
        true => Ok(()),
        false => Err(Refusal::bad_params(format!(
            "`pointer` is `{pointer}`; write a JSON Pointer such as `/answer`, with `~1` for `/` and `~0` for `~`"
        ))),
    }
}
