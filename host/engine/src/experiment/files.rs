//! `{"$file": "NAME"}` in plugin parameters: finds them, and replaces them by what a loader gives.
//!
//! Left as they are by the rest of this module; `plan` replaces them, so that a digest covers what was in the files.

use std::path::Path;

use serde_json::{Map, Value};

const KEY: &str = "$file";

/// The names of the files that `value` includes, in the order in which they stand there.
///
/// Only a map whose one key is `$file`, with a text, is an inclusion.
pub fn included_files(value: &Value) -> impl Iterator<Item = &str> {
    let mut names = Vec::new();
    collect(value, &mut names);
    names.into_iter()
}

fn collect<'v>(value: &'v Value, names: &mut Vec<&'v str>) {
    match value {
        Value::Object(map) => match name(map) {
            Some(name) => names.push(name),
            None => map.values().for_each(|value| collect(value, names)),
        },
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `value` with each inclusion replaced by what `load` gives for its path, which is joined to `folder`. What was loaded is
/// not searched again.
///
/// # Errors
/// The first error of `load`.
pub fn replace_files<E>(
    value: Value,
    folder: &Path,
    mut load: impl FnMut(&Path) -> Result<Value, E>,
) -> Result<Value, E> {
    replace(value, &mut |name| load(&folder.join(name)))
}

fn replace<E>(value: Value, load: &mut dyn FnMut(&str) -> Result<Value, E>) -> Result<Value, E> {
    match value {
        Value::Object(map) => match name(&map) {
            Some(name) => load(name),
            None => {
                let pair = |(key, value)| Ok((key, replace(value, load)?));
                map.into_iter()
                    .map(pair)
                    .collect::<Result<_, _>>()
                    .map(Value::Object)
            }
        },
        Value::Array(items) => {
            let items = items.into_iter().map(|item| replace(item, load));
            items.collect::<Result<_, _>>().map(Value::Array)
        }
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => Ok(plain),
    }
}

fn name(map: &Map<String, Value>) -> Option<&str> {
    match map.len() {
        1 => map.get(KEY)?.as_str(),
        _ => None,
    }
}
