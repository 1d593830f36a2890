//! An answer as a line of `responses-*.jsonl.zst`: a line of `xhost store export` without its request, so that whoever reads
//! one reads the other. A bundle takes one spelling only, and no credential.

use xhost_store::{Answer, Digest, Entry, Stored, parse_line, write_line};

/// No line is longer: a larger body is written as base64, which takes four bytes for three, whatever they are.
pub(super) const LINE_BYTES: u64 = 96 << 20;

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

/// The line of an answer, with the line feed.
pub(super) fn write(key: &Digest, answer: &Answer) -> Result<Vec<u8>, String> {
    if answer.body.len() > BODY_BYTES {
        let bytes = answer.body.len();
        return Err(format!("has {bytes} bytes, more than a bundle takes"));
    }
    let mut answer = answer.clone();
    answer.headers.retain(|header| may_go(&header.0));
    let mut line = write_line(&Stored {
        digest: *key,
        answer,
        request: None,
    });
    line.push(b'\n');
    Ok(line)
}

fn may_go(header: &str) -> bool {
    !CREDENTIAL_HEADERS
        .iter()
        .any(|name| header.eq_ignore_ascii_case(name))
}

/// Reads a line, with its line feed.
pub(super) fn read(line: &[u8]) -> Result<(Digest, Answer), String> {
    let parsed = parse_line(line).map_err(|error| format!("is no answer: {error}"))?;
    let Entry { digest, answer, .. } = parsed;
    if !(200..300).contains(&answer.status) {
        let status = answer.status;
        return Err(format!("has the status {status}, which is no answer's"));
    }
    match write(&digest, &answer)? == line {
        true => Ok((digest, answer)),
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
            ("\"body\":\"{}\"", "\"body_b64\":\"e30=\""),
            ("\"body\":\"{}\"", "\"body\":\"{}\",\"body_b64\":\"e30=\""),
            ("\"x-request-id\"", "\"cookie\""),
        ] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text);
            assert!(read(changed.as_bytes()).is_err(), "{to}");
        }
    }
}
