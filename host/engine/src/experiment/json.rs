//! JSON text to a tree, strictly by RFC 8259, with positions.
//!
//! serde_json's raw values are slices of the text, so a value's position is its distance from the text's start.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Error, Value};

use super::source::{Broken, DEEPEST, whole_number_too_large};
use super::tree::{Entry, Kind, Node, Origin, Place};

/// The tree that `text` describes.
///
/// # Errors
/// What is no JSON, or nesting deeper than [`DEEPEST`], with its place.
pub(super) fn read(text: &str) -> Result<Node, Broken> {
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| syntax(&error))?;
    Reader { text }.value(whole.get(), DEEPEST)
}

struct Reader<'t> {
    text: &'t str,
}

impl<'t> Reader<'t> {
    fn value(&self, raw: &'t str, levels: usize) -> Result<Node, Broken> {
        let place = self.place(raw);
        let deeper = || {
            let message = format!("nested deeper than {DEEPEST} levels");
            levels.checked_sub(1).ok_or(Broken::at(place, message))
        };
        let kind = match raw.as_bytes().first() {
            Some(b'{') => self.map(raw, deeper()?)?,
            Some(b'[') => self.list(raw, deeper()?)?,
            _ => self.scalar(raw)?,
        };
        let origin = Origin::File(place);
        Ok(Node { origin, kind })
    }

    fn list(&self, raw: &'t str, levels: usize) -> Result<Kind, Broken> {
        let items: Vec<&RawValue> = self.parse(raw)?;
        let items = items.into_iter().map(|item| self.value(item.get(), levels));
        items.collect::<Result<_, _>>().map(Kind::List)
    }

    fn map(&self, raw: &'t str, levels: usize) -> Result<Kind, Broken> {
        let pairs: Pairs<'t> = self.parse(raw)?;
        let mut entries = Vec::with_capacity(pairs.0.len());
        for (raw_key, value) in pairs.0 {
            let origin = Origin::File(self.place(raw_key.get()));
            let key: Cow<'_, str> = self.parse(raw_key.get())?;
            entries.push(Entry {
                key: key.into_owned(),
                origin,
                value: self.value(value.get(), levels)?,
            });
        }
        Ok(Kind::Map(entries))
    }

    fn scalar(&self, raw: &'t str) -> Result<Kind, Broken> {
        Ok(match self.parse(raw)? {
            Value::Bool(yes) => Kind::Bool(yes),
            Value::String(text) => Kind::Text(text),
            Value::Number(number)
                if number.is_f64() && !raw.contains(['.', 'e', 'E']) && raw != "-0" =>
            {
                return Err(whole_number_too_large(self.place(raw)));
            }
            number @ Value::Number(_) => match crate::json::exact_number(number, raw) {
                Value::Number(number) => Kind::Number(number),
                _ => Kind::Null,
            },
            Value::Null | Value::Array(_) | Value::Object(_) => Kind::Null,
        })
    }

    fn parse<T: Deserialize<'t>>(&self, raw: &'t str) -> Result<T, Broken> {
        serde_json::from_str(raw).map_err(|error| Broken {
            place: Some(self.place(raw)),
            ..syntax(&error)
        })
    }

    /// `raw` is a slice of the text.
    fn place(&self, raw: &str) -> Place {
        Place::Offset(raw.as_ptr() as usize - self.text.as_ptr() as usize)
    }
}

/// A map's keys and values as they stand in the text, in order.
struct Pairs<'t>(Vec<(&'t RawValue, &'t RawValue)>);

impl<'t> Deserialize<'t> for Pairs<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'t> Visitor<'t> for PairsVisitor {
    type Value = Pairs<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut access: A) -> Result<Pairs<'t>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = access.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

fn syntax(error: &Error) -> Broken {
    let message = error.to_string();
    let end = message.rfind(" at line ").unwrap_or(message.len());
    Broken {
        place: Some(Place::Point {
            line: error.line().max(1),
            column: error.column().max(1),
        }),
        message: message[..end].to_owned(),
    }
}
