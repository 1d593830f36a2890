//! What is wrong with a piece of the tree, before it is known how the user sees that piece.
//!
//! `typed` collects the path and the origin while an error travels up; `report` makes the text. It is serde's error
//! type for trees, so that the names of the known keys arrive as data and not as prose.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::tree::{Origin, quoted};

/// One problem and where it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    pub(super) problem: Problem,
    /// From the root; for an unknown key it ends with that key.
    pub(super) path: Vec<String>,
    /// `None` until somebody on the way up knows.
    pub(super) origin: Option<Origin>,
    pub(super) excerpt: Excerpt,
}

/// Whether a message may repeat the line it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excerpt {
    Shown,
    /// The line may hold a secret that was put in the wrong place.
    Hidden,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Problem {
    /// The last key of the path.
    UnknownKey {
        known: &'static [&'static str],
    },
    /// A value from a closed list.
    UnknownWord {
        word: String,
        known: &'static [&'static str],
    },
    Missing {
        key: &'static str,
    },
    /// Continues a sentence that begins with the path: "is 0; write 1 or more".
    Misfit(String),
}

impl Fault {
    pub(super) fn new(problem: Problem) -> Fault {
        Fault {
            problem,
            path: Vec::new(),
            origin: None,
            excerpt: Excerpt::Shown,
        }
    }

    pub(super) fn at(path: Vec<String>, origin: Origin, problem: Problem) -> Fault {
        Fault {
            path,
            origin: Some(origin),
            ..Fault::new(problem)
        }
    }

    /// The same fault, one level up.
    pub(super) fn within(mut self, key: &str, origin: Origin) -> Fault {
        self.path.insert(0, key.to_owned());
        self.origin.get_or_insert(origin);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Fault {
        Fault::new(Problem::Misfit(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Fault {
        let wanted = wanted(&expected.to_string());
        let unquoted = matches!(
            found,
            Unexpected::Bool(_)
                | Unexpected::Signed(_)
                | Unexpected::Unsigned(_)
                | Unexpected::Float(_)
        );
        let hint = if unquoted && wanted.starts_with("text") {
            ": put it in quotes"
        } else {
            ""
        };
        Fault::new(Problem::Misfit(format!(
            "is {}; it takes {wanted}{hint}",
            described(found)
        )))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Fault {
        Fault::invalid_type(found, expected)
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Fault {
        let word = word.to_owned();
        Fault::new(Problem::UnknownWord { word, known })
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Fault {
        Fault::new(Problem::UnknownKey { known })
    }

    fn missing_field(key: &'static str) -> Fault {
        Fault::new(Problem::Missing { key })
    }
}

fn described(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(yes) => format!("`{yes}`"),
        Unexpected::Unsigned(number) => format!("the number {number}"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number}"),
        Unexpected::Str(text) => format!("the text {}", quoted(text)),
        Unexpected::Unit | Unexpected::Option => "empty".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        other => other.to_string(),
    }
}

/// serde's names for Rust's types, in the words of a person who writes YAML.
fn wanted(expected: &str) -> String {
    let words = match expected {
        "u32" => "a whole number from 0 to 4294967295",
        "u64" => "a whole number of 0 or more",
        "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "str" => "text",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        other => other,
    };
    words.to_owned()
}
