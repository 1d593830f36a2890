//! Blobs beside the store: whole or refused.

use std::io::Read;
use xhost_store::{BlobDigest, BlobError, Options, Store};

fn digest(bytes: &[u8]) -> BlobDigest {
    BlobDigest::from_bytes(*blake3::hash(bytes).as_bytes())
}

#[test]
fn a_blob_is_read_as_it_was_kept_and_one_with_other_bytes_is_not_kept() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let store = Store::open(&folder.path().join("s.redb"), Options::default()).expect("it opens");
    let blobs = store.blobs();
    let bytes = b"row\n".repeat(100_000);
    let name = digest(&bytes);
    assert!(matches!(
        blobs.bytes(&name, 1 << 20),
        Err(BlobError::Missing { .. })
    ));
    let other = blobs.keep(&name, |out| out.write_all(b"something else"));
    assert!(matches!(other, Err(BlobError::Other { .. })));
    assert!(!blobs.path(&name).exists());
    blobs
        .keep(&name, |out| out.write_all(&bytes))
        .expect("it is kept");
    assert!(blobs.bytes(&name, 1 << 20).expect("it is there") == bytes);
    assert!(
        blobs.bytes(&name, 1_000).is_err(),
        "more than was asked for is an error"
    );
    assert_eq!(BlobDigest::from_hex(&name.to_string()), Some(name));
}

#[test]
fn a_blob_whose_file_changed_fails_at_its_end() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let store = Store::open(&folder.path().join("s.redb"), Options::default()).expect("it opens");
    let blobs = store.blobs();
    let (right, wrong) = (digest(b"right"), digest(b"wrong"));
    blobs
        .keep(&right, |out| out.write_all(b"right"))
        .expect("it is kept");
    blobs
        .keep(&wrong, |out| out.write_all(b"wrong"))
        .expect("it is kept");
    std::fs::copy(blobs.path(&wrong), blobs.path(&right)).expect("it is written over");
    let mut text = String::new();
    let error = blobs
        .read(&right)
        .expect("it opens")
        .read_to_string(&mut text)
        .expect_err("it is another");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
}
