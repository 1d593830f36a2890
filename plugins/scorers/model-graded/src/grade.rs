//! The grade in a judge's reply.

use crate::Params;
use scorer_text::chars::{is_space, is_word};
use scorer_text::pattern::{Case, Pattern};
use scorer_text::subject::end;
use xhost_plugin::Refusal;

/// What the judge says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// It is right.
    Correct,
    /// A part of it is right.
    Partial,
    /// It is wrong.
    Incorrect,
}

impl Grade {
    /// What it counts.
    pub fn worth(self) -> f64 {
        match self {
            Grade::Correct => 1.0,
            Grade::Partial => 0.5,
            Grade::Incorrect => 0.0,
        }
    }

    /// Its letter.
    pub fn letter(self) -> &'static str {
        match self {
            Grade::Correct => "C",
            Grade::Partial => "P",
            Grade::Incorrect => "I",
        }
    }

    fn named(word: &str) -> Option<Grade> {
        Some(match word.trim().to_ascii_lowercase().as_str() {
            "c" | "correct" => Grade::Correct,
            "p" | "partial" => Grade::Partial,
            "i" | "incorrect" => Grade::Incorrect,
            _ => return None,
        })
    }
}

/// Whether the parameters make sense, before the judge is paid for.
pub fn check(params: &Params) -> Result<(), Refusal> {
    if params.model.is_empty() {
        return Err(Refusal::bad_params(
            "`model` is empty; write the name of a model under `models`",
        ));
    }
    compiled(params).map(drop)
}

/// The grade in a reply.
///
/// # Errors
/// [`Refusal::BadInput`] where there is none, with the end of the reply.
pub fn grade(params: &Params, reply: &str) -> Result<Grade, Refusal> {
    let found = match compiled(params)? {
        Some(pattern) => pattern
            .first(reply)
            .and_then(|groups| Grade::named(groups[0]?)),
        // Whoever writes instructions may have other words follow the letter; ours allow the grades' names only.
        None if params.instructions.is_some() => headings(reply).find_map(initial),
        None => headings(reply)
            .next()
            .and_then(whole_word)
            .filter(|grade| is_offered(params, *grade)),
    };
    found.ok_or_else(|| {
        Refusal::bad_input(format!(
            "the judge gave no grade; its reply ends: {}",
            end(reply)
        ))
    })
}

fn compiled(params: &Params) -> Result<Option<Pattern>, Refusal> {
    let pattern = params.grade_pattern.as_deref();
    pattern
        .map(|source| Pattern::new("grade_pattern", source, Case::Minded))
        .transpose()
}

fn is_offered(params: &Params, grade: Grade) -> bool {
    params.partial_credit || grade != Grade::Partial
}

/// What follows each `GRADE:`, the last first: a judge may mention others while it thinks.
fn headings(reply: &str) -> impl Iterator<Item = &str> {
    const WORD: &[u8] = b"grade";
    let starts = (0..(reply.len() + 1).saturating_sub(WORD.len())).rev();
    let starts =
        starts.filter(|at| reply.as_bytes()[*at..at + WORD.len()].eq_ignore_ascii_case(WORD));
    starts.filter_map(|at| {
        let alone = !reply[..at].ends_with(is_word);
        let behind = reply[at + WORD.len()..]
            .trim_start_matches(is_gap)
            .strip_prefix(':')?;
        alone.then(|| behind.trim_start_matches(is_gap))
    })
}

/// Spaces, and marks of no width that models paste.
fn is_gap(c: char) -> bool {
    is_space(c)
        || matches!(
            c,
            '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{2063}' | '\u{feff}'
        )
}

fn initial(text: &str) -> Option<Grade> {
    Grade::named(text.get(..1)?)
}

fn whole_word(text: &str) -> Option<Grade> {
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    Grade::named(&text[..end])
}
