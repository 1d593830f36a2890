//! What an experiment may set.

use schemars::JsonSchema;
use serde::Deserialize;

/// All else that the API knows goes into `sampling.extra`, such as `{"safe_prompt": true}` or `{"reasoning_effort": "high"}`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "mistral")]
pub struct Params {
    /// Whether a model's earlier reasoning is given back to it, as pieces of the type `thinking`.
    pub give_back_reasoning: bool,

    /// Batches.
    pub batch: Batch,
}

/// Batches: Mistral's own limits.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Batch {
    /// After how many hours what is not done ends unanswered; Mistral's own default is 24.
    pub timeout_hours: Option<u32>,

    /// The most requests of one batch.
    pub most_requests: u32,

    /// The most bytes of one upload.
    pub most_bytes: u64,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch {
            timeout_hours: None,
            // Mistral's page "Known limitations": 100,000 requests, and files of 512 MB.
            most_requests: 100_000,
            most_bytes: 512_000_000,
        }
    }
}
