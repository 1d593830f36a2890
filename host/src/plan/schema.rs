//! Parameters held against their plugin's schema, before anything is paid for, and told in the experiment's own terms.
//!
//! A schema is a stranger's: it may name no other document, may not refer to itself without an end, and its patterns run
//! in linear time. The host's own stack and time are at stake, for validating is not done in the sandbox.

use super::PlanError;
use crate::experiment::nearest;
use crate::plugin::{Params, Plugin};
use crate::text::plain;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::ptr::from_ref;

/// What one schema may grow to when its references are written out. A schema derived from a large struct has hundreds.
const NODES: u64 = 100_000;

/// The schema of one plugin, ready.
pub(super) struct Schema {
    validator: Validator,
    properties: Vec<String>,
}

/// Whether parameters fit a schema, told as an error would tell it.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fits_schema(schema: &Value, params: &Value) -> Result<(), String> {
    let schema = Schema::new(schema).map_err(|what| shortened(&what))?;
    let first = schema.validator.iter_errors(params).next();
    first.map_or(Ok(()), |error| {
        let (path, what) = schema.told(&error);
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
        bounded(schema)?;
        let options = jsonschema::options()
            .offline()
            .with_pattern_options(PatternOptions::regex());
        let validator = options
            .build(schema)
            .map_err(|error| format!("{error}{}", at(&error)))?;
        let properties = schema["properties"].as_object();
        Ok(Schema {
            validator,
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
        let first = self.validator.iter_errors(&value).next();
        first.map_or(Ok(()), |error| {
            let (path, what) = self.told(&error);
            Err(PlanError::Params {
                path: format!("{place}{path}"),
                what: shortened(&what),
                kind: plugin.kind(),
                plugin: plugin.name().into(),
            })
        })
    }

    /// The rest of the path, and the error in words.
    fn told(&self, error: &ValidationError<'_>) -> (String, String) {
        let path = error.instance_path().as_str().replace('/', ".");
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let Some(name) = unexpected.first() else {
                    return (path, error.to_string());
                };
                let what = if path.is_empty() {
                    self.unknown(name)
                } else {
                    "there is no such key".to_owned()
                };
                (format!("{path}.{name}"), what)
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                (format!("{path}.{name}"), "is missing".to_owned())
            }
            _ => (path, error.to_string()),
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

fn at(error: &ValidationError<'_>) -> String {
    match error.instance_path().as_str() {
        "" => String::new(),
        path => format!(" (at {path})"),
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

/// Refuses a schema that would take the validator without end, into another document, or into exponential work.
fn bounded(schema: &Value) -> Result<(), String> {
    let mut walk = Walk {
        root: schema,
        in_place: HashMap::new(),
        costs: HashMap::new(),
    };
    walk.names(schema, true)?;
    walk.cycles(schema)?;
    match walk.cost(schema) {
        0..=NODES => Ok(()),
        _ => Err(format!(
            "it grows past {NODES} parts when its references are followed"
        )),
    }
}

/// Keywords whose schemas apply to the same value as the schema that holds them: one, or several of them.
const ONE_IN_PLACE: [&str; 4] = ["not", "if", "then", "else"];
const MANY_IN_PLACE: [&str; 5] = [
    "allOf",
    "anyOf",
    "oneOf",
    "dependentSchemas",
    "dependencies",
];

struct Walk<'a> {
    root: &'a Value,
    /// Whether a schema's walk has ended.
    in_place: HashMap<*const Value, bool>,
    costs: HashMap<*const Value, Option<u64>>,
}

impl<'a> Walk<'a> {
    /// Keywords that change what a reference means are refused, so that every one is a path within this document.
    fn names(&self, value: &Value, is_root: bool) -> Result<(), String> {
        if let Value::Object(entries) = value {
            for name in ["$dynamicRef", "$recursiveRef", "$id", "id"] {
                let renames = entries.get(name).is_some_and(Value::is_string);
                if renames && !(is_root && name.ends_with("id")) {
                    return Err(format!("it uses `{name}`"));
                }
            }
            if let Some(Value::String(reference)) = entries.get("$ref") {
                self.target(reference)
                    .ok_or_else(|| format!("its reference {reference} is to no part of it"))?;
            }
        }
        children(value).try_for_each(|child| self.names(child, false))
    }

    fn target(&self, reference: &str) -> Option<&'a Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }

    fn cycles(&mut self, value: &'a Value) -> Result<(), String> {
        self.no_cycle(value)?;
        children(value).try_for_each(|child| self.cycles(child))
    }

    fn no_cycle(&mut self, value: &'a Value) -> Result<(), String> {
        match self.in_place.insert(from_ref(value), false) {
            Some(true) => {
                self.in_place.insert(from_ref(value), true);
                return Ok(());
            }
            Some(false) => return Err("a part of it refers to itself without an end".into()),
            None => {}
        }
        let one = ONE_IN_PLACE.iter().filter_map(|word| value.get(word));
        let many = MANY_IN_PLACE.iter().filter_map(|word| value.get(word));
        let parts: Vec<&Value> = one
            .chain(many.flat_map(children))
            .chain(self.referred(value))
            .collect();
        parts.into_iter().try_for_each(|part| self.no_cycle(part))?;
        self.in_place.insert(from_ref(value), true);
        Ok(())
    }

    fn referred(&self, value: &'a Value) -> Option<&'a Value> {
        self.target(value.get("$ref")?.as_str()?)
    }

    /// The parts of a value with its references written out once; a part that is open already counts as one.
    fn cost(&mut self, value: &'a Value) -> u64 {
        match self.costs.insert(from_ref(value), None) {
            Some(Some(known)) => {
                self.costs.insert(from_ref(value), Some(known));
                return known;
            }
            Some(None) => return 1,
            None => {}
        }
        let parts: Vec<&Value> = children(value).chain(self.referred(value)).collect();
        let cost = parts
            .into_iter()
            .fold(1_u64, |sum, part| sum.saturating_add(self.cost(part)));
        self.costs.insert(from_ref(value), Some(cost));
        cost
    }
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Object(entries) => Box::new(entries.values()),
        Value::Array(items) => Box::new(items.iter()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Box::new(std::iter::empty())
        }
    }
}

#[cfg(test)]
mod tests;
