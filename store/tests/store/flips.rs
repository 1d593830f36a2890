//! Flipped bits anywhere in the file: never a wrong answer, never a panic, and `verify` finds every one that matters.

use crate::support::{Memory, Seeded, answer, asked, run};
use xhost_store::{Begun, Change, Entry, Touched};

/// A store with everything in it.
fn filled() -> (Memory, Vec<Entry>) {
    let storage = Memory::new(Vec::new());
    let store = storage.open().unwrap();
    let words = "in all of them the same words, and some that are not: ";
    let mut entries: Vec<Entry> = (0..320)
        .map(|n| asked(n, answer(format!("{words}{}", n * 7_919))))
        .collect();
    entries.push(asked(999, answer(Seeded(3).bytes(20_000))));
    for group in entries.chunks(64) {
        store.commit(group).unwrap();
    }
    let run = store.begin_run(run("p", 1)).unwrap();
    let digests = entries.iter().map(|entry| entry.digest).collect();
    store
        .touch(&[Touched {
            run,
            number: 0,
            digests,
        }])
        .unwrap();
    let put = |key: &str| Change::Put {
        key: key.into(),
        value: b"state".to_vec(),
    };
    store.journal(&[put("batch/1"), put("batch/2")]).unwrap();
    drop(store);
    (storage, entries)
}

/// What a reader sees that it should not, or does not see that it should. A wrong answer is the end of the test.
fn matters(storage: &Memory, entries: &[Entry]) -> bool {
    let Ok(store) = storage.open() else {
        return true;
    };
    let mut differs = false;
    for entry in entries {
        match store.get(&entry.digest) {
            Ok(Some(found)) => assert_eq!(found, entry.answer, "a wrong answer"),
            Ok(None) | Err(_) => differs = true,
        }
        match store.request(&entry.digest) {
            Ok(Some(found)) => assert_eq!(
                Some(found.sent().to_bytes()),
                entry.request.as_deref().map(<[u8]>::to_vec)
            ),
            Ok(None) | Err(_) => differs = true,
        }
    }
    let runs: Vec<_> = store.runs().collect();
    let touched = match runs.first() {
        Some(Ok((id, _))) => store
            .touched(*id)
            .filter_map(Result::ok)
            .map(|part| part.len())
            .sum(),
        Some(Err(_)) | None => 0,
    };
    let journal = store
        .journal_scan(b"", None, 9)
        .map_or(0, |entries| entries.len());
    let walked = store.iter().filter(Result::is_ok).count();
    differs
        || runs.len() != 1
        || touched != entries.len()
        || journal != 2
        || walked != entries.len()
        || store.len().ok() != Some(entries.len() as u64)
}

/// As many flips as `XHOST_STORE_FLIPS` says, or 500.
#[test]
fn verify_finds_every_flipped_bit_that_matters() {
    let (storage, entries) = filled();
    let whole = storage.disk().bytes.clone();
    let report = storage.verify().unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(
        (report.answers, report.requests, report.superseded),
        (321, 321, 0)
    );
    flip(&whole, 31, &entries, Memory::new);
}

/// Of a store that was killed: as many flips of the log as of the tables.
#[test]
fn verify_finds_every_flipped_bit_of_the_log_that_matters() {
    let (storage, mut entries) = filled();
    let store = storage.open().unwrap();
    for n in 1_000..1_060 {
        let entry = asked(n, answer(Seeded(n).bytes(200)));
        store.commit(std::slice::from_ref(&entry)).unwrap();
        entries.push(entry);
    }
    let run = store.runs().next().unwrap().unwrap();
    let run = Begun {
        id: run.0,
        generation: run.1.generation,
        started_ms: 1,
    };
    let digests = entries[321..].iter().map(|entry| entry.digest).collect();
    store
        .touch(&[Touched {
            run,
            number: 1,
            digests,
        }])
        .unwrap();
    let storage = storage.killed();
    assert!(!matters(&storage.killed(), &entries));
    let (tables, log) = storage.files();
    flip(&log, 37, &entries, |log| {
        Memory::with_log(tables.clone(), log)
    });
}

/// Flips bits of a file, one at a time, of a store that has the file so: `verify` must find all that matter.
fn flip(file: &[u8], seed: u64, entries: &[Entry], store: impl Fn(Vec<u8>) -> Memory) {
    let used: Vec<usize> = (0..file.len()).filter(|place| file[*place] != 0).collect();
    let flips = crate::support::amount("XHOST_STORE_FLIPS", 500);
    let (mut numbers, mut mattered) = (Seeded(seed), 0);
    for number in 0..flips {
        let (place, bit) = (used[numbers.below(used.len())], numbers.below(8));
        let mut file = file.to_vec();
        file[place] ^= 1 << bit;
        if matters(&store(file.clone()), entries) {
            mattered += 1;
            let found = !store(file).verify().is_ok_and(|report| report.is_whole());
            assert!(
                found,
                "flip {number}, bit {bit} of byte {place}, is not found"
            );
        }
    }
    eprintln!("{mattered} of {flips} flips mattered, and each was found");
    assert!(mattered * 5 > flips, "{mattered}");
}

#[test]
fn verify_says_which_answers_are_affected_and_changes_nothing() {
    let (storage, entries) = filled();
    let whole = storage.disk().bytes.clone();
    // The long answer is not compressed: its bytes stand in the file as they are.
    let body = &entries[320].answer.body[..64];
    let place = whole.windows(64).position(|window| window == body).unwrap();
    let mut bytes = whole.clone();
    bytes[place] ^= 1;
    let storage = Memory::new(bytes.clone());
    let report = storage.verify().unwrap();
    let affected: Vec<_> = report
        .findings
        .iter()
        .filter_map(|finding| finding.digest)
        .collect();
    assert_eq!(affected, [entries[320].digest], "{report:?}");
    assert!(storage.disk().bytes == bytes, "it is only looked at");
}
