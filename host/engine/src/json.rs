//! JSON that means the same to everybody who reads it: no duplicate keys (readers differ in which one wins) and no lone
//! surrogates (readers differ in what they become).

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};
use std::collections::HashSet;
use std::fmt;

/// Checks a document.
///
/// # Errors
/// What is wrong with it, to be read after the words "the body".
pub fn check(text: &str) -> Result<(), String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let checked = Strict
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    checked.map_err(|error| format!("is not acceptable JSON: {error}"))
}

/// A value with every number as it is written: serde_json's own reader may miss a number of 17 digits by its last bit, and
/// what is digested must be read as it was written. For a field, as `deserialize_with`.
///
/// # Errors
/// Where it is no JSON.
pub fn exact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    exactly(raw.get()).map_err(D::Error::custom)
}

fn exactly(text: &str) -> serde_json::Result<Value> {
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let mut map = Map::new();
            for (key, value) in serde_json::from_str::<Pairs<'_>>(text)?.0 {
                map.insert(key, exactly(value.get())?);
            }
            Value::Object(map)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            let items = items.into_iter().map(|item| exactly(item.get()));
            Value::Array(items.collect::<serde_json::Result<_>>()?)
        }
        _ => serde_json::from_str(text).map(|value| exact_number(value, text))?,
    })
}

/// The number that this text says, where it is a fraction.
#[must_use]
pub fn exact_number(read: Value, text: &str) -> Value {
    let float = read.is_f64().then(|| text.trim().parse().ok());
    let exact = float.flatten().and_then(Number::from_f64);
    exact.map_or(read, Value::Number)
}

/// A map's entries in their order.
struct Pairs<'t>(Vec<(String, &'t RawValue)>);

impl<'t> Deserialize<'t> for Pairs<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'t> Visitor<'t> for Entries {
            type Value = Pairs<'t>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'t>>(self, mut entries: A) -> Result<Pairs<'t>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = entries.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[derive(Clone, Copy)]
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Strict)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if seen.contains(&key) {
                return Err(A::Error::custom(format_args!(
                    "the key `{key}` is there twice"
                )));
            }
            seen.insert(key);
            entries.next_value_seed(Strict)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::exactly;

    #[test]
    fn a_number_is_read_as_it_is_written_wherever_it_stands() {
        // serde_json's own reader makes 31.24527019143944 of it.
        let text = r#"{"b":[31.245270191439438,{"a":-3.1245270191439438e-7}],"a":18446744073709551615,"c":"1.50","d":null}"#;
        let value = exactly(text).expect("JSON");
        assert_eq!(value["b"][0].as_f64(), "31.245270191439438".parse().ok());
        assert_eq!(
            value["b"][1]["a"].as_f64(),
            "-3.1245270191439438e-7".parse().ok()
        );
        assert_eq!(value["a"].as_u64(), Some(u64::MAX));
        let again = exactly(&value.to_string()).expect("JSON");
        assert_eq!((again.to_string(), &again), (value.to_string(), &value));
        assert!(
            value
                .to_string()
                .starts_with(r#"{"b":[31.245270191439438,"#)
        );
        assert!(exactly("{\"a\": 1,}").is_err() && exactly("").is_err());
    }
}
