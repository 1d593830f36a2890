//! What a program asks, read out of its body. The body itself is passed on byte for byte; only what decides how it travels
//! is looked at.

use super::dialect::{Dialect, Refusal};
use crate::plugin::bindings::provider::{Header, HttpRequest, Method};
use axum::http::{HeaderMap, Uri};
use serde::Deserialize;
use std::borrow::Cow;

/// The header that asks for another answer to the same request.
const DRAW: &str = "x-xhost-draw";

/// A call, ready to be joined to an endpoint.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) dialect: Dialect,
    pub(super) model: String,
    pub(super) request: HttpRequest,
    /// Which of several answers to the same request.
    pub(super) draw: u32,
    /// The most tokens of the answer, for the lane's pace.
    pub(super) most_output: Option<u64>,
    /// The version of the API, where the program names one.
    pub(super) version: Option<String>,
}

/// The fields that are looked at.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    stream: Option<bool>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
}

impl Asked {
    /// Reads a call.
    ///
    /// # Errors
    /// What the program must change.
    pub(super) fn read(
        dialect: Dialect,
        uri: &Uri,
        headers: &HeaderMap,
        body: Vec<u8>,
    ) -> Result<Asked, Refusal> {
        let wrong = |message: &str| Refusal::new(400, message);
        let body = String::from_utf8(body).map_err(|_| wrong("the body is not UTF-8"))?;
        let fields: Fields<'_> = serde_json::from_str(&body)
            .map_err(|error| wrong(&format!("the body cannot be read: {error}")))?;
        if fields.stream == Some(true) {
            return Err(wrong(
                "`stream: true`: xhost answers whole answers only, from its store or from the provider; leave `stream` out",
            ));
        }
        let model = fields
            .model
            .filter(|model| !model.is_empty())
            .ok_or_else(|| wrong("`model` is missing: name the model to ask"))?;
        let passed = dialect.passed(headers);
        let version = passed.iter().find(|(name, _)| name == "anthropic-version");
        Ok(Asked {
            dialect,
            model: model.into_owned(),
            draw: draw(headers)?,
            most_output: fields.max_completion_tokens.or(fields.max_tokens),
            version: version.map(|(_, version)| version.clone()),
            request: HttpRequest {
                method: Method::Post,
                path: dialect.path_below().to_owned(),
                query: url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
                    .into_owned()
                    .collect(),
                headers: passed
                    .into_iter()
                    .map(|(name, value)| Header { name, value })
                    .collect(),
                body: Some(body),
            },
        })
    }
}

fn draw(headers: &HeaderMap) -> Result<u32, Refusal> {
    let Some(value) = headers.get(DRAW) else {
        return Ok(1);
    };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.filter(|draw| *draw > 0).ok_or_else(|| {
        Refusal::new(
            400,
            format!(
                "`{DRAW}` is a number from 1: another one is another answer to the same request"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, headers: &[(&'static str, &str)]) -> Result<Asked, Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a value"));
        }
        let uri = Uri::from_static("/v1/messages?beta=true");
        Asked::read(Dialect::Anthropic, &uri, &map, body.into())
    }

    #[test]
    fn the_body_stays_as_it_is_and_only_headers_with_a_meaning_are_passed_on() {
        let body = r#"{"max_tokens": 64,  "model":"m", "seed": 9007199254740993}"#;
        let headers = [
            ("anthropic-version", "2023-06-01"),
            ("x-api-key", "secret"),
            ("authorization", "Bearer secret"),
            ("user-agent", "sdk"),
            ("x-xhost-draw", "3"),
        ];
        let asked = read(body, &headers).expect("a call");
        assert_eq!(asked.request.body.as_deref(), Some(body));
        assert_eq!(
            asked.request.query,
            [("beta".to_owned(), "true".to_owned())]
        );
        let passed: Vec<_> = asked.request.headers.iter().map(|one| &*one.name).collect();
        assert_eq!(passed, ["anthropic-version"]);
        assert_eq!((asked.draw, asked.most_output), (3, Some(64)));
        assert_eq!(asked.version.as_deref(), Some("2023-06-01"));
    }

    #[test]
    fn what_cannot_be_answered_says_what_to_change() {
        for (body, headers, words) in [
            (
                r#"{"model":"m","stream":true}"#,
                &[][..],
                "leave `stream` out",
            ),
            (r#"{"messages":[]}"#, &[], "`model` is missing"),
            (r#"{"model":""}"#, &[], "`model` is missing"),
            (r#"{"model":"m","model":"n"}"#, &[], "duplicate field"),
            ("no json", &[], "cannot be read"),
            (r#"{"model":"m"}"#, &[(DRAW, "0")], "number from 1"),
            (r#"{"model":"m"}"#, &[(DRAW, "x")], "number from 1"),
        ] {
            let refusal = read(body, headers).expect_err(body);
            assert_eq!(refusal.status, 400);
            assert!(
                refusal.message.contains(words),
                "{body}: {}",
                refusal.message
            );
        }
    }
}
