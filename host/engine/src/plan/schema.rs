//! Parameters held against their plugin's schema, before anything is paid for, and told in the experiment's own terms.

use super::PlanError;
use crate::experiment::nearest;
use crate::plugin::{Params, Plugin};
use crate::text::plain;
use serde_json::{Map, Value};
use xhost_schema::{Trouble, Wrong};

/// The schema of one plugin, ready.
pub(super) struct Schema {
    compiled: xhost_schema::Schema,
    properties: Vec<String>,
}

/// Whether parameters fit a schema, told as an error would tell it.
#[cfg(any(test, feature = "fuzzing"))]
pub fn fits_schema(schema: &Value, params: &Value) -> Result<(), String> {
    let schema = Schema::new(schema).map_err(|what| shortened(&what))?;
    schema.compiled.first_wrong(params).map_or(Ok(()), |wrong| {
        let (path, what) = schema.told(&wrong);
        Err(format!("{path}: {}", shortened(&what)))
    })
}

impl Schema {
    /// Asks the plugin for it.
    ///
    /// # Errors
    /// Where the call fails, or what comes back is no schema that can be used.
    pub(super) async fn of(plugin: &Plugin, place: &str) -> Result<Schema, PlanError> {
        let schema = plugin
            .schema()
            .await
            .map_err(|failure| PlanError::Refused {
                place: format!("`{place}`"),
                failure,
            })?;
        Schema::new(&schema).map_err(|what| PlanError::Schema {
            plugin: plugin.name().into(),
            what: shortened(&what),
        })
    }

    fn new(schema: &Value) -> Result<Schema, String> {
        let compiled = xhost_schema::Schema::new(schema)?;
        let properties = schema["properties"].as_object();
        Ok(Schema {
            compiled,
            properties: properties
                .map(|properties| properties.keys().cloned().collect())
                .unwrap_or_default(),
        })
    }

    /// Checks parameters; `place` is where they stand in the experiment, such as `scorers.0.params`.
    ///
    /// # Errors
    /// [`PlanError::Params`] with the path of the first field that is wrong.
    pub(super) fn check(
        &self,
        params: &Params,
        plugin: &Plugin,
        place: &str,
    ) -> Result<(), PlanError> {
        let value = serde_json::from_str(params).unwrap_or_else(|_| Value::Object(Map::new()));
        self.compiled.first_wrong(&value).map_or(Ok(()), |wrong| {
            let (path, what) = self.told(&wrong);
            Err(PlanError::Params {
                path: format!("{place}{path}"),
                what: shortened(&what),
                kind: plugin.kind(),
                plugin: plugin.name().into(),
            })
        })
    }

    /// The rest of the path, and the error in words.
    fn told(&self, wrong: &Wrong) -> (String, String) {
        let path = wrong.path.replace('/', ".");
        match &wrong.what {
            Trouble::Unknown(name) => {
                let what = if path.is_empty() {
                    self.unknown(name)
                } else {
                    "there is no such key".to_owned()
                };
                (format!("{path}.{name}"), what)
            }
            Trouble::Missing(name) => (format!("{path}.{name}"), "is missing".to_owned()),
            Trouble::Other(what) => (path, what.clone()),
        }
    }

    fn unknown(&self, name: &str) -> String {
        if self.properties.is_empty() {
            return "there is no such param: it takes none".into();
        }
        let near = nearest(name, self.properties.iter().map(String::as_str));
        let meant = near.map_or_else(
            || ".".to_owned(),
            |near| format!("; did you mean `{near}`?"),
        );
        let known = self.properties.join(", ");
        format!("there is no such param{meant} It takes {known}")
    }
}

/// A value may be a page long, and may hold what a terminal obeys.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 400;
    let text = plain(text);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests;
