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
    let failed = (0..40).map(digest).find_map(|digest| {
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

#[test]
fn a_failed_call_stops_the_writer_and_loses_nothing_acknowledged() {
    let mut struck = 0;
    for n in 0..24 {
        let faults = [
            Fault::After(n, Call::Sync),
            Fault::After(n, Call::Write),
            Fault::After(n / 6, Call::SetLen),
            Fault::After(n, Call::Read),
            Fault::HalfWriteAfter(n),
        ];
        struck += faults
            .into_iter()
            .filter(|fault| commit_until_failure(*fault))
            .count();
    }
    // Where a fault never strikes, the test tests nothing.
    assert!(struck >= 70, "{struck} faults struck");
}
