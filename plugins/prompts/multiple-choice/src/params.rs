//! What an experiment may set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Templates are Jinja's. They may use `question` (the sample's input), `choices` (a line for each, such as `A) red`),
/// `letters` (such as `A, B, C`), and whatever the plugin `template` offers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "multiple-choice")]
pub struct Params {
    /// The field of the row that holds the choices, a list of 2 to 26 texts.
    #[serde(default = "choices")]
    pub choices_field: String,

    /// What the model is asked, a template. Unless set, a text of the plugin's own, which asks for a last line
    /// `ANSWER: LETTER`.
    #[serde(default)]
    pub template: Option<String>,

    /// The system message, a template. None unless set.
    #[serde(default)]
    pub system: Option<String>,

    /// Whether the choices change places: `true`, or a seed for another arrangement (`true` is seed 0). The arrangement
    /// follows from the seed and the sample's id; the model's letter is mapped back.
    #[serde(default)]
    pub shuffle: Shuffle,

    /// Whether several choices may be right: the model is asked for `ANSWER: A,C`.
    #[serde(default)]
    pub multiple: bool,
}

/// Whether and how the choices are shuffled.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(
    untagged,
    expecting = "expected true, false or a seed, a whole number from 0 on"
)]
pub enum Shuffle {
    /// Shuffled with seed 0, or not at all.
    Simply(bool),
    /// Shuffled with this seed.
    Seeded(u64),
}

impl Shuffle {
    /// The seed; `None` where nothing is shuffled.
    pub fn seed(self) -> Option<u64> {
        match self {
            Shuffle::Simply(false) => None,
            Shuffle::Simply(true) => Some(0),
            Shuffle::Seeded(seed) => Some(seed),
        }
    }
}

impl Default for Shuffle {
    fn default() -> Shuffle {
        Shuffle::Simply(false)
    }
}

impl Params {
    /// What the model is asked.
    pub fn template(&self) -> &str {
        match &self.template {
            Some(template) => template,
            None if self.multiple => SEVERAL,
            None => ONE,
        }
    }
}

fn choices() -> String {
    "choices".into()
}

const ONE: &str = "\
Exactly one of the choices below is right.

{{ question }}

{{ choices }}

You may think first. End with a line of its own that reads `ANSWER: LETTER`, LETTER being one of {{ letters }}.";

const SEVERAL: &str = "\
One or more of the choices below are right.

{{ question }}

{{ choices }}

You may think first. End with a line of its own that reads `ANSWER: LETTERS`, LETTERS being all that are right of \
{{ letters }}, with commas between them, such as `ANSWER: A,B`.";
