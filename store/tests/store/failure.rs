//! Storages that fail at the n-th call: nothing acknowledged is lost, nothing is acknowledged after, reads go on.

use crate::support::{Call, Fault, Memory, PutAll, Seeded, answer, digest};
use xhost_store::{Put, WriteError};

/// Commits until the fault strikes; whether it did.
fn commit_until_failure(fault: Fault) -> bool {
    let storage = Memory::new(Vec::new());
    // A cache of one page: reads must go to the storage.
    let store = storage.open_with(4_096).unwrap();
    let mut bodies = Seeded(7);
    let mut acknowledged = Vec::new();
    storage.disk().fault = fault;
    let failed = (0..12).map(digest).find_map(|digest| {
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
            .take_while(|n| commit_until_failure(fault(*n)))
            .count();
        eprintln!("{struck} calls failed: {kind}");
        // Where a fault never strikes, the test tests nothing.
        assert!(struck >= 1, "{kind}");
    }
}
