//! The log: what stands in it alone is stored, whatever its end looks like; what is not whole is told, or refused.

use crate::support::{Event, Memory, Part, PutAll, Seeded, answer, asked, digest, folder, run};
use std::fs;
use std::path::{Path, PathBuf};
use xhost_store::{
    Change, Entry, Group, Keep, Old, OpenError, Options, Put, Store, Touched, Trouble, Wish, copy,
    verify,
};

const BLOCK: usize = 4_096;

/// A store as it is after a kill, with these answers stored one by one: the first ones in the tables, the rest in the log.
fn killed(count: u64) -> Memory {
    let storage = Memory::new(Vec::new());
    let store = storage.open().unwrap();
    for n in 0..count {
        store.commit(&[entry(n)]).unwrap();
    }
    storage.killed()
}

fn entry(number: u64) -> Entry {
    asked(number, answer(format!("answer {number}")))
}

/// How many answers there are; the first ones, and no others.
fn answers(store: &Store) -> u64 {
    let count = store.len().unwrap();
    for n in 0..count {
        let expected = entry(n);
        let found = store.get(&expected.digest).unwrap();
        assert_eq!(found, Some(expected.answer), "answer {n} of {count}");
        assert!(store.request(&expected.digest).unwrap().is_some());
    }
    assert_eq!(store.stat().unwrap().superseded, 0);
    count
}

/// Files as a kill at this moment leaves them, in a folder of their own.
fn after_a_kill(path: &Path, folder: &Path) -> PathBuf {
    let copy = folder.join("store.redb");
    fs::copy(path, &copy).unwrap();
    fs::copy(log_of(path), log_of(&copy)).unwrap();
    copy
}

fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".log");
    PathBuf::from(name)
}

/// Two folders: a store that was killed is in the second.
fn killed_files(count: u64) -> (tempfile::TempDir, PathBuf) {
    let (first, second) = (folder(), folder());
    let path = first.path().join("s");
    let store = Store::open(&path, Options::default()).unwrap();
    for n in 0..count {
        store.commit(&[entry(n)]).unwrap();
    }
    let path = after_a_kill(&path, second.path());
    (second, path)
}

fn open(path: &Path) -> Result<Store, OpenError> {
    Store::open(path, Options::default())
}

#[test]
fn what_the_log_alone_has_comes_back_with_all_that_belongs_to_it() {
    let storage = Memory::new(Vec::new());
    let store = storage.open().unwrap();
    for n in 0..20 {
        store.commit(&[entry(n)]).unwrap();
    }
    let run = store.begin_run(run("p", 1)).unwrap();
    let put = |key: &str| Change::Put {
        key: key.into(),
        value: b"state".to_vec(),
    };
    let touched = Touched {
        run,
        number: 0,
        digests: vec![digest(1)],
    };
    store
        .commit_group(&Group {
            entries: &[entry(20), entry(3)],
            journal: &[put("a"), put("b")],
            touched: &[touched],
        })
        .unwrap();
    let delete = Change::Delete { key: b"a".to_vec() };
    store.journal(&[delete]).unwrap();
    let replaced = Entry {
        answer: answer("another"),
        wish: Wish::Replace,
        ..entry(20)
    };
    assert_eq!(store.commit(&[replaced]).unwrap(), [Put::Replaced]);
    let tables = Memory::with_log(storage.disk().bytes.clone(), Vec::new());
    assert!(
        matches!(tables.open(), Err(OpenError::Log { .. })),
        "without the log it would be another store"
    );
    let mut again = storage.killed();
    // The second time, what came back is in a log again.
    for round in 0..3 {
        assert!(again.verify().unwrap().is_whole());
        let store = again.open().unwrap();
        assert_eq!(store.len().unwrap(), 21 + round);
        assert_eq!(
            store.get(&entry(20).digest).unwrap(),
            Some(answer("another"))
        );
        assert_eq!(store.stat().unwrap().superseded, 1, "it is replaced once");
        assert_eq!(store.journal_get(b"a").unwrap(), None);
        assert_eq!(store.journal_get(b"b").unwrap().unwrap(), b"state");
        let touched: Vec<_> = store.touched(run.id).map(Result::unwrap).collect();
        assert_eq!(touched, [vec![digest(1)]]);
        store.commit(&[entry(100 + round)]).unwrap();
        again = again.killed();
    }
}

#[test]
fn a_log_comes_after_some_small_commits_and_goes_when_the_store_is_closed() {
    let folder = folder();
    let path = folder.path().join("s");
    let log = log_of(&path);
    let store = open(&path).unwrap();
    let large: Vec<Entry> = (10_000..12_000)
        .map(|n| asked(n, answer(Seeded(n).bytes(400))))
        .collect();
    for some in large.chunks(200) {
        store.commit(some).unwrap();
    }
    assert!(!log.exists(), "large commits need none");
    for n in 0..40 {
        store.commit(&[entry(n)]).unwrap();
    }
    let length = fs::metadata(&log).unwrap().len();
    drop(store);
    assert!(!log.exists());
    let store = open(&path).unwrap();
    assert_eq!(store.len().unwrap(), 2_040);
    for n in 40..1_000 {
        store.commit(&[entry(n)]).unwrap();
    }
    assert_eq!(fs::metadata(&log).unwrap().len(), length, "it never grows");
}

/// The end of the log as a power cut may leave it: the last frame up to any byte, and then zeros, or noise.
#[test]
fn a_log_that_is_cut_at_any_byte_costs_what_was_not_acknowledged() {
    let storage = killed(20);
    let (bytes, log) = storage.files();
    let used = log.iter().rposition(|byte| *byte != 0).unwrap();
    let last = used / BLOCK * BLOCK;
    for cut in last..=used {
        for noise in [0, 0xff] {
            let mut log = log.clone();
            log[cut..=used].fill(noise);
            let storage = Memory::with_log(bytes.clone(), log);
            let store = storage.open().unwrap();
            assert_eq!(store.len().unwrap(), 19, "cut at {cut}");
            let told = store.absorb_spills(Path::new("nowhere")).unwrap().torn;
            assert_eq!(told, cut > last || noise > 0, "cut at {cut}");
            if cut % 32 > 0 {
                continue;
            }
            assert_eq!(answers(&store), 19, "cut at {cut}");
            assert_eq!(storage.killed().verify().unwrap().is_whole(), !told);
            // What is stored now takes the place of the piece.
            store.commit(&[entry(19)]).unwrap();
            assert_eq!(answers(&storage.killed().open().unwrap()), 20);
        }
    }
}

#[test]
fn a_damaged_commit_in_the_middle_is_refused_and_repair_keeps_the_others() {
    let (_folder, path) = killed_files(30);
    let mut log = fs::read(log_of(&path)).unwrap();
    let hit = BLOCK * 5 + 60;
    log[hit] ^= 1;
    fs::write(log_of(&path), &log).unwrap();
    let refused = open(&path).unwrap_err();
    let words = format!(
        "the store {} was not closed, and its log {}, which has the last answers, is damaged: put it back, or keep what is whole by `xhost store verify --repair`",
        path.display(),
        log_of(&path).display()
    );
    assert_eq!(refused.to_string(), words);
    let report = verify(&path, |_, _| {}).unwrap();
    let troubles: Vec<_> = report.findings.iter().map(|finding| finding.what).collect();
    assert_eq!(troubles, [Trouble::Log], "{report:?}");
    let collected = copy(&path, Keep::All, Old::Removed, "gc", |_, _| {});
    assert_eq!(collected.unwrap_err().to_string(), words);
    let repaired = copy(&path, Keep::All, Old::Kept, "repair", |_, _| {}).unwrap();
    assert_eq!(repaired.answers, 29);
    let old = repaired.old.unwrap();
    assert_eq!(fs::read(log_of(&old)).unwrap(), log, "with the old file");
    assert!(!log_of(&path).exists());
    assert!(verify(&path, |_, _| {}).unwrap().is_whole());
    assert_eq!(open(&path).unwrap().len().unwrap(), 29);
}

#[test]
fn a_log_that_is_gone_or_another_stores_is_refused() {
    let (_folder, path) = killed_files(30);
    let log = fs::read(log_of(&path)).unwrap();
    let (_other_folder, other) = killed_files(30);
    fs::copy(log_of(&other), log_of(&path)).unwrap();
    for round in 0..2 {
        let words = open(&path).unwrap_err().to_string();
        assert!(words.contains("is not there: put it back"), "{words}");
        let report = verify(&path, |_, _| {}).unwrap();
        assert_eq!(report.findings.len(), 1, "{report:?}");
        if round == 0 {
            fs::remove_file(log_of(&path)).unwrap();
        }
    }
    fs::write(log_of(&path), &log).unwrap();
    assert_eq!(answers(&open(&path).unwrap()), 30);
}

/// What a crash leaves between two steps: a log that no store names yet, or none any more.
#[test]
fn a_log_that_the_store_does_not_name_is_no_part_of_it_and_is_replaced() {
    let (_folder, path) = killed_files(30);
    let log = fs::read(log_of(&path)).unwrap();
    drop(open(&path).unwrap());
    let (_other_folder, other) = killed_files(25);
    let foreign = fs::read(log_of(&other)).unwrap();
    let strangers = [log, foreign, b"xhostlog\x01\0\0\0".to_vec(), Vec::new()];
    for (round, stranger) in (1..).zip(strangers) {
        fs::write(log_of(&path), stranger).unwrap();
        fs::write(path.with_file_name(".new-log-left"), b"some of it").unwrap();
        assert!(verify(&path, |_, _| {}).unwrap().is_whole());
        let store = open(&path).unwrap();
        for n in answers(&store)..30 + round * 12 {
            store.commit(&[entry(n)]).unwrap();
        }
        let folder = folder();
        let killed = after_a_kill(&path, folder.path());
        assert_eq!(answers(&open(&killed).unwrap()), 30 + round * 12);
    }
}

#[test]
fn a_store_that_was_killed_is_written_anew_with_what_its_log_has() {
    let (_folder, path) = killed_files(30);
    let copied = copy(&path, Keep::All, Old::Removed, "compact", |_, _| {}).unwrap();
    assert_eq!(copied.answers, 30);
    assert!(!log_of(&path).exists());
    assert_eq!(answers(&open(&path).unwrap()), 30);
}

/// What a single answer costs to be durable, in the tables and in the log.
#[test]
fn a_small_commit_is_one_write_and_one_sync() {
    let storage = killed(3);
    let store = storage.open().unwrap();
    storage.disk().events.clear();
    store.commit(&[entry(3)]).unwrap();
    let (syncs, others): (Vec<_>, Vec<_>) = storage
        .disk()
        .events
        .drain(..)
        .partition(|(_, event)| matches!(event, Event::Sync));
    eprintln!(
        "in the tables: {} syncs, {} writes",
        syncs.len(),
        others.len()
    );
    assert_eq!(syncs.len(), 2);
    let storage = killed(20);
    let store = storage.open().unwrap();
    let mut grown = 0;
    for n in 20..60 {
        storage.disk().events.clear();
        store.commit(&[entry(n)]).unwrap();
        let events = std::mem::take(&mut storage.disk().events);
        // redb doubles the length of its file when it is full, and syncs that.
        let grows = |(part, event): &(Part, Event)| {
            *part == Part::Tables && matches!(event, Event::SetLen(_))
        };
        if events.iter().any(grows) {
            grown += 1;
            continue;
        }
        let [
            (Part::Log, Event::Write(_, bytes)),
            (Part::Log, Event::Sync),
        ] = events.as_slice()
        else {
            panic!("answer {n}: {events:?}");
        };
        assert_eq!(bytes.len(), 2 * BLOCK);
    }
    assert!(grown <= 2, "{grown}");
}

#[test]
fn a_commit_that_changes_nothing_writes_nothing() {
    let storage = killed(20);
    let store = storage.open().unwrap();
    storage.disk().events.clear();
    let again = Entry {
        answer: answer("another"),
        ..entry(4)
    };
    let puts = store.commit(&[entry(3), again]).unwrap();
    assert_eq!(puts, [Put::AlreadyThere, Put::Conflict]);
    assert!(storage.disk().events.is_empty());
}

#[test]
fn where_no_log_can_be_made_answers_are_stored_without() {
    let folder = folder();
    let path = folder.path().join("s");
    fs::create_dir_all(log_of(&path).join("full")).unwrap();
    let store = open(&path).unwrap();
    for n in 0..30 {
        store.commit(&[entry(n)]).unwrap();
    }
    drop(store);
    assert_eq!(answers(&open(&path).unwrap()), 30);
}

/// An answer may hold any bytes, those of a frame too.
#[test]
fn a_frame_inside_of_an_answer_is_none() {
    let storage = killed(20);
    let frames = storage.disk().log[BLOCK..BLOCK * 3].to_vec();
    let store = storage.open().unwrap();
    let body = [vec![7; 2_000], frames].concat();
    let whole = asked(20, answer(body));
    store.commit(std::slice::from_ref(&whole)).unwrap();
    let store = storage.killed().open().unwrap();
    assert_eq!(store.len().unwrap(), 21);
    assert_eq!(store.get(&whole.digest).unwrap(), Some(whole.answer));
}

#[test]
fn a_log_has_the_documented_bytes() {
    let storage = Memory::new(Vec::new());
    let store = storage.open().unwrap();
    for n in 0..9 {
        store.put_all(&[(digest(n), answer("x"))]).unwrap();
    }
    let put = Change::Put {
        key: b"k".to_vec(),
        value: b"v".to_vec(),
    };
    let delete = Change::Delete {
        key: b"gone".to_vec(),
    };
    store.journal(&[put, delete]).unwrap();
    let log = storage.disk().log.clone();
    let id: [u8; 16] = std::array::from_fn(|n| log[12 + n]);
    assert_eq!(log.len(), 1 << 18);
    assert_eq!(log[..12], *b"xhostlog\x01\0\0\0");
    assert!(log[28..BLOCK].iter().all(|byte| *byte == 0));
    // The ninth answer is the first in the log, and the journal's change the second.
    let frame = |number: usize| &log[BLOCK * number..];
    assert_eq!(frame(1)[..8], 1_u64.to_le_bytes());
    let check = blake3::derive_key("xhost 2026-11 journal v1", b"\x01\0\0\0\0\0\0\0kv");
    let rows = [
        // journal-1, put, a key of 1 byte, a value of 18
        b"\x04\x01\x01\0\0\0\x12\0\0\0k\x01".as_slice(),
        &check[..16],
        b"v",
        // journal-1, gone, a key of 4 bytes
        b"\x04\0\x04\0\0\0\0\0\0\0gone",
    ]
    .concat();
    let length = (rows.len() as u32).to_le_bytes();
    let counted = [2_u64.to_le_bytes().as_slice(), &length].concat();
    let mut hasher = blake3::Hasher::new_keyed(&blake3::derive_key("xhost 2026-11 log v1", &id));
    hasher.update(&counted).update(&rows);
    let expected = [&counted, &hasher.finalize().as_bytes()[..16], &rows].concat();
    assert_eq!(frame(2)[..expected.len()], expected);
    assert!(frame(2)[expected.len()..].iter().all(|byte| *byte == 0));
}

/// Written by the version that made this format, killed while its log was in use, and read by every later one.
#[test]
fn a_store_of_the_third_format_is_read_with_its_log() {
    let tables = include_bytes!("../fixtures/format-3.redb.zst");
    let log = include_bytes!("../fixtures/format-3.log.zst");
    let unpacked = |bytes: &[u8]| zstd::decode_all(bytes).unwrap();
    let storage = Memory::with_log(unpacked(tables), unpacked(log));
    assert!(storage.verify().unwrap().is_whole());
    let store = storage.open().unwrap();
    let stat = store.stat().unwrap();
    assert_eq!(
        (stat.answers, stat.requests, stat.runs, stat.journal),
        (120, 120, 1, 30)
    );
    assert!(stat.dictionaries > 0);
    for n in 0..120 {
        let expected = fixed(n);
        let found = store.get(&expected.digest).unwrap();
        assert_eq!(found, Some(expected.answer));
        let request = store.request(&expected.digest).unwrap().unwrap();
        assert_eq!(request.body, format!("{{\"number\":{n}}}"));
    }
    let (id, _) = store.runs().next().unwrap().unwrap();
    assert_eq!(store.touched(id).flat_map(Result::unwrap).count(), 30);
}

fn fixed(n: u64) -> Entry {
    let text = format!("all answers have this in common, and that: {}", n * 7_919);
    asked(n, answer(text))
}
