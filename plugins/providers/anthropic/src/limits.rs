//! Rate limits from headers. Anthropic's page "Rate limits", section "Response headers".
//!
//! Resets are instants by the server's clock. They are read against the answer's own `date`: there is no other clock here,
//! and this machine's may be wrong.

use std::time::{Duration, SystemTime};
use xhost_plugin::{Allowance, Dimension, Header, header_value};

const DIMENSIONS: &[(Dimension, &str)] = &[
    (Dimension::Requests, "requests"),
    (Dimension::Tokens, "tokens"),
    (Dimension::InputTokens, "input-tokens"),
    (Dimension::OutputTokens, "output-tokens"),
];

/// Both instants are cut to whole seconds: a bucket that is not full takes up to one more than their difference.
const COARSENESS: Duration = Duration::from_secs(1);

/// The headers that are read.
pub fn headers() -> impl Iterator<Item = String> {
    let names = DIMENSIONS
        .iter()
        .flat_map(|(_, name)| ["limit", "remaining", "reset"].map(|what| header(name, what)));
    std::iter::once("date".to_owned()).chain(names)
}

fn header(dimension: &str, what: &str) -> String {
    format!("anthropic-ratelimit-{dimension}-{what}")
}

/// The limits that an answer's headers state.
pub fn allowances(headers: &[Header]) -> Vec<Allowance> {
    let date = header_value(headers, "date").and_then(|date| httpdate::parse_http_date(date).ok());
    let Some(date) = date else { return Vec::new() };
    DIMENSIONS
        .iter()
        .filter_map(|&(dimension, name)| allowance(headers, date, dimension, name))
        .collect()
}

fn allowance(
    headers: &[Header],
    date: SystemTime,
    dimension: Dimension,
    name: &str,
) -> Option<Allowance> {
    let value = |what: &str| header_value(headers, &header(name, what));
    let limit = value("limit")?.parse().ok().filter(|&limit| limit > 0)?;
    let remaining = value("remaining")?
        .parse::<i64>()
        .ok()?
        .max(0)
        .unsigned_abs();
    let reset = humantime::parse_rfc3339(value("reset")?).ok()?;
    let until = reset.duration_since(date).unwrap_or_default();
    let reset_ms = if remaining < limit {
        until.max(COARSENESS)
    } else {
        until
    };
    let reset_ms = u64::try_from(reset_ms.as_millis()).ok()?;
    Some(Allowance {
        dimension,
        limit,
        remaining,
        reset_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(date: &str, dimension: &str, values: [&str; 3]) -> Vec<(Dimension, u64, u64, u64)> {
        let mut headers = vec![Header::new("date", date)];
        let named = ["limit", "remaining", "reset"].map(|what| header(dimension, what));
        headers.extend(
            named
                .into_iter()
                .zip(values)
                .map(|(name, value)| Header::new(name, value)),
        );
        let allowances = allowances(&headers).into_iter();
        allowances
            .map(|of| (of.dimension, of.limit, of.remaining, of.reset_ms))
            .collect()
    }

    #[test]
    fn resets_are_read_against_the_answers_own_date() {
        let check = |dimension: &str, values, expect: &[_]| {
            assert_eq!(
                of("Thu, 21 Aug 2025 12:40:58 GMT", dimension, values),
                expect,
                "{dimension} {values:?}"
            );
        };
        let requests = |remaining, ms| [(Dimension::Requests, 1_000, remaining, ms)];
        check(
            "requests",
            ["1000", "990", "2025-08-21T12:41:00Z"],
            &requests(990, 2_000),
        );
        check(
            "requests",
            ["1000", "999", "2025-08-21T12:40:58Z"],
            &requests(999, 1_000),
        );
        check(
            "requests",
            ["1000", "1000", "2025-08-21T12:40:58Z"],
            &requests(1_000, 0),
        );
        check(
            "requests",
            ["1000", "999", "2025-08-21T12:00:00Z"],
            &requests(999, 1_000),
        );
        check(
            "requests",
            ["1000", "0", "2025-08-21T12:40:59.5Z"],
            &requests(0, 1_500),
        );
        check(
            "tokens",
            ["96000", "0", "2025-08-21T12:41:58Z"],
            &[(Dimension::Tokens, 96_000, 0, 60_000)],
        );
        check(
            "input-tokens",
            ["8", "7", "2025-08-21T12:41:00Z"],
            &[(Dimension::InputTokens, 8, 7, 2_000)],
        );
        check(
            "output-tokens",
            ["8", "7", "2025-08-21T12:41:00Z"],
            &[(Dimension::OutputTokens, 8, 7, 2_000)],
        );
        check("requests", ["0", "0", "2025-08-21T12:41:00Z"], &[]);
        check("requests", ["1000", "some", "2025-08-21T12:41:00Z"], &[]);
        check("requests", ["1000", "999", "soon"], &[]);
    }

    #[test]
    fn without_a_date_nothing_is_known() {
        let values = ["1000", "990", "2025-08-21T12:41:00Z"];
        assert!(of("", "requests", values).is_empty());
        assert!(of("2025-08-21", "requests", values).is_empty());
        assert!(allowances(&[]).is_empty());
    }

    #[test]
    fn every_header_that_is_read_is_asked_for() {
        assert_eq!(headers().count(), 13);
    }
}
