//! TOML text to a tree, with positions. Dates are text; `inf` and `nan` are errors.

use std::borrow::Cow;

use serde_json::Number;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::source::{Broken, whole_number_too_large};
use super::tree::{Entry, Kind, Node, Origin, Place};

/// The tree that `text` describes.
///
/// # Errors
/// What is no TOML, with its place; the crate limits nesting.
pub(super) fn read(text: &str) -> Result<Node, Broken> {
    let table = DeTable::parse(text).map_err(|error| Broken {
        place: error.span().map(|span| Place::Offset(span.start)),
        message: error.message().to_owned(),
    })?;
    let kind = map(table.get_ref())?;
    let origin = Origin::File(Place::Offset(0));
    Ok(Node { origin, kind })
}

fn map(table: &DeTable<'_>) -> Result<Kind, Broken> {
    let entry = |(key, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
        Ok(Entry {
            key: key.get_ref().to_string(),
            origin: Origin::File(Place::Offset(key.span().start)),
            value: node(value)?,
        })
    };
    table
        .iter()
        .map(entry)
        .collect::<Result<_, _>>()
        .map(Kind::Map)
}

fn node(value: &Spanned<DeValue<'_>>) -> Result<Node, Broken> {
    let place = Place::Offset(value.span().start);
    let kind = match value.get_ref() {
        DeValue::String(text) => Kind::Text(text.to_string()),
        DeValue::Integer(number) => {
            Kind::Number(integer(number).ok_or_else(|| whole_number_too_large(place))?)
        }
        DeValue::Float(number) => {
            let finite = number.as_str().parse().ok().and_then(Number::from_f64);
            let message = || {
                format!(
                    "`{}` is no finite number; quote it if text is meant",
                    number.as_str()
                )
            };
            Kind::Number(finite.ok_or_else(|| Broken::at(place, message()))?)
        }
        DeValue::Boolean(yes) => Kind::Bool(*yes),
        DeValue::Datetime(date) => Kind::Text(date.to_string()),
        DeValue::Array(items) => {
            let items = items.iter().map(node);
            Kind::List(items.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => map(table)?,
    };
    let origin = Origin::File(place);
    Ok(Node { origin, kind })
}

fn integer(number: &DeInteger<'_>) -> Option<Number> {
    let signed = i64::from_str_radix(number.as_str(), number.radix()).map(Number::from);
    signed
        .or_else(|_| u64::from_str_radix(number.as_str(), number.radix()).map(Number::from))
        .ok()
}
