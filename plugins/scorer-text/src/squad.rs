//! The normalisation by which answers to SQuAD's questions are judged, as Inspect does it: case, punctuation, articles and
//! spaces do not count, and numbers are equal however they are written.

use crate::chars::{casefold, is_word, strip_punctuation, words};
use crate::number::float;

/// The text with only what counts in it: words with one space between.
#[must_use]
pub fn normalized(text: &str) -> String {
    normalized_without(text, &[])
}

/// The same without some words, which are [`token`]s.
#[must_use]
pub fn normalized_without(text: &str, stop_words: &[String]) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in text.split([' ', '-']) {
        let piece = token(piece);
        if piece.is_empty() || stop_words.contains(&piece) {
            continue;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&piece);
    }
    out
}

/// One piece between spaces and hyphens. It may hold several words, since only these two part pieces.
#[must_use]
pub fn token(piece: &str) -> String {
    let piece = casefold(piece);
    let plain = without_punctuation(&piece);
    match float(&plain) {
        // The shortest text that reads as this number, and that no other text is left as.
        Some(number) => format!("{number:?}"),
        None => without_articles(&plain),
    }
}

/// Punctuation goes, but not that of a number.
fn without_punctuation(piece: &str) -> String {
    for whole in [piece, strip_punctuation(piece)] {
        if float(whole).is_some() {
            return whole.to_owned();
        }
    }
    piece
        .chars()
        .filter(|c| !c.is_ascii_punctuation())
        .collect()
}

/// Articles that stand as words of their own become spaces, and spaces one space.
fn without_articles(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in words(text) {
        for part in word.split_inclusive(|c| !is_word(c)) {
            let bare = part.trim_end_matches(|c| !is_word(c));
            match bare {
                "a" | "an" | "the" => {
                    out.push(' ');
                    out.push_str(&part[bare.len()..]);
                }
                _ => out.push_str(part),
            }
        }
        out.push(' ');
    }
    words(&out).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_counts_is_left() {
        let check = |text: &str, expect: &str| assert_eq!(normalized(text), expect, "{text}");
        check("The Quick, brown fox!", "quick brown fox");
        check("a-b-c  the end.", "b c end");
        check("(3.14).", "3.14");
        check("1,000", "1000.0");
        check("007", "7.0");
        check("x\nthe\ty", "x y");
        check("“a”", "“ ”");
        check("an", "");
        check("co-operate", "co operate");
        check("-5", "5.0");
        check("1e400", "1e400");
    }

    #[test]
    fn stop_words_go_as_they_are_normalised() {
        let stop: Vec<String> = ["Of", "I'm"].map(token).to_vec();
        assert_eq!(normalized_without("I'm King of Spain", &stop), "king spain");
    }
}
