//! JSON from elsewhere: written compactly, looked into and compared without a value becoming another one on the way. The
//! order of keys and the text of numbers stay as they were.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The document without white space, its texts escaped as little as JSON allows: what the official SDKs send, and what
/// provider plugins write.
///
/// # Errors
/// Where it is no JSON, or not everybody reads it alike; to be read after "it".
pub(super) fn compact(text: &str) -> Result<String, String> {
    crate::json::check(text)?;
    Ok(rewritten(text, |string| {
        string.contains('\\').then(|| escaped_anew(string))
    }))
}

/// A document without white space, in which strings, keys among them, are replaced. `replace` gets a string as it is
/// written, with its quotes.
pub(super) fn rewritten(text: &str, mut replace: impl FnMut(&str) -> Option<String>) -> String {
    const WHITE: [char; 4] = [' ', '\n', '\r', '\t'];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', ' ', '\n', '\r', '\t']) {
        out.push_str(&rest[..at]);
        rest = rest[at..].trim_start_matches(WHITE);
        if !rest.starts_with('"') {
            continue;
        }
        let (string, after) = rest.split_at(string_length(rest));
        match replace(string) {
            Some(other) => out.push_str(&other),
            None => out.push_str(string),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// How far the string reaches that begins here, its quotes included. The text was checked to be JSON.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn escaped_anew(string: &str) -> String {
    let read = serde_json::from_str::<serde_json::Value>(string);
    read.map_or_else(|_| string.to_owned(), |value| value.to_string())
}

/// An object's keys in their order, each with the text of its value.
#[derive(Default)]
pub(super) struct Fields<'t>(pub(super) Vec<(String, &'t RawValue)>);

impl<'t> Fields<'t> {
    /// The text's fields; none where it is no object.
    pub(super) fn of(text: &'t str) -> Option<Fields<'t>> {
        serde_json::from_str(text).ok()
    }

    /// The text of a key's value.
    pub(super) fn get(&self, key: &str) -> Option<&'t str> {
        let found = self.0.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.get())
    }

    /// As [`Fields::get`], and `null` is nothing.
    pub(super) fn some(&self, key: &str) -> Option<&'t str> {
        self.get(key).filter(|text| *text != "null")
    }

    /// The string under a key.
    pub(super) fn string(&self, key: &str) -> Option<String> {
        serde_json::from_str(self.get(key)?).ok()
    }

    /// Whether there are these keys and no others.
    pub(super) fn are(&self, keys: &[&str]) -> bool {
        self.0.len() == keys.len() && keys.iter().all(|key| self.get(key).is_some())
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields<'de>, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Fields(entries))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// The items of a list, each as its text; none where the text is no list.
pub(super) fn items(text: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(text).ok()
}

/// Whether two spellings in a place are the same to the API, beyond what JSON says: the place as a JSON pointer, and the
/// texts of both, empty for nothing.
pub(super) type Shorthand = fn(&str, &str, &str) -> bool;

/// Where two compact documents differ first, as a JSON pointer; none where they say the same. The order of an object's
/// keys means nothing but within a schema, where models read it; numbers are compared as decimals, exactly.
pub(super) fn difference(ours: &str, theirs: &str, shorthand: Shorthand) -> Option<String> {
    let mut place = String::new();
    differs(ours, theirs, &mut place, shorthand, Order::Free).then_some(place)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Free,
    Kept,
}

/// On a difference, `place` is where it is.
fn differs(ours: &str, theirs: &str, place: &mut String, short: Shorthand, order: Order) -> bool {
    if ours == theirs || short(place, ours, theirs) {
        return false;
    }
    let end = place.len();
    if let (Some(first), Some(second)) = (Fields::of(ours), Fields::of(theirs)) {
        for (name, value) in &first.0 {
            place.push_str(&format!("/{}", name.replace('~', "~0").replace('/', "~1")));
            let is_schema = ["parameters", "input_schema", "schema"].contains(&name.as_str());
            let order = if is_schema { Order::Kept } else { order };
            let other = second.get(name).unwrap_or("");
            if differs(value.get(), other, place, short, order) {
                return true;
            }
            place.truncate(end);
        }
        for (name, value) in second
            .0
            .iter()
            .filter(|(name, _)| first.get(name).is_none())
        {
            place.push_str(&format!("/{}", name.replace('~', "~0").replace('/', "~1")));
            if differs("", value.get(), place, short, order) {
                return true;
            }
            place.truncate(end);
        }
        return order == Order::Kept && first.0.iter().map(key).ne(second.0.iter().map(key));
    }
    if let (Some(first), Some(second)) = (items(ours), items(theirs)) {
        for at in 0..first.len().max(second.len()) {
            place.push_str(&format!("/{at}"));
            let ours = first.get(at).map_or("", |one| one.get());
            let theirs = second.get(at).map_or("", |one| one.get());
            if differs(ours, theirs, place, short, order) {
                return true;
            }
            place.truncate(end);
        }
        return false;
    }
    !matches!((decimal(ours), decimal(theirs)), (Some(a), Some(b)) if a == b)
}

fn key<'f>(field: &'f (String, &RawValue)) -> &'f str {
    &field.0
}

/// A number as sign, digits without zeros at either end, and the exponent of the last digit.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return None;
    }
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (rest, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{part}");
    let exponent = exponent.checked_sub(i64::try_from(part.len()).ok()?)?;
    let short = digits.trim_end_matches('0');
    let dropped = i64::try_from(digits.len() - short.len()).ok()?;
    let significant = short.trim_start_matches('0').to_owned();
    match significant.is_empty() {
        true => Some((negative, significant, 0)),
        false => Some((negative, significant, exponent.checked_add(dropped)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::{compact, decimal, difference};

    #[test]
    fn white_space_goes_and_keys_numbers_and_texts_stay() {
        for (text, expected) in [
            (
                " { \"b\" : [ 1.0 , 1e3 ] ,\n\"a\":null } ",
                r#"{"b":[1.0,1e3],"a":null}"#,
            ),
            (
                r#"{"x y": "a \u00e4 \" \\ \/ \n  b"}"#,
                r#"{"x y":"a ä \" \\ / \n  b"}"#,
            ),
            (
                r#"[12345678901234567890123, "", "\u001f"]"#,
                r#"[12345678901234567890123,"","\u001f"]"#,
            ),
        ] {
            assert_eq!(compact(text).as_deref(), Ok(expected));
            assert_eq!(compact(expected).as_deref(), Ok(expected));
        }
        for wrong in [
            "",
            "{",
            r#"{"a":1,"a":2}"#,
            r#""\ud800""#,
            "[1] 2",
            &"[".repeat(9_999),
        ] {
            assert!(compact(wrong).is_err(), "{wrong:.20}");
        }
    }

    #[test]
    fn documents_differ_where_they_mean_something_else() {
        let find = |ours, theirs| difference(ours, theirs, |_, _, _| false);
        for (ours, theirs) in [
            (r#"{"a":1,"b":{"c":[]}}"#, r#"{"b":{"c":[]},"a":1}"#),
            (r#"[0.7,1,100,0]"#, r#"[7e-1,1.0,1E2,0.000]"#),
        ] {
            assert_eq!(find(ours, theirs), None, "{ours} {theirs}");
        }
        for (ours, theirs, place) in [
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#, "/b"),
            (r#"{"a":1,"b":null}"#, r#"{"a":1}"#, "/b"),
            (r#"{"m":[{"a":"x"},1]}"#, r#"{"m":[{"a":"y"},1]}"#, "/m/0/a"),
            (r#"[1,2]"#, "[1]", "/1"),
            ("[9007199254740993]", "[9007199254740992]", "/0"),
            (r#"["1"]"#, "[1]", "/0"),
            ("[{}]", "[[]]", "/0"),
            (
                r#"{"schema":{"x":1,"y":2}}"#,
                r#"{"schema":{"y":2,"x":1}}"#,
                "/schema",
            ),
        ] {
            assert_eq!(
                find(ours, theirs).as_deref(),
                Some(place),
                "{ours} {theirs}"
            );
        }
    }

    #[test]
    fn a_number_is_its_decimal() {
        assert_eq!(decimal("-0.50"), Some((true, "5".into(), -1)));
        assert_eq!(decimal("1e99999999999999999999"), None);
        assert_eq!(decimal("\"1\""), None);
        assert_eq!(decimal(""), None);
    }
}
