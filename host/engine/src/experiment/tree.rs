//! The experiment as a tree that remembers where each piece was written.
//!
//! The three readers (`yaml`, `json`, `toml`) make it, arguments and sweeps are laid over it, and `typed` turns it into
//! structs. An error can so point at its line, or at its argument, whatever happened in between. Opens no file.

use std::collections::HashSet;

use serde_json::{Map, Number, Value};

/// A position in the file. Lines and columns are counted only for an error: doing it for each value of a file that is
/// one long line would take hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Both count from 1; columns count characters.
    Point { line: usize, column: usize },
    /// Bytes from the start of the text.
    Offset(usize),
}

impl Place {
    /// Line and column.
    pub(super) fn point(self, text: &str) -> (usize, usize) {
        match self {
            Place::Point { line, column } => (line, column),
            Place::Offset(offset) => {
                let before = text.get(..offset).unwrap_or(text);
                let start = before.rfind('\n').map_or(0, |newline| newline + 1);
                let column = before[start..].chars().count() + 1;
                (before.matches('\n').count() + 1, column)
            }
        }
    }
}

/// Who wrote a piece of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The file, here.
    File(Place),
    /// The command line's argument with this index.
    Argument(usize),
}

/// One value and who wrote it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) kind: Kind,
}

/// What JSON can say, with maps in the order in which they were written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map; no map has a key twice.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) origin: Origin,
    pub(super) value: Node,
}

impl Node {
    pub(super) fn text(text: impl Into<String>, origin: Origin) -> Node {
        let kind = Kind::Text(text.into());
        Node { origin, kind }
    }

    pub(super) fn map<const N: usize>(entries: [(&str, Node); N], origin: Origin) -> Node {
        let entry = |(key, value): (&str, Node)| Entry {
            key: key.to_owned(),
            origin,
            value,
        };
        let kind = Kind::Map(entries.into_iter().map(entry).collect());
        Node { origin, kind }
    }

    /// The same value, as if `origin` had written all of it.
    pub(super) fn moved(mut self, origin: Origin) -> Node {
        self.origin = origin;
        match &mut self.kind {
            Kind::List(items) => {
                for item in items {
                    *item = std::mem::replace(item, Node::text("", origin)).moved(origin);
                }
            }
            Kind::Map(entries) => {
                for entry in entries {
                    entry.origin = origin;
                    entry.value =
                        std::mem::replace(&mut entry.value, Node::text("", origin)).moved(origin);
                }
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => {}
        }
        self
    }

    pub(super) fn child(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Map(entries) => entries
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| &entry.value),
            Kind::List(items) => items.get(key.parse::<usize>().ok()?),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => None,
        }
    }

    /// Who wrote the value at `path`, or the nearest one around it.
    pub(super) fn origin_of(&self, path: &[String]) -> Origin {
        match path.split_first() {
            Some((key, rest)) => self
                .child(key)
                .map_or(self.origin, |node| node.origin_of(rest)),
            None => self.origin,
        }
    }

    /// The first key that stands twice in one map.
    pub(super) fn twice(&self) -> Option<&Entry> {
        match &self.kind {
            Kind::Map(entries) => {
                let mut seen = HashSet::new();
                let again = entries
                    .iter()
                    .find(|entry| !seen.insert(entry.key.as_str()));
                again.or_else(|| entries.iter().find_map(|entry| entry.value.twice()))
            }
            Kind::List(items) => items.iter().find_map(Node::twice),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => None,
        }
    }

    /// Takes `key` out of a map.
    pub(super) fn take(&mut self, key: &str) -> Option<Entry> {
        let Kind::Map(entries) = &mut self.kind else {
            return None;
        };
        let index = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(index))
    }

    /// The bytes of text in it, with a little for each node: what a copy costs, roughly.
    pub(super) fn weight(&self) -> usize {
        const NODE: usize = 32;
        NODE + match &self.kind {
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => 0,
            Kind::Text(text) => text.len(),
            Kind::List(items) => items.iter().map(Node::weight).sum(),
            Kind::Map(entries) => entries
                .iter()
                .map(|entry| entry.key.len() + entry.value.weight())
                .sum(),
        }
    }

    /// The value without its origins.
    pub(super) fn value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(yes) => Value::Bool(*yes),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Node::value).collect()),
            Kind::Map(entries) => {
                let pair = |entry: &Entry| (entry.key.clone(), entry.value.value());
                Value::Object(entries.iter().map(pair).collect::<Map<_, _>>())
            }
        }
    }

    /// What a message calls this value.
    pub(super) fn describe(&self) -> String {
        match &self.kind {
            Kind::Null => "empty".to_owned(),
            Kind::Bool(yes) => format!("`{yes}`"),
            Kind::Number(number) => format!("the number {number}"),
            Kind::Text(text) => format!("the text {}", quoted(text)),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a map".to_owned(),
        }
    }
}

/// `text` in backticks, on one line, shortened to what fits in a message.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut line = String::new();
    for character in text.chars().take(LONGEST) {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    let more = if text.chars().nth(LONGEST).is_some() {
        "..."
    } else {
        ""
    };
    format!("`{line}{more}`")
}
