//! What one config says, as written: every key of the file that may differ between the cells of a sweep.
//!
//! Short forms are already long here and absent keys are `None`; no default is filled in. Serialising gives the keys in
//! the order of these structs, and plugin parameters in the order of the file, so equal settings are equal text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::plugin_word::short_name;
use super::values::{
    RowRange, Span, at_least_one, fraction, label, not_negative, one_or_many, row_ids,
};

/// One config's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map of settings")]
pub struct Written {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The rows that are asked about.
    pub dataset: Dataset,
    /// What is asked.
    pub prompt: Prompt,
    /// Who is asked.
    pub model: Model,
    /// Further models that scorers ask, by the name that scorers know.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, Model>,
    /// Who judges the answers, in the order of the results; none is allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scorers: Vec<Scorer>,
    /// Answers a sample gets, 1 or more.
    #[serde(
        default,
        deserialize_with = "at_least_one",
        skip_serializing_if = "Option::is_none"
    )]
    pub epochs: Option<u32>,
    /// How fast requests may leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Which lane requests take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Which stored answers are used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    /// Text mixed into each request's digest; another text asks everything anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
}

/// Which stored answers are used. Part of no digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "`use`, `refresh`, `only`, `off` or a map such as `{policy: use, max_age: 7d}`"
)]
pub struct Cache {
    /// What happens at a hit and at a miss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<CachePolicy>,
    /// Older answers are asked for again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Span>,
    /// Whether answers that ran into a limit of tokens are used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reuse_truncated: Option<bool>,
    /// Whether answers that were withheld or cut for their content are used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reuse_filtered: Option<bool>,
    /// With `refresh`: whether the new answer takes the old one's place, instead of standing beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replace: Option<bool>,
}

/// What happens at a hit and at a miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CachePolicy {
    /// A stored answer is used, another one is asked for.
    Use,
    /// Everything is asked for again.
    Refresh,
    /// Nothing is asked for.
    Only,
    /// The store is left alone.
    Off,
}

/// Where the samples come from, and which of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a file's name or a map with `path`")]
pub struct Dataset {
    /// Files or globs, relative to the experiment's folder; their rows follow each other in this order.
    #[serde(deserialize_with = "one_or_many")]
    pub path: Vec<String>,
    /// How the files are read; `None` goes by their extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Which of a row's fields are the sample's id, input and target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Fields>,
    /// Rows at most, 1 or more.
    #[serde(
        default,
        deserialize_with = "at_least_one",
        skip_serializing_if = "Option::is_none"
    )]
    pub limit: Option<u64>,
    /// Rows by their number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<RowRange>,
    /// Rows by their id; a number is its decimal text.
    #[serde(
        default,
        deserialize_with = "row_ids",
        skip_serializing_if = "Option::is_none"
    )]
    pub ids: Option<Vec<String>>,
    /// Another order of rows than the file's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shuffle: Option<Shuffle>,
}

/// A dataset file's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// One JSON list of objects.
    Json,
    /// Comma-separated, with a header (RFC 4180).
    Csv,
    /// Tab-separated, with a header.
    Tsv,
    /// Apache Parquet.
    Parquet,
}

/// Names of a row's fields; `None` is the name of the struct's field itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a map such as `{input: question, target: answer}`"
)]
pub struct Fields {
    /// The sample's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The sample's input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// What a right answer is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// A shuffled order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a whole number, the seed")]
pub struct Shuffle {
    /// The same seed gives the same order.
    pub seed: u64,
}

/// The plugin that turns a sample into prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a template's text or a map with `plugin`"
)]
pub struct Prompt {
    /// The plugin: its name, or a file, a URL, an artifact in a registry.
    pub plugin: String,
    /// What it is told; `{"$file": "NAME"}` in it is not replaced yet.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
}

/// A model at a provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "`PROVIDER/NAME` or a map with `provider` and `name`"
)]
pub struct Model {
    /// The provider plugin: its name, or a file, a URL, an artifact in a registry.
    pub provider: String,
    /// The model, as the provider names it.
    pub name: String,
    /// Where the API is; `None` is the provider's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The environment variable that holds the credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_variable: Option<String>,
    /// What digests call the API in place of its address, so that answers are shared between addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// What the model is told beside the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// What the provider plugin is told; `{"$file": "NAME"}` in it is not replaced yet.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
}

/// Sampling parameters; `None` sends nothing and so leaves the model's own default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a map such as `{max_tokens: 512, temperature: 0}`"
)]
pub struct Sampling {
    /// Tokens of the answer at most, 1 or more.
    #[serde(
        default,
        deserialize_with = "at_least_one",
        skip_serializing_if = "Option::is_none"
    )]
    pub max_tokens: Option<u32>,
    /// 0 or more.
    #[serde(
        default,
        deserialize_with = "not_negative",
        skip_serializing_if = "Option::is_none"
    )]
    pub temperature: Option<f64>,
    /// 0 to 1.
    #[serde(
        default,
        deserialize_with = "fraction",
        skip_serializing_if = "Option::is_none"
    )]
    pub top_p: Option<f64>,
    /// Texts at which the answer ends.
    #[serde(
        default,
        deserialize_with = "one_or_many",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub stop: Vec<String>,
    /// For providers that promise the same answer to the same seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// JSON Schema that the answer must satisfy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_schema: Option<Map<String, Value>>,
    /// Merged into the request's body last, key by key.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

/// A plugin that judges answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a plugin's name or a map with `plugin`"
)]
pub struct Scorer {
    /// The plugin: its name, or a file, a URL, an artifact in a registry.
    pub plugin: String,
    /// What results call it; no two of a config's scorers share one.
    #[serde(
        default,
        deserialize_with = "label",
        skip_serializing_if = "Option::is_none"
    )]
    pub name: Option<String>,
    /// What it is told; `{"$file": "NAME"}` in it is not replaced yet.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
}

impl Scorer {
    /// What results call it: its name, or its plugin's.
    #[must_use]
    pub fn label(&self) -> &str {
        self.name
            .as_deref()
            .unwrap_or_else(|| short_name(&self.plugin))
    }
}

/// How fast requests may leave, and how long one may take. Part of no digest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map such as `{concurrency: 100}`")]
pub struct Limits {
    /// Requests in flight, 1 or more.
    #[serde(
        default,
        deserialize_with = "at_least_one",
        skip_serializing_if = "Option::is_none"
    )]
    pub concurrency: Option<u32>,
    /// Requests that leave in a minute, 1 or more.
    #[serde(
        default,
        deserialize_with = "at_least_one",
        skip_serializing_if = "Option::is_none"
    )]
    pub requests_per_minute: Option<u32>,
    /// Tokens, asked and answered, in a minute, 1 or more.
    #[serde(
        default,
        deserialize_with = "at_least_one",
        skip_serializing_if = "Option::is_none"
    )]
    pub tokens_per_minute: Option<u64>,
    /// Tokens, asked, in a minute, 1 or more.
    #[serde(
        default,
        deserialize_with = "at_least_one",
        skip_serializing_if = "Option::is_none"
    )]
    pub input_tokens_per_minute: Option<u64>,
    /// Tokens, answered, in a minute, 1 or more.
    #[serde(
        default,
        deserialize_with = "at_least_one",
        skip_serializing_if = "Option::is_none"
    )]
    pub output_tokens_per_minute: Option<u64>,
    /// What one run may cost, such as `20usd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<String>,
    /// Tokens, asked and answered, that one run may pay for, 1 or more.
    #[serde(
        default,
        deserialize_with = "at_least_one",
        skip_serializing_if = "Option::is_none"
    )]
    pub max_tokens_total: Option<u64>,
    /// Further attempts after the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// For one attempt, from first byte out to last byte in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Until a connection stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Span>,
}

impl Limits {
    /// What holds where nothing is written.
    #[must_use]
    pub fn none() -> Limits {
        Limits {
            concurrency: None,
            requests_per_minute: None,
            tokens_per_minute: None,
            input_tokens_per_minute: None,
            output_tokens_per_minute: None,
            retries: None,
            timeout: None,
            budget: None,
            max_tokens_total: None,
            connect_timeout: None,
        }
    }
}

/// Which lane requests take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Each by itself, at once.
    Live,
    /// As the work's size suggests.
    Auto,
    /// Through the provider's batch API.
    Batch,
}
