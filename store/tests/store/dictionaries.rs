//! Dictionaries: trained from what is stored, kept for ever, and nothing is lost where one is damaged.

use crate::format::{INDEX, META, RECORDS};
use crate::support::{Memory, answer, asked};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use xhost_store::{Digest, Entry, ReadError, Store};

const DICTIONARIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("dict-1");

/// An answer as chat APIs give them: much of it is in all of them.
fn chat(number: u64) -> Entry {
    let words = [
        "apples", "trains", "minutes", "dollars", "eggs", "pages", "miles",
    ];
    let word =
        |n: u64| words[(number.wrapping_mul(2_654_435_761).rotate_left(n as u32) % 7) as usize];
    let body = format!(
        "{{\"id\":\"chatcmpl-{:016x}\",\"object\":\"chat.completion\",\"created\":{},\"model\":\"gpt-x\",\"choices\":[{{\"index\":0,\
         \"message\":{{\"role\":\"assistant\",\"content\":\"There are {} {} and {} {}, so in all there are {} {}.\",\"refusal\":null,\
         \"annotations\":[]}},\"logprobs\":null,\"finish_reason\":\"stop\"}}],\"usage\":{{\"prompt_tokens\":{},\
         \"completion_tokens\":{},\"total_tokens\":{}}},\"service_tier\":\"default\",\"system_fingerprint\":\"fp_1\"}}",
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        1_790_000_000 + number,
        number % 97,
        word(1),
        number % 89,
        word(9),
        number % 97 + number % 89,
        word(5),
        80 + number % 60,
        20 + number % 30,
        100 + number % 90,
    );
    asked(number, answer(body))
}

fn fill(store: &Store, numbers: std::ops::Range<u64>) -> Vec<Entry> {
    let entries: Vec<Entry> = numbers.map(chat).collect();
    for group in entries.chunks(64) {
        store.commit(group).unwrap();
    }
    entries
}

fn raw(storage: &Memory) -> Database {
    Database::builder()
        .create_with_backend(storage.clone())
        .unwrap()
}

/// How many records have each codec, and the bytes of those with a dictionary against those of their bodies.
fn codecs(storage: &Memory) -> ([u64; 3], f64) {
    let database = raw(storage);
    let read = database.begin_read().unwrap();
    let (mut counts, mut packed, mut plain) = ([0; 3], 0, 0);
    for row in read.open_table(RECORDS).unwrap().iter().unwrap() {
        let (_, record) = row.unwrap();
        let record = record.value();
        counts[usize::from(record[1])] += 1;
        if record[1] == 2 {
            packed += record.len();
            plain += u32::from_le_bytes(record[6..10].try_into().unwrap()) as usize;
        }
    }
    (counts, packed as f64 / f64::from(plain as u32))
}

fn all_there(store: &Store, entries: &[Entry]) {
    for entry in entries {
        assert_eq!(
            store.get(&entry.digest).unwrap().as_ref(),
            Some(&entry.answer)
        );
        let request = store.request(&entry.digest).unwrap().unwrap();
        assert_eq!(
            Some(request.sent().to_bytes()),
            entry.request.as_deref().map(<[u8]>::to_vec)
        );
    }
}

#[test]
fn a_dictionary_is_trained_when_there_is_enough_and_old_records_stay_readable() {
    let storage = Memory::new(Vec::new());
    let store = storage.open().unwrap();
    let mut entries = fill(&store, 0..48);
    drop(store);
    assert_eq!(codecs(&storage).0[2], 0, "not yet");
    let store = storage.open().unwrap();
    entries.extend(fill(&store, 48..1_024));
    all_there(&store, &entries);
    drop(store);
    let (counts, ratio) = codecs(&storage);
    // The commit with the 64th answer is packed without it.
    assert_eq!((counts[0], counts[2]), (0, 1_024 - 112), "{counts:?}");
    // Little text in much of a form: it is the header that weighs here.
    assert!(ratio < 0.45, "{ratio}");
    let database = raw(&storage);
    let rows = database
        .begin_read()
        .unwrap()
        .open_table(DICTIONARIES)
        .unwrap();
    let numbers: Vec<u64> = rows
        .iter()
        .unwrap()
        .map(|row| row.unwrap().0.value())
        .collect();
    assert_eq!(numbers[..2], [2, 3], "the first dictionary, twice");
    drop((rows, database));
    all_there(&storage.open().unwrap(), &entries);
}

#[test]
fn a_dictionary_is_looked_at_again_when_the_store_has_grown_and_the_old_one_stays() {
    let storage = Memory::new(Vec::new());
    let store = storage.open().unwrap();
    // The first ones have nothing in common with the rest.
    let early: Vec<Entry> = (0..256)
        .map(|n| {
            asked(
                n,
                answer(format!(
                    "<answer n='{n}'><text>{}</text></answer>",
                    n * 7_919
                )),
            )
        })
        .collect();
    for group in early.chunks(64) {
        store.commit(group).unwrap();
    }
    let late = fill(&store, 256..4_200);
    drop(store);
    let database = raw(&storage);
    let read = database.begin_read().unwrap();
    let rows = read.open_table(DICTIONARIES).unwrap();
    let last = rows.last().unwrap().unwrap().0.value();
    assert!(last / 2 > 2, "more than one of each kind: {last}");
    drop((rows, read, database));
    let store = storage.open().unwrap();
    all_there(&store, &early);
    all_there(&store, &late);
}

#[test]
fn one_damaged_copy_of_a_dictionary_is_no_loss_and_two_are_not_paid_for_again() {
    let storage = Memory::new(Vec::new());
    let store = storage.open().unwrap();
    let entries = fill(&store, 0..512);
    drop(store);
    let damage = |row: u64| {
        let write = raw(&storage).begin_write().unwrap();
        {
            let mut table = write.open_table(DICTIONARIES).unwrap();
            let mut bytes = table.get(row).unwrap().unwrap().value().to_vec();
            bytes[500] ^= 4;
            table.insert(row, bytes.as_slice()).unwrap();
        }
        write.commit().unwrap();
    };
    damage(2);
    all_there(&storage.open().unwrap(), &entries);
    damage(3);
    let store = storage.open().unwrap();
    let error = store.get(&entries[400].digest).unwrap_err();
    assert!(matches!(error, ReadError::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("dictionary 1"), "{error}");
    let again = store.commit(&entries[400..401]).unwrap();
    assert_eq!(again, [xhost_store::Put::Conflict], "it is not replaced");
    assert_eq!(
        store.get(&entries[0].digest).unwrap().as_ref(),
        Some(&entries[0].answer)
    );
}

/// A dictionary of no form, under number 7, and the record that an answer becomes with it.
const WORDS: &[u8] =
    b"There are apples and eggs, so in all there are more of them than of pages and of miles: ";

/// The record of `answer(WORDS twice)` for the key of 32 times a1, packed with that dictionary.
const GOLDEN: &[(&str, &str)] = &[
    ("version", "02"),
    ("codec: zstd with a dictionary", "02"),
    ("dictionary 7", "07000000"),
    ("length of the body, unpacked", "b0000000"),
    ("status 200", "c800"),
    ("flags", "0000"),
    ("length of the meta part, unpacked", "24000000"),
    ("created 1790000000000", "006c50c4a0010000"),
    ("latency 1234", "d2040000"),
    (
        "key",
        "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",
    ),
    (
        "bind",
        "48dbda0f36469a73461599b326647f7071d3cac0bf2126af8810b0079786394c",
    ),
    ("check", "30ac495e"),
    ("packed: meta part and body, the magic of zstd", "28b52ffd"),
    ("a length of one byte, and no number of a dictionary", "20"),
    ("212 bytes unpacked", "d4"),
    ("one block, the last one", "7d0100"),
    (
        "40 literals, which are the meta part",
        "4402000b6f70656e61692e63686174056770742d78010c782d726571756573742d696402723102",
    ),
    (
        "two sequences, which copy from the dictionary",
        "00b5c50458ff149e",
    ),
];

fn golden() -> Vec<u8> {
    GOLDEN
        .iter()
        .flat_map(|(_, bytes)| crate::format::unhex(bytes))
        .collect()
}

/// An empty store that packs with that dictionary.
fn with_words() -> Memory {
    let storage = Memory::new(Vec::new());
    drop(storage.open().unwrap());
    let number = 7_u32.to_le_bytes();
    let named = [number.as_slice(), WORDS].concat();
    let check = blake3::derive_key("xhost 2026-11 dictionary v1", &named);
    let row = [check.as_slice(), WORDS].concat();
    let write = raw(&storage).begin_write().unwrap();
    {
        let mut dictionaries = write.open_table(DICTIONARIES).unwrap();
        for place in [14, 15] {
            dictionaries.insert(place, row.as_slice()).unwrap();
        }
        let mut meta = write.open_table(META).unwrap();
        meta.insert("dictionary_answers", number.as_slice())
            .unwrap();
    }
    write.commit().unwrap();
    storage
}

#[test]
fn a_record_that_is_packed_with_a_dictionary_has_the_golden_bytes_and_is_read() {
    let key = Digest::from_bytes([0xa1; 32]);
    let whole = answer(WORDS.repeat(2));
    let storage = with_words();
    storage
        .open()
        .unwrap()
        .commit(&[Entry::from((key, whole.clone()))])
        .unwrap();
    let database = raw(&storage);
    let read = database.begin_read().unwrap();
    let record = read.open_table(RECORDS).unwrap().get(0).unwrap().unwrap();
    let mut rest = record.value();
    for (field, expected) in GOLDEN {
        let length = rest.len().min(expected.len() / 2);
        let (bytes, after) = rest.split_at(length);
        let bytes: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(bytes, *expected, "{field}");
        rest = after;
    }
    assert!(rest.is_empty(), "{rest:02x?}");
    drop((record, read, database));
    // As it was written before, into another store.
    let storage = with_words();
    let write = raw(&storage).begin_write().unwrap();
    {
        let mut records = write.open_table(RECORDS).unwrap();
        records.insert(5, golden().as_slice()).unwrap();
        let mut index = write.open_table(INDEX).unwrap();
        index.insert(key.as_bytes(), 5).unwrap();
    }
    write.commit().unwrap();
    assert_eq!(storage.open().unwrap().get(&key).unwrap(), Some(whole));
}
