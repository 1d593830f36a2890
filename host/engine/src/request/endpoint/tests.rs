//! Which address, which name in the digest, which credential, and what of it a person is shown.

use super::*;
use crate::plugin::bindings::provider::{HttpRequest, Method};
use crate::request::{Draw, Request};

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

/// The plainest request to this endpoint.
fn request(endpoint: &Endpoint) -> Request {
    let plain = HttpRequest {
        method: Method::Post,
        path: "/chat/completions".into(),
        query: Vec::new(),
        headers: Vec::new(),
        body: None,
    };
    let draw = Draw {
        epoch: 1,
        repeat: 0,
    };
    Request::new(plain, endpoint, draw, "").expect("a request")
}

#[test]
fn the_path_of_the_base_url_stands_before_the_plugins_path() {
    for (base_url, origin, target) in [
        ("https://h", "https://h", "/chat/completions"),
        ("https://h/", "https://h", "/chat/completions"),
        ("https://h/v1/", "https://h", "/v1/chat/completions"),
        (
            "http://h:8000/a/b",
            "http://h:8000",
            "/a/b/chat/completions",
        ),
        ("https://H:443/v1", "https://h", "/v1/chat/completions"),
        (
            "http://[::1]:8000/v1",
            "http://[::1]:8000",
            "/v1/chat/completions",
        ),
        ("https://h/a/../v1", "https://h", "/v1/chat/completions"),
    ] {
        let wishes = Wishes {
            base_url: Some(base_url.into()),
            ..Wishes::default()
        };
        let endpoint = Endpoint::new(&profile(), &wishes).expect("an address");
        let request = request(&endpoint);
        assert_eq!(
            (endpoint.origin().as_str(), request.target.as_str()),
            (origin, target),
            "{base_url}"
        );
        assert_eq!(request.endpoint, origin, "no name is given");
    }
}

#[test]
fn a_server_with_a_name_of_its_own_has_the_digests_of_that_name() {
    let digest = |base_url: &str, name: &str| {
        let wishes = Wishes {
            base_url: Some(base_url.into()),
            name: Some(name.into()),
            ..Wishes::default()
        };
        let endpoint = Endpoint::new(&profile(), &wishes).expect("an address");
        request(&endpoint).digest()
    };
    assert_eq!(
        digest("http://a/v1", "ours"),
        digest("http://b:9/v1", "ours")
    );
    assert_ne!(
        digest("http://a/v1", "ours"),
        digest("http://a/v1", "theirs")
    );
    assert_ne!(digest("http://a/v1", "ours"), digest("http://a/v2", "ours"));
}

#[test]
fn a_call_is_bound_to_fail_without_a_credential_only_where_one_is_sure_to_be_needed() {
    let elsewhere = Some("http://10.0.0.1/v1".to_owned());
    let named = Some("MINE".to_owned());
    let built_in = Wishes {
        built_in: true,
        ..Wishes::default()
    };
    for (name, wishes, required) in [
        ("the provider's own address", built_in.clone(), true),
        (
            "an address from the environment: a local server may want none",
            Wishes {
                environment: elsewhere.clone(),
                ..built_in.clone()
            },
            false,
        ),
        (
            "an address from the experiment",
            Wishes {
                base_url: elsewhere.clone(),
                ..built_in.clone()
            },
            false,
        ),
        (
            "a variable that the experiment names",
            Wishes {
                base_url: elsewhere,
                key_variable: named,
                ..built_in
            },
            true,
        ),
        ("a provider from elsewhere", Wishes::default(), false),
    ] {
        let endpoint = Endpoint::new(&profile(), &wishes).expect("an address");
        assert_eq!(endpoint.key_required(), required, "{name}");
        let rehearsal = endpoint.simulated_at(([127, 0, 0, 1], 9).into());
        assert!(!rehearsal.key_required(), "{name}, in a rehearsal");
        assert!(
            matches!(rehearsal.auth(), Auth::None),
            "{name}, in a rehearsal"
        );
    }
    let none = Profile {
        auth: Auth::None,
        ..profile()
    };
    let wishes = Wishes {
        key_variable: Some("MINE".into()),
        ..Wishes::default()
    };
    let endpoint = Endpoint::new(&none, &wishes).expect("an address");
    assert_eq!(
        (endpoint.key_variable(), endpoint.key_required()),
        (None, false)
    );
}

#[test]
fn a_refused_address_is_shown_without_what_may_be_a_credential() {
    let error = |wishes: &Wishes| {
        Endpoint::new(&profile(), wishes)
            .expect_err("it is refused")
            .to_string()
    };
    for (url, expected) in [
        (
            "https://me:hunter2@host/v1",
            "the base URL `https://host/v1`, from `model.base_url`, holds a credential; name its environment variable \
             as `model.key_variable` instead",
        ),
        (
            "https://hunter2@host",
            "the base URL `https://host/`, from `model.base_url`, holds a credential; name its environment variable \
             as `model.key_variable` instead",
        ),
        (
            "https://host/v1?key=hunter2",
            "the base URL `https://host/v1`, from `model.base_url`, has a query or a fragment, which a base URL \
             cannot have",
        ),
        (
            "https://host/v1#hunter2",
            "the base URL `https://host/v1`, from `model.base_url`, has a query or a fragment, which a base URL \
             cannot have",
        ),
        (
            "file:///etc/passwd",
            "the base URL `file:///etc/passwd`, from `model.base_url`, is neither http nor https",
        ),
        (
            "https://ho\u{1b}st/v1",
            "the base URL `https://ho\u{fffd}st/v1`, from `model.base_url`, is not a URL (invalid international domain \
             name); write it as `https://host/v1`",
        ),
        (
            "https://host/\nv1",
            "the base URL `https://host/ v1`, from `model.base_url`, has control characters",
        ),
    ] {
        let wishes = Wishes {
            base_url: Some(url.into()),
            ..Wishes::default()
        };
        assert_eq!(error(&wishes), expected);
    }
    let environment = Wishes {
        environment: Some("/usr/bin:hunter2".into()),
        ..Wishes::default()
    };
    assert_eq!(
        error(&environment),
        "the base URL in the environment variable OPENAI_BASE_URL is not a URL (relative URL without a base); write it \
         as `https://host/v1`"
    );
}

#[test]
fn what_a_provider_plugin_says_of_its_credential_must_be_a_header_and_a_variable() {
    let variable = "the base URL of the provider plugin comes with a credential's variable that is no name of one";
    let header = "the base URL of the provider plugin comes with a credential's header that is no name of one";
    let framing = "the base URL of the provider plugin comes with a credential's header that frames the message";
    let key = "KEY";
    for (auth, key_variable, expected) in [
        (Auth::Bearer, "A=B\0", variable),
        (Auth::Bearer, "", variable),
        (Auth::Header("x-key".into()), "A B", variable),
        (Auth::Header(String::new()), key, header),
        (Auth::Header("x-key\r\nx-other".into()), key, header),
        (Auth::Header("x-key: a".into()), key, header),
        (Auth::Header("Host".into()), key, framing),
        (Auth::Header("cookie".into()), key, framing),
    ] {
        let profile = Profile {
            auth,
            key_variable: key_variable.into(),
            ..profile()
        };
        let error = Endpoint::new(&profile, &Wishes::default()).expect_err("it is refused");
        assert_eq!(error.to_string(), expected);
    }
}
