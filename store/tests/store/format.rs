//! Bytes that stay readable for years: a record of version 1, the tables, and a record that was written before.

use crate::support::{PutAll, answer, closed_store, folder};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableHandle};
use xhost_store::{Answer, Digest, Options, Put, Store};

pub const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta-1");
pub const INDEX: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("idx-1");
pub const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rec-1");

const KEY: [u8; 32] = [0xa1; 32];

/// The record of `answer("hello")` for the key of 32 times a1. Nothing of it is packed, so that version 1 had the same bytes
/// but for the version and the check.
const GOLDEN: &[(&str, &str)] = &[
    ("version", "02"),
    ("codec: as it is", "00"),
    ("dictionary: none", "00000000"),
    ("length of the body", "05000000"),
    ("status 200", "c800"),
    ("flags", "0000"),
    ("length of the meta part", "24000000"),
    ("created 1790000000000", "006c50c4a0010000"),
    ("latency 1234", "d2040000"),
    (
        "key",
        "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",
    ),
    (
        "bind",
        "991ef56d09aa4ffc16e441c60c81dd0471ab71fd7fce80ee38eb070b19ca95ad",
    ),
    ("check", "067153ad"),
    ("meta: variant 0", "00"),
    ("meta: api, 11 bytes", "0b6f70656e61692e63686174"),
    ("meta: model, 5 bytes", "056770742d78"),
    ("meta: 1 header", "01"),
    ("meta: its name, 12 bytes", "0c782d726571756573742d6964"),
    ("meta: its value, 2 bytes", "027231"),
    ("body", "68656c6c6f"),
];

pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).expect("a digit") as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn golden() -> Vec<u8> {
    GOLDEN.iter().flat_map(|(_, bytes)| unhex(bytes)).collect()
}

/// The record as version 1 had it.
fn golden_of_version_1() -> Vec<u8> {
    let mut record = golden();
    record[0] = 1;
    record[94..98].copy_from_slice(&unhex("cb4748c6"));
    record
}

/// The record with this sequence number.
fn raw_record(path: &std::path::Path, sequence: u64) -> Vec<u8> {
    let database = Database::open(path).unwrap();
    let read = database.begin_read().unwrap();
    let record = read
        .open_table(RECORDS)
        .unwrap()
        .get(sequence)
        .unwrap()
        .unwrap();
    record.value().to_vec()
}

/// Bytes in the place of the record with this sequence number.
fn put_raw(path: &std::path::Path, key: &Digest, sequence: u64, record: &[u8]) {
    let database = Database::open(path).unwrap();
    let write = database.begin_write().unwrap();
    write
        .open_table(INDEX)
        .unwrap()
        .insert(key.as_bytes(), sequence)
        .unwrap();
    write
        .open_table(RECORDS)
        .unwrap()
        .insert(sequence, record)
        .unwrap();
    write.commit().unwrap();
}

#[test]
fn a_record_has_the_golden_bytes() {
    let folder = folder();
    let path = closed_store(folder.path(), &[(Digest::from_bytes(KEY), answer("hello"))]);
    let record = raw_record(&path, 0);
    let mut rest = record.as_slice();
    for (field, expected) in GOLDEN {
        let (bytes, after) = rest.split_at(expected.len() / 2);
        let bytes: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(bytes, *expected, "{field}");
        rest = after;
    }
    assert!(rest.is_empty());
}

#[test]
fn bind_and_check_are_what_the_documentation_says() {
    let record = golden();
    let (header, rest) = record.split_at(98);
    let (meta, body) = rest.split_at(36);
    // The version of what is bound, whatever the record's.
    let fields = [&[1], &header[6..30]].concat();
    let mut bind = blake3::Hasher::new_derive_key("xhost 2026-11 record v1");
    for part in [KEY.as_slice(), &fields, meta, body] {
        bind.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    assert_eq!(bind.finalize().as_bytes(), &header[62..94]);
    let check = blake3::derive_key("xhost 2026-11 record header v1", &header[..94]);
    assert_eq!(check[..4], header[94..]);
}

#[test]
fn a_record_that_was_written_before_is_read() {
    let folder = folder();
    let path = closed_store(folder.path(), &[]);
    let key = Digest::from_bytes(KEY);
    for record in [golden_of_version_1(), golden()] {
        put_raw(&path, &key, 0, &record);
        let store = Store::open(&path, Options::default()).unwrap();
        assert_eq!(store.get(&key).unwrap(), Some(answer("hello")));
    }
}

#[test]
fn a_body_is_compressed_where_that_makes_it_smaller() {
    let folder = folder();
    let body = "the same words and ".repeat(100);
    let key = Digest::from_bytes(KEY);
    let path = closed_store(folder.path(), &[(key, answer(body.as_str()))]);
    let record = raw_record(&path, 0);
    assert_eq!(record[1], 1, "codec");
    assert!(record.len() < 250, "{} bytes", record.len());
    // The first four bytes of every zstd frame.
    assert_eq!(record[98..102], [0x28, 0xb5, 0x2f, 0xfd]);
}

#[test]
fn the_tables_are_the_documented_ones() {
    let folder = folder();
    let twice: [(Digest, Answer); 2] =
        [3, 4].map(|byte| (Digest::from_bytes([byte; 32]), answer([byte])));
    let path = closed_store(folder.path(), &twice);
    let store = Store::open(&path, Options::default()).unwrap();
    assert_eq!(
        store
            .put_all(&[(Digest::from_bytes([1; 32]), answer("third"))])
            .unwrap(),
        [Put::Stored]
    );
    let id = store.id().to_string();
    drop(store);
    let database = Database::open(&path).unwrap();
    let read = database.begin_read().unwrap();
    let mut names: Vec<String> = read
        .list_tables()
        .unwrap()
        .map(|table| table.name().to_owned())
        .collect();
    names.sort();
    let expected = [
        "dict-1",
        "idx-1",
        "journal-1",
        "meta-1",
        "rec-1",
        "req-1",
        "run-1",
        "runseq-1",
    ];
    assert_eq!(names, expected);
    let meta = read.open_table(META).unwrap();
    assert_eq!(meta.get("format").unwrap().unwrap().value(), [3, 0, 0, 0]);
    assert_eq!(
        meta.get("key_schema").unwrap().unwrap().value(),
        b"xhost request v1"
    );
    assert_eq!(meta.get("store_id").unwrap().unwrap().value(), unhex(&id));
    let index = read.open_table(INDEX).unwrap();
    let index: Vec<(u8, u64)> = index
        .iter()
        .unwrap()
        .map(|row| row.unwrap())
        .map(|(key, to)| (key.value()[0], to.value()))
        .collect();
    assert_eq!(index, [(1, 2), (3, 0), (4, 1)]);
}
