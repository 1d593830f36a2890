//! What an experiment may set: where servers that speak this API differ.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Servers that speak this API differ in a few words. The defaults are OpenAI's own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "openai")]
pub struct Params {
    /// How the credential travels: `bearer`; `api-key`, a header of that name, for Azure; or `none`.
    pub auth: Auth,

    /// The key that carries `sampling.max_tokens`. Older servers, such as vLLM's, know only `max_tokens`.
    pub max_tokens_key: MaxTokensKey,

    /// What a system message's role is called.
    pub system_role: SystemRole,

    /// The field of an assistant message in which a model's earlier reasoning is given back to it. Left out unless set:
    /// most servers refuse it.
    pub give_back_reasoning: Option<ReasoningField>,

    /// Added to the URL, such as Azure's `{"api-version": "2024-10-21"}`.
    pub query: BTreeMap<String, String>,

    /// Added to the headers, such as `{"openai-project": "..."}`; part of the request's digest.
    pub headers: BTreeMap<String, String>,

    /// Where servers' batches differ.
    pub batch: Batch,
}

/// Batches: OpenAI's own limits and words. Groq and Azure know the same ones with other numbers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Batch {
    /// What a line calls the API; Azure takes `/chat/completions` too.
    pub endpoint: String,

    /// By when the batch is to be done; Groq takes `24h` to `7d`.
    pub completion_window: String,

    /// The most requests of one batch.
    pub most_requests: u32,

    /// The most bytes of one upload; Groq's is 100,000,000.
    pub most_bytes: u64,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch {
            endpoint: "/v1/chat/completions".into(),
            completion_window: "24h".into(),
            most_requests: 50_000,
            most_bytes: 200_000_000,
        }
    }
}

/// How the credential travels.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// `authorization: Bearer KEY`
    #[default]
    Bearer,
    /// `api-key: KEY`
    ApiKey,
    /// Not at all.
    None,
}

/// The key that carries the most tokens of an answer.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensKey {
    /// OpenAI's, reasoning included.
    #[default]
    MaxCompletionTokens,
    /// The older one.
    MaxTokens,
}

impl MaxTokensKey {
    /// The key.
    pub fn as_str(self) -> &'static str {
        match self {
            MaxTokensKey::MaxCompletionTokens => "max_completion_tokens",
            MaxTokensKey::MaxTokens => "max_tokens",
        }
    }
}

/// What a system message's role is called.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SystemRole {
    /// What every server knows.
    #[default]
    System,
    /// OpenAI's newer word.
    Developer,
}

impl SystemRole {
    /// The role.
    pub fn as_str(self) -> &'static str {
        match self {
            SystemRole::System => "system",
            SystemRole::Developer => "developer",
        }
    }
}

/// Where reasoning is given back.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningField {
    /// DeepSeek's and older vLLM's.
    ReasoningContent,
    /// OpenRouter's and newer vLLM's.
    Reasoning,
}

impl ReasoningField {
    /// The field.
    pub fn as_str(self) -> &'static str {
        match self {
            ReasoningField::ReasoningContent => "reasoning_content",
            ReasoningField::Reasoning => "reasoning",
        }
    }
}
