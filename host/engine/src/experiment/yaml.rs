//! YAML 1.2 text to a tree.
//!
//! What the crate does with plain scalars, and its tests pin: `true` and `false` alone are booleans, so `no` and `on` are
//! text; dates are text; `0o17` is 15, `0x1F` is 31; `0755` and `1_000` are text, since people mean different things by
//! them; integers are exact up to 64 bits and an error beyond; infinities and NaN are errors; unknown tags are refused.
//! Anchors, aliases and merge keys work within a budget that an alias bomb exceeds at once.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::{Error, Location, Options, Spanned, UserMessageFormatter};

use super::source::{Broken, whole_number_too_large};
use super::tree::{Entry, Kind, Node, Origin, Place};

/// The tree that `text` describes; an empty text is null.
///
/// # Errors
/// What is no YAML, or more than the budget, with its place.
pub(super) fn read(text: &str) -> Result<Node, Broken> {
    let node = on_a_large_stack(|| {
        let read: Result<Spanned<Yaml>, Error> =
            serde_saphyr::from_str_with_options(text, options());
        read.map(node).map_err(|error| broken(&error))
    })?;
    refuse_rounded(&node, text)?;
    Ok(node)
}

/// The crate takes up to 50 KiB of stack for each level, so that a file of the permitted depth would end a process whose
/// threads have the usual 2 MiB.
fn on_a_large_stack<T: Send>(read: impl FnOnce() -> Result<T, Broken> + Send) -> Result<T, Broken> {
    const STACK: usize = 16 * 1024 * 1024;
    let failed = |message: String| Broken {
        place: None,
        message,
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, read)
            .map_err(|error| failed(format!("no thread to read it: {error}")))?;
        match thread.join() {
            Ok(read) => read,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// An experiment is a page or two, perhaps with examples inside: a hundred times that is a mistake or an attack. Replayed
/// aliases count like text, so these also bound what a small file may grow to.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_total_scalar_bytes: 8 * 1024 * 1024,
            max_nodes: 250_000,
            max_depth: super::source::DEEPEST,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 20_000 },
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

struct Yaml(Kind);

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Yaml, D::Error> {
        deserializer.deserialize_any(AnyKind).map(Yaml)
    }
}

struct AnyKind;

impl<'de> Visitor<'de> for AnyKind {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON can hold")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(yes))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Kind, E> {
        Ok(Kind::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Kind, E> {
        Ok(Kind::Number(number.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Kind, E> {
        let number =
            Number::from_f64(number).ok_or_else(|| E::custom("not a number that JSON can hold"))?;
        Ok(Kind::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Kind, E> {
        Ok(Kind::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(node(item));
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = access.next_entry::<Spanned<String>, _>()? {
            entries.push(Entry {
                origin: origin(key.referenced),
                key: key.value,
                value: node(value),
            });
        }
        Ok(Kind::Map(entries))
    }
}

fn node(yaml: Spanned<Yaml>) -> Node {
    Node {
        origin: origin(yaml.referenced),
        kind: yaml.value.0,
    }
}

fn origin(location: Location) -> Origin {
    Origin::File(place(location))
}

fn place(location: Location) -> Place {
    let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).max(1);
    Place::Point {
        line: index(location.line()),
        column: index(location.column()),
    }
}

fn broken(error: &Error) -> Broken {
    let place = error.location().map(place);
    let message = match original(error) {
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key `{key}` stands twice in this map; keep one")
        }
        Error::MultipleDocuments { .. } => "a second document begins here; an experiment file holds one".to_owned(),
        Error::NonFiniteFloat { value, .. } => format!("`{value}` is no finite number; quote it if text is meant"),
        Error::Unexpected { expected, .. } if expected.contains("string scalar") => {
            "a key must be text; a value that begins with `{`, such as \"{{ input }}\", stands in quotes".to_owned()
        }
        Error::UnknownAnchor { .. } => {
            "an alias of nothing; a text that begins with `*` stands in quotes".to_owned()
        }
        Error::NullIntoString { .. } => "a key must be text; write it in quotes".to_owned(),
        Error::UnsupportedTag { tag, .. } => format!("the tag `{tag}` means nothing here; remove it"),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. } => {
            "too much for an experiment file: deeply nested, very long, or grown by aliases; move data into files \
             and name them by `$file`"
                .to_owned()
        }
        other => without_position(&other.render_with_formatter(&UserMessageFormatter)),
    };
    Broken { place, message }
}

/// An error inside of an alias comes wrapped.
fn original(error: &Error) -> &Error {
    match error.without_snippet() {
        Error::AliasError { error, .. } => original(error),
        error => error,
    }
}

/// The crate ends its messages with the position, which stands in front of ours.
fn without_position(message: &str) -> String {
    let end = message.rfind(" at line ").unwrap_or(message.len());
    message[..end].to_owned()
}

/// The crate reads an integer beyond 64 bits as a float, and so rounds it.
fn refuse_rounded(node: &Node, text: &str) -> Result<(), Broken> {
    /// 2^63, the smallest number for which this can happen.
    const EXACT: f64 = 9_223_372_036_854_775_808.0;
    match &node.kind {
        Kind::Number(number)
            if number.is_f64() && number.as_f64().is_some_and(|f| f.abs() >= EXACT) =>
        {
            match node.origin {
                Origin::File(place) if is_whole(word_at(text, place)) => {
                    Err(whole_number_too_large(place))
                }
                Origin::File(_) | Origin::Argument(_) => Ok(()),
            }
        }
        Kind::List(items) => items.iter().try_for_each(|item| refuse_rounded(item, text)),
        Kind::Map(entries) => entries
            .iter()
            .try_for_each(|entry| refuse_rounded(&entry.value, text)),
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => Ok(()),
    }
}

fn word_at(text: &str, place: Place) -> &str {
    let (line, column) = place.point(text);
    let line = text.lines().nth(line - 1).unwrap_or("");
    let start = line
        .char_indices()
        .nth(column - 1)
        .map_or(line.len(), |(index, _)| index);
    let word = &line[start..];
    let end = word
        .find([',', ']', '}', ' ', '#', '\t'])
        .unwrap_or(word.len());
    &word[..end]
}

fn is_whole(word: &str) -> bool {
    let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
    digits.len() > 1 && digits.bytes().all(|byte| byte.is_ascii_digit())
}
