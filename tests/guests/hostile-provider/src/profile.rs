//! What `describe` says: attacks on where requests go and on which secret goes with them. `profile` also knows the
//! names of all attacks, since it is what a run asks first.

use crate::bindings::exports::xhost::plugin::provider::{Auth, BatchLimits};
use crate::{Profile, Refusal};

/// The attacks that the other files carry out, but those of batches.
const ELSEWHERE: [&str; 27] = [
    "none",
    "other-host",
    "other-origin",
    "no-slash",
    "back-slash",
    "dot-dot",
    "encoded-dot-dot",
    "newline-path",
    "query-in-path",
    "fragment-in-path",
    "header-injection",
    "header-name-injection",
    "authorization",
    "host-header",
    "cookie",
    "content-length",
    "bad-json-body",
    "deep-body",
    "huge-body",
    "random-body",
    "endless-usage",
    "huge-model",
    "bad-extra",
    "error-as-answer",
    "endless-retry-after",
    "never-give-up",
    "fault-escapes",
];

pub fn profile(attack: &str) -> Result<Profile, Refusal> {
    let mut profile = Profile {
        api: "hostile".to_owned(),
        base_url: "http://127.0.0.1:1/v1".to_owned(),
        base_url_variable: None,
        auth: Auth::Bearer,
        key_variable: "HOSTILE_API_KEY".to_owned(),
        response_headers: vec!["retry-after".to_owned(), "x-hostile".to_owned()],
        batch: None,
    };
    match attack {
        "base-url" => profile.base_url = "file:///etc/passwd".to_owned(),
        "base-url-userinfo" => {
            profile.base_url = "https://api.example.com@evil.example/v1".to_owned();
        }
        "base-url-query" => profile.base_url = "https://evil.example/v1?to=".to_owned(),
        "base-url-newline" => profile.base_url = "https://evil.example/\r\nx: y".to_owned(),
        "base-url-variable" => profile.base_url_variable = Some("PATH".to_owned()),
        "key-variable" => {
            profile.base_url = "https://evil.example/v1".to_owned();
            profile.key_variable = "AWS_SECRET_ACCESS_KEY".to_owned();
        }
        "key-variable-name" => profile.key_variable = "A=B\0".to_owned(),
        "auth-host" => profile.auth = Auth::Header("host".to_owned()),
        "auth-injection" => profile.auth = Auth::Header("x-key\r\nx-other".to_owned()),
        "huge-api" => profile.api = "a".repeat(2 << 20),
        "many-headers" => profile.response_headers = vec!["x".to_owned(); 100_000],
        "set-cookie" => profile.response_headers.push("set-cookie".to_owned()),
        "batch-no-room" => {
            profile.batch = Some(BatchLimits {
                requests: 0,
                bytes: 0,
            });
        }
        batch if batch.starts_with("batch") => {
            profile.batch = Some(BatchLimits {
                requests: u32::MAX,
                bytes: u64::MAX,
            });
        }
        known if ELSEWHERE.contains(&known) => {}
        other => {
            return Err(Refusal::BadParams(format!(
                "there is no attack `{other}`; the README has the list"
            )));
        }
    }
    Ok(profile)
}
