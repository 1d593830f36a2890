//! Conveniences on faults: what a provider's error says, fit for results that are the same in every run.

use crate::{Fault, FaultKind, Header, header_value};

/// Longer than any explanation; a proxy's error page is not one.
const MESSAGE_LIMIT: usize = 600;

impl Fault {
    /// A failure without a time to wait.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Fault {
        Fault {
            kind,
            message: message.into(),
            retry_after_ms: None,
        }
    }

    /// The provider broke its own protocol.
    pub fn malformed(message: impl Into<String>) -> Fault {
        Fault::new(FaultKind::Malformed, message)
    }

    /// The same with the time that the provider asks to wait.
    #[must_use]
    pub fn retry_after(mut self, ms: Option<u64>) -> Fault {
        self.retry_after_ms = ms;
        self
    }
}

/// How long a provider asks to wait: `retry-after-ms`, else `retry-after` in seconds (RFC 9110, section 10.2.3; the form
/// with a date is no model API's).
#[must_use]
pub fn retry_after_ms(headers: &[Header]) -> Option<u64> {
    let number = |name: &str| header_value(headers, name)?.parse::<f64>().ok();
    let ms = number("retry-after-ms")
        .or_else(|| number("retry-after").map(|seconds| seconds * 1_000.0))?;
    (ms.is_finite() && ms >= 0.0).then_some(ms.ceil() as u64)
}

/// A provider's words without what differs from call to call: ids become `…`, and what a rate limit has counted so far is
/// left out.
#[must_use]
pub fn lasting(message: &str) -> String {
    let end = [", Used ", " Please try again in"]
        .iter()
        .filter_map(|cut| message.find(cut))
        .min();
    let message = &message[..end.unwrap_or(message.len())];
    let words: Vec<_> = message.split_whitespace().map(without_id).collect();
    let mut text = words.join(" ");
    if let Some((cut, _)) = text.char_indices().nth(MESSAGE_LIMIT) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

fn without_id(word: &str) -> String {
    let inner = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if is_id(inner) {
        word.replacen(inner, "…", 1)
    } else {
        word.to_owned()
    }
}

/// `req_…`, a UUID, or sixteen hexadecimal digits and more.
fn is_id(word: &str) -> bool {
    let hexadecimal = word.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let has_digit = word.contains(|c: char| c.is_ascii_digit());
    word.starts_with("req_")
        || word.starts_with("chatcmpl-")
        || (word.len() >= 16 && hexadecimal && has_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_call_to_call_is_left_out() {
        let check = |message: &str, expect: &str| assert_eq!(lasting(message), expect);
        check("No such model: `gpt-9`.", "No such model: `gpt-9`.");
        check(
            "Sorry! (request ID req_011CSHoEeqs5C35K2UUqR7Fy)",
            "Sorry! (request ID …)",
        );
        check(
            "id 123e4567-e89b-12d3-a456-426614174000,\n again",
            "id …, again",
        );
        check("include 0123456789abcdef0123456789abcdef.", "include ….");
        check("the added facade", "the added facade");
        check(
            "Rate limit reached for m on tokens per min (TPM): Limit 30000, Used 29700, Requested 900. Please try again in 1s.",
            "Rate limit reached for m on tokens per min (TPM): Limit 30000",
        );
        check("Slow. Please try again in 20ms.", "Slow.");
        assert_eq!(
            lasting(&"é".repeat(9_000)).chars().count(),
            MESSAGE_LIMIT + 1
        );
        check("", "");
    }

    #[test]
    fn a_time_to_wait_is_read_in_either_unit() {
        let check = |name: &str, value: &str, expect| {
            assert_eq!(
                retry_after_ms(&[Header::new(name, value)]),
                expect,
                "{name}: {value}"
            );
        };
        check("retry-after", "56", Some(56_000));
        check("Retry-After", " 0.5 ", Some(500));
        check("retry-after-ms", "1200.2", Some(1_201));
        check("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT", None);
        check("retry-after", "-1", None);
        check("retry-after", "NaN", None);
        check("retry-after", "1e300", Some(u64::MAX));
        check("date", "1", None);
        let both = [
            Header::new("retry-after", "2"),
            Header::new("retry-after-ms", "1500"),
        ];
        assert_eq!(retry_after_ms(&both), Some(1_500));
    }
}
