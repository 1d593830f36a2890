//! What an experiment may set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xhost_plugin::Refusal;

/// All else that the API knows goes into `sampling.extra`, such as `{"safetySettings": [...]}` or
/// `{"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "gemini")]
pub struct Params {
    /// The version that stands in the path.
    #[schemars(regex(pattern = r"^v[0-9][a-z0-9]*$"))]
    pub api_version: String,

    /// Batches.
    pub batch: Batch,
}

/// Batches: Google's own limits.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Batch {
    /// How the requests travel: `file`, a file that is uploaded first; `inline`, in the body that makes the batch, for
    /// servers that keep no files; or `requests`, inline where servers look for them that imitate the API, such as `llmock`.
    pub input: Input,

    /// The most requests of one batch; unless set, 100,000 in a file and 100 inline.
    pub most_requests: Option<u32>,

    /// The most bytes of one batch; unless set, 2 GB in a file and 4 MB inline.
    pub most_bytes: Option<u64>,
}

/// How a batch's requests travel.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// As a file of lines.
    #[default]
    File,
    /// In the batch, as Google takes them.
    Inline,
    /// In the batch, under `requests`.
    Requests,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            api_version: "v1beta".into(),
            batch: Batch::default(),
        }
    }
}

impl Params {
    /// It becomes part of a path; and the host looks at schemas, not every caller does.
    pub fn check(&self) -> Result<(), Refusal> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if self.api_version.starts_with('v') && self.api_version.bytes().all(plain) {
            return Ok(());
        }
        Err(Refusal::bad_params(
            "model.params.api_version is no version: write one such as v1beta",
        ))
    }

    /// A path below the version.
    pub fn path(&self, rest: &str) -> String {
        format!("/{}/{rest}", self.api_version)
    }
}

impl Batch {
    /// Google names no limit for files; a batch that is lost takes no more than these with it. Inline, results come in one
    /// document, which a hundred answers do not make too large.
    pub fn most_requests(&self) -> u32 {
        let own = match self.input {
            Input::File => 100_000,
            Input::Inline | Input::Requests => 100,
        };
        self.most_requests.unwrap_or(own)
    }

    /// Google's page "Batch API": files of 2 GB, and 20 MB inline.
    pub fn most_bytes(&self) -> u64 {
        let own = match self.input {
            Input::File => 2_000_000_000,
            Input::Inline | Input::Requests => 4_000_000,
        };
        self.most_bytes.unwrap_or(own)
    }
}
