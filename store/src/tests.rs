//! The store against faults: damaged bytes, full disks, lost power, other programs' files.

use crate::{Answer, Digest, OpenError, Options, Put, ReadError, Spill, Store, record};
use bytes::Bytes;
use redb::{Database, StorageBackend, TableDefinition};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

fn answer(text: &str) -> Answer {
    Answer {
        body: Bytes::from(text.to_owned()),
        status: 200,
        api: "openai.chat".into(),
        model: "m".into(),
        headers: vec![("x-request-id".into(), "r".into())],
        created_ms: 1_790_000_000_123,
        latency_ms: 321,
    }
}

fn key(number: u32) -> Digest {
    Digest::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

fn open(folder: &Path) -> Store {
    Store::open(&folder.join("s.redb"), Options::default()).expect("it opens")
}

#[test]
fn the_bytes_of_a_record_never_change() {
    let bytes = record::encode(&Digest::from_bytes([0x11; 32]), &answer("{}"));
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = concat!(
        "01",                                                               // format
        "00",                                                               // codec: as it is
        "c800",                                                             // status 200
        "00000000",                                                         // dictionary
        "02000000",                                                         // length of the body
        "1f000000",         // length of the meta part
        "7bb84dc4a0010000", // created
        "41010000",         // latency
        "00000000",         // flags
        "1111111111111111111111111111111111111111111111111111111111111111", // request
        "GOLDEN-BIND",
        "0b6f70656e61692e63686174",         // api
        "016d",                             // model
        "010c782d726571756573742d69640172", // headers
        "7b7d",                             // body
    );
    let bind = blake3::Hash::from_bytes(std::array::from_fn(|index| bytes[64 + index])).to_hex();
    assert_eq!(hex, expected.replace("GOLDEN-BIND", &bind));
    assert_eq!(bind.as_str(), BIND);
}

const BIND: &str = "";

#[test]
fn what_was_put_is_there_after_opening_again_and_the_first_answer_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let long = answer(&"a long answer that compresses well; ".repeat(100));
    {
        let store = open(folder.path());
        assert_eq!(
            store
                .commit(&[(key(1), answer("one")), (key(2), long.clone())])
                .expect("it commits"),
            [Put::Stored, Put::Stored]
        );
        let again = store
            .commit(&[(key(1), answer("one")), (key(1), answer("other"))])
            .expect("it commits");
        assert_eq!(again, [Put::AlreadyThere, Put::Conflict]);
    }
    let store = open(folder.path());
    assert_eq!(store.get(&key(1)).expect("readable"), Some(answer("one")));
    assert_eq!(store.get(&key(2)).expect("readable"), Some(long));
    assert_eq!(store.get(&key(3)).expect("readable"), None);
    assert_eq!(store.len().expect("readable"), 2);
}

#[test]
fn every_flipped_bit_of_a_record_is_found_out_and_another_answer_takes_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let right = answer(&"words and more words, ".repeat(30));
    let bytes = record::encode(&key(1), &right);
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        match record::decode(&key(1), &damaged) {
            Err(_) => {}
            // The dictionary's number and the codec are not part of what is bound: the answer must still be right.
            Ok(found) => assert_eq!(found, right, "bit {bit}"),
        }
    }
    assert!(
        record::decode(&key(2), &bytes).is_err(),
        "a record answers no other request"
    );
    store
        .commit(&[(key(1), right.clone())])
        .expect("it commits");
    overwrite(&store, 0, &bytes[..50]);
    assert!(matches!(store.get(&key(1)), Err(ReadError::Record { .. })));
    assert_eq!(
        store
            .commit(&[(key(1), right.clone())])
            .expect("it commits"),
        [Put::Stored]
    );
    assert_eq!(store.get(&key(1)).expect("readable"), Some(right));
}

fn overwrite(store: &Store, sequence: u64, bytes: &[u8]) {
    const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rec-1");
    let write = store.database().begin_write().expect("it begins");
    write
        .open_table(RECORDS)
        .expect("a table")
        .insert(sequence, bytes)
        .expect("it goes in");
    write.commit().expect("it commits");
}

#[test]
fn hostile_records_are_errors_and_take_no_memory() {
    let whole = record::encode(&key(1), &answer(&"x".repeat(500)));
    for length in 0..whole.len() {
        assert!(
            record::decode(&key(1), &whole[..length]).is_err(),
            "cut at {length}"
        );
    }
    let mut bomb = whole;
    bomb[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(record::decode(&key(1), &bomb).is_err());
}

#[test]
fn what_is_no_store_or_somebody_elses_is_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.redb");
    let check = |expected: &str| {
        let error = Store::open(&path, Options::default())
            .err()
            .expect("it is refused")
            .to_string();
        assert!(error.contains(expected), "`{expected}` is not in: {error}");
    };
    std::fs::write(&path, "not a store").expect("it can be written");
    check("is not a store of xhost");
    std::fs::write(&path, "").expect("it can be written");
    check("is not a store of xhost");
    std::fs::remove_file(&path).expect("it is there");
    std::fs::create_dir(&path).expect("it can be made");
    check("no regular file");
    std::fs::remove_dir(&path).expect("it is there");
    drop(Database::create(&path).expect("a database"));
    check("another program");
    std::fs::remove_file(&path).expect("it is there");
    let store = open(folder.path());
    check("in use by another process");
    let write = store.database().begin_write().expect("it begins");
    write
        .open_table(crate::store::META)
        .expect("a table")
        .insert("format", 9_u32.to_le_bytes().as_slice())
        .expect("it goes in");
    write.commit().expect("it commits");
    drop(store);
    check("has format 9, and this version reads up to 1");
}

#[test]
fn a_store_is_nobody_elses_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new/s.redb");
    drop(Store::open(&path, Options::default()).expect("it opens"));
    let mode = |path: &Path| {
        std::fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        (mode(&path), mode(path.parent().expect("a folder"))),
        (0o600, 0o700)
    );
}

#[test]
fn spilled_answers_are_taken_in_once_and_a_torn_line_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let mut spill = Spill::create(store.path(), folder.path()).expect("it is made");
    for number in 0..3 {
        spill
            .append(&key(number), &answer(&format!("answer {number}")))
            .expect("it is kept");
    }
    let path = spill.path().to_path_buf();
    drop(spill);
    let whole = std::fs::read(&path).expect("it is there");
    std::fs::write(&path, &whole[..whole.len() - 20]).expect("it can be written");
    let absorbed = store.absorb_spills(folder.path()).expect("it is taken in");
    assert_eq!((absorbed.answers, absorbed.damaged), (2, 1));
    assert_eq!(
        store.get(&key(1)).expect("readable"),
        Some(answer("answer 1"))
    );
    assert!(path.with_extension("damaged").exists() && !path.exists());
    assert_eq!(
        store
            .absorb_spills(folder.path())
            .expect("nothing is left")
            .messages(),
        Vec::<String>::new()
    );
}

/// A disk in memory that can lose power: what was synced is safe, and of the rest any part may be there.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    now: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<(u64, Vec<u8>)>,
    /// Syncs that still succeed; `None` for all.
    syncs_left: Option<u32>,
    ignores_sync: bool,
}

impl Disk {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("nobody panicked")
    }

    /// The disk after the power came back: synced bytes, and a part of the others that `chance` picks, some torn.
    fn after_power_cut(&self, mut chance: impl FnMut(u32) -> u32) -> Disk {
        let state = self.state();
        let mut image = state.synced.clone();
        for (offset, bytes) in &state.unsynced {
            let kept = match chance(3) {
                0 => continue,
                1 => bytes.as_slice(),
                _ => &bytes[..bytes.len() * chance(8) as usize / 8],
            };
            let end = *offset as usize + kept.len();
            if image.len() < end {
                image.resize(end, 0);
            }
            image[*offset as usize..end].copy_from_slice(kept);
        }
        Disk(Arc::new(Mutex::new(State {
            now: image.clone(),
            synced: image,
            ..State::default()
        })))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let start = offset as usize;
        let bytes = state
            .now
            .get(start..start + out.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.state();
        state.now.resize(length as usize, 0);
        state.synced.resize(length as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        match &mut state.syncs_left {
            Some(0) => return Err(io::Error::from(io::ErrorKind::StorageFull)),
            Some(left) => *left -= 1,
            None => {}
        }
        if !state.ignores_sync {
            state.synced = state.now.clone();
            state.unsynced.clear();
        }
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let start = offset as usize;
        state.now[start..start + bytes.len()].copy_from_slice(bytes);
        state.unsynced.push((offset, bytes.to_vec()));
        Ok(())
    }
}

fn over(disk: &Disk) -> Result<Store, String> {
    let database = Database::builder()
        .create_with_backend(disk.clone())
        .map_err(|e| e.to_string())?;
    Store::over(database, Path::new("disk"))
}

fn fresh(disk: &Disk) -> Store {
    let store = over(disk).expect("it opens");
    store.initialise().expect("tables");
    store
}

/// Small and seeded: the same images in every run.
fn chances(mut seed: u64) -> impl FnMut(u32) -> u32 {
    move |bound| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u32 % bound
    }
}

/// Cuts the power at many moments of a run of commits. Returns how many acknowledged answers were lost, or stores that did
/// not open.
fn lost_in_power_cuts(ignores_sync: bool) -> usize {
    let mut lost = 0;
    for seed in 0..60 {
        let mut chance = chances(seed);
        let disk = Disk::default();
        let store = fresh(&disk);
        disk.state().ignores_sync = ignores_sync;
        let mut acknowledged = BTreeMap::new();
        let commits = 1 + chance(12);
        for commit in 0..commits {
            let group: Vec<_> = (0..1 + chance(20))
                .map(|number| {
                    (
                        key(commit * 100 + number),
                        answer(&format!("{seed} {commit} {number}")),
                    )
                })
                .collect();
            store.commit(&group).expect("the disk works");
            acknowledged.extend(
                group
                    .into_iter()
                    .map(|(digest, answer)| (digest, answer.body)),
            );
        }
        for _ in 0..5 {
            let image = disk.after_power_cut(&mut chance);
            let Ok(store) = over(&image) else {
                lost += 1;
                continue;
            };
            let missing = acknowledged
                .iter()
                .filter(|(digest, body)| match store.get(digest) {
                    Ok(Some(found)) => {
                        assert_eq!(&found.body, *body, "never a wrong answer");
                        false
                    }
                    _ => true,
                });
            lost += missing.count();
        }
    }
    lost
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_power_is_cut() {
    assert_eq!(lost_in_power_cuts(false), 0);
}

#[test]
fn a_disk_that_ignores_sync_is_found_out_by_the_test_above() {
    assert!(lost_in_power_cuts(true) > 0);
}

#[test]
fn after_a_failed_commit_nothing_more_is_acknowledged_and_what_was_is_there() {
    for failing in 0..6 {
        let disk = Disk::default();
        let store = fresh(&disk);
        store
            .commit(&[(key(0), answer("kept"))])
            .expect("the disk works");
        disk.state().syncs_left = Some(failing);
        let mut failed_at = None;
        for number in 1..10 {
            match (store.commit(&[(key(number), answer("later"))]), failed_at) {
                (Ok(_), None) => {}
                (Ok(_), Some(first)) => {
                    panic!("commit {number} was acknowledged after commit {first} had failed")
                }
                (Err(_), _) => failed_at = failed_at.or(Some(number)),
            }
        }
        let first = failed_at.expect("the disk fails");
        drop(store);
        disk.state().syncs_left = None;
        let again = over(&disk).expect("it opens again");
        for number in 0..first {
            assert!(
                again.get(&key(number)).expect("readable").is_some(),
                "answer {number} of {first}"
            );
        }
    }
}
