//! Put, get, first write wins.

use crate::support::{PutAll, answer, digest, folder};
use std::sync::atomic::{AtomicU64, Ordering};
use xhost_store::{Options, Put, Store, WriteError};

#[test]
fn an_answer_is_read_back_as_it_came() {
    let folder = folder();
    let path = folder.path().join("a/b/store.redb");
    let random = crate::support::Seeded(1).bytes(5_000);
    let bodies = [Vec::new(), b"{}".to_vec(), vec![b'a'; 100_000], random];
    let answers: Vec<_> = (0..).map(digest).zip(bodies.map(answer)).collect();
    let store = Store::open(&path, Options::default()).unwrap();
    assert!(store.is_empty().unwrap());
    assert_eq!(store.put_all(&answers).unwrap(), [Put::Stored; 4]);
    let id = store.id();
    drop(store);
    let store = Store::open(&path, Options::default()).unwrap();
    for (digest, answer) in &answers {
        assert_eq!(store.get(digest).unwrap().as_ref(), Some(answer));
    }
    assert_eq!(store.get(&digest(99)).unwrap(), None);
    assert_eq!((store.len().unwrap(), store.id()), (4, id));
    assert!(store.size_on_disk().unwrap() > 5_000);
    assert_eq!(store.put_all(&[]).unwrap(), []);
}

#[test]
fn the_first_answer_stays_within_a_group_and_across_groups() {
    let folder = folder();
    let store = Store::open(&folder.path().join("s"), Options::default()).unwrap();
    let (first, second) = (answer("first"), answer("second"));
    let mut again = first.clone();
    again.created_ms += 1;
    let group = [
        (digest(1), first.clone()),
        (digest(1), second.clone()),
        (digest(1), again),
    ];
    assert_eq!(
        store.put_all(&group).unwrap(),
        [Put::Stored, Put::Conflict, Put::AlreadyThere]
    );
    let puts = store
        .put_all(&[(digest(1), second.clone()), (digest(2), second.clone())])
        .unwrap();
    assert_eq!(puts, [Put::Conflict, Put::Stored]);
    assert_eq!(store.get(&digest(1)).unwrap(), Some(first));
    assert_eq!(store.get(&digest(2)).unwrap(), Some(second));
}

#[test]
fn an_answer_that_is_too_large_is_refused_and_stops_nothing() {
    let folder = folder();
    let store = Store::open(&folder.path().join("s"), Options::default()).unwrap();
    let mut large = answer("x");
    large.headers = vec![("name".into(), "v".repeat(1 << 20))];
    let refused = store
        .put_all(&[(digest(1), answer("a")), (digest(2), large)])
        .unwrap_err();
    assert!(
        matches!(refused, WriteError::Answer { digest: of, .. } if of == digest(2)),
        "{refused}"
    );
    assert!(
        refused.to_string().contains("its description has 1048"),
        "{refused}"
    );
    assert!(store.is_empty().unwrap());
    assert_eq!(
        store.put_all(&[(digest(1), answer("a"))]).unwrap(),
        [Put::Stored]
    );
}

#[test]
fn reads_run_beside_a_writer_and_see_whole_groups() {
    let folder = folder();
    let store = Store::open(&folder.path().join("s"), Options::default()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for group in 0..50_u64 {
                let answers: Vec<_> = (0..4)
                    .map(|n| (digest(group * 4 + n), answer("x")))
                    .collect();
                store.put_all(&answers).unwrap();
            }
        });
        let mut seen = 0;
        while seen < 200 {
            let now = store.len().unwrap();
            assert!(now >= seen && now.is_multiple_of(4), "{now} after {seen}");
            if now > 0 {
                assert!(store.get(&digest(now - 1)).unwrap().is_some());
            }
            seen = now;
        }
    });
}

/// Tables are kept open between reads: none of those who read at once may meet an older commit than before.
#[test]
fn what_one_read_has_seen_every_later_one_sees() {
    const GROUPS: u64 = 150;
    let folder = folder();
    let store = Store::open(&folder.path().join("s"), Options::default()).unwrap();
    let there = |n| store.get(&digest(n)).unwrap().is_some();
    let acknowledged = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut seen = 0;
                while seen < GROUPS {
                    let told = acknowledged.load(Ordering::Acquire);
                    assert!(
                        told <= seen || there(2 * told - 1),
                        "{told} was acknowledged"
                    );
                    seen = seen.max(told);
                    if there(2 * seen) {
                        assert!(there(2 * seen + 1), "half of group {seen}");
                        seen += 1;
                    }
                    assert!(seen == 0 || there(2 * seen - 1), "group {seen} is gone");
                }
            });
        }
        for group in 0..GROUPS {
            let answers = [2 * group, 2 * group + 1].map(|n| (digest(n), answer("x")));
            store.put_all(&answers).unwrap();
            acknowledged.store(group + 1, Ordering::Release);
        }
    });
}
