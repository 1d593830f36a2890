//! An answer as a line of `responses-*.jsonl.zst`: the body as text where it is UTF-8, so that `zstdcat | jq` shows it, else
//! as base64. A line has one spelling only.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use xhost_store::{Answer, Digest};

/// No line is longer. A larger body is written as base64, which takes four bytes for three, whatever they are.
pub(super) const LINE_BYTES: u64 = 96 << 20;

/// Escaping makes at most six bytes of one.
const TEXT_BYTES: usize = 15 << 20;

/// The HTTP client takes no larger one.
const BODY_BYTES: usize = 64 << 20;

/// Headers that carry a credential, or let somebody act as the user.
const CREDENTIAL_HEADERS: [&str; 7] = [
    "api-key",
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
    "x-api-key",
    "x-goog-api-key",
];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: String,
    status: u16,
    meta: Meta,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    api: String,
    model: String,
    headers: Vec<(String, String)>,
    created_ms: u64,
    latency_ms: u32,
}

/// The line of an answer, with the line feed.
pub(super) fn write(key: &Digest, answer: &Answer) -> Result<Vec<u8>, String> {
    let Answer {
        body,
        status,
        api,
        model,
        headers,
        created_ms,
        latency_ms,
    } = answer;
    if body.len() > BODY_BYTES {
        return Err(format!(
            "has {} bytes, more than a bundle takes",
            body.len()
        ));
    }
    let text = std::str::from_utf8(body)
        .ok()
        .filter(|text| text.len() <= TEXT_BYTES);
    let line = Line {
        key: key.to_string(),
        status: *status,
        meta: Meta {
            api: api.clone(),
            model: model.clone(),
            headers: headers
                .iter()
                .filter(|header| may_go(&header.0))
                .cloned()
                .collect(),
            created_ms: *created_ms,
            latency_ms: *latency_ms,
        },
        body: text.map(str::to_owned),
        body_base64: text.is_none().then(|| STANDARD.encode(body)),
    };
    let mut bytes = serde_json::to_vec(&line).map_err(|error| error.to_string())?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn may_go(header: &str) -> bool {
    !CREDENTIAL_HEADERS
        .iter()
        .any(|name| header.eq_ignore_ascii_case(name))
}

/// Reads a line, with its line feed.
pub(super) fn read(line: &[u8]) -> Result<(Digest, Answer), String> {
    let none = |error: serde_json::Error| format!("is no answer: {error}");
    let read: Line = serde_json::from_slice(line).map_err(none)?;
    let key = read.key.parse().map_err(|_| "has no digest".to_owned())?;
    let body = match (read.body, read.body_base64) {
        (Some(text), None) => Bytes::from(text),
        (None, Some(text)) => {
            let bytes = STANDARD.decode(text);
            Bytes::from(bytes.map_err(|error| format!("has no base64: {error}"))?)
        }
        _ => return Err("has no body, or two".into()),
    };
    let Meta {
        api,
        model,
        headers,
        created_ms,
        latency_ms,
    } = read.meta;
    let answer = Answer {
        body,
        status: read.status,
        api,
        model,
        headers,
        created_ms,
        latency_ms,
    };
    if !(200..300).contains(&answer.status) {
        return Err(format!(
            "has the status {}, which is no answer's",
            answer.status
        ));
    }
    match write(&key, &answer)? == line {
        true => Ok((key, answer)),
        false => Err("is not written as bundles are".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{read, write};
    use bytes::Bytes;
    use xhost_store::{Answer, Digest};

    fn answer(body: &[u8]) -> Answer {
        Answer {
            body: Bytes::copy_from_slice(body),
            status: 200,
            api: "openai.chat".into(),
            model: "m".into(),
            headers: vec![("x-request-id".into(), "r".into())],
            created_ms: 7,
            latency_ms: 8,
        }
    }

    #[test]
    fn a_line_is_read_back_as_it_was_whatever_the_bytes() {
        let key = Digest::from_bytes([1; 32]);
        for body in [
            b"{\"a\": \"\\u00e4\"}\n".as_slice(),
            b"",
            b"\xff\x00",
            "ä\u{2028}".as_bytes(),
        ] {
            let line = write(&key, &answer(body)).expect("it is written");
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(read(&line), Ok((key, answer(body))));
        }
    }

    #[test]
    fn credential_headers_stay_behind_and_another_spelling_is_refused() {
        let key = Digest::from_bytes([1; 32]);
        let mut with = answer(b"{}");
        with.headers.push(("Set-Cookie".into(), "session=1".into()));
        let line = write(&key, &with).expect("it is written");
        assert_eq!(line, write(&key, &answer(b"{}")).expect("it is written"));
        let text = String::from_utf8(line).expect("it is text");
        for (from, to) in [
            ("\"status\":200", "\"status\": 200"),
            ("\"status\":200", "\"status\":500"),
            ("\"body\":\"{}\"", "\"body_base64\":\"e30=\""),
            (
                "\"body\":\"{}\"",
                "\"body\":\"{}\",\"body_base64\":\"e30=\"",
            ),
            ("\"x-request-id\"", "\"cookie\""),
        ] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text);
            assert!(read(changed.as_bytes()).is_err(), "{to}");
        }
    }
}
