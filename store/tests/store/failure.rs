//! Storages that fail at the n-th call: nothing acknowledged is lost, nothing is acknowledged after, reads go on.

use crate::support::{Call, Fault, Memory, PutAll, Seeded, answer, digest};
use std::io;
use xhost_store::{Put, WriteError};

/// Commits until the fault strikes; whether it did.
fn commit_until_failure(fault: Fault, error: fn() -> io::Error) -> bool {
    let storage = Memory::new(Vec::new());
    storage.disk().error = error;
    // A cache of one page: reads must go to the storage.
    let store = storage.open_with(4_096).unwrap();
    let mut bodies = Seeded(7);
    let mut acknowledged = Vec::new();
    storage.disk().fault = fault;
    let failed = (0..14).map(digest).find_map(|digest| {
        let answer = answer(bodies.bytes(9_000));
        match store.put_all(&[(digest, answer.clone())]) {
            Ok(puts) => {
                assert_eq!(puts, [Put::Stored]);
                acknowledged.push((digest, answer));
                None
            }
            Err(error) => Some((digest, answer, error)),
        }
    });
    let Some((digest, answer, error)) = failed else {
        return false;
    };
    assert!(
        matches!(error, WriteError::Failed { .. }),
        "{fault:?}: {error}"
    );
    let error_words = error.to_string();
    let cause = if matches!(fault, Fault::HalfWriteAfter(_)) {
        io::Error::from(io::ErrorKind::StorageFull)
    } else {
        (storage.disk().error)()
    };
    assert!(
        matches!(fault, Fault::After(_, Call::Read)) || error_words.contains(&cause.to_string()),
        "{fault:?}: {error_words}"
    );
    let stopped = store.put_all(&[(digest, answer.clone())]).unwrap_err();
    assert!(
        matches!(stopped, WriteError::Stopped { .. }),
        "{fault:?}: {stopped}"
    );
    assert!(
        stopped
            .to_string()
            .contains("memory stopped writing when a write failed: "),
        "{stopped}"
    );
    for (digest, answer) in &acknowledged {
        assert_eq!(
            store.get(digest).unwrap().as_ref(),
            Some(answer),
            "{fault:?}, before the store is opened again"
        );
    }
    // Opened once more for reads, it still does not write.
    assert!(
        matches!(
            store.put_all(&[(digest, answer.clone())]),
            Err(WriteError::Stopped { .. })
        ),
        "{fault:?}"
    );
    drop(store);
    let store = storage.open().unwrap();
    for (digest, answer) in &acknowledged {
        assert_eq!(
            store.get(digest).unwrap().as_ref(),
            Some(answer),
            "{fault:?}, after the store is opened again"
        );
    }
    let put = store.put_all(&[(digest, answer)]).unwrap();
    assert!(
        matches!(put[..], [Put::Stored | Put::AlreadyThere]),
        "{fault:?}"
    );
    true
}

/// The words for a kind of fault, and the fault that strikes after so many calls.
type Kind = (&'static str, fn(u32) -> Fault);

/// Every call of each kind fails once: the first, the second, and so on until the script has no more of them.
#[test]
fn a_failed_call_stops_the_writer_and_loses_nothing_acknowledged() {
    let kinds: [Kind; 5] = [
        ("sync", |n| Fault::After(n, Call::Sync)),
        ("write", |n| Fault::After(n, Call::Write)),
        ("set_len", |n| Fault::After(n, Call::SetLen)),
        ("read", |n| Fault::After(n, Call::Read)),
        ("half a write", Fault::HalfWriteAfter),
    ];
    for (kind, fault) in kinds {
        let struck = (0..)
            .take_while(|n| commit_until_failure(fault(*n), || io::Error::other("the disk failed")))
            .count();
        eprintln!("{struck} calls failed: {kind}");
        // Where a fault never strikes, the test tests nothing.
        assert!(struck >= 1, "{kind}");
    }
}

type ErrorOf = fn() -> io::Error;

/// As above, with what the system says of a full disk and of a quota: whoever reads it must know what to free.
#[cfg(unix)]
#[test]
fn a_full_disk_and_a_used_up_quota_stop_the_writer_and_are_named() {
    const NO_SPACE: i32 = 28;
    #[cfg(target_os = "linux")]
    const QUOTA: i32 = 122;
    #[cfg(not(target_os = "linux"))]
    const QUOTA: i32 = 69;
    let errors: [(ErrorOf, &str); 2] = [
        (
            || io::Error::from_raw_os_error(NO_SPACE),
            "No space left on device",
        ),
        (|| io::Error::from_raw_os_error(QUOTA), "quota exceeded"),
    ];
    for (error, words) in errors {
        assert!(error().to_string().contains(words), "{}", error());
        for call in [Call::Write, Call::SetLen, Call::Sync] {
            let struck = (0..)
                .take_while(|n| commit_until_failure(Fault::After(*n, call), error))
                .count();
            assert!(struck >= 1, "{words}, {call:?}");
        }
    }
}
