//! Records that changed, or that somebody made to do harm: never a wrong answer, never a panic, and healed by a put.

use crate::format::{INDEX, RECORDS};
use crate::support::{Memory, PutAll, Seeded, answer, digest};
use redb::{Database, ReadableDatabase};
use xhost_store::{Answer, Digest, Put, ReadError, Store};

/// A store with these answers, closed. In memory: a disk's fsyncs would make every byte's turn a slow one.
fn closed(answers: &[(Digest, Answer)]) -> Memory {
    let storage = Memory::new(Vec::new());
    storage.open().unwrap().put_all(answers).unwrap();
    storage
}

/// redb's own handle on a store that is closed.
fn raw(storage: &Memory) -> Database {
    Database::builder()
        .create_with_backend(storage.clone())
        .unwrap()
}

fn raw_record(storage: &Memory, sequence: u64) -> Vec<u8> {
    let database = raw(storage);
    let read = database.begin_read().unwrap();
    let record = read
        .open_table(RECORDS)
        .unwrap()
        .get(sequence)
        .unwrap()
        .unwrap();
    record.value().to_vec()
}

/// Changes records of a store in one commit, and opens it.
fn with_records(
    storage: &Memory,
    records: impl IntoIterator<Item = (Digest, u64, Vec<u8>)>,
) -> Store {
    let database = raw(storage);
    let write = database.begin_write().unwrap();
    for (key, sequence, record) in records {
        write
            .open_table(INDEX)
            .unwrap()
            .insert(key.as_bytes(), sequence)
            .unwrap();
        write
            .open_table(RECORDS)
            .unwrap()
            .insert(sequence, record.as_slice())
            .unwrap();
    }
    write.commit().unwrap();
    drop(database);
    storage.open().unwrap()
}

/// A header's check, made to fit again.
fn checked(mut record: Vec<u8>) -> Vec<u8> {
    let check = blake3::derive_key("xhost 2026-11 record header v1", &record[..94]);
    record[94..98].copy_from_slice(&check[..4]);
    record
}

fn flips_are_damage_and_heal(answer: &Answer) {
    let key = digest(0);
    let storage = closed(&[(key, answer.clone())]);
    let whole = raw_record(&storage, 0);
    let mut numbers = Seeded(whole.len() as u64);
    for place in 0..whole.len() {
        let mut record = whole.clone();
        record[place] ^= 1 << numbers.below(8);
        let store = with_records(&storage, [(key, 0, record)]);
        let read = store.get(&key);
        assert!(
            matches!(read, Err(ReadError::Damaged { .. })),
            "byte {place}: {read:?}"
        );
        assert_eq!(
            store.put_all(&[(key, answer.clone())]).unwrap(),
            [Put::Stored],
            "byte {place}"
        );
        assert_eq!(
            store.get(&key).unwrap().as_ref(),
            Some(answer),
            "byte {place}"
        );
    }
}

#[test]
fn every_flipped_byte_of_a_plain_record_is_damage_and_heals() {
    flips_are_damage_and_heal(&answer("hello"));
}

#[test]
fn every_flipped_byte_of_a_compressed_record_is_damage_and_heals() {
    flips_are_damage_and_heal(&answer("the same words and ".repeat(20)));
}

#[test]
fn every_shorter_record_and_a_longer_one_are_damage() {
    let storage = closed(&[(digest(0), answer("hello"))]);
    let whole = raw_record(&storage, 0);
    let cut = (0..whole.len()).map(|length| whole[..length].to_vec());
    let records: Vec<_> = cut.chain([[whole.as_slice(), &[0]].concat()]).collect();
    for record in records {
        let length = record.len();
        let store = with_records(&storage, [(digest(0), 0, record)]);
        assert!(
            matches!(store.get(&digest(0)), Err(ReadError::Damaged { .. })),
            "{length} bytes"
        );
    }
}

#[test]
fn a_record_under_another_key_and_one_that_is_gone_are_damage_and_heal() {
    let storage = closed(&[(digest(0), answer("zero")), (digest(1), answer("one"))]);
    let other = raw_record(&storage, 1);
    let store = with_records(&storage, [(digest(0), 0, other)]);
    let misplaced = store.get(&digest(0)).unwrap_err();
    let words = format!(
        "the stored answer to {} is not used: it is damaged: it answers another request",
        digest(0)
    );
    assert_eq!(misplaced.to_string(), words);
    assert_eq!(store.get(&digest(1)).unwrap(), Some(answer("one")));
    drop(store);
    let write = raw(&storage).begin_write().unwrap();
    write
        .open_table(INDEX)
        .unwrap()
        .insert(digest(0).as_bytes(), 77)
        .unwrap();
    write.commit().unwrap();
    let store = storage.open().unwrap();
    let gone = store.get(&digest(0)).unwrap_err();
    assert!(gone.to_string().ends_with("its record is gone"), "{gone}");
    assert_eq!(
        store.put_all(&[(digest(0), answer("again"))]).unwrap(),
        [Put::Stored]
    );
    assert_eq!(store.get(&digest(0)).unwrap(), Some(answer("again")));
}

#[test]
fn a_record_of_a_newer_version_is_not_damage_and_stays() {
    let storage = closed(&[(digest(0), answer("hello"))]);
    let whole = raw_record(&storage, 0);
    let cases = [
        (
            0,
            3,
            "it has version 3, and this program reads up to 2: get a newer xhost",
        ),
        (
            1,
            2,
            "its body needs dictionary 0, which this store does not have: get a newer xhost, or the whole store",
        ),
        (
            1,
            9,
            "its body has codec 9, which this program does not know: get a newer xhost",
        ),
    ];
    for (place, value, words) in cases {
        let mut record = whole.clone();
        record[place] = value;
        let store = with_records(&storage, [(digest(0), 0, checked(record))]);
        let error = store.get(&digest(0)).unwrap_err();
        assert!(matches!(error, ReadError::Unsupported { .. }), "{error}");
        let expected = format!("the stored answer to {} cannot be read: {words}", digest(0));
        assert_eq!(error.to_string(), expected);
        assert_eq!(
            store.put_all(&[(digest(0), answer("hello"))]).unwrap(),
            [Put::Conflict]
        );
    }
}

#[test]
fn a_record_that_promises_a_huge_body_takes_no_memory_for_it() {
    let body = vec![0; 1 << 20];
    let storage = closed(&[(digest(0), answer(body))]);
    let whole = raw_record(&storage, 0);
    let cases = [
        (u32::MAX, "it says that its body is larger than any"),
        ((256 << 20) + 1, "it says that its body is larger than any"),
        ((1 << 20) - 1, "its body does not unpack"),
        (0, "its body does not unpack"),
    ];
    for (length, words) in cases {
        let mut record = whole.clone();
        record[6..10].copy_from_slice(&length.to_le_bytes());
        let store = with_records(&storage, [(digest(0), 0, checked(record))]);
        let error = store.get(&digest(0)).unwrap_err().to_string();
        assert!(error.ends_with(words), "{length}: {error}");
    }
}

#[test]
fn hostile_records_are_never_a_panic_or_an_answer() {
    let storage = closed(&[]);
    let mut numbers = Seeded(5);
    let records: Vec<_> = (0..5_000_u64)
        .map(|n| {
            let length = numbers.below(400);
            let mut record = numbers.bytes(length);
            if let Some(header) = record.get_mut(..98) {
                // Past the first checks, so that the later ones are reached.
                header[0] = 1;
                header[1] = (n % 2) as u8;
                header[6..10].copy_from_slice(&((n % 300) as u32).to_le_bytes());
                header[14..18].copy_from_slice(&((n % 100) as u32).to_le_bytes());
                header[30..62].copy_from_slice(digest(n).as_bytes());
                record = checked(record);
            }
            (digest(n), n, record)
        })
        .collect();
    let store = with_records(&storage, records);
    for n in 0..5_000 {
        assert!(
            matches!(store.get(&digest(n)), Err(ReadError::Damaged { .. })),
            "record {n}"
        );
    }
}

#[test]
fn a_forged_meta_part_whose_bind_fits_is_no_panic() {
    let storage = closed(&[(digest(0), answer("hello"))]);
    let whole = raw_record(&storage, 0);
    let mut numbers = Seeded(6);
    let forged = |numbers: &mut Seeded| {
        let mut record = whole.clone();
        for _ in 0..2 {
            record[98 + numbers.below(36)] = numbers.number() as u8;
        }
        let mut bind = blake3::Hasher::new_derive_key("xhost 2026-11 record v1");
        let fields = [&[1], &record[6..30]].concat();
        for part in [&record[30..62], &fields, &record[98..134], &record[134..]] {
            bind.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        let bind = bind.finalize();
        record[62..94].copy_from_slice(bind.as_bytes());
        checked(record)
    };
    let (mut read, mut refused) = (0, 0);
    for _ in 0..100 {
        let store = with_records(&storage, [(digest(0), 0, forged(&mut numbers))]);
        match store.get(&digest(0)) {
            // Whoever can make a bind can make any answer.
            Ok(Some(answer)) if answer.body == "hello" => read += 1,
            Err(ReadError::Damaged { .. }) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(read > 0 && refused > 0, "{read} read, {refused} refused");
}

/// redb trusts a file that was closed well, and panics on some that changed since; the store does not.
#[test]
fn changed_bytes_anywhere_in_the_file_are_never_a_wrong_answer_or_a_panic() {
    let storage = Memory::new(Vec::new());
    let answers: Vec<_> = (0..60)
        .map(|n| (digest(n), answer([n as u8; 300])))
        .collect();
    storage.open().unwrap().put_all(&answers).unwrap();
    let whole = storage.disk().bytes.clone();
    let used: Vec<usize> = (0..whole.len())
        .filter(|place| whole[*place] != 0)
        .collect();
    let mut numbers = Seeded(8);
    let mut noticed = 0;
    for _ in 0..400 {
        let mut bytes = whole.clone();
        for _ in 0..=numbers.below(3) {
            bytes[used[numbers.below(used.len())]] = numbers.number() as u8;
        }
        let Ok(store) = Memory::new(bytes).open() else {
            noticed += 1;
            continue;
        };
        for (digest, answer) in &answers {
            match store.get(digest) {
                Ok(Some(found)) => assert_eq!(found, *answer),
                Ok(None) | Err(_) => noticed += 1,
            }
        }
        // A writer that meets the damage fails, and that is all.
        let _ = store.put_all(&[(Digest::from_bytes([1; 32]), answer("new"))]);
    }
    assert!(noticed > 50, "{noticed}");
}
