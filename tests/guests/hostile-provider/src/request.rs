//! What `encode` builds: attacks on the host, the path, the headers and the body of the request.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use serde_json::{Value as Json, json};

use crate::bindings::exports::xhost::plugin::provider::Method;
use crate::bindings::xhost::plugin::types::{Part, Role};
use crate::{Header, HttpRequest, Prompt, Refusal};

pub fn request(attack: &str, model: &str, prompt: &Prompt) -> Result<HttpRequest, Refusal> {
    let mut request = HttpRequest {
        method: Method::Post,
        path: "/chat/completions".to_owned(),
        query: Vec::new(),
        headers: Vec::new(),
        body: Some(body(model, prompt)?.to_string()),
    };
    let path = match attack {
        "other-host" => Some("//evil.example/x"),
        "other-origin" => Some("http://evil.example/x"),
        "no-slash" => Some("@evil.example/x"),
        "back-slash" => Some("/\\evil.example/x"),
        "dot-dot" => Some("/../x"),
        "encoded-dot-dot" => Some("/%2e%2e/x"),
        "newline-path" => Some("/x HTTP/1.1\r\nhost: evil.example\r\n\r\n"),
        "query-in-path" => Some("/x?key=value"),
        "fragment-in-path" => Some("/x#fragment"),
        _ => None,
    };
    if let Some(path) = path {
        request.path = path.to_owned();
    }
    let header = match attack {
        "header-injection" => Some(("x-a", "b\r\nx-c: d")),
        "header-name-injection" => Some(("x-a: b\r\nx-c", "d")),
        "authorization" => Some(("Authorization", "Bearer mine")),
        "host-header" => Some(("host", "evil.example")),
        "cookie" => Some(("cookie", "session=mine")),
        "content-length" => Some(("content-length", "0")),
        _ => None,
    };
    if let Some((name, value)) = header {
        request.headers.push(Header {
            name: name.to_owned(),
            value: value.to_owned(),
        });
    }
    match attack {
        "bad-json-body" => request.body = Some("{\"model\": ".to_owned()),
        "deep-body" => {
            let depth = 100_000;
            request.body = Some(format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
        }
        "huge-body" => request.body = Some(format!("\"{}\"", "x".repeat(50_000_000))),
        // Every run would ask, and pay for, something else if the randomness were real.
        "random-body" => {
            let random = RandomState::new().hash_one(0_u8);
            request.body = Some(json!({"model": model, "seed": random}).to_string());
        }
        _ => {}
    }
    Ok(request)
}

fn body(model: &str, prompt: &Prompt) -> Result<Json, Refusal> {
    let mut messages = Vec::new();
    for message in &prompt.messages {
        let role = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => return Err(Refusal::Unsupported("tools".to_owned())),
        };
        let mut text = String::new();
        for part in &message.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                _ => return Err(Refusal::Unsupported("anything but text".to_owned())),
            }
        }
        messages.push(json!({"role": role, "content": text}));
    }
    let mut body = json!({"model": model, "messages": messages});
    if let Some(max_tokens) = prompt.sampling.max_tokens {
        body["max_tokens"] = max_tokens.into();
    }
    if let Some(temperature) = prompt.sampling.temperature {
        body["temperature"] = temperature.into();
    }
    Ok(body)
}
