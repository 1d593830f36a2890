//! What providers send, what their plugins make the host send, and what processes that share a store say to each other.

use super::draw::Draw;
use crate::batch;
use crate::lane;
use crate::plugin::bindings::provider::{
    Allowance, Auth, Dimension, Header, HttpRequest, HttpResponse, Method, Profile,
};
use crate::plugin::{Engine, Plugin, Provider, builtin};
use crate::request::{Draw as Which, Endpoint, Request, Wishes};
use crate::store::message::{Ask, Reply};
use bytes::Bytes;
use std::sync::{Arc, LazyLock};
use xhost_store::StoredRequest;

/// The built-in providers.
static PROVIDERS: LazyLock<Vec<Provider>> = LazyLock::new(|| {
    let engine = Engine::new(None).expect("an engine");
    let provider = |name| Provider {
        plugin: builtin::load(&engine, name).expect("it is built in"),
        params: Arc::new("{}".into()),
    };
    builtin::names()
        .map(provider)
        .filter(|provider| is_provider(&provider.plugin))
        .collect()
});

fn is_provider(plugin: &Plugin) -> bool {
    plugin.kind() == crate::plugin::Kind::Provider
}

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime")
});

/// An answer: which provider, its status, its headers, and its body.
pub(super) fn answer(bytes: &[u8]) {
    let mut draw = Draw(bytes);
    let provider = &PROVIDERS[usize::from(draw.byte()) % PROVIDERS.len()];
    let status = 200 + u16::from(draw.byte()) * 2;
    let headers = draw.list(|draw| Header {
        name: draw.text().to_ascii_lowercase(),
        value: draw.text(),
    });
    let body = String::from_utf8_lossy(draw.0).into_owned();
    RUNTIME.block_on(async {
        let decoded = provider.decode(Arc::new(body.clone())).await;
        drop(decoded.expect("a built-in provider reads any body"));
        let response = HttpResponse {
            status,
            headers: headers.clone(),
            body,
        };
        let fault = provider.diagnose(response).await;
        drop(fault.expect("a built-in provider explains any answer"));
        let allowances = provider.allowances(headers).await;
        for allowance in allowances.expect("a built-in provider reads any headers") {
            is_a_pace(&allowance, None);
        }
    });
    let numbers = Allowance {
        dimension: Dimension::Requests,
        limit: draw.number(),
        remaining: draw.number(),
        reset_ms: draw.number(),
    };
    let believed = draw.some(|draw| draw.number() as f64);
    is_a_pace(&numbers, believed.filter(|rate| *rate > 0.0));
}

/// No number stops a lane, or lets it go without a limit.
fn is_a_pace(allowance: &Allowance, believed: Option<f64>) {
    if let Some(rate) = lane::refill(allowance, believed) {
        assert!(rate.is_finite() && rate > 0.0, "{allowance:?}: {rate}");
    }
}

/// A download: how it is cut into pieces does not matter, and each line is read.
pub(super) fn batch_lines(bytes: &[u8]) {
    let mut draw = Draw(bytes);
    let provider = &PROVIDERS[usize::from(draw.byte()) % PROVIDERS.len()];
    let size = usize::from(draw.byte()) + 1;
    let whole = batch::lines_of([draw.0]);
    assert_eq!(batch::lines_of(draw.0.chunks(size)), whole);
    let (lines, _) = whole;
    let count = lines.len();
    let answers = RUNTIME.block_on(provider.read_lines(lines));
    let answers = answers.expect("a built-in provider reads any line");
    assert!(answers.len() <= count, "no line answers twice");
}

/// A message of a client or of a server of `xhost serve`: what is read is written to the same meaning.
pub(super) fn frames(bytes: &[u8]) {
    let mut draw = Draw(bytes);
    let client = draw.chance();
    let message = Bytes::copy_from_slice(draw.0);
    let without_length = |frame: Vec<u8>| Bytes::from(frame).split_off(4);
    if client {
        let Ok((question, ask)) = Ask::read(message) else {
            return;
        };
        let again = Ask::read(without_length(ask.to_frame(question)));
        assert_eq!(again.ok(), Some((question, ask)));
    } else {
        let Ok((question, reply)) = Reply::read(message) else {
            return;
        };
        let again = Reply::read(without_length(reply.to_frame(question)));
        assert_eq!(again.ok(), Some((question, reply)));
    }
}

/// What a provider plugin may say of itself, and of a request.
pub(super) fn request(bytes: &[u8]) {
    let mut draw = Draw(bytes);
    let profile = profile(&mut draw);
    let wishes = Wishes {
        base_url: draw.some(Draw::text),
        key_variable: draw.some(Draw::text),
        name: draw.some(Draw::text),
        environment: None,
        built_in: draw.chance(),
    };
    let Ok(endpoint) = Endpoint::new(&profile, &wishes) else {
        return;
    };
    let plain = HttpRequest {
        method: Method::Post,
        path: draw.text(),
        query: draw.list(|draw| (draw.text(), draw.text())),
        headers: draw.list(|draw| Header {
            name: draw.text(),
            value: draw.text(),
        }),
        body: draw.some(Draw::text),
    };
    let which = Which {
        epoch: 1,
        repeat: 0,
    };
    if let Ok(request) = Request::new(plain, &endpoint, which, "") {
        stays_where_it_belongs(&request, &endpoint);
    }
    if !wishes.built_in && wishes.key_variable.is_none() {
        assert_eq!(
            endpoint.key_variable(),
            None,
            "a stranger gets no credential"
        );
    }
}

fn profile(draw: &mut Draw<'_>) -> Profile {
    Profile {
        api: "fuzzed".into(),
        base_url: draw.text(),
        base_url_variable: None,
        auth: match draw.byte() % 3 {
            0 => Auth::None,
            1 => Auth::Bearer,
            _ => Auth::Header(draw.text()),
        },
        key_variable: draw.text(),
        response_headers: Vec::new(),
        batch: None,
    }
}

fn stays_where_it_belongs(request: &Request, endpoint: &Endpoint) {
    let sent = format!("{}{}", endpoint.origin(), request.target);
    let url = url::Url::parse(&sent).expect("what is sent is a URL");
    assert_eq!(url.as_str(), sent, "it is sent as it is digested");
    assert_eq!(url.origin().ascii_serialization(), endpoint.origin());
    let path = url.path();
    assert!(path.starts_with(endpoint.base_path()), "{path}");
    assert!(
        !path.split('/').any(|part| matches!(part, "." | "..")),
        "{path}"
    );
    for (name, value) in &request.headers {
        reqwest_takes(name, value);
        assert_ne!(name, "authorization");
        assert!(!endpoint.is_credential_header(name));
    }
    if !request.body.is_empty() {
        serde_json::from_slice::<serde::de::IgnoredAny>(&request.body).expect("its body is JSON");
    }
    let stored = StoredRequest::from_bytes(&request.digest(), &request.stored());
    assert!(stored.is_ok(), "the stored bytes are those of the digest");
}

fn reqwest_takes(name: &str, value: &str) {
    let plain = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    assert!(plain(name) && plain(value) && !name.contains([' ', ':']));
}
