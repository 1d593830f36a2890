//! What refused calls are told, in the words of each API. By chance (`faults`), or by the number of a call: so that a test
//! sees what a client does when credit runs out, or when traffic grew too fast.

use super::faults::Fault;
use super::{Dialect, Refusal};
use std::str::FromStr;

/// Calls that are refused: `CODE@FIRST` for all from this one on, `CODE@FIRSTxCOUNT` for so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scripted {
    code: &'static str,
    first: u64,
    count: u64,
}

/// A code of OpenAI's page "Error codes", or of Anthropic's page "Errors", its status and its type.
const CODES: [(&str, u16, &str); 13] = [
    ("rate_limit_exceeded", 429, "requests"),
    ("slow_down", 429, "rate_limit_error"),
    ("insufficient_quota", 429, "insufficient_quota"),
    ("credit_balance_exhausted", 429, "insufficient_quota"),
    (
        "organization_spend_limit_exceeded",
        429,
        "insufficient_quota",
    ),
    ("project_spend_limit_exceeded", 429, "insufficient_quota"),
    (
        "organization_usage_limit_exceeded",
        429,
        "insufficient_quota",
    ),
    ("invalid_api_key", 401, "invalid_request_error"),
    ("ramp_limit_exceeded", 429, "rate_limit_error"),
    ("enforced_spend_limit_reached", 429, "rate_limit_error"),
    ("contract_spend_limit_reached", 429, "rate_limit_error"),
    ("billing_error", 402, "billing_error"),
    ("authentication_error", 401, "authentication_error"),
];

impl FromStr for Scripted {
    type Err = String;

    fn from_str(text: &str) -> Result<Scripted, String> {
        let (code, calls) = text.split_once('@').unwrap_or((text, "1"));
        let known = CODES.iter().find(|(known, ..)| *known == code);
        let Some((code, ..)) = known else {
            let codes: Vec<&str> = CODES.iter().map(|(code, ..)| *code).collect();
            return Err(format!("write one of {}", codes.join(", ")));
        };
        let (first, count) = match calls.split_once('x') {
            Some((first, count)) => (first, Some(count)),
            None => (calls, None),
        };
        let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0);
        let wrong =
            "write CODE@FIRST, such as slow_down@100, or CODE@FIRSTxCOUNT, such as slow_down@100x5";
        let first = number(first).ok_or(wrong)?;
        let count = match count {
            Some(count) => number(count).ok_or(wrong)?,
            None => u64::MAX,
        };
        Ok(Scripted { code, first, count })
    }
}

impl Scripted {
    /// Whether it is this call's turn.
    pub(super) fn strikes(&self, number: u64) -> bool {
        number >= self.first && number - self.first < self.count
    }

    pub(super) fn refusal(&self, dialect: Dialect) -> Refusal {
        let known = CODES.iter().find(|(code, ..)| *code == self.code);
        let &(code, status, kind) = known.unwrap_or(&CODES[0]);
        let passes = matches!(code, "rate_limit_exceeded" | "ramp_limit_exceeded");
        Refusal {
            kind: match dialect {
                Dialect::OpenAi => kind,
                Dialect::Anthropic if kind == "requests" => "rate_limit_error",
                Dialect::Anthropic => kind,
            },
            code: Some(code),
            retry_after: passes.then_some(1),
            ..Refusal::new(status, "The simulator was told to refuse this call")
        }
    }
}

impl Fault {
    pub(super) fn refusal(self, dialect: Dialect) -> Refusal {
        let (status, kind, code, message, retry_after) = match (self, dialect) {
            (Fault::TooFast, Dialect::OpenAi) => (
                429,
                "requests",
                Some("rate_limit_exceeded"),
                "Rate limit reached",
                Some(1),
            ),
            (Fault::TooFast, Dialect::Anthropic) => (
                429,
                "rate_limit_error",
                None,
                "This request would exceed your rate limit",
                Some(1),
            ),
            (Fault::Broken, Dialect::OpenAi) => {
                (500, "server_error", None, "The server had an error", None)
            }
            (Fault::Broken, Dialect::Anthropic) => {
                (500, "api_error", None, "Internal server error", None)
            }
            (Fault::Overloaded, Dialect::OpenAi) => (
                503,
                "service_unavailable_error",
                Some("server_is_overloaded"),
                "The server is overloaded",
                None,
            ),
            (Fault::Overloaded, Dialect::Anthropic) => {
                (529, "overloaded_error", None, "Overloaded", None)
            }
        };
        Refusal {
            kind,
            code,
            retry_after,
            ..Refusal::new(status, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Scripted;

    #[test]
    fn the_calls_that_are_refused_are_written_by_their_numbers() {
        let strikes = |text: &str| {
            let scripted: Scripted = text.parse().expect("it can be read");
            (1..=6).filter(|number| scripted.strikes(*number)).collect()
        };
        let check = |text, expected: &[u64]| {
            let struck: Vec<u64> = strikes(text);
            assert_eq!(struck, expected, "{text}");
        };
        check("slow_down", &[1, 2, 3, 4, 5, 6]);
        check("slow_down@5", &[5, 6]);
        check("slow_down@2x3", &[2, 3, 4]);
        for text in [
            "",
            "slow",
            "slow_down@",
            "slow_down@0",
            "slow_down@2x0",
            "slow_down@x",
        ] {
            assert!(text.parse::<Scripted>().is_err(), "{text}");
        }
    }
}
