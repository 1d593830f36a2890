//! Files at URLs, and what is kept of what was fetched.

use super::*;
use crate::plugin::PluginDigest;

async fn get(url: &str) -> Result<Fetched, RemoteError> {
    let address = Address::parse(url)?;
    outside(password(), async |outside| {
        fetch_file(outside, &address).await
    })
    .await
}

#[tokio::test]
async fn a_file_is_taken_by_its_digest_and_without_one_the_digest_is_said() {
    let server = Server::start(|asked| match asked.target.as_str() {
        "/x.wasm?v=1" => Reply::of(200, "component"),
        "/moved" => Reply::of(302, "").with("location", "/x.wasm?v=1"),
        "/out" => Reply::of(302, "").with("location", "http://192.0.2.1/x.wasm"),
        "/round" => Reply::of(302, "").with("location", "/round"),
        _ => Reply::of(410, ""),
    })
    .await;
    let at = |rest: &str| format!("http://{}{rest}", server.address);
    let sha = sha256(b"component").replace(':', "=");
    let blake = format!("blake3={}", PluginDigest::of(b"component"));
    for digest in [&sha, &blake] {
        for path in ["/x.wasm?v=1", "/moved"] {
            let fetched = get(&at(&format!("{path}#{digest}")))
                .await
                .expect("it is taken");
            assert_eq!(fetched.component, b"component");
        }
    }
    let bare = at("/x.wasm?v=1");
    refused(
        get(&bare).await,
        &[&format!("{bare}#{sha}"), &format!("{bare}#{blake}")],
    );
    let other = format!("{}#blake3={}", bare, "0".repeat(64));
    refused(get(&other).await, &["the file is another one", &blake]);
    refused(get(&at(&format!("/out#{sha}"))).await, &["is not followed"]);
    refused(
        get(&at(&format!("/round#{sha}"))).await,
        &["redirects enough"],
    );
    refused(get(&at(&format!("/gone#{sha}"))).await, &["answers 410"]);
    let seen = server.seen();
    assert!(
        seen.iter().all(|one| one.authorization.is_none()),
        "{seen:?}"
    );
}

#[tokio::test]
async fn what_is_no_url_of_a_plugin_is_not_asked_for() {
    let zeros = "0".repeat(64);
    for (url, says) in [
        (
            format!("http://example.org/x.wasm#sha256={zeros}"),
            "over https only; `--insecure example.org`",
        ),
        (
            format!("https://me:s@example.org/x.wasm#sha256={zeros}"),
            "a user or a password",
        ),
        (
            "https://example.org/x.wasm#sha256=00".into(),
            "64 hex characters",
        ),
        (
            format!("https://example.org/x.wasm#md5={zeros}"),
            "neither `#sha256=`",
        ),
        ("https://".into(), "host"),
    ] {
        refused(get(&url).await, &[says]);
    }
}

#[test]
fn what_is_kept_is_held_against_its_digests_whenever_it_is_taken_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("plugins");
    let shelf = Shelf::open(&place).expect("it is made");
    let packed = artifact(b"component");
    let fetched = Fetched {
        component: b"component".to_vec(),
        manifest: Some(packed.manifest.clone()),
    };
    let kept = shelf.keep(&fetched).expect("it is kept");
    let (manifest, blake3) = (packed.digest(), fetched.digest().to_string());
    assert_eq!(shelf.artifact(&manifest, &blake3), Some(kept.clone()));
    // A manifest that is kept says which component it is of: a lock file cannot say another.
    let other = Fetched {
        component: b"other".to_vec(),
        manifest: None,
    };
    shelf.keep(&other).expect("it is kept");
    let others = other.digest().to_string();
    assert!(shelf.component(&others).is_some());
    assert_eq!(shelf.artifact(&manifest, &others), None);
    std::fs::write(&kept.file, "cimponent").expect("it is written");
    assert_eq!(shelf.component(&blake3), None);
    shelf.keep(&fetched).expect("it is mended");
    let json = place.join(format!("{}.json", &manifest["sha256:".len()..]));
    std::fs::write(&json, &artifact(b"other").manifest).expect("it is written");
    assert_eq!(shelf.artifact(&manifest, &blake3), None);
}

#[test]
fn a_folder_that_others_may_enter_keeps_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let open = folder.path().join("open");
    std::fs::create_dir(&open).expect("it is made");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    assert!(Shelf::open(&open).is_err());
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o700)).expect("a mode");
    assert!(Shelf::open(&open).is_ok());
    std::os::unix::fs::symlink(&open, folder.path().join("link")).expect("a link");
    assert!(Shelf::open(&folder.path().join("link")).is_err());
}
