//! What is kept beside answers: requests, the journal, runs and what they touched.

use crate::support::{Memory, PutAll, answer, asked, digest, run};
use redb::{Database, ReadableTable, TableDefinition};
use xhost_store::{
    Begun, Change, Digest, Entry, Group, Put, ReadError, Store, Touched, Wish, WriteError,
};

fn store() -> (Memory, Store) {
    let storage = Memory::new(Vec::new());
    let store = storage.open().unwrap();
    (storage, store)
}

fn put(key: &str, value: &str) -> Change {
    Change::Put {
        key: key.into(),
        value: value.into(),
    }
}

fn delete(key: &str) -> Change {
    Change::Delete { key: key.into() }
}

/// Changes one byte of the value at the end of a table's only row.
fn flip(storage: &Memory, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::builder()
        .create_with_backend(storage.clone())
        .unwrap();
    let write = database.begin_write().unwrap();
    change(&write);
    write.commit().unwrap();
}

#[test]
fn a_request_is_kept_with_its_answer_and_verified() {
    let (storage, store) = store();
    let first = asked(1, answer("one"));
    let without = Entry::from((digest(2), answer("two")));
    store.commit(&[first.clone(), without.clone()]).unwrap();
    let request = store.request(&first.digest).unwrap().unwrap();
    assert_eq!(request.body, r#"{"number":1}"#);
    assert_eq!(request.sent().to_bytes(), first.request.clone().unwrap());
    assert_eq!(store.request(&without.digest).unwrap(), None);
    assert_eq!(store.request(&digest(99)).unwrap(), None);
    drop(store);
    flip(&storage, |write| {
        let requests = TableDefinition::<u64, &[u8]>::new("req-1");
        let mut table = write.open_table(requests).unwrap();
        let mut bytes = table.get(0).unwrap().unwrap().value().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        table.insert(0, bytes.as_slice()).unwrap();
    });
    let store = storage.open().unwrap();
    assert!(matches!(
        store.request(&first.digest),
        Err(ReadError::Damaged { .. })
    ));
    assert_eq!(
        store.get(&first.digest).unwrap(),
        Some(first.answer),
        "the answer is whole"
    );
}

#[test]
fn a_request_that_is_another_ones_is_refused_and_stops_nothing() {
    let (_, store) = store();
    let mut wrong = asked(1, answer("one"));
    wrong.digest = digest(5);
    let refused = store.commit(&[wrong]).unwrap_err();
    assert!(matches!(refused, WriteError::Answer { .. }), "{refused}");
    store.commit(&[asked(1, answer("one"))]).unwrap();
}

#[test]
fn a_request_that_comes_later_joins_its_answer() {
    let (_, store) = store();
    let whole = asked(1, answer("one"));
    let without = Entry {
        request: None,
        ..whole.clone()
    };
    store.commit(&[without]).unwrap();
    assert_eq!(
        store.commit(std::slice::from_ref(&whole)).unwrap(),
        [Put::AlreadyThere]
    );
    assert!(store.request(&whole.digest).unwrap().is_some());
}

#[test]
fn all_that_is_stored_is_walked_over_in_the_order_of_writing() {
    let (_, store) = store();
    let entries: Vec<Entry> = (0..100).map(|n| asked(n, answer(format!("{n}")))).collect();
    for group in entries.chunks(7) {
        store.commit(group).unwrap();
    }
    let replaced = Entry {
        answer: answer("new"),
        wish: Wish::Replace,
        ..entries[3].clone()
    };
    assert_eq!(store.commit(&[replaced]).unwrap(), [Put::Replaced]);
    let all: Vec<_> = store.iter().map(Result::unwrap).collect();
    let digests: Vec<Digest> = all.iter().map(|stored| stored.digest).collect();
    let mut expected: Vec<Digest> = entries.iter().map(|entry| entry.digest).collect();
    let moved = expected.remove(3);
    expected.push(moved);
    assert_eq!(digests, expected);
    assert_eq!(all[99].answer, answer("new"));
    assert!(all.iter().all(|stored| stored.request.is_some()));
    let requests: Vec<Digest> = store.requests().map(|one| one.unwrap().0).collect();
    assert_eq!(requests, expected);
    assert_eq!(store.get(&moved).unwrap(), Some(answer("new")));
    assert_eq!(store.len().unwrap(), 100);
}

#[test]
fn the_journal_changes_all_at_once_and_is_read_in_order() {
    let (storage, store) = store();
    store
        .journal(&[
            put("b/2", "two"),
            put("b/1", "one"),
            put("a/1", "x"),
            put("b/3", "three"),
        ])
        .unwrap();
    store
        .journal(&[put("b/1", "uno"), delete("b/3"), delete("absent")])
        .unwrap();
    drop(store);
    let store = storage.open().unwrap();
    let scan = |prefix: &str, after: Option<&str>, limit| -> Vec<(String, String)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let found = store.journal_scan(prefix.as_bytes(), after.map(str::as_bytes), limit);
        let found = found.unwrap().into_iter();
        found.map(|(key, value)| (text(key), text(value))).collect()
    };
    let (one, two) = (("b/1".into(), "uno".into()), ("b/2".into(), "two".into()));
    assert_eq!(scan("b/", None, 9), [one, two.clone()]);
    assert_eq!(scan("b/", Some("b/1"), 9), [two]);
    assert_eq!(scan("", None, 1), [("a/1".into(), "x".into())]);
    assert_eq!(scan("c", None, 9), []);
    assert_eq!(store.journal_get(b"b/1").unwrap().unwrap(), b"uno");
    assert_eq!(store.journal_get(b"b/3").unwrap(), None);
}

#[test]
fn the_journal_and_answers_change_in_one_commit() {
    let (_, store) = store();
    let entries = [asked(1, answer("one"))];
    let journal = [put("batch", "ingested")];
    let group = Group {
        entries: &entries,
        journal: &journal,
        ..Group::default()
    };
    assert_eq!(store.commit_group(&group).unwrap(), [Put::Stored]);
    assert_eq!(store.journal_get(b"batch").unwrap().unwrap(), b"ingested");
    let large = [Change::Put {
        key: vec![b'k'; 2_000],
        value: Vec::new(),
    }];
    let entries = [asked(2, answer("two"))];
    let refused = store
        .commit_group(&Group {
            entries: &entries,
            journal: &large,
            ..Group::default()
        })
        .unwrap_err();
    assert!(matches!(refused, WriteError::Journal { .. }), "{refused}");
    assert_eq!(store.len().unwrap(), 1, "all of a group or nothing");
}

#[test]
fn a_changed_entry_of_the_journal_is_an_error_and_not_a_value() {
    let (storage, store) = store();
    store.journal(&[put("key", "value")]).unwrap();
    drop(store);
    let journal = TableDefinition::<&[u8], &[u8]>::new("journal-1");
    flip(&storage, |write| {
        let mut table = write.open_table(journal).unwrap();
        let bytes = table
            .get(b"key".as_slice())
            .unwrap()
            .unwrap()
            .value()
            .to_vec();
        let other = [&bytes[..17], b"walue".as_slice()].concat();
        table.insert(b"key".as_slice(), other.as_slice()).unwrap();
        table.insert(b"key2".as_slice(), bytes.as_slice()).unwrap();
    });
    let store = storage.open().unwrap();
    for key in [b"key".as_slice(), b"key2"] {
        let error = store.journal_get(key).unwrap_err();
        assert!(matches!(error, ReadError::Note { .. }), "{error}");
    }
    assert!(store.journal_scan(b"", None, 9).is_err());
}

fn touch(store: &Store, run: Begun, number: u64, digests: &[u64]) {
    let digests = digests.iter().map(|n| digest(*n)).collect();
    store
        .touch(&[Touched {
            run,
            number,
            digests,
        }])
        .unwrap();
}

fn touched(store: &Store, run: Begun) -> Vec<Digest> {
    store.touched(run.id).flat_map(Result::unwrap).collect()
}

#[test]
fn a_run_keeps_what_it_touched_over_interruptions_and_drops_the_old_when_it_ends() {
    let (storage, store) = store();
    let first = store.begin_run(run("p", 100)).unwrap();
    let other = store.begin_run(run("q", 100)).unwrap();
    assert_ne!(first.id, other.id);
    touch(&store, first, 0, &[1, 2]);
    touch(&store, other, 0, &[7]);
    drop(store);
    let store = storage.open().unwrap();
    let again = store.begin_run(run("p", 200)).unwrap();
    assert_eq!((again.id, again.generation), (first.id, 2));
    assert_eq!(again.started_ms, 100, "it goes on where it was");
    touch(&store, again, 0, &[1, 3]);
    assert_eq!(touched(&store, again), [1, 2, 1, 3].map(digest));
    touch(&store, again, 1, &[4]);
    store.end_run(again, 300).unwrap();
    assert_eq!(touched(&store, again), [1, 3, 4].map(digest));
    assert_eq!(touched(&store, other), [digest(7)]);
    let noted: Vec<_> = store.runs().map(Result::unwrap).collect();
    assert_eq!(noted.len(), 2);
    let ended = noted.iter().find(|(id, _)| *id == first.id).unwrap();
    assert_eq!(ended.1.ended_ms, Some(300));
    assert_eq!(first.id.to_string().parse(), Ok(first.id));
    let third = store.begin_run(run("p", 400)).unwrap();
    assert_eq!(
        (third.generation, third.started_ms),
        (3, 400),
        "it began anew"
    );
}

#[test]
fn a_store_of_the_first_format_becomes_one_of_the_second() {
    let fixture = include_bytes!("../fixtures/format-1.redb.zst");
    let bytes = zstd::decode_all(fixture.as_slice()).unwrap();
    let storage = Memory::new(bytes);
    for _ in 0..2 {
        let store = storage.open().unwrap();
        assert_eq!(store.len().unwrap(), 40);
        for n in 0..40 {
            let answer = store.get(&digest(n)).unwrap().unwrap();
            assert_eq!(answer.headers, [("x-request-id".into(), format!("r{n}"))]);
            assert_eq!(answer.created_ms, 1_790_000_000_000 + n);
        }
        store.journal(&[put("key", "value")]).unwrap();
    }
    let store = storage.open().unwrap();
    assert_eq!(
        store.put_all(&[(digest(40), answer("new"))]).unwrap(),
        [Put::Stored]
    );
    assert_eq!(store.journal_get(b"key").unwrap().unwrap(), b"value");
}

/// Written by the version that made this format, and read by every later one.
#[test]
fn a_store_of_the_second_format_is_read() {
    let fixture = include_bytes!("../fixtures/format-2.redb.zst");
    let storage = Memory::new(zstd::decode_all(fixture.as_slice()).unwrap());
    let report = storage.verify().unwrap();
    assert!(report.is_whole(), "{report:?}");
    let store = storage.open().unwrap();
    let stat = store.stat().unwrap();
    assert_eq!(
        (stat.answers, stat.requests, stat.runs, stat.journal),
        (320, 320, 1, 1)
    );
    assert!(stat.dictionaries > 0);
    for n in 0..320 {
        let entry = asked(n, answer("not looked at"));
        let found = store.get(&entry.digest).unwrap().unwrap();
        let text = format!("all answers have this in common, and that: {}", n * 7_919);
        assert_eq!(found.body, text);
        assert_eq!(
            (found.created_ms, found.latency_ms),
            (1_790_000_000_000 + n, n as u32)
        );
        let request = store.request(&entry.digest).unwrap().unwrap();
        assert_eq!(request.body, format!("{{\"number\":{n}}}"));
    }
    assert_eq!(store.journal_get(b"batch").unwrap().unwrap(), b"submitted");
    let (id, run) = store.runs().next().unwrap().unwrap();
    assert_eq!(
        (run.started_ms, run.ended_ms, run.generation),
        (7, Some(9), 1)
    );
    assert_eq!(store.touched(id).flat_map(Result::unwrap).count(), 320);
}

/// A row of a table, in hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn rows_of_the_journal_of_runs_and_of_requests_have_the_golden_bytes() {
    let (storage, store) = store();
    store.journal(&[put("k", "v")]).unwrap();
    let begun = store.begin_run(run("p", 1)).unwrap();
    touch(&store, begun, 2, &[1]);
    store.commit(&[asked(1, answer("one"))]).unwrap();
    drop(store);
    let database = Database::builder().create_with_backend(storage).unwrap();
    let read = redb::ReadableDatabase::begin_read(&database).unwrap();
    let journal = TableDefinition::<&[u8], &[u8]>::new("journal-1");
    let row = read
        .open_table(journal)
        .unwrap()
        .get(b"k".as_slice())
        .unwrap()
        .unwrap();
    let hash = blake3::derive_key("xhost 2026-11 journal v1", b"\x01\0\0\0\0\0\0\0kv");
    assert_eq!(hex(row.value()), format!("01{}76", hex(&hash[..16])));
    let runs = TableDefinition::<&[u8; 16], &[u8]>::new("run-1");
    let runs = read.open_table(runs).unwrap();
    let (id, row) = runs.first().unwrap().unwrap();
    let plan = b"\x01\0\0\0\0\0\0\0p\x07\0\0\0\0\0\0\0/runs/e";
    assert_eq!(
        id.value(),
        &blake3::derive_key("xhost 2026-11 run id v1", plan)[..16]
    );
    let json = br#"{"experiment":"e","plan":"p","resolved":"{}","folder":"/runs/e","started_ms":1,"ended_ms":null,"generation":1}"#;
    let hash = blake3::derive_key(
        "xhost 2026-11 run v1",
        &[id.value().as_slice(), json].concat(),
    );
    assert_eq!(row.value(), [b"\x01", &hash[..16], json].concat());
    let touched = TableDefinition::<&[u8; 28], &[u8]>::new("runseq-1");
    let touched = read.open_table(touched).unwrap();
    let (key, row) = touched.first().unwrap().unwrap();
    assert_eq!(
        hex(key.value()),
        format!("{}00000001{:016x}", hex(id.value()), 2)
    );
    let digests = *digest(1).as_bytes();
    let hash = blake3::derive_key(
        "xhost 2026-11 run v1",
        &[key.value().as_slice(), &digests].concat(),
    );
    assert_eq!(row.value(), [&hash[..16], &digests].concat());
    let requests = TableDefinition::<u64, &[u8]>::new("req-1");
    let row = read.open_table(requests).unwrap().get(0).unwrap().unwrap();
    let request = asked(1, answer("one")).request.unwrap();
    let unpacked = zstd::decode_all(&row.value()[10..]).unwrap();
    assert_eq!(unpacked, request);
    assert_eq!(
        hex(&row.value()[..10]),
        format!("010100000000{:02x}000000", request.len())
    );
}
