//! What the command line lays over the file: overrides `KEY=VALUE`, and options such as `--model`.
//!
//! A value is a YAML scalar, list or map; commas outside of quotes, brackets and braces make a sweep. A value that begins
//! with `{{` is text, for no YAML value begins so and every template does.

use super::error::ExperimentError;
use super::tree::{Kind, Node, Origin, quoted};
use super::yaml;

/// One assignment of the command line.
#[derive(Debug, Clone)]
pub(super) struct Argument {
    /// How a message names it.
    pub(super) written: Form,
    pub(super) path: Vec<String>,
    /// One value sets, several sweep.
    pub(super) values: Vec<Node>,
}

/// How an assignment was written.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// `model.name=a,b`
    Override(String),
    /// `--model`
    Option(&'static str),
}

impl Argument {
    /// Its name in messages.
    pub(super) fn shown(&self) -> String {
        match &self.written {
            Form::Override(text) => format!("override {}", quoted(text)),
            Form::Option(name) => (*name).to_owned(),
        }
    }

    /// One value that an option gives.
    pub(super) fn option(name: &'static str, path: &[&str], value: Kind, index: usize) -> Argument {
        let origin = Origin::Argument(index);
        let node = Node {
            origin,
            kind: value,
        };
        Argument {
            written: Form::Option(name),
            path: path.iter().map(|key| (*key).to_owned()).collect(),
            values: vec![node.moved(origin)],
        }
    }
}

/// Whether an argument of the command line is an override, `KEY=VALUE`, and not a file's name.
///
/// A key is made of letters, digits, `_`, `-`, `$` and dots between its parts, and begins with none of `-` and `.`: what
/// has a slash before the first `=` is a path, so a file named `a=b.yaml` is written `./a=b.yaml`.
#[must_use]
pub fn is_override(argument: &str) -> bool {
    argument
        .split_once('=')
        .is_some_and(|(key, _)| path(key).is_some())
}

/// `a.b.0` in its parts.
pub(super) fn path(key: &str) -> Option<Vec<String>> {
    let fits = |character: char| character.is_alphanumeric() || "_-$".contains(character);
    let part = |part: &str| (!part.is_empty() && part.chars().all(fits)).then(|| part.to_owned());
    if key.starts_with('-') {
        return None;
    }
    key.split('.').map(part).collect()
}

/// Reads one override; `index` is its place among the arguments.
///
/// # Errors
/// No `KEY=`, an unclosed quote or bracket, an empty value among several, or a value that is no YAML.
pub(super) fn parse(argument: &str, index: usize) -> Result<Argument, ExperimentError> {
    let wrong = |message: String| ExperimentError::Override {
        argument: argument.to_owned(),
        message,
    };
    let (key, values) = argument.split_once('=').ok_or_else(|| {
        wrong("write KEY=VALUE, such as `model.sampling.temperature=0`".to_owned())
    })?;
    let path = path(key)
        .ok_or_else(|| wrong("its key is no path; write names with dots between".to_owned()))?;
    let pieces = split(values).map_err(wrong)?;
    if pieces.len() > 1 && pieces.contains(&"") {
        return Err(wrong(
            "one of its values is empty; write '' for an empty text, or quote the comma".to_owned(),
        ));
    }
    let values = pieces.into_iter().map(|piece| value(piece, index));
    Ok(Argument {
        written: Form::Override(argument.to_owned()),
        path,
        values: values.collect::<Result<_, _>>().map_err(wrong)?,
    })
}

/// Splits at the commas that stand outside of quotes, brackets and braces. A quote opens only where a value begins, so
/// that an apostrophe is one.
fn split(values: &str) -> Result<Vec<&str>, String> {
    let mut pieces = Vec::new();
    let (mut start, mut open, mut quote, mut begins) = (0, Vec::new(), None, true);
    let mut characters = values.char_indices();
    while let Some((index, character)) = characters.next() {
        match (quote, character) {
            (Some('"'), '\\') => drop(characters.next()),
            (Some(mark), _) if mark == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if begins => quote = Some(character),
            (None, '[') => open.push(']'),
            (None, '{') => open.push('}'),
            (None, ']' | '}') => {
                if open.pop() != Some(character) {
                    return Err(format!(
                        "`{character}` closes nothing; put the value in quotes"
                    ));
                }
            }
            (None, ',') if open.is_empty() => {
                pieces.push(values[start..index].trim());
                start = index + 1;
            }
            (None, _) => {}
        }
        begins = quote.is_none()
            && (",:[{".contains(character) || (begins && character.is_whitespace()));
    }
    if let Some(missing) = quote.or(open.pop()) {
        return Err(format!(
            "`{missing}` is missing at its end, or the value must stand in quotes"
        ));
    }
    pieces.push(values[start..].trim());
    Ok(pieces)
}

/// One value: quoted, a list or a map by YAML's rules; else a number, `true`, `false` or `null`; else text as it stands.
fn value(piece: &str, index: usize) -> Result<Node, String> {
    let origin = Origin::Argument(index);
    let text = || Node::text(piece, origin);
    let plain = |character: char| character.is_ascii_alphanumeric() || "+-._~".contains(character);
    let read = || {
        yaml::read(piece)
            .map(|node| node.moved(origin))
            .map_err(|broken| broken.message)
    };
    match piece.chars().next() {
        None => Ok(text()),
        Some(_) if piece.starts_with("---") || piece.starts_with("...") => Ok(text()),
        Some('{') if piece.starts_with("{{") => Ok(text()),
        Some('"' | '\'' | '[' | '{') => read(),
        Some(_) if piece.chars().all(plain) => match read() {
            Ok(node) if !matches!(node.kind, Kind::List(_) | Kind::Map(_)) => Ok(node),
            Ok(_) => Ok(text()),
            Err(message) => Err(message),
        },
        Some(_) => Ok(text()),
    }
}
