//! Stores written anew, and answers as streams: nothing that is wanted is lost on the way, whatever was there before.

use crate::format::{INDEX, RECORDS};
use crate::support::{PutAll, Seeded, answer, asked, digest, folder, run};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata};
use std::fs;
use std::path::{Path, PathBuf};
use xhost_store::{
    Begun, Change, CopyError, Entry, Imported, Keep, Old, OpenError, Options, RunId, Store,
    StreamError, Touched, Trouble, Wish, copy, verify,
};

fn open(path: &Path) -> Store {
    Store::open(path, Options::default()).unwrap()
}

fn entries(count: u64) -> Vec<Entry> {
    (0..count)
        .map(|n| {
            asked(
                n,
                answer(format!("all answers have this in common, {}", n * 7_919)),
            )
        })
        .collect()
}

fn filled(folder: &Path, entries: &[Entry]) -> PathBuf {
    let path = folder.join("store.redb");
    let store = open(&path);
    for group in entries.chunks(64) {
        store.commit(group).unwrap();
    }
    path
}

fn begin(store: &Store, plan: &str, entries: &[Entry]) -> Begun {
    let run = store.begin_run(run(plan, 1)).unwrap();
    for (number, part) in (0..).zip(entries.chunks(10)) {
        let digests = part.iter().map(|entry| entry.digest).collect();
        store
            .touch(&[Touched {
                run,
                number,
                digests,
            }])
            .unwrap();
    }
    run
}

fn anew(path: &Path, keep: Keep<'_>) -> xhost_store::Copied {
    copy(path, keep, Old::Removed, "xhost store gc", |_, _| {}).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn change(path: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(path).unwrap();
    let write = database.begin_write().unwrap();
    change(&write);
    write.commit().unwrap();
}

#[test]
fn a_collection_keeps_what_its_runs_touched_and_the_journal() {
    let folder = folder();
    let entries = entries(600);
    let path = filled(folder.path(), &entries);
    let store = open(&path);
    let (first, second) = (
        begin(&store, "a", &entries[..120]),
        begin(&store, "b", &entries[100..150]),
    );
    let put = Change::Put {
        key: b"batch".to_vec(),
        value: b"submitted".to_vec(),
    };
    store.journal(&[put]).unwrap();
    let id = store.id();
    drop(store);
    // What an earlier copy left, that was killed.
    fs::write(folder.path().join("store.redb.new"), "half").unwrap();
    let copied = anew(&path, Keep::Runs(&[first.id, second.id]));
    assert_eq!((copied.answers, copied.left), (150, 450), "{copied:?}");
    assert!(copied.bytes_after < copied.bytes_before);
    let copied = anew(&path, Keep::Runs(&[second.id]));
    assert_eq!((copied.answers, copied.left), (50, 100));
    let store = open(&path);
    assert_ne!(store.id(), id, "it is another file");
    for (n, entry) in entries.iter().enumerate() {
        let kept = (100..150).contains(&n);
        assert_eq!(store.get(&entry.digest).unwrap().is_some(), kept, "{n}");
        assert_eq!(store.request(&entry.digest).unwrap().is_some(), kept, "{n}");
    }
    assert_eq!(store.journal_get(b"batch").unwrap().unwrap(), b"submitted");
    let runs: Vec<RunId> = store.runs().map(|run| run.unwrap().0).collect();
    assert_eq!(runs, [second.id]);
    assert_eq!(
        store.touched(second.id).flat_map(Result::unwrap).count(),
        50
    );
    drop(store);
    assert_eq!(names(folder.path()), ["store.redb"]);
}

#[test]
fn a_compacted_store_packs_old_records_with_the_dictionary_and_drops_superseded_ones() {
    let folder = folder();
    let entries = entries(700);
    let path = filled(folder.path(), &entries);
    let replaced = Entry {
        answer: answer("another"),
        wish: Wish::Replace,
        ..entries[5].clone()
    };
    let store = open(&path);
    store.commit(&[replaced]).unwrap();
    let before = store.stat().unwrap();
    assert_eq!(
        (before.answers, before.superseded, before.requests),
        (700, 1, 701)
    );
    drop(store);
    let copied = anew(&path, Keep::All);
    assert_eq!(
        (copied.answers, copied.left, copied.damaged, copied.linked),
        (700, 1, 0, 0)
    );
    let store = open(&path);
    let after = store.stat().unwrap();
    assert_eq!((after.answers, after.superseded), (700, 0));
    assert!(
        after.record_bytes < before.record_bytes,
        "{before:?} {after:?}"
    );
    assert_eq!(
        store.get(&entries[5].digest).unwrap(),
        Some(answer("another"))
    );
    for entry in entries
        .iter()
        .filter(|entry| entry.digest != entries[5].digest)
    {
        assert_eq!(
            store.get(&entry.digest).unwrap().as_ref(),
            Some(&entry.answer)
        );
    }
    drop(store);
    assert!(verify(&path, |_, _| {}).unwrap().is_whole());
}

#[test]
fn a_compacted_index_fills_its_pages() {
    let folder = folder();
    let path = filled(folder.path(), &entries(2_000));
    anew(&path, Keep::All);
    let database = Database::open(&path).unwrap();
    let read = database.begin_read().unwrap();
    let stats = read.open_table(INDEX).unwrap().stats().unwrap();
    let (used, empty) = (stats.stored_bytes(), stats.fragmented_bytes());
    assert_eq!(used, 2_000 * 40);
    assert!(empty * 10 < used, "{empty} bytes are empty beside {used}");
}

#[test]
fn a_repair_drops_what_is_damaged_and_links_what_lost_its_key() {
    let folder = folder();
    let entries = entries(40);
    let path = filled(folder.path(), &entries);
    change(&path, |write| {
        let mut records = write.open_table(RECORDS).unwrap();
        let mut bytes = records.get(7).unwrap().unwrap().value().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        records.insert(7, bytes.as_slice()).unwrap();
        let mut index = write.open_table(INDEX).unwrap();
        index.remove(entries[9].digest.as_bytes()).unwrap();
        index.insert(digest(1_000).as_bytes(), 5_000).unwrap();
    });
    let whole = fs::read(&path).unwrap();
    let report = verify(&path, |_, _| {}).unwrap();
    let found: Vec<_> = report
        .findings
        .iter()
        .map(|one| (one.what, one.digest))
        .collect();
    let expected = [
        (Trouble::Answer, Some(entries[7].digest)),
        (Trouble::Unreached, Some(entries[9].digest)),
        (Trouble::Answer, Some(digest(1_000))),
    ];
    assert_eq!(found, expected, "{report:?}");
    assert!(fs::read(&path).unwrap() == whole, "it is only looked at");
    let copied = copy(&path, Keep::All, Old::Kept, "xhost store verify", |_, _| {}).unwrap();
    assert_eq!(
        (copied.answers, copied.damaged, copied.linked),
        (39, 1, 1),
        "{copied:?}"
    );
    assert!(
        fs::read(copied.old.unwrap()).unwrap() == whole,
        "the old file is kept"
    );
    assert!(verify(&path, |_, _| {}).unwrap().is_whole());
    let store = open(&path);
    assert_eq!(
        store.get(&entries[7].digest).unwrap(),
        None,
        "it is asked for again"
    );
    assert_eq!(
        store.get(&entries[9].digest).unwrap().as_ref(),
        Some(&entries[9].answer)
    );
    assert!(store.request(&entries[9].digest).unwrap().is_some());
}

/// Bits flipped all over the file: whatever can be read is saved, and the result is a whole store.
#[test]
fn a_repair_saves_what_can_be_read_of_a_file_with_damaged_pages() {
    let folder = folder();
    let entries = entries(300);
    let path = filled(folder.path(), &entries);
    let whole = fs::read(&path).unwrap();
    let used: Vec<usize> = (0..whole.len())
        .filter(|place| whole[*place] != 0)
        .collect();
    let mut numbers = Seeded(77);
    let (mut repaired, mut saved) = (0, 0);
    for _ in 0..40 {
        let mut bytes = whole.clone();
        bytes[used[numbers.below(used.len())]] ^= 1 << numbers.below(8);
        fs::write(&path, bytes).unwrap();
        // A file whose first page is gone is not opened by anybody.
        let Ok(copied) = copy(&path, Keep::All, Old::Removed, "x", |_, _| {}) else {
            continue;
        };
        repaired += 1;
        saved += copied.answers;
        assert!(verify(&path, |_, _| {}).unwrap().is_whole());
        let store = open(&path);
        for entry in &entries {
            let found = store.get(&entry.digest).unwrap();
            assert!(found.is_none_or(|found| found == entry.answer));
        }
    }
    assert!(repaired >= 30, "{repaired} of 40");
    assert!(
        saved >= repaired * 250,
        "{saved} answers of {repaired} times 300"
    );
}

#[test]
fn a_copy_that_cannot_be_made_leaves_the_store_as_it_was() {
    let folder = folder();
    let path = filled(folder.path(), &entries(50));
    let held = open(&path);
    let busy = copy(&path, Keep::All, Old::Removed, "x", |_, _| {}).unwrap_err();
    assert!(
        matches!(busy, CopyError::Open(OpenError::Busy { .. })),
        "{busy}"
    );
    drop(held);
    let whole = fs::read(&path).unwrap();
    // The place of the new file is taken by something that cannot be removed.
    let new = folder.path().join("store.redb.new");
    fs::create_dir_all(new.join("inside")).unwrap();
    let refused = copy(&path, Keep::All, Old::Removed, "x", |_, _| {}).unwrap_err();
    assert!(matches!(refused, CopyError::File { .. }), "{refused}");
    assert!(fs::read(&path).unwrap() == whole);
    let absent = copy(
        &folder.path().join("absent"),
        Keep::All,
        Old::Removed,
        "x",
        |_, _| {},
    );
    assert!(absent.unwrap_err().to_string().contains("absent"));
}

#[test]
fn a_stream_does_not_depend_on_the_stores_history_and_comes_back_to_the_same_bytes() {
    let folder = folder();
    let entries = entries(300);
    let mut backwards = entries.clone();
    backwards.reverse();
    let exported = |store: &Store| {
        let mut bytes = Vec::new();
        let lines = store.export(&mut bytes, |_| {}).unwrap();
        (lines, bytes)
    };
    let first = open(&filled(&folder.path().join("a"), &entries));
    first
        .put_all(&[(digest(1), answer([0xff, 0xfe, 0]))])
        .unwrap();
    let second = open(&filled(&folder.path().join("b"), &backwards));
    second
        .put_all(&[(digest(1), answer([0xff, 0xfe, 0]))])
        .unwrap();
    let (lines, bytes) = exported(&first);
    assert_eq!(lines, 301);
    assert!(exported(&second).1 == bytes);
    let third = open(&folder.path().join("c"));
    let imported = third.import(bytes.as_slice(), |_| {}).unwrap();
    assert_eq!(imported.stored, 301);
    assert!(exported(&third).1 == bytes, "export, import, export");
    let plain = zstd::decode_all(bytes.as_slice()).unwrap();
    let again = third.import(plain.as_slice(), |_| {}).unwrap();
    assert_eq!(
        again,
        Imported {
            there: 301,
            ..Imported::default()
        }
    );
}

#[test]
fn a_stream_that_was_changed_is_refused_with_its_line() {
    let folder = folder();
    let source = open(&filled(&folder.path().join("a"), &entries(3)));
    let mut bytes = Vec::new();
    source.export(&mut bytes, |_| {}).unwrap();
    let text = String::from_utf8(zstd::decode_all(bytes.as_slice()).unwrap()).unwrap();
    let target = open(&folder.path().join("b"));
    let refuse = |changed: String, words: &str| {
        assert_ne!(changed, text);
        let error = target.import(changed.as_bytes(), |_| {}).unwrap_err();
        assert!(
            matches!(error, StreamError::Line { number: 1, .. }),
            "{error}"
        );
        assert!(error.to_string().contains(words), "{error}");
    };
    refuse(
        text.replacen("common", "cammon", 1),
        "its bind does not fit",
    );
    refuse(
        text.replacen("\"status\":200", "\"status\":201", 1),
        "its bind does not fit",
    );
    refuse(
        text.replacen("\"epoch\":1", "\"epoch\":2", 1),
        "its request is another one",
    );
    refuse(
        text.replacen("\"key\":\"", "\"key\":\"0", 1),
        "its key is no digest",
    );
    refuse(
        text.replacen("{\"key\"", "{\"keys\"", 1),
        "not a line of an export",
    );
    refuse(text.replacen('{', "[", 1), "not a line of an export");
    assert!(target.is_empty().unwrap());
    // Cut short at every place.
    for length in 0..bytes.len() {
        assert!(
            target.import(&bytes[..length], |_| {}).is_err() || length == 0,
            "{length}"
        );
    }
}
