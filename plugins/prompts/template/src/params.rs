//! What an experiment may set.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Templates are Jinja's. They may use `id`, `input`, `target` (the first), `targets`, every field of the row by its name,
/// and `row`, the fields as one object.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "template")]
pub struct Params {
    /// The system message, a template. None unless set.
    #[serde(default)]
    pub system: Option<String>,

    /// The user's turn, a template. `null` leaves the turn to `messages_field`.
    #[serde(default = "input")]
    pub user: Option<String>,

    /// Few-shot examples, one object each; usually `{"$file": "shots.jsonl"}`.
    #[serde(default)]
    pub examples: Vec<Map<String, Value>>,

    /// The user's turn of an example, a template over the example's own fields.
    #[serde(default = "example_user")]
    pub example_user: String,

    /// The assistant's turn of an example, a template over the example's own fields.
    #[serde(default = "example_assistant")]
    pub example_assistant: String,

    /// How many examples are shown, from the first on. All unless set.
    #[serde(default)]
    pub shots: Option<usize>,

    /// The field of the row that holds earlier messages, a list of `{"role": ..., "content": ...}`. They stand before the
    /// user's turn.
    #[serde(default)]
    pub messages_field: Option<String>,

    /// Asked one after another once the user's turn is answered, each a template, which may also use `answers`, the list of
    /// the model's answers so far. The last answer is the trial's.
    #[serde(default)]
    pub follow_ups: Vec<String>,
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the default of an option that is set"
)]
fn input() -> Option<String> {
    Some("{{ input }}".into())
}

fn example_user() -> String {
    "{{ input }}".into()
}

fn example_assistant() -> String {
    "{{ target }}".into()
}
