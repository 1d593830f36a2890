//! Which letters an answer gives. By hand and in a few passes, each over the whole text once: a regular expression would have
//! to be compiled anew for every answer.

use crate::Labels;
use scorer_text::chars::{is_space, is_word, strip};
use scorer_text::numerals::decimal;
use std::collections::BTreeSet;

/// The choices that stand after the last `ANSWER:`; none where something else stands there.
///
/// An `ANSWER:` that begins a line, with nothing behind its letters, is looked for first; then any.
pub fn letters(text: &str, labels: &Labels, multiple: bool) -> BTreeSet<usize> {
    let text = without_wrappers(text);
    let found = last_match(&text, on_a_line).or_else(|| last_match(&text, anywhere));
    let Some(list) = found else {
        return BTreeSet::new();
    };
    let list = strip(list).to_uppercase();
    match multiple {
        true => several(&list, labels),
        false => one(&list, labels),
    }
}

/// The letter right after the last `ANSWER:`, where no letter or digit follows it.
pub fn letter(text: &str) -> Option<char> {
    let (_, list) = headings(text).last()?;
    let mut chars = list.chars();
    let letter = chars.next().filter(char::is_ascii_alphabetic)?;
    chars
        .next()
        .is_none_or(|next| !is_word(next))
        .then_some(letter)
}

/// The choices of a text that is nothing but their letters.
pub fn bare(text: &str, labels: &Labels, multiple: bool) -> BTreeSet<usize> {
    // No list of choices is longer, and an answer may have megabytes.
    const LONGEST: usize = 200;
    let text = strip(text);
    if text.len() > LONGEST {
        return BTreeSet::new();
    }
    let plain: String = text
        .chars()
        .filter(|c| !matches!(c, '(' | ')' | '[' | ']' | '*' | '`' | '$'))
        .collect();
    let list = plain.trim_end_matches('.').to_uppercase();
    match multiple {
        true => several(&list, labels),
        false => one(&list, labels),
    }
}

/// Exactly one choice, commas around it allowed.
fn one(list: &str, labels: &Labels) -> BTreeSet<usize> {
    let mut names = list.split(',').filter(|name| !name.is_empty());
    match (
        names.next().and_then(|name| labels.place(name)),
        names.next(),
    ) {
        (Some(place), None) => BTreeSet::from([place]),
        _ => BTreeSet::new(),
    }
}

/// Choices with commas, spaces, `and` or nothing between them.
fn several(list: &str, labels: &Labels) -> BTreeSet<usize> {
    let list = list.replace(" AND ", ",").replace(' ', "");
    let names = list.split(',').filter(|name| !name.is_empty());
    let by_comma: Option<BTreeSet<usize>> = names.map(|name| labels.place(name)).collect();
    by_comma
        .or_else(|| {
            list.chars()
                .map(|c| labels.place(c.encode_utf8(&mut [0; 4])))
                .collect()
        })
        .unwrap_or_default()
}

/// The list behind the last `ANSWER:` that one of the two ways finds. A list may itself hold the word `answer`; the search goes
/// on behind it.
fn last_match<'t>(
    text: &'t str,
    list_of: fn(&'t str, usize, &'t str) -> Option<&'t str>,
) -> Option<&'t str> {
    let mut last = None;
    let mut behind = 0;
    for (start, rest) in headings_with_spaces(text) {
        if start < behind {
            continue;
        }
        if let Some(list) = list_of(text, start, rest) {
            behind = list.as_ptr() as usize - text.as_ptr() as usize + list.len();
            last = Some(list);
        }
    }
    last
}

/// A line that begins with `ANSWER:`, its list, and nothing else but spaces or a full stop.
fn on_a_line<'t>(text: &'t str, start: usize, rest: &'t str) -> Option<&'t str> {
    if start > 0 && !text[..start].ends_with('\n') {
        return None;
    }
    let (spaces, list, behind) = parts(rest);
    let after = behind.trim_start_matches(is_space);
    let ends = |after: &str| after.is_empty() || after.starts_with('.');
    let skipped = &behind[..behind.len() - after.len()];
    if !list.is_empty() && (ends(after) || skipped.contains('\n')) {
        return Some(list);
    }
    // A space may be all that the list is, where the line or the text ends behind it.
    let space = spaces.rfind(' ')?;
    let blank = spaces
        .find(' ')
        .is_some_and(|first| spaces[first..].contains('\n'));
    (blank || (list.is_empty() && ends(after))).then(|| &spaces[space..=space])
}

/// An `ANSWER:` wherever it stands, its list, and no word right behind.
fn anywhere<'t>(_: &'t str, _: usize, rest: &'t str) -> Option<&'t str> {
    let (spaces, list, behind) = parts(rest);
    let runs_on = behind.starts_with(is_word);
    if !list.is_empty() {
        if !runs_on {
            return Some(list);
        }
        // What runs on into a word is given back, as far as the space or comma before.
        let end = list.rfind([' ', ',']).filter(|end| *end > 0);
        if let Some(end) = end {
            return Some(&list[..end]);
        }
    }
    let space = spaces.find(' ')?;
    let more = space + 1 < spaces.len();
    let next_is_word = if list.is_empty() {
        runs_on
    } else {
        !list.starts_with(',')
    };
    (more || !next_is_word).then(|| &spaces[space..=space])
}

/// The spaces, the list and what stands behind it.
fn parts(rest: &str) -> (&str, &str, &str) {
    let start = rest.len() - rest.trim_start_matches(is_space).len();
    let (spaces, rest) = rest.split_at(start);
    let end = rest.len() - rest.trim_start_matches(in_list).len();
    let (list, behind) = rest.split_at(end);
    (spaces, list, behind)
}

fn in_list(c: char) -> bool {
    c.is_ascii_alphabetic() || decimal(c).is_some() || matches!(c, ' ' | ',')
}

/// Every `ANSWER:`, whatever its case and with spaces before the colon: where it begins, and what follows the spaces.
fn headings(text: &str) -> impl Iterator<Item = (usize, &str)> {
    headings_with_spaces(text).map(|(start, rest)| (start, rest.trim_start_matches(is_space)))
}

/// The same, the spaces left.
fn headings_with_spaces(text: &str) -> impl Iterator<Item = (usize, &str)> {
    const WORD: &[u8] = b"answer";
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let bytes = text.as_bytes();
            let start = (from..bytes.len().saturating_sub(WORD.len() - 1))
                .find(|at| bytes[*at..at + WORD.len()].eq_ignore_ascii_case(WORD))?;
            from = start + WORD.len();
            if let Some(rest) = text[from..].trim_start_matches(is_space).strip_prefix(':') {
                return Some((start, rest));
            }
        }
    })
}

/// The text without dollars and double asterisks around a list, and without the brackets of `(B)` where it is an answer.
fn without_wrappers(text: &str) -> String {
    let text = unwrapped(text, "$");
    let text = unwrapped(&text, "**");
    without_brackets(&text)
}

/// Takes away each pair of a mark that has a list, and spaces, between.
fn unwrapped(text: &str, mark: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(mark) {
        let inner = rest[start + mark.len()..].trim_start_matches(is_space);
        let list_end = inner.len() - inner.trim_start_matches(in_list).len();
        let list = inner[..list_end].trim_end_matches(' ');
        let behind = inner[list.len()..].trim_start_matches(is_space);
        match behind.strip_prefix(mark) {
            Some(behind) if list.starts_with(|c| in_list(c) && c != ',') => {
                out.push_str(&rest[..start]);
                out.push_str(list);
                rest = behind;
            }
            _ => {
                // One character, not the mark: of three asterisks the last two may begin a pair.
                out.push_str(&rest[..=start]);
                rest = &rest[start + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// `(B)` at the beginning, or after a colon or a comma, and before a comma, a full stop or the end of a line.
fn without_brackets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (open, _) in text.match_indices('(') {
        let before = text[done..open].trim_end_matches(is_space);
        let begins = match before.is_empty() {
            true => done == 0,
            false => before.ends_with([':', ',']),
        };
        let mut inside = text[open + 1..].chars();
        let (Some(letter), Some(')')) = (inside.next(), inside.next()) else {
            continue;
        };
        let behind = inside.as_str();
        let after = behind.trim_start_matches(is_space);
        let ends = after.is_empty()
            || after.starts_with([',', '.'])
            || behind[..behind.len() - after.len()].contains('\n');
        if begins && ends && in_list(letter) && !matches!(letter, ' ' | ',') {
            out.push_str(&text[done..open]);
            out.push(letter);
            done = text.len() - behind.len();
        }
    }
    out.push_str(&text[done..]);
    out
}
