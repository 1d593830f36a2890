//! Where a credential goes, and where it does not.

use super::*;

/// Asks for a login before it answers.
fn guarded(challenge: &str, wanted: &'static str, asked: &Asked, reply: Reply) -> Reply {
    match asked.authorization.as_deref() {
        Some(given) if given == wanted => reply,
        _ => Reply::of(401, "").with("www-authenticate", challenge),
    }
}

#[tokio::test]
async fn a_password_goes_to_the_registry_that_asks_and_not_where_it_redirects() {
    let packed = artifact(b"component");
    let there = packed.clone();
    let storage = Server::start(move |_| Reply::of(200, there.component.clone())).await;
    let (elsewhere, there) = (storage.address.clone(), packed.clone());
    let registry = Server::start(move |asked| {
        let reply = match asked.target.contains("/blobs/") {
            true => Reply::of(307, "").with("location", format!("http://{elsewhere}/signed?key=1")),
            false => honest(&there, asked),
        };
        guarded("Basic realm=\"r\"", BASIC, asked, reply)
    })
    .await;
    let fetched = pull(&registry, password()).await.expect("it is pulled");
    assert_eq!(fetched.component, b"component");
    let asked = registry.seen();
    assert_eq!(asked[0].authorization, None, "nothing is sent unasked");
    assert!(
        asked
            .iter()
            .any(|one| one.authorization.as_deref() == Some(BASIC))
    );
    let beyond: Vec<_> = storage
        .seen()
        .into_iter()
        .map(|one| one.authorization)
        .collect();
    assert_eq!(beyond, [None]);
}

/// A registry whose tokens come from `realm`, which is made when its own address is known.
async fn with_tokens(
    packed: Artifact,
    realm: impl Fn(&str) -> String + Send + Sync + 'static,
) -> Server {
    let own: Arc<Mutex<String>> = Arc::default();
    let address = Arc::clone(&own);
    let server = Server::start(move |asked| {
        if asked.target.starts_with("/token?") {
            let wanted = "service=reg&scope=repository%3Ame%2Fx%3Apull";
            let known = asked
                .authorization
                .as_deref()
                .is_none_or(|given| given == BASIC);
            return match known && asked.target.ends_with(wanted) {
                true => Reply::of(200, r#"{"access_token": "t0ken"}"#),
                false => Reply::of(400, "{}"),
            };
        }
        let realm = realm(&address.lock().expect("nobody panicked"));
        let challenge =
            format!("Bearer realm=\"{realm}\",service=\"reg\",scope=\"repository:other:push\"");
        guarded(&challenge, "Bearer t0ken", asked, honest(&packed, asked))
    })
    .await;
    *own.lock().expect("nobody panicked") = server.address.clone();
    server
}

#[tokio::test]
async fn a_token_is_fetched_as_anybody_or_with_the_password_and_for_our_own_scope() {
    for (login, sent) in [(None, None), (password(), Some(BASIC))] {
        let registry =
            with_tokens(artifact(b"component"), |own| format!("http://{own}/token")).await;
        let fetched = pull(&registry, login).await.expect("it is pulled");
        assert_eq!(fetched.component, b"component");
        let seen = registry.seen();
        let token = seen.iter().find(|one| one.target.starts_with("/token?"));
        let given = token.expect("a token was fetched").authorization.as_deref();
        assert_eq!(given, sent);
    }
    // By the protocol a realm is a whole URL: a part of one gives nothing to answer with.
    let registry = with_tokens(artifact(b"component"), |_| "/token".into()).await;
    refused(pull(&registry, password()).await, &["refuses"]);
}

#[tokio::test]
async fn a_registry_cannot_have_the_password_sent_to_another_s_server_of_tokens() {
    let thief = Server::start(|_| Reply::of(200, r#"{"token": "t0ken"}"#)).await;
    let port = thief.address.rsplit(':').next().expect("a port").to_owned();
    let registry = with_tokens(artifact(b"component"), move |_| {
        format!("http://localhost:{port}/token")
    })
    .await;
    let refusal = pull(&registry, password()).await;
    refused(refusal, &["sent to localhost", "XHOST_REGISTRY_TOKEN"]);
    assert_eq!(thief.seen(), []);
    assert!(
        pull(&registry, None).await.is_ok(),
        "as anybody it is asked"
    );
}

#[tokio::test]
async fn a_token_of_the_user_s_own_is_sent_at_once_and_to_the_registry_alone() {
    let (packed, other) = (artifact(b"component"), artifact(b"component"));
    let storage = Server::start(move |_| Reply::of(200, other.component.clone())).await;
    let elsewhere = storage.address.clone();
    let registry = Server::start(move |asked| match asked.target.contains("/blobs/") {
        true => Reply::of(302, "").with("location", format!("http://{elsewhere}/blob")),
        false => guarded(
            "Bearer realm=\"http://x/\"",
            "Bearer s3cret",
            asked,
            honest(&packed, asked),
        ),
    })
    .await;
    let token = || Some(Login::Token(Secret::for_test("s3cret")));
    pull(&registry, token()).await.expect("it is pulled");
    assert_eq!(storage.seen()[0].authorization, None);
    let wrong = Some(Login::Token(Secret::for_test("other")));
    refused(pull(&registry, wrong).await, &["refuses", "is not enough"]);
}

#[tokio::test]
async fn who_has_no_credential_is_told_how_to_get_one_and_none_is_quoted() {
    let registry = Server::start(|_| {
        Reply::of(401, r#"{"errors": [{"message": "bad s3cret \u001b[31m"}]}"#)
            .with("www-authenticate", "Basic realm=\"r\"")
    })
    .await;
    let host = registry.address.clone();
    let words = [&format!("`docker login {host}`"), "XHOST_REGISTRY_USER"];
    let said = pull(&registry, None)
        .await
        .expect_err("refused")
        .to_string();
    assert!(words.iter().all(|part| said.contains(part)), "{said}");
    assert!(!said.contains('\u{1b}'), "{said}");
    refused(
        pull(&registry, password()).await,
        &["[credential]", "is not enough"],
    );
}

#[tokio::test]
async fn an_upload_stays_at_its_registry() {
    let thief = Server::start(|_| Reply::of(201, "")).await;
    let elsewhere = thief.address.clone();
    let registry = Server::start(move |asked| match asked.method.as_str() {
        "HEAD" => Reply::of(404, ""),
        _ => Reply::of(202, "").with("location", format!("http://{elsewhere}/upload?x=1")),
    })
    .await;
    let name = ImageName::parse(&format!("{}/me/x:1", registry.address)).expect("a name");
    let pushed = outside(password(), async |outside| {
        push(outside, &name, &artifact(b"component")).await
    })
    .await;
    refused(pushed, &["an upload stays at its registry"]);
    assert_eq!(thief.seen(), []);
}
