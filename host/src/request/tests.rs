//! What the digest covers, what a provider plugin cannot ask for, and where credentials may go.

use super::*;
use crate::plugin::bindings::provider::{Auth, Header, Profile};

fn profile() -> Profile {
    Profile {
        api: "openai.chat".into(),
        base_url: "https://api.openai.com/v1".into(),
        base_url_variable: Some("OPENAI_BASE_URL".into()),
        auth: Auth::Bearer,
        key_variable: "OPENAI_API_KEY".into(),
        response_headers: Vec::new(),
        batch: None,
    }
}

fn endpoint() -> Endpoint {
    Endpoint::new(
        &profile(),
        &Wishes {
            built_in: true,
            ..Wishes::default()
        },
    )
    .expect("an address")
}

fn plain() -> HttpRequest {
    HttpRequest {
        method: Method::Post,
        path: "/chat/completions".into(),
        query: Vec::new(),
        headers: Vec::new(),
        body: Some(r#"{"model":"m","seed":9007199254740993}"#.into()),
    }
}

const DRAW: Draw = Draw {
    epoch: 1,
    repeat: 0,
};

fn request() -> Request {
    let headers = vec![Header {
        name: "Anthropic-Version".into(),
        value: "2023-06-01".into(),
    }];
    Request::new(
        HttpRequest { headers, ..plain() },
        &endpoint(),
        DRAW,
        "salt",
    )
    .expect("a request")
}

#[test]
fn the_digest_of_a_request_never_changes() {
    assert_eq!(request().target, "/v1/chat/completions");
    assert_eq!(request().digest().to_string(), "GOLDEN");
}

#[test]
fn every_field_is_part_of_the_digest_and_none_runs_into_the_next() {
    let body = |text: &'static str| Request {
        body: Bytes::from_static(text.as_bytes()),
        ..request()
    };
    let header = |name: &str, value: &str| Request {
        headers: vec![(name.into(), value.into())],
        ..request()
    };
    let all = [
        request(),
        Request {
            endpoint: "https://other".into(),
            ..request()
        },
        Request {
            method: "GET",
            ..request()
        },
        Request {
            target: "/v2/chat/completions".into(),
            ..request()
        },
        header("anthropic-version", "2026-10-21"),
        header("anthropic-versio", "n2023-06-01"),
        Request {
            headers: Vec::new(),
            ..request()
        },
        Request {
            headers: vec![("a".into(), "b".into()), ("c".into(), "d".into())],
            ..request()
        },
        body(r#"{"model":"m","seed":9007199254740992}"#),
        body(r#"{"seed":9007199254740993,"model":"m"}"#),
        body("{\"model\":\"\u{e9}\"}"),
        body("{\"model\":\"e\u{301}\"}"),
        Request {
            draw: Draw {
                epoch: 2,
                repeat: 0,
            },
            ..request()
        },
        Request {
            draw: Draw {
                epoch: 1,
                repeat: 1,
            },
            ..request()
        },
        Request {
            salt: "sal".into(),
            ..request()
        },
        Request {
            salt: String::new(),
            ..request()
        },
    ];
    let digests: std::collections::HashSet<String> =
        all.iter().map(|one| one.digest().to_string()).collect();
    assert_eq!(digests.len(), all.len());
}

#[test]
fn a_plugin_cannot_leave_its_address_or_frame_the_message() {
    let check = |request: HttpRequest, expected: &str| {
        let error = Request::new(request, &endpoint(), DRAW, "")
            .expect_err("it is refused")
            .to_string();
        assert!(error.contains(expected), "`{expected}` is not in: {error}");
    };
    for (path, expected) in [
        ("//evil.example/x", "could name another host"),
        ("/\\evil", "could name another host"),
        ("http://evil.example/", "does not begin with"),
        ("", "does not begin with"),
        ("/../x", "leaves the base URL"),
        ("/a/%2e%2E/x", "leaves the base URL"),
        ("/a\r\nhost: x", "do not belong"),
        ("/a?key=1", "do not belong"),
        ("/a#b", "do not belong"),
        ("/ä", "do not belong"),
    ] {
        check(
            HttpRequest {
                path: path.into(),
                ..plain()
            },
            expected,
        );
    }
    for (name, value, expected) in [
        ("Authorization", "x", "the host's to set"),
        ("x-api-key", "x", "the host's to set"),
        ("Host", "x", "the host's to set"),
        ("Content-Length", "1", "the host's to set"),
        ("proxy-authorization", "x", "the host's to set"),
        ("a b", "x", "a name that is none"),
        ("a\r\nb", "x", "a name that is none"),
        ("", "x", "a name that is none"),
        ("a", "x\r\ny: z", "not visible ASCII"),
        ("a", "\u{e9}", "not visible ASCII"),
    ] {
        check(
            HttpRequest {
                headers: vec![Header {
                    name: name.into(),
                    value: value.into(),
                }],
                ..plain()
            },
            expected,
        );
    }
    for (body, expected) in [
        ("{\"a\":1,\"a\":2}", "there twice"),
        ("{\"a\":\"\\ud800\"}", "not acceptable JSON"),
        ("{", "not acceptable JSON"),
        ("{} {}", "not acceptable JSON"),
        ("{\"a\":NaN}", "not acceptable JSON"),
    ] {
        check(
            HttpRequest {
                body: Some(body.into()),
                ..plain()
            },
            expected,
        );
    }
}

#[test]
fn a_query_is_escaped() {
    let query = vec![("api-version".to_owned(), "2024 & later".to_owned())];
    let request =
        Request::new(HttpRequest { query, ..plain() }, &endpoint(), DRAW, "").expect("a request");
    assert_eq!(
        request.target,
        "/v1/chat/completions?api-version=2024+%26+later"
    );
}

#[test]
fn a_credential_goes_only_where_it_was_issued_for() {
    let variable = |wishes: Wishes| {
        Endpoint::new(&profile(), &wishes)
            .expect("an address")
            .key_variable()
            .map(str::to_owned)
    };
    let own = Some("OPENAI_API_KEY".to_owned());
    let built_in = Wishes {
        built_in: true,
        ..Wishes::default()
    };
    let elsewhere = Some("http://10.0.0.1:8000/v1".to_owned());
    assert_eq!(variable(built_in.clone()), own);
    assert_eq!(
        variable(Wishes {
            environment: elsewhere.clone(),
            ..built_in.clone()
        }),
        own
    );
    assert_eq!(
        variable(Wishes {
            base_url: Some("https://api.openai.com/other".into()),
            ..built_in.clone()
        }),
        own
    );
    assert_eq!(
        variable(Wishes {
            base_url: elsewhere.clone(),
            ..built_in.clone()
        }),
        None
    );
    assert_eq!(
        variable(Wishes {
            base_url: Some("http://api.openai.com/v1".into()),
            ..built_in.clone()
        }),
        None,
        "not without TLS"
    );
    let named = Wishes {
        base_url: elsewhere,
        key_variable: Some("MINE".into()),
        ..built_in
    };
    assert_eq!(variable(named), Some("MINE".into()));
    assert_eq!(
        variable(Wishes::default()),
        None,
        "a provider from elsewhere gets none that is not named"
    );
}

#[test]
fn an_address_is_http_and_holds_no_credential_and_no_query() {
    for (url, expected) in [
        ("file:///etc/passwd", "neither http nor https"),
        ("https://user:secret@host/v1", "holds a credential"),
        ("https://host/v1?key=1", "query"),
        ("host/v1", "not a URL"),
        ("https://host//v1", "`//`"),
    ] {
        let wishes = Wishes {
            base_url: Some(url.into()),
            ..Wishes::default()
        };
        let error = Endpoint::new(&profile(), &wishes)
            .expect_err("it is refused")
            .to_string();
        assert!(error.contains(expected), "`{expected}` is not in: {error}");
    }
}

#[test]
fn a_rehearsal_has_the_digests_of_the_real_run_and_no_credential() {
    let simulated = endpoint().simulated_at(([127, 0, 0, 1], 9).into());
    assert_eq!(simulated.origin(), "http://127.0.0.1:9");
    assert_eq!(simulated.key_variable(), None);
    let digest = |endpoint: &Endpoint| {
        Request::new(plain(), endpoint, DRAW, "")
            .expect("a request")
            .digest()
    };
    assert_eq!(digest(&simulated), digest(&endpoint()));
}
