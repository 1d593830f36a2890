//! Values that are more than text or a number, and the bounds of those that are not.
//!
//! Each message continues "`KEY` ..." and says what to write.

use std::fmt;
use std::time::Duration;

use serde::de::{DeserializeOwned, Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::tree::quoted;

/// Rows `start..end` from 0, the end excluded; without an end, up to the last row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowRange {
    /// The first row.
    pub start: u64,
    /// The row after the last one.
    pub end: Option<u64>,
}

impl RowRange {
    fn parse(text: &str) -> Option<RowRange> {
        let (start, end) = text.split_once("..")?;
        let number = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| text.parse().ok())
                .flatten()
        };
        let start = if start.is_empty() { 0 } else { number(start)? };
        let end = if end.is_empty() {
            None
        } else {
            Some(number(end)?)
        };
        let some = end.is_none_or(|end| start < end);
        some.then_some(RowRange { start, end })
    }
}

impl fmt::Display for RowRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.end {
            Some(end) => write!(f, "{}..{end}", self.start),
            None => write!(f, "{}..", self.start),
        }
    }
}

impl Serialize for RowRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RowRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        RowRange::parse(&text).ok_or_else(|| {
            let message =
                "write `START..END` with START below END, such as `10..20`, `10..` or `..20`";
            D::Error::custom(format!("is the text {}; {message}", quoted(&text)))
        })
    }
}

/// A time span that is not zero, written as `90s`, `10m` or `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(SpanText)?;
        match humantime::parse_duration(&text) {
            Ok(span) if !span.is_zero() => Ok(Span(span)),
            _ => Err(D::Error::custom(format!(
                "is the text {}; write a number and its unit, such as `90s` or `10m`",
                quoted(&text)
            ))),
        }
    }
}

struct SpanText;

impl Visitor<'_> for SpanText {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number with its unit, such as `90s` or `10m`")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

/// A whole number that is not 0.
pub(super) fn at_least_one<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default + PartialEq,
{
    match Option::<T>::deserialize(deserializer)? {
        Some(number) if number == T::default() => Err(D::Error::custom("is 0; write 1 or more")),
        number => Ok(number),
    }
}

pub(super) fn not_negative<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<f64>, D::Error> {
    match Option::<f64>::deserialize(deserializer)? {
        Some(number) if number < 0.0 => {
            Err(D::Error::custom(format!("is {number}; write 0 or more")))
        }
        number => Ok(number),
    }
}

pub(super) fn fraction<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<f64>, D::Error> {
    match Option::<f64>::deserialize(deserializer)? {
        Some(number) if !(0.0..=1.0).contains(&number) => Err(D::Error::custom(format!(
            "is {number}; write a number from 0 to 1"
        ))),
        number => Ok(number),
    }
}

/// A name that stands in file names and tables.
pub(super) fn label<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    match Option::<String>::deserialize(deserializer)? {
        Some(name) if !is_name(&name) => Err(D::Error::custom(name_message(&name))),
        name => Ok(name),
    }
}

/// Letters, digits, `.`, `_` and `-`, and neither `.` nor `..`, so that it can be a folder's name anywhere.
pub(super) fn is_name(name: &str) -> bool {
    /// File systems allow 255 bytes; some are left for what is appended.
    const LONGEST: usize = 128;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let dots = name.bytes().all(|byte| byte == b'.');
    !dots && name.len() <= LONGEST && name.bytes().all(fits)
}

/// What [`is_name`] asks for.
pub(super) const NAME_RULE: &str = "write 1 to 128 letters, digits, `.`, `_` or `-`";

pub(super) fn name_message(name: &str) -> String {
    format!("is {}; {NAME_RULE}", quoted(name))
}

/// A text, or a list of texts.
pub(super) fn one_or_many<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_any(Texts::Strict)
}

/// Ids of rows: texts, or whole numbers.
pub(super) fn row_ids<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    struct Ids(Vec<String>);
    impl<'de> Deserialize<'de> for Ids {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Texts::Numbers).map(Ids)
        }
    }
    match Option::<Ids>::deserialize(deserializer)? {
        Some(Ids(ids)) if ids.is_empty() => {
            Err(D::Error::custom("is an empty list; write one id or more"))
        }
        ids => Ok(ids.map(|ids| ids.0)),
    }
}

/// Reads a text as a list of one.
#[derive(Clone, Copy)]
enum Texts {
    Strict,
    /// Whole numbers count as their decimal text.
    Numbers,
}

impl<'de> Visitor<'de> for Texts {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a list of texts")
    }

    fn visit_str<E>(self, text: &str) -> Result<Vec<String>, E> {
        Ok(vec![text.to_owned()])
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Vec<String>, E> {
        match self {
            Texts::Numbers => Ok(vec![number.to_string()]),
            Texts::Strict => Err(E::invalid_type(
                serde::de::Unexpected::Unsigned(number),
                &self,
            )),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Vec<String>, E> {
        match self {
            Texts::Numbers => Ok(vec![number.to_string()]),
            Texts::Strict => Err(E::invalid_type(
                serde::de::Unexpected::Signed(number),
                &self,
            )),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Vec<String>, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = access.next_element_seed(One(self))? {
            texts.push(text);
        }
        Ok(texts)
    }
}

/// One element of [`Texts`].
struct One(Texts);

impl<'de> serde::de::DeserializeSeed<'de> for One {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        match self.0 {
            Texts::Strict => String::deserialize(deserializer),
            Texts::Numbers => {
                let mut texts = deserializer.deserialize_any(Texts::Numbers)?;
                match (texts.pop(), texts.is_empty()) {
                    (Some(text), true) => Ok(text),
                    _ => Err(D::Error::custom("is a list; write one id")),
                }
            }
        }
    }
}
