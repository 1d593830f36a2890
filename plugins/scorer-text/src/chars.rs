//! Characters as Python takes them.

use std::borrow::Cow;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// What `str.isspace` calls a space: Unicode's white space and the four separators of ASCII.
#[must_use]
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// What `\w` matches: letters, numbers and the underscore, but no marks.
#[must_use]
pub fn is_word(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    matches!(
        c.general_category_group(),
        GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number
    )
}

/// `str.strip`.
#[must_use]
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `str.split` at spaces.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// The text without ASCII punctuation and ASCII spaces at its ends.
#[must_use]
pub fn strip_punctuation(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii_punctuation() || matches!(c, ' ' | '\t'..='\r'))
}

/// `str.casefold`: full case folding, by which `ß` is `ss`.
#[must_use]
pub fn casefold(text: &str) -> Cow<'_, str> {
    if !text.is_ascii() {
        Cow::Owned(unicase::UniCase::unicode(text).to_folded_case())
    } else if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_what_they_are_to_python() {
        assert_eq!(strip("\u{1c} a\u{a0}b\u{2003}\n"), "a\u{a0}b");
        assert_eq!(words(" a\u{1f}b\t c ").collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(strip_punctuation(" \"A b.\"\u{b}"), "A b");
        assert_eq!(strip_punctuation("«a»"), "«a»");
        assert_eq!(casefold("STRASSE"), casefold("straße"));
        assert_eq!(casefold("ΣΑΣ"), casefold("σας"));
        assert!(is_word('é') && is_word('½') && is_word('五') && is_word('_'));
        assert!(!is_word('\u{93f}') && !is_word('Ⓐ') && !is_word('-'));
    }
}
