//! Numbers in an answer as Inspect's `match` finds them: a word is a number or is none, and numbers are equal where their
//! first five significant digits are.

use crate::unicode::number;
use scorer_text::chars::words;
use scorer_text::number::float;
use scorer_text::numerals::decimal;
use std::fmt;

/// A number, to five significant digits.
#[derive(Debug, PartialEq, Eq)]
pub struct Number(String);

impl Number {
    /// The number that a text is, but for sentence marks and brackets around it.
    pub fn of(text: &str) -> Option<Number> {
        Number::exact(text.trim_matches(is_around))
    }

    /// The number that a text is.
    pub fn exact(text: &str) -> Option<Number> {
        float(text)
            .or_else(|| number(text))
            .map(|number| Number(format!("{number:.4e}")))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.parse::<f64>() {
            Ok(number) => write!(f, "{number}"),
            Err(_) => f.write_str(&self.0),
        }
    }
}

/// Not `<`, `>`, `~` and `=`: they make a bound or an estimate of a number.
fn is_around(c: char) -> bool {
    "!?:;()[]{}'\"`".contains(c)
}

/// The numbers of a text, in their order.
pub fn numbers(text: &str) -> impl Iterator<Item = Number> {
    words(text).filter_map(Number::of)
}

/// The same, the last first.
pub fn numbers_from_the_end(text: &str) -> impl Iterator<Item = Number> {
    let words = text.rsplit(scorer_text::chars::is_space);
    words.filter(|word| !word.is_empty()).filter_map(Number::of)
}

/// The text without signs of currencies, of thousands and of emphasis, which LaTeX may have escaped, and without points that
/// no digit follows.
pub fn without_signs(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let escapes = c == '\\' && rest.peek().copied().is_some_and(is_sign);
        if !escapes && !is_sign(c) {
            kept.push(c);
        }
    }
    let mut out = String::with_capacity(kept.len());
    let mut rest = kept.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '.' || rest.peek().copied().and_then(decimal).is_some() {
            out.push(c);
        }
    }
    out
}

fn is_sign(c: char) -> bool {
    matches!(c, '$' | '€' | '£' | ',' | '*' | '_')
}
