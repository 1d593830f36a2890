//! Where two JSON documents differ, as JSON pointers (RFC 6901), in the order of the first one's keys. For messages: what
//! differs is shown short.

use serde_json::Value;
use std::fmt;

/// Characters of a value that are shown.
const SHOWN: usize = 120;

/// One place in which two documents differ.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Difference {
    /// The JSON pointer; empty for the whole.
    pub field: String,
    /// What the first one has there; none for nothing.
    pub before: Option<Value>,
    /// What the second one has there; none for nothing.
    pub after: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference {
            field,
            before,
            after,
        } = self;
        write!(f, "{field}: {} became {}", short(before), short(after))
    }
}

/// A value as a person sees it.
#[must_use]
pub fn short(value: &Option<Value>) -> String {
    let Some(value) = value else {
        return "nothing".into();
    };
    let text = crate::text::plain(&value.to_string());
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// At most `most` differences.
#[must_use]
pub fn differences(before: &Value, after: &Value, most: usize) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), Some(before), Some(after), most, &mut found);
    found
}

fn compare(
    field: String,
    before: Option<&Value>,
    after: Option<&Value>,
    most: usize,
    found: &mut Vec<Difference>,
) {
    if found.len() >= most || before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(first)), Some(Value::Object(second))) => {
            let fresh = second.keys().filter(|key| !first.contains_key(*key));
            for key in first.keys().chain(fresh) {
                let field = format!("{field}/{}", key.replace('~', "~0").replace('/', "~1"));
                compare(field, first.get(key), second.get(key), most, found);
            }
        }
        (Some(Value::Array(first)), Some(Value::Array(second))) => {
            for at in 0..first.len().max(second.len()) {
                compare(
                    format!("{field}/{at}"),
                    first.get(at),
                    second.get(at),
                    most,
                    found,
                );
            }
        }
        _ => found.push(Difference {
            field,
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::differences;
    use serde_json::json;

    #[test]
    fn differences_are_named_by_their_place_and_stop_at_the_number_that_was_asked_for() {
        let before = json!({"a": 1, "b": {"c/d": [1, 2]}, "e": "same", "gone": null});
        let after = json!({"a": 2, "b": {"c/d": [1, 3, 4]}, "e": "same", "new": true});
        let fields = |most| -> Vec<String> {
            let found = differences(&before, &after, most);
            found.into_iter().map(|one| one.field).collect()
        };
        assert_eq!(fields(9), ["/a", "/b/c~1d/1", "/b/c~1d/2", "/gone", "/new"]);
        assert_eq!(fields(2), ["/a", "/b/c~1d/1"]);
        assert!(differences(&before, &before, 9).is_empty());
    }
}
