//! Everything that can be wrong with an experiment as written, told to the person who wrote it.
//!
//! Each message says where (file, line and column, or the argument), what, and what to write. Made by `source` and
//! `report`; the command line prints it as it is.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::tree::Place;

/// Why an experiment cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// No such file.
    #[error("{}: no such file{}; name another, as in `xhost run FILE`", file.display(), listed(", but there is ", near))]
    Missing {
        /// As it was given.
        file: PathBuf,
        /// Files with a like name.
        near: Vec<PathBuf>,
    },

    /// A folder where a file was expected.
    #[error("{}: a folder; name the experiment file{}", file.display(), listed(" in it, such as ", inside))]
    Folder {
        /// As it was given.
        file: PathBuf,
        /// Files in it that may be experiments.
        inside: Vec<PathBuf>,
    },

    /// A pipe, a device or the like.
    #[error("{}: no regular file; write the experiment to a file", file.display())]
    NoRegularFile {
        /// As it was given.
        file: PathBuf,
    },

    /// The operating system refused.
    #[error("{}: cannot be read: {source}", file.display())]
    Read {
        /// As it was given.
        file: PathBuf,
        /// Its reason.
        source: io::Error,
    },

    /// More than 4 MiB.
    #[error("{}: larger than 4 MiB; move examples and other data into files and name them by `$file`", file.display())]
    TooLarge {
        /// As it was given.
        file: PathBuf,
    },

    /// Not UTF-8.
    #[error("{}: byte {offset} is not UTF-8; save the file as UTF-8", file.display())]
    NotText {
        /// As it was given.
        file: PathBuf,
        /// Of the first wrong byte, from 0.
        offset: usize,
    },

    /// Nothing but white space.
    #[error("{}: empty; write at least `dataset`, `prompt` and `model`", file.display())]
    Empty {
        /// As it was given.
        file: PathBuf,
    },

    /// The format is chosen by the extension.
    #[error("{}: not an experiment file; its name ends in .yaml, .yml, .json or .toml", file.display())]
    Extension {
        /// As it was given.
        file: PathBuf,
    },

    /// No YAML, JSON or TOML.
    #[error("{spot}: {message}{}", spot.excerpt())]
    Syntax {
        /// Where.
        spot: Box<Spot>,
        /// What the parser says.
        message: String,
    },

    /// A key that means nothing.
    #[error("{spot}: unknown key `{key}`{} Known here: {}{}", suggestion(near.as_deref()), known.join(", "), spot.excerpt())]
    UnknownKey {
        /// Where.
        spot: Box<Spot>,
        /// With dots, from the root.
        key: String,
        /// What may have been meant, with dots.
        near: Option<String>,
        /// The keys that may stand there.
        known: Vec<String>,
    },

    /// A value that does not fit its key.
    #[error("{spot}: {message}{}", spot.excerpt())]
    Value {
        /// Where.
        spot: Box<Spot>,
        /// What it is, and what to write.
        message: String,
    },

    /// A key without which nothing can run.
    #[error("{spot}: `{key}` is missing; {remedy}{}", spot.excerpt())]
    MissingKey {
        /// Where.
        spot: Box<Spot>,
        /// With dots, from the root.
        key: String,
        /// What to write.
        remedy: String,
    },

    /// The file's name, or its folder's, cannot name the experiment.
    #[error("{}: {name} cannot name an experiment; write `name: {instead}` in the file", file.display())]
    NoName {
        /// As it was given.
        file: PathBuf,
        /// Its stem, or its folder's name.
        name: String,
        /// A name that can.
        instead: String,
    },

    /// An argument `KEY=VALUE` that cannot be read.
    #[error("override `{argument}`: {message}", argument = crate::text::plain(argument))]
    Override {
        /// As it was given.
        argument: String,
        /// What is wrong, and what to write.
        message: String,
    },

    /// A sweep of more than 10,000 configs.
    #[error(
        "{spot}: the sweep makes {cells} configs, and 10000 is the most; shorten an axis or split the experiment"
    )]
    TooManyCells {
        /// What was read.
        spot: Box<Spot>,
        /// Saturating.
        cells: usize,
    },

    /// Configs that together are too much text to hold.
    #[error(
        "{spot}: the configs of this sweep are more than 64 MiB of text; move long texts into files and name them by `$file`"
    )]
    CellsTooLarge {
        /// What was read.
        spot: Box<Spot>,
    },
}

/// A place in a file, or an argument, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The file as it was given, or the argument.
    pub source: String,
    /// Line and column, both from 1; columns count characters.
    pub point: Option<(usize, usize)>,
    line: Option<String>,
}

impl Spot {
    /// `place` in `text`, which `source` names.
    pub(super) fn new(source: &str, text: &str, place: Option<Place>) -> Spot {
        let point = place.map(|place| place.point(text));
        let line = point.and_then(|(line, _)| text.lines().nth(line - 1));
        Spot {
            source: source.to_owned(),
            point,
            line: line.map(str::to_owned),
        }
    }

    /// Without the line itself.
    pub(super) fn without_excerpt(self) -> Spot {
        Spot { line: None, ..self }
    }

    /// The line with a caret below the column, after a line break; empty where there is nothing to show.
    #[must_use]
    pub fn excerpt(&self) -> String {
        let (Some((number, column)), Some(line)) = (self.point, &self.line) else {
            return String::new();
        };
        let (shown, caret) = window(line, column);
        let margin = " ".repeat(number.to_string().len());
        let blank = " ".repeat(caret);
        format!("\n{margin} |\n{number} | {shown}\n{margin} | {blank}^")
    }
}

/// The part of `line` around `column` that fits a terminal, and the caret's indent in it.
fn window(line: &str, column: usize) -> (String, usize) {
    const WIDTH: usize = 100;
    let skipped = column.saturating_sub(WIDTH * 2 / 3);
    let visible = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    let shown: String = line
        .chars()
        .skip(skipped)
        .take(WIDTH)
        .map(visible)
        .collect();
    (shown.trim_end().to_owned(), column - skipped - 1)
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.point {
            Some((line, column)) => write!(f, "{}:{line}:{column}", self.source),
            None => f.write_str(&self.source),
        }
    }
}

fn suggestion(near: Option<&str>) -> String {
    near.map_or_else(
        || ".".to_owned(),
        |near| format!("; did you mean `{near}`?"),
    )
}

fn listed(lead: &str, files: &[PathBuf]) -> String {
    const SHOWN: usize = 3;
    if files.is_empty() {
        return String::new();
    }
    let name = |file: &PathBuf| Path::new(file).display().to_string();
    let names: Vec<String> = files.iter().take(SHOWN).map(name).collect();
    format!("{lead}{}", names.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::ExperimentError;

    /// A fuzzer found it: the argument was quoted as it was given.
    #[test]
    fn an_override_is_quoted_without_what_steers_a_terminal() {
        let error = ExperimentError::Override {
            argument: "a={\u{1b}[2J".into(),
            message: "m".into(),
        };
        assert_eq!(error.to_string(), "override `a={\u{fffd}[2J`: m");
    }
}
