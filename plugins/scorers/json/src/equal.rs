//! When a value is a target.

use serde_json::{Number, Value};

/// As JSON where the target is JSON, else as a text.
pub fn is_target(found: &Value, target: &str) -> bool {
    match serde_json::from_str(target) {
        Ok(target) => equal(found, &target),
        Err(_) => found.as_str() == Some(target),
    }
}

/// The order of keys does not count, and numbers are equal however they are written.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => equal_numbers(left, right),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, left)| right.get(key).is_some_and(|right| equal(left, right)))
        }
        (left, right) => left == right,
    }
}

/// Whole numbers exactly: a float holds not all of them.
fn equal_numbers(left: &Number, right: &Number) -> bool {
    match (left.as_i128(), right.as_i128()) {
        (Some(left), Some(right)) => left == right,
        _ => left.as_f64() == right.as_f64(),
    }
}
