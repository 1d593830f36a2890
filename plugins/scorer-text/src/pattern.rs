//! Regular expressions in Python's syntax, for the crate `regex`. Where the two mean different things by the same text, it is
//! rewritten; what only Python has is refused with its name, never taken for something else.

use regex::{Captures, Regex, RegexBuilder};
use std::ops::Range;
use xhost_plugin::Refusal;

mod rewrite;
#[cfg(test)]
mod tests;

use rewrite::Rewrite;

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    /// For each of the user's groups, the whole match first, its index in `regex`.
    groups: Vec<usize>,
    /// The index of the empty groups that mark where a `$` stood.
    ends: Vec<usize>,
}

/// Whether upper and lower case are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// They are.
    Ignored,
    /// They are not.
    Minded,
}

impl Pattern {
    /// Compiles a pattern; `name` is the parameter that holds it.
    ///
    /// # Errors
    /// [`Refusal::BadParams`] with what is wrong in it.
    pub fn new(name: &str, source: &str, case: Case) -> Result<Pattern, Refusal> {
        let refuse = |reason: String| Refusal::bad_params(format!("`{name}`: {reason}"));
        let Rewrite { text, groups, ends } = Rewrite::of(source).map_err(refuse)?;
        let regex = RegexBuilder::new(&text)
            .case_insensitive(case == Case::Ignored)
            .build()
            .map_err(|error| refuse(reason(&error)))?;
        Ok(Pattern {
            regex,
            groups,
            ends,
        })
    }

    /// The texts of the first match: of its groups, or of the whole where the pattern has none. `None` within for a group that
    /// took no part.
    #[must_use]
    pub fn first<'t>(&self, text: &'t str) -> Option<Vec<Option<&'t str>>> {
        let captures = self.regex.captures(text)?;
        let wanted = match self.groups.as_slice() {
            [_] => &self.groups[..],
            _ => &self.groups[1..],
        };
        let spans = wanted.iter().map(|&group| self.span(&captures, group));
        Some(spans.map(|span| span.map(|span| &text[span])).collect())
    }

    /// A `$` before a last line feed takes no text in Python, and takes the line feed here.
    fn span(&self, captures: &Captures, group: usize) -> Option<Range<usize>> {
        let mut span = captures.get(group)?.range();
        for end in &self.ends {
            if let Some(end) = captures.get(*end).filter(|end| end.start() >= span.start) {
                span.end = span.end.min(end.start());
            }
        }
        Some(span)
    }
}

/// The last line of the message; those before it draw the rewritten pattern.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text
        .lines()
        .last()
        .unwrap_or_default()
        .trim_start_matches("error: ");
    match error {
        regex::Error::CompiledTooBig(_) => {
            "it is too large when compiled; write smaller counts".to_owned()
        }
        _ => last.to_owned(),
    }
}
