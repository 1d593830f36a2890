//! Values held against a JSON Schema of a stranger's: it may name no other document, may not refer to itself without an end,
//! and its patterns run in linear time. The stack and the time of whoever validates are at stake.
//!
//! A crate of its own because the validator is generic: this way its code is made here, without optimising, where it was a
//! twelfth of what the host's own build optimised.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError};
use serde_json::Value;
use std::collections::HashMap;
use std::ptr::from_ref;

/// What one schema may grow to when its references are written out. A schema derived from a large struct has hundreds.
const NODES: u64 = 100_000;

/// A schema, ready.
pub struct Schema(jsonschema::Validator);

/// What is wrong with a value.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Where: a JSON Pointer to the smallest value that has all of the trouble, empty for the whole.
    pub path: String,
    /// What.
    pub what: Trouble,
}

/// What can be wrong with a value.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It has a key that the schema does not know.
    Unknown(String),
    /// It lacks this key.
    Missing(String),
    /// Anything else, in words; the value may stand in them.
    Other(String),
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// In words, where it is none, or one that is refused.
    pub fn new(schema: &Value) -> Result<Schema, String> {
        bounded(schema)?;
        let options = jsonschema::options()
            .offline()
            .with_pattern_options(PatternOptions::regex());
        let compiled = options.build(schema);
        compiled
            .map(Schema)
            .map_err(|error| format!("{error}{}", at(&error)))
    }

    /// The first thing that is wrong with a value.
    #[must_use]
    pub fn first_wrong(&self, value: &Value) -> Option<Wrong> {
        self.0.iter_errors(value).next().map(|error| Wrong {
            path: error.instance_path().as_str().to_owned(),
            what: trouble(&error),
        })
    }
}

fn trouble(error: &ValidationError<'_>) -> Trouble {
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let first = unexpected.first().cloned();
            first.map_or_else(|| Trouble::Other(error.to_string()), Trouble::Unknown)
        }
        ValidationErrorKind::Required { property } => {
            Trouble::Missing(property.as_str().unwrap_or_default().to_owned())
        }
        _ => Trouble::Other(error.to_string()),
    }
}

fn at(error: &ValidationError<'_>) -> String {
    match error.instance_path().as_str() {
        "" => String::new(),
        path => format!(" (at {path})"),
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
