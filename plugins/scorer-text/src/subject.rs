//! Targets, and what goes into a score.

use xhost_plugin::{Refusal, Sample};

/// The targets of a sample.
///
/// # Errors
/// [`Refusal::BadInput`] where there is none: no verdict could be right.
pub fn targets(sample: &Sample) -> Result<&[String], Refusal> {
    if sample.targets.is_empty() {
        let message = "the sample has no target; `dataset.fields.target` says where it is";
        return Err(Refusal::bad_input(message));
    }
    Ok(&sample.targets)
}

/// A person reads it in a table; an answer may have megabytes.
const SHOWN: usize = 200;

/// The text, or its beginning.
#[must_use]
pub fn beginning(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The text, or its end.
#[must_use]
pub fn end(text: &str) -> String {
    match text.char_indices().rev().nth(SHOWN - 1) {
        Some((start, _)) if start > 0 => format!("…{}", &text[start..]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "é".repeat(300);
        assert_eq!(beginning(&long), format!("{}…", "é".repeat(200)));
        assert_eq!(end(&long), format!("…{}", "é".repeat(200)));
        assert_eq!((beginning("é").as_str(), end("é").as_str()), ("é", "é"));
        let just = "é".repeat(200);
        assert_eq!((beginning(&just), end(&just)), (just.clone(), just));
    }
}
