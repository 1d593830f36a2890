//! Registries that mean harm, or broke.

use super::*;
use crate::http::{Download, Incoming, Outgoing, TransportError};
use crate::plugin::inspect::SIZE_LIMIT;
use futures_util::future::BoxFuture;
use futures_util::stream;
use std::convert::Infallible;

/// A registry that answers for blobs as it likes.
async fn blobs(packed: Artifact, blob: impl Fn() -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |asked| match asked.target.contains("/blobs/") {
        true => blob(),
        false => honest(&packed, asked),
    })
    .await
}

#[tokio::test]
async fn other_bytes_than_the_manifest_names_are_refused() {
    let packed = artifact(b"component");
    let registry = blobs(packed.clone(), || Reply::of(200, "cimponent")).await;
    let (expected, found) = (sha256(b"component"), sha256(b"cimponent"));
    refused(
        pull(&registry, None).await,
        &["the component is another one", &expected, &found],
    );
    let registry = blobs(packed.clone(), || Reply::of(200, "compon")).await;
    refused(
        pull(&registry, None).await,
        &[&expected, &sha256(b"compon")],
    );
    let long = format!(
        r#"{{"errors": [{{"message": "{}"}}]}}"#,
        "gone ".repeat(100)
    );
    let registry = blobs(packed, move || Reply::of(404, long.clone())).await;
    refused(
        pull(&registry, None).await,
        &["though its manifest names it: gone gone"],
    );
}

#[tokio::test]
async fn another_manifest_than_the_reference_names_is_refused() {
    let other = artifact(b"other");
    let served = other.clone();
    let registry = Server::start(move |_| Reply::of(200, served.manifest.clone())).await;
    let wanted = artifact(b"component").digest();
    let name = format!("{}/me/x:1@{wanted}", registry.address);
    let refusal = pull_as(&name, None).await;
    refused(
        refusal,
        &["the manifest is another one", &wanted, &other.digest()],
    );
    let target = &registry.seen()[0].target;
    assert_eq!(
        *target,
        format!("/v2/me/x/manifests/{wanted}"),
        "asked by digest"
    );
}

#[tokio::test]
async fn a_layer_that_goes_on_beyond_its_size_is_left_at_once() {
    let registry = blobs(artifact(b"component"), || {
        let piece = Ok::<_, Infallible>(Bytes::from_static(&[0; 4_096]));
        Reply::of(200, Body::from_stream(stream::repeat(piece)))
    })
    .await;
    refused(
        pull(&registry, None).await,
        &["component is larger than 9 bytes"],
    );
}

#[tokio::test]
async fn a_manifest_without_an_end_is_left() {
    let registry = Server::start(|_| {
        let piece = Ok::<_, Infallible>(Bytes::from_static(&[b' '; 65_536]));
        Reply::of(200, Body::from_stream(stream::repeat(piece)))
    })
    .await;
    refused(
        pull(&registry, None).await,
        &["manifest is larger than 1048576 bytes"],
    );
}

#[tokio::test]
async fn a_layer_said_to_be_larger_than_any_plugin_is_not_asked_for() {
    let text = String::from_utf8(artifact(b"component").manifest).expect("JSON");
    let text = text.replace("\"size\":9", &format!("\"size\":{}", SIZE_LIMIT + 1));
    let registry = Server::start(move |_| Reply::of(200, text.clone())).await;
    refused(pull(&registry, None).await, &["the limit is 67108864"]);
    assert_eq!(registry.seen().len(), 1);
}

#[tokio::test]
async fn redirects_have_an_end_and_lead_to_no_other_protocol() {
    let packed = artifact(b"component");
    let registry = blobs(packed.clone(), || {
        Reply::of(307, "").with("location", "/v2/me/x/blobs/again")
    })
    .await;
    refused(
        pull(&registry, None).await,
        &["there were redirects enough"],
    );
    for to in [
        "http://192.0.2.1/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
    ] {
        let registry = blobs(packed.clone(), move || {
            Reply::of(307, "").with("location", to)
        })
        .await;
        refused(pull(&registry, None).await, &["is not followed"]);
    }
    let registry = blobs(packed, || Reply::of(307, "")).await;
    refused(pull(&registry, None).await, &["leads to nowhere"]);
    let registry =
        Server::start(|_| Reply::of(302, "").with("location", "/v2/me/x/manifests/1")).await;
    refused(
        pull(&registry, None).await,
        &["is not followed: only a download is"],
    );
    assert_eq!(
        registry.seen().len(),
        1,
        "a manifest comes from its registry"
    );
}

/// A line by which an artifact's manifest comes at once, and its component a byte every ten seconds.
struct Drips(Artifact);

impl Transport for Drips {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Incoming, TransportError>> {
        let origin = request.url;
        Box::pin(async { Err(TransportError::TooLarge { origin }) })
    }

    fn download(&self, request: Outgoing) -> BoxFuture<'_, Result<Download, TransportError>> {
        let drip = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            Some((Ok(Bytes::from_static(b"\0")), ()))
        });
        let whole = stream::iter([Ok(self.0.manifest.clone().into())]);
        let download = Download {
            status: 200,
            headers: Vec::new(),
            pieces: match request.url.contains("/blobs/") {
                true => Box::pin(drip),
                false => Box::pin(whole),
            },
        };
        Box::pin(async { Ok(download) })
    }
}

/// Each byte is in time, and the whole never is.
#[tokio::test(start_paused = true)]
async fn a_server_that_drips_is_left_after_its_time() {
    let name = ImageName::parse("ghcr.io/me/x:1").expect("a name");
    let outside = Outside {
        transport: &Drips(artifact(&[0; 4_096])),
        plain: &Plain::default(),
        login: &|_| None,
        told: &|_, _| {},
    };
    let pulled = fetch_image::<RemoteError>(&outside, &name, |_| Ok(())).await;
    refused(pulled, &["ghcr.io had not sent all of it after 600 s"]);
}

#[tokio::test]
async fn a_registry_that_keeps_something_else_is_told_of() {
    let registry = Server::start(|asked| match asked.method.as_str() {
        "HEAD" => Reply::of(200, ""),
        _ => Reply::of(201, "").with("docker-content-digest", "sha256:else"),
    })
    .await;
    let name = ImageName::parse(&format!("{}/me/x:1", registry.address)).expect("a name");
    let pushed = outside(None, async |outside| {
        push(outside, &name, &artifact(b"component")).await
    })
    .await;
    refused(pushed, &["manifest that the registry kept", "sha256:else"]);
}
