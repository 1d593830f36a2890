//! Which of a row's fields are the sample's id, input and targets.

use super::{DatasetError, Row};
use serde_json::{Map, Value};

/// Names of fields; `None` takes the first usual name that the row has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldMap {
    /// The sample's id. Usually `id`; a row without one is named by its number, from 1.
    pub id: Option<String>,
    /// What the sample asks. Usually `input`, `question`, `prompt`, `problem` or `text`.
    pub input: Option<String>,
    /// What counts as right: a text, or a list of texts. Usually `target`, `answer`, `label` or `output`.
    pub target: Option<String>,
}

/// One row, its parts named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Unique in the dataset.
    pub id: String,
    /// What it asks.
    pub input: String,
    /// What counts as right.
    pub targets: Vec<String>,
    /// The whole row, a JSON object.
    pub fields: String,
}

const INPUTS: [&str; 5] = ["input", "question", "prompt", "problem", "text"];
const TARGETS: [&str; 4] = ["target", "answer", "label", "output"];

impl FieldMap {
    pub(super) fn sample(&self, row: &Row, number: u64) -> Result<Sample, DatasetError> {
        let id = self
            .find(row, self.id.as_deref(), "id", &["id"])?
            .map_or_else(|| number.to_string(), text);
        let input = self
            .find(row, self.input.as_deref(), "input", &INPUTS)?
            .map_or_else(String::new, text);
        let targets = self
            .find(row, self.target.as_deref(), "target", &TARGETS)?
            .map_or_else(Vec::new, texts);
        if id.is_empty() {
            return Err(row.error("its id is empty".into()));
        }
        let fields = serde_json::to_string(&row.fields).map_err(|e| row.error(e.to_string()))?;
        Ok(Sample {
            id,
            input,
            targets,
            fields,
        })
    }

    fn find<'r>(
        &self,
        row: &'r Row,
        mapped: Option<&str>,
        part: &str,
        usual: &[&str],
    ) -> Result<Option<&'r Value>, DatasetError> {
        let Some(mapped) = mapped else {
            return Ok(usual
                .iter()
                .find_map(|name| row.fields.get(*name))
                .filter(|value| !value.is_null()));
        };
        let found = row.fields.get(mapped);
        found.map(Some).ok_or_else(|| {
            row.error(format!(
                "`dataset.fields.{part}` says `{mapped}`, which the row does not have; it has {}",
                names(&row.fields)
            ))
        })
    }
}

fn names(fields: &Map<String, Value>) -> String {
    let names: Vec<String> = fields
        .keys()
        .take(20)
        .map(|name| format!("`{}`", crate::text::plain(name)))
        .collect();
    if names.is_empty() {
        "nothing".into()
    } else {
        names.join(", ")
    }
}

/// A text as it is, anything else as JSON.
fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(text).collect(),
        other => vec![text(other)],
    }
}
