//! A request's body, built key by key. Keys stay in the order in which they are set, and what comes as JSON text, such as
//! a schema, goes out as the same text: reading and writing it again would change numbers that no float holds.

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A JSON object in the making.
#[derive(Clone, Debug, Default)]
pub struct Body {
    entries: Vec<(String, Box<RawValue>)>,
}

impl Body {
    /// Sets a key. One that is set already keeps its place.
    ///
    /// # Panics
    /// For a map whose keys are no strings.
    #[must_use]
    pub fn with(mut self, key: &str, value: &(impl Serialize + ?Sized)) -> Body {
        let value = serde_json::value::to_raw_value(value).expect("keys are strings");
        self.insert(key.to_owned(), value);
        self
    }

    /// Sets a key where there is something to set.
    #[must_use]
    pub fn with_some(self, key: &str, value: Option<&(impl Serialize + ?Sized)>) -> Body {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Sets every key of an object, given as text.
    ///
    /// # Errors
    /// Where the text is no object.
    pub fn merge(mut self, object: &str) -> Result<Body, serde_json::Error> {
        for (key, value) in serde_json::from_str::<Body>(object)?.entries {
            self.insert(key, value);
        }
        Ok(self)
    }

    /// The text of a key's value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, value)| value.get())
    }

    fn insert(&mut self, key: String, value: Box<RawValue>) {
        match self.entries.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => self.entries.push((key, value)),
        }
    }
}

impl std::fmt::Display for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| std::fmt::Error)?)
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.entries.len()))?;
        for (key, value) in &self.entries {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Body, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Body;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body, A::Error> {
                let mut body = Body::default();
                while let Some((key, value)) = map.next_entry()? {
                    body.insert(key, value);
                }
                Ok(body)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_the_text_of_numbers_are_kept() {
        let body = Body::default()
            .with("z", &1)
            .with("a", "x")
            .with_some("none", None::<&u8>);
        let merged = body
            .merge(r#"{"seed": 12345678901234567890123, "z": 1.0, "b": {"y": 1e3}}"#)
            .unwrap();
        assert_eq!(
            merged.to_string(),
            r#"{"z":1.0,"a":"x","seed":12345678901234567890123,"b":{"y": 1e3}}"#
        );
        assert_eq!(merged.get("b"), Some(r#"{"y": 1e3}"#));
        assert!(Body::default().merge("[]").is_err());
    }
}
