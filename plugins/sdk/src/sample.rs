//! Conveniences on a dataset's row.

use crate::{Refusal, Sample};
use serde_json::{Map, Value};

impl Sample {
    /// A row with nothing but an id and an input; for tests.
    pub fn new(id: impl Into<String>, input: impl Into<String>) -> Sample {
        Sample {
            id: id.into(),
            input: input.into(),
            targets: Vec::new(),
            fields: "{}".into(),
        }
    }

    /// The same with this target.
    #[must_use]
    pub fn target(mut self, target: impl Into<String>) -> Sample {
        self.targets.push(target.into());
        self
    }

    /// The same with this row.
    #[must_use]
    pub fn row(mut self, row: &Value) -> Sample {
        self.fields = row.to_string();
        self
    }

    /// The whole row. Empty where the host's promise, an object, does not hold.
    #[must_use]
    pub fn columns(&self) -> Map<String, Value> {
        serde_json::from_str(&self.fields).unwrap_or_default()
    }

    /// One field of the row.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Value> {
        self.columns().shift_remove(name)
    }

    /// One field of the row.
    ///
    /// # Errors
    /// [`Refusal::BadInput`] where the row lacks it, with the names of the fields that it has.
    pub fn required(&self, name: &str) -> Result<Value, Refusal> {
        let mut columns = self.columns();
        columns.shift_remove(name).ok_or_else(|| {
            let known = columns
                .keys()
                .map(|known| format!("`{known}`"))
                .collect::<Vec<_>>()
                .join(", ");
            Refusal::bad_input(format!("the row has no field `{name}`; it has {known}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_missing_field_is_answered_with_those_there_are() {
        let sample = Sample::new("1", "q").row(&json!({"b": 1, "a": [2]}));
        assert_eq!(sample.field("a"), Some(json!([2])));
        assert_eq!(sample.field("c"), None);
        assert_eq!(sample.required("b"), Ok(json!(1)));
        let refusal = Refusal::bad_input("the row has no field `c`; it has `b`, `a`");
        assert_eq!(sample.required("c"), Err(refusal));
    }
}
