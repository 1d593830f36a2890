//! What a file holds, told from its beginning: nobody should have to name the form of a file that says it itself.

use super::Api;
use super::lines::BYTE_ORDER_MARK;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// How much of a file's beginning is looked at.
pub const BEGINNING: usize = 256 << 10;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What `xhost store export` wrote.
    Stream,
    /// What `xhost export` wrote.
    Bundle,
    /// A log of Inspect.
    Inspect,
    /// Requests of batches.
    Requests(Api),
    /// Results of batches.
    Results(Api),
    /// Lines of request and response.
    Pairs,
}

/// The kind of a file with this beginning; none where it looks like nothing that is known.
#[must_use]
pub fn kind_of(beginning: &[u8]) -> Option<Kind> {
    const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
    if beginning.starts_with(ZSTD) {
        return Some(Kind::Stream);
    }
    if beginning.starts_with(b"PK\x03\x04") || beginning.starts_with(b"PK\x05\x06") {
        return Some(Kind::Inspect);
    }
    if beginning.get(257..262) == Some(b"ustar") {
        return Some(Kind::Bundle);
    }
    let keys = first_keys(beginning);
    let has = |names: &[&str]| names.iter().all(|name| keys.iter().any(|key| key == name));
    let forms: [(&[&str], Kind); 9] = [
        (&["key", "bind", "meta"], Kind::Stream),
        (&["custom_id", "params"], Kind::Requests(Api::Anthropic)),
        (&["custom_id", "result"], Kind::Results(Api::Anthropic)),
        (&["custom_id", "response"], Kind::Results(Api::OpenAi)),
        (&["custom_id", "error"], Kind::Results(Api::OpenAi)),
        (&["custom_id", "url"], Kind::Requests(Api::OpenAi)),
        (&["custom_id", "body"], Kind::Requests(Api::OpenAi)),
        (&["requests"], Kind::Requests(Api::Anthropic)),
        (&["status", "eval"], Kind::Inspect),
    ];
    let form = forms.iter().find(|(names, _)| has(names));
    let pairs = ["request", "response"].iter().any(|name| has(&[name]));
    form.map(|(_, kind)| *kind).or(pairs.then_some(Kind::Pairs))
}

/// The keys of the first object, as far as the beginning shows them.
fn first_keys(beginning: &[u8]) -> Vec<String> {
    struct Keys<'k>(&'k mut Vec<String>);

    impl<'de> Visitor<'de> for Keys<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key()? {
                self.0.push(key);
                map.next_value::<IgnoredAny>()?;
            }
            Ok(())
        }
    }

    let beginning = beginning.strip_prefix(BYTE_ORDER_MARK).unwrap_or(beginning);
    let mut keys = Vec::new();
    // It ends where the beginning ends; the keys until then are what is wanted.
    let _ = serde_json::Deserializer::from_slice(beginning).deserialize_map(Keys(&mut keys));
    keys
}

#[cfg(test)]
mod tests {
    use super::{Kind, kind_of};
    use crate::foreign::Api;

    #[test]
    fn a_file_says_what_it_holds() {
        for (beginning, kind) in [
            (&b"\x28\xb5\x2f\xfd..."[..], Some(Kind::Stream)),
            (br#"{"key":"00","status":200,"meta":{"api":""},"bind":"#, Some(Kind::Stream)),
            (br#"{"key":"00","status":200,"#, None),
            (br#"{"key":"00","status":200,"meta":{},"bind":"","body":""}"#, Some(Kind::Stream)),
            (b"PK\x03\x04\x14", Some(Kind::Inspect)),
            (b"{\n  \"version\": 2,\n  \"status\": \"success\",\n  \"eval\": {\n", Some(Kind::Inspect)),
            (
                br#"{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"mess"#,
                Some(Kind::Requests(Api::OpenAi)),
            ),
            (
                br#"{"id":"b","custom_id":"a","response":{"status_code":200,"body":{}},"error":null}"#,
                Some(Kind::Results(Api::OpenAi)),
            ),
            (br#"{"custom_id": "a", "params": {"model": "#, Some(Kind::Requests(Api::Anthropic))),
            (br#"{"requests": [{"custom_id": "#, Some(Kind::Requests(Api::Anthropic))),
            (
                br#"{"custom_id":"a","result":{"type":"errored"}}"#,
                Some(Kind::Results(Api::Anthropic)),
            ),
            (b"\xef\xbb\xbf{\"request\": {\"model\": 1}, \"re", Some(Kind::Pairs)),
            (b"{\"question\": \"?\"}\n", None),
            (b"[1]", None),
            (b"", None),
        ] {
            let shown = String::from_utf8_lossy(beginning);
            assert_eq!(kind_of(beginning), kind, "{shown}");
        }
    }
}
