//! Errors that explain nothing: those of proxies, and of addresses at which no model API is.

use xhost_plugin::{FaultKind, HttpResponse, lasting};

/// What to say of an answer that is no error of the API's own.
#[must_use]
pub fn unexplained(response: &HttpResponse) -> String {
    let plain = response.body.trim();
    match response.status {
        404 => "HTTP 404 without an explanation; check `model.base_url`".into(),
        status if plain.is_empty() || plain.contains(['<', '{']) => {
            format!("HTTP {status} without an explanation")
        }
        status => format!("HTTP {status}: {}", lasting(plain)),
    }
}

/// What a status means where nothing else does (RFC 9110, section 15).
#[must_use]
pub fn by_status(status: u16) -> FaultKind {
    match status {
        401 | 403 => FaultKind::Denied,
        402 => FaultKind::Exhausted,
        408 | 409 | 425 => FaultKind::Overloaded,
        429 => FaultKind::RateLimited,
        501 | 505 => FaultKind::Rejected,
        500..=599 => FaultKind::Overloaded,
        400..=499 => FaultKind::Rejected,
        _ => FaultKind::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::told;

    #[test]
    fn a_proxys_page_is_not_quoted_and_its_words_are() {
        let check = |status: u16, body: &str, expect: &str| {
            assert_eq!(unexplained(&told(status, body)), expect, "{status} {body}");
        };
        check(
            502,
            "<html>Bad gateway 12:00:01</html>",
            "HTTP 502 without an explanation",
        );
        check(503, "no healthy upstream", "HTTP 503: no healthy upstream");
        check(500, "", "HTTP 500 without an explanation");
        check(
            404,
            "x",
            "HTTP 404 without an explanation; check `model.base_url`",
        );
    }

    #[test]
    fn a_status_alone_says_what_to_do() {
        let check = |status: u16, expect| assert_eq!(by_status(status), expect, "{status}");
        check(401, FaultKind::Denied);
        check(402, FaultKind::Exhausted);
        check(409, FaultKind::Overloaded);
        check(418, FaultKind::Rejected);
        check(429, FaultKind::RateLimited);
        check(501, FaultKind::Rejected);
        check(529, FaultKind::Overloaded);
        check(302, FaultKind::Malformed);
    }
}
