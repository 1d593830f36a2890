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
    assert_eq!(
        request().digest().to_string(),
        "8aefe0e56194732dd1f093f538c4000dec1beed391ba91d4c860f1e9f0f5a7cc"
    );
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

#[test]
fn the_bytes_behind_a_digest_are_these() {
    // Each field is preceded by its length: eight bytes, the lowest first.
    let field = |bytes: &[u8]| [&(bytes.len() as u64).to_le_bytes(), bytes].concat();
    let bytes = [
        field(b"1"),                                        // the key's version
        field(b"https://api.openai.com"),                   // the endpoint
        field(b"POST"),                                     // the method
        field(b"/v1/chat/completions"),                     // the target
        field(&[1, 0, 0, 0, 0, 0, 0, 0]),                   // how many headers
        field(b"anthropic-version"),                        // a header's name
        field(b"2023-06-01"),                               // and its value
        field(br#"{"model":"m","seed":9007199254740993}"#), // the body
        field(&[1, 0, 0, 0]),                               // the epoch
        field(&[0, 0, 0, 0]),                               // the repeat
        field(b"salt"),                                     // the salt
    ]
    .concat();
    let mut hasher = blake3::Hasher::new_derive_key("xhost request v1");
    hasher.update(&bytes);
    let expected = hasher.finalize().to_hex();
    assert_eq!(request().digest().to_string(), expected.as_str());
}

#[test]
fn the_order_and_the_case_in_which_a_plugin_names_its_headers_do_not_matter() {
    let digest = |headers: [(&str, &str); 3]| {
        let headers = headers.map(|(name, value)| Header {
            name: name.into(),
            value: value.into(),
        });
        let request = HttpRequest {
            headers: headers.into(),
            ..plain()
        };
        Request::new(request, &endpoint(), DRAW, "")
            .expect("a request")
            .digest()
    };
    let first = digest([("a", "1"), ("b", "2"), ("c", "3")]);
    assert_eq!(digest([("C", "3"), ("a", "1"), ("B", "2")]), first);
    assert_ne!(digest([("a", "2"), ("b", "1"), ("c", "3")]), first);
}

/// A request that is refused, and every word of the refusal.
#[track_caller]
fn refused(request: HttpRequest, endpoint: &Endpoint, expected: &str) {
    let error = Request::new(request, endpoint, DRAW, "").expect_err("it is refused");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_path_that_some_server_would_walk_out_of_the_base_url_is_refused() {
    for path in [
        "/..",
        "/.",
        "/x/./y",
        "/x/../../y",
        "/%2E%2e/x",
        "/.%2e/x",
        "/%2e./x",
        "/..%2fx",
        "/x%2F..%2F..%2fy",
        "/..%5cx",
        "/..;/x",
        "/..;a=b/x",
        "/..%3b/x",
    ] {
        let request = HttpRequest {
            path: path.into(),
            ..plain()
        };
        let expected = format!("its path `{path}` leaves the base URL's path");
        refused(request, &endpoint(), &expected);
    }
}

#[test]
fn a_path_that_the_http_client_would_write_otherwise_is_refused() {
    for path in [
        "/a b", "/a\"b", "/a<b>", "/a{b}", "/a`b", "/\u{7f}", "/a\tb",
    ] {
        let request = HttpRequest {
            path: path.into(),
            ..plain()
        };
        let shown = path.escape_debug();
        let expected = format!(
            "its path `{shown}` has characters that do not belong into a path; escape them, and give a query as `query`"
        );
        refused(request, &endpoint(), &expected);
    }
}

#[test]
fn a_path_with_harmless_escapes_and_dots_is_sent_as_it_is() {
    for path in [
        "/models/org%2Fname:generate",
        "/...",
        "/.well-known",
        "/a..b/c.d",
        "/v1;x",
        "/a%20b",
        "/~user/$x,y=z@(1)!*'",
    ] {
        let request = HttpRequest {
            path: path.into(),
            ..plain()
        };
        let request = Request::new(request, &endpoint(), DRAW, "").expect("a request");
        assert_eq!(request.target, format!("/v1{path}"));
    }
}

#[test]
fn the_header_of_this_providers_credential_is_the_hosts_in_a_rehearsal_too() {
    let profile = Profile {
        auth: Auth::Header("X-Goog-Api-Key".into()),
        ..profile()
    };
    let endpoint = Endpoint::new(&profile, &Wishes::default()).expect("an address");
    let rehearsal = endpoint.clone().simulated_at(([127, 0, 0, 1], 9).into());
    for endpoint in [endpoint, rehearsal] {
        for (name, words) in [
            ("x-goog-api-key", "is the host's to set"),
            ("X-GOOG-API-KEY", "is the host's to set"),
            ("Cookie", "is the host's to set"),
            ("API-Key", "is the host's to set"),
            ("accept-encoding", "is the host's to set"),
            ("transfer-encoding", "is the host's to set"),
        ] {
            let headers = vec![Header {
                name: name.into(),
                value: "x".into(),
            }];
            let expected = format!("its header `{}` {words}", name.to_ascii_lowercase());
            refused(HttpRequest { headers, ..plain() }, &endpoint, &expected);
        }
    }
}

#[test]
fn a_header_that_is_there_twice_is_refused_however_it_is_written() {
    let headers = ["x-own", "X-Own"].map(|name| Header {
        name: name.into(),
        value: "1".into(),
    });
    let request = HttpRequest {
        headers: headers.into(),
        ..plain()
    };
    refused(request, &endpoint(), "its header `x-own` is there twice");
}

#[test]
fn what_is_wrong_with_a_body_is_told_with_its_place() {
    for (body, what) in [
        (
            r#"{"a":1,"a":2}"#,
            "the key `a` is there twice at line 1 column 10",
        ),
        (
            r#"{"a":1,"\u0061":2}"#,
            "the key `a` is there twice at line 1 column 15",
        ),
        (
            r#"[{"b":{"c":1,"c":1}}]"#,
            "the key `c` is there twice at line 1 column 16",
        ),
        (
            r#"{"a":"\ud800"}"#,
            "unexpected end of hex escape at line 1 column 13",
        ),
        (
            r#"{"\udc00":1}"#,
            "lone leading surrogate in hex escape at line 1 column 8",
        ),
        (
            "{\"model\": ",
            "EOF while parsing a value at line 1 column 10",
        ),
        ("{} {}", "trailing characters at line 1 column 4"),
        ("{\"a\":NaN}", "expected value at line 1 column 6"),
        ("\u{feff}{}", "expected value at line 1 column 1"),
        (" ", "EOF while parsing a value at line 1 column 1"),
    ] {
        let request = HttpRequest {
            body: Some(body.into()),
            ..plain()
        };
        let expected = format!("its body is not acceptable JSON: {what}");
        refused(request, &endpoint(), &expected);
    }
    let deep = HttpRequest {
        body: Some("[".repeat(100_000)),
        ..plain()
    };
    refused(
        deep,
        &endpoint(),
        "its body is not acceptable JSON: recursion limit exceeded at line 1 column 128",
    );
}

#[test]
fn the_body_is_hashed_and_sent_as_the_plugin_wrote_it() {
    for body in [
        "{ \"b\" : 1.0,\n\"a\":1e2 }",
        "\"\u{e9}\"",
        "\"\\u00e9\"",
        "",
    ] {
        let request = HttpRequest {
            body: Some(body.into()),
            ..plain()
        };
        let request = Request::new(request, &endpoint(), DRAW, "").expect("a request");
        assert_eq!(request.body, body.as_bytes());
    }
}
