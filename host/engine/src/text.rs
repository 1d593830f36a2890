//! Text from elsewhere that a person will read: from providers, plugins and datasets. What could steer a terminal or turn
//! the reading direction is taken out, and what is too long for a message is cut.

use serde_json::{Map, Value};

/// Longer than this nobody reads; the whole stands in the provider's own logs.
const LENGTH: usize = 2_000;

/// The text, safe to show.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len().min(LENGTH));
    for (index, character) in text.chars().enumerate() {
        if index == LENGTH {
            plain.push('…');
            break;
        }
        match character {
            '\n' | '\t' => plain.push(' '),
            _ if character.is_control() || turns_reading(character) => {
                plain.push(char::REPLACEMENT_CHARACTER);
            }
            _ => plain.push(character),
        }
    }
    plain
}

/// 1234567 as 1,234,567.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Settings of a config as `key=value`, for a person.
#[must_use]
pub fn settings(config: &Map<String, Value>, between: &str) -> String {
    let value = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let settings = config
        .iter()
        .map(|(key, one)| format!("{key}={}", value(one)));
    settings.collect::<Vec<_>>().join(between)
}

/// The marks, embeddings, overrides and isolates of Unicode's bidirectional algorithm (UAX #9).
fn turns_reading(character: char) -> bool {
    matches!(character, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        assert_eq!(
            plain("a\u{1b}[31mb\r\nc\u{202e}d"),
            "a\u{fffd}[31mb\u{fffd} c\u{fffd}d"
        );
        assert_eq!(plain("Grüße, 世界"), "Grüße, 世界");
        assert_eq!(plain(&"x".repeat(5_000)).chars().count(), 2_001);
    }
}
