//! What an experiment may set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The first version without sampling parameters and with bearer credentials. Versions are dates, and sort as text.
const NO_SAMPLING_SINCE: &str = "2026-10-21";

/// Sent as headers; part of every request's digest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "anthropic")]
pub struct Params {
    /// The header `anthropic-version`, a date. From `2026-10-21` on the API takes neither temperature nor top_p, and the
    /// credential travels as a bearer token.
    #[schemars(regex(pattern = r"^\d{4}-\d{2}-\d{2}$"))]
    pub api_version: String,

    /// The header `anthropic-beta`: names of features.
    pub beta: Vec<String>,

    /// How the credential travels: `x-api-key` or `bearer`. Unless set, as the version has it.
    pub auth: Option<Auth>,
}

/// How the credential travels.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// `x-api-key: KEY`
    XApiKey,
    /// `authorization: Bearer KEY`
    Bearer,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            api_version: "2023-06-01".into(),
            beta: Vec::new(),
            auth: None,
        }
    }
}

impl Params {
    /// Whether the version takes temperature and top_p.
    pub fn takes_sampling(&self) -> bool {
        self.api_version.as_str() < NO_SAMPLING_SINCE
    }

    /// Whether the credential travels as a bearer token.
    pub fn is_bearer(&self) -> bool {
        match self.auth {
            Some(Auth::Bearer) => true,
            Some(Auth::XApiKey) => false,
            None => !self.takes_sampling(),
        }
    }
}
