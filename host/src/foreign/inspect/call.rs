//! A call as it was sent. A log has the arguments of the provider's SDK: what was not given is `null` there, headers and
//! what goes beside the known arguments stand under names of their own, and long texts and common messages lie elsewhere in
//! the sample.

use crate::foreign::body::{Fields, rewritten};
use crate::foreign::{BODY_BYTES, Why};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// Of Inspect's own: it finds its requests again by it, and it means nothing to a model.
const OWN_HEADER: &str = "x-irid";

/// What stands where Inspect took something out.
const TAKEN_OUT: [&str; 2] = [
    "\"<base64-data-removed>\"",
    "\"<max nesting depth exceeded>\"",
];

const ATTACHMENT: &str = "\"attachment://";

/// What lies elsewhere in the sample.
pub(super) struct Pools<'t> {
    pub(super) calls: Vec<&'t RawValue>,
    pub(super) attachments: HashMap<String, String>,
}

/// A call, put together.
pub(super) struct Sent {
    pub(super) request: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) response: String,
    pub(super) latency_ms: u32,
}

type Refusal = (Why, String);

/// Puts a call together.
pub(super) fn sent(call: &str, pools: &Pools<'_>) -> Result<Sent, Refusal> {
    let damaged = |what: &str| (Why::Damaged, format!("its call {what}"));
    let call = Fields::of(call).ok_or_else(|| damaged("is no object"))?;
    if call.get("error") == Some("true") {
        let response = call.some("response").unwrap_or_default();
        return Err((Why::Failed, response.into()));
    }
    let response = call.some("response");
    let response = response.ok_or((Why::NoResult, String::new()))?;
    let request = call.get("request").and_then(Fields::of);
    let request = request.ok_or_else(|| damaged("has no request"))?;
    let mut arguments = Arguments::default();
    for (key, value) in &request.0 {
        arguments.take(key, value.get())?;
    }
    if let Some(refs) = call.some("call_refs") {
        let key = call.string("call_key").unwrap_or_else(|| "messages".into());
        arguments.set(&key, pools.messages(refs)?);
    }
    let seconds: f64 = call
        .some("time")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0.0);
    Ok(Sent {
        request: pools.resolved(&arguments.body())?,
        headers: arguments.headers,
        response: pools.resolved(response)?,
        // Saturates where a clock went wrong.
        latency_ms: (seconds * 1_000.0) as u32,
    })
}

/// Arguments of an SDK, as they become a body and headers.
#[derive(Default)]
struct Arguments {
    body: Vec<(String, String)>,
    headers: Vec<(String, String)>,
}

impl Arguments {
    fn take(&mut self, key: &str, text: &str) -> Result<(), Refusal> {
        let damaged = || (Why::Damaged, format!("its call has a `{key}` that is none"));
        match key {
            // Not given, or for the SDK alone.
            _ if text == "null" => {}
            "timeout" => {}
            "extra_headers" => {
                let headers = Fields::of(text).ok_or_else(damaged)?;
                for (name, value) in &headers.0 {
                    let name = name.to_ascii_lowercase();
                    if name != OWN_HEADER {
                        let value = serde_json::from_str(value.get()).map_err(|_| damaged())?;
                        self.headers.push((name, value));
                    }
                }
            }
            "betas" => {
                let names: Vec<String> = serde_json::from_str(text).map_err(|_| damaged())?;
                self.headers
                    .push(("anthropic-beta".into(), names.join(",")));
            }
            "extra_query" if Fields::of(text).is_some_and(|query| query.0.is_empty()) => {}
            "extra_query" => {
                let what = format!("it went to an address with a query: {text}");
                return Err((Why::NotSendable, what));
            }
            "extra_body" => {
                let fields = Fields::of(text).ok_or_else(damaged)?;
                for (key, value) in &fields.0 {
                    self.set(key, value.get().into());
                }
            }
            _ => self.set(key, text.into()),
        }
        Ok(())
    }

    fn set(&mut self, key: &str, text: String) {
        match self.body.iter_mut().find(|(name, _)| name == key) {
            Some((_, known)) => *known = text,
            None => self.body.push((key.into(), text)),
        }
    }

    fn body(&self) -> String {
        let fields = self.body.iter();
        let fields = fields.map(|(key, text)| format!("{}:{text}", Value::from(key.as_str())));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    }
}

impl Pools<'_> {
    /// The messages between each pair of numbers, the second one not included.
    fn messages(&self, refs: &str) -> Result<String, Refusal> {
        let removed = || {
            (
                Why::Removed,
                "messages that its sample does not hold".to_owned(),
            )
        };
        let ranges: Vec<(usize, usize)> = serde_json::from_str(refs).map_err(|_| removed())?;
        let (mut out, mut first) = (String::from("["), true);
        for (from, to) in ranges {
            for message in self.calls.get(from..to).ok_or_else(removed)? {
                if !std::mem::take(&mut first) {
                    out.push(',');
                }
                out.push_str(message.get());
                if out.len() > BODY_BYTES {
                    return Err((Why::TooLarge, String::new()));
                }
            }
        }
        out.push(']');
        Ok(out)
    }

    /// A text with its attachments in their places.
    fn resolved(&self, text: &str) -> Result<String, Refusal> {
        let (mut absent, mut size) = (None, text.len());
        let text = rewritten(text, |string| {
            if TAKEN_OUT.contains(&string) {
                absent.get_or_insert_with(|| string.to_owned());
            }
            let name = string.strip_prefix(ATTACHMENT)?.strip_suffix('"')?;
            let is_hash = name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            let content = self.attachments.get(name);
            if content.is_none() && is_hash {
                absent.get_or_insert_with(|| string.to_owned());
            }
            let content = content.filter(|content| {
                size = size.saturating_add(content.len());
                size <= BODY_BYTES
            })?;
            Some(Value::from(content.as_str()).to_string())
        });
        match absent {
            _ if size > BODY_BYTES => Err((Why::TooLarge, String::new())),
            Some(what) => Err((Why::Removed, what)),
            None => Ok(text),
        }
    }
}
