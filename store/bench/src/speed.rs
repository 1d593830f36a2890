//! Durable puts, into stores that hold some thousands already, and verified gets.

use crate::answers::{entry, groups};
use crate::turns::{compare, computed, timed};
use criterion::Criterion;
use redb::{ReadableDatabase, TableDefinition};
use rusqlite::{Connection, params};
use std::path::Path;
use xhost_store::{Entry, Options, Store};

const BARE: Bare<'_> = TableDefinition::new("bare");
const PACKED: Bare<'_> = TableDefinition::new("packed");

/// What each of the three may keep in memory.
const CACHE: usize = 16 << 20;

pub fn store(path: &Path) -> Store {
    Store::open(path, Options::default()).expect("a store")
}

fn sqlite(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("a database");
    connection
        .execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16384;
             CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;",
        )
        .expect("a table");
    connection
}

fn put_sqlite(connection: &mut Connection, group: &[Entry]) {
    let transaction = connection.transaction().expect("a transaction");
    {
        let mut insert = transaction
            .prepare_cached("INSERT OR IGNORE INTO answers VALUES (?1, ?2)")
            .expect("a statement");
        for entry in group {
            insert
                .execute(params![entry.digest.as_bytes().as_slice(), &entry.answer.body[..]])
                .expect("a row");
        }
    }
    transaction.commit().expect("a commit");
}

pub fn puts(criterion: &mut Criterion, group: usize, texts: &[String]) -> Vec<String> {
    let folder = tempfile::tempdir_in(".").expect("a folder");
    let ours = store(&folder.path().join("s.redb"));
    let mut theirs = sqlite(&folder.path().join("s.sqlite"));
    for some in groups(0, 6, 1_000, texts) {
        ours.commit(&some).expect("a commit");
        put_sqlite(&mut theirs, &some);
    }
    let mut number = 6_000;
    let make = |iterations: u64| {
        let made = groups(number, iterations as usize, group, texts);
        number += iterations as usize * group;
        made
    };
    let name = format!("durable puts, {group} a commit");
    let us = |work: &Vec<Vec<Entry>>| {
        timed(|| work.iter().for_each(|some| drop(ours.commit(some).expect("a commit"))))
    };
    let them = |work: &Vec<Vec<Entry>>| {
        timed(|| work.iter().for_each(|some| put_sqlite(&mut theirs, some)))
    };
    compare(criterion, &name, group, make, vec![("xhost", Box::new(us)), ("SQLite", Box::new(them))])
}

pub fn gets(criterion: &mut Criterion, count: usize, texts: &[String]) -> Vec<String> {
    let folder = tempfile::tempdir_in(".").expect("a folder");
    let ours = store(&folder.path().join("s.redb"));
    let mut theirs = sqlite(&folder.path().join("s.sqlite"));
    let mut builder = redb::Database::builder();
    builder.set_cache_size(CACHE);
    let bare = builder.create(folder.path().join("bare.redb")).expect("a database");
    let packed = builder.create(folder.path().join("packed.redb")).expect("a database");
    let entries: Vec<Entry> = (0..count).map(|n| entry(n, texts)).collect();
    let (mut packs, mut unpacks) = dictionary(&entries);
    for some in entries.chunks(1_000) {
        ours.commit(some).expect("a commit");
        put_sqlite(&mut theirs, some);
        put_bare(&bare, BARE, some, |body| body.to_vec());
        put_bare(&packed, PACKED, some, |body| packs.compress(body).expect("it packs"));
    }
    let mut next = 0;
    // All over the store, and the same for all.
    let make = |iterations: u64| {
        let made: Vec<&Entry> = (next..next + iterations as usize).map(|n| &entries[n * 7_919 % count]).collect();
        next += iterations as usize;
        made
    };
    let us = |work: &Vec<&Entry>| {
        computed(|| {
            for entry in work {
                assert!(ours.get(&entry.digest).expect("a read").is_some());
            }
        })
    };
    let them = |work: &Vec<&Entry>| computed(|| work.iter().for_each(|entry| drop(get_sqlite(&theirs, entry))));
    let hashed = |work: &Vec<&Entry>| {
        computed(|| {
            for entry in work {
                assert_ne!(blake3::hash(&get_sqlite(&theirs, entry)).as_bytes(), &[0; 32]);
            }
        })
    };
    let plain = |work: &Vec<&Entry>| computed(|| work.iter().for_each(|entry| drop(get_bare(&bare, BARE, entry))));
    let floor = |work: &Vec<&Entry>| {
        computed(|| {
            for entry in work {
                let body = unpacks.decompress(&get_bare(&packed, PACKED, entry), entry.answer.body.len()).expect("it unpacks");
                assert_ne!(blake3::hash(&body).as_bytes(), &[0; 32]);
            }
        })
    };
    let workers: Vec<crate::turns::Work<'_, Vec<&Entry>>> = vec![
        ("xhost", Box::new(us)),
        ("SQLite", Box::new(them)),
        ("SQLite with a hash over each value", Box::new(hashed)),
        ("bare redb", Box::new(plain)),
        ("bare redb with packed values, unpacked and hashed", Box::new(floor)),
    ];
    compare(criterion, &format!("verified gets of {count}"), 1, make, workers)
}

/// zstd with a dictionary of the first answers, as the store has it.
fn dictionary(entries: &[Entry]) -> (zstd::bulk::Compressor<'static>, zstd::bulk::Decompressor<'static>) {
    let samples: Vec<&[u8]> = entries.iter().take(256).map(|entry| &entry.answer.body[..]).collect();
    let trained = zstd::dict::from_samples(&samples, 28 << 10).expect("a dictionary");
    let packs = zstd::bulk::Compressor::with_dictionary(3, &trained).expect("a compressor");
    (packs, zstd::bulk::Decompressor::with_dictionary(&trained).expect("a decompressor"))
}

fn get_sqlite(connection: &Connection, entry: &Entry) -> Vec<u8> {
    let mut select = connection
        .prepare_cached("SELECT value FROM answers WHERE key = ?1")
        .expect("a statement");
    let key = entry.digest.as_bytes().as_slice();
    select.query_row([key], |row| row.get(0)).expect("a row")
}

type Bare<'a> = TableDefinition<'a, &'static [u8; 32], &'static [u8]>;

fn put_bare(database: &redb::Database, table: Bare<'_>, group: &[Entry], mut value: impl FnMut(&[u8]) -> Vec<u8>) {
    let write = database.begin_write().expect("a transaction");
    {
        let mut table = write.open_table(table).expect("a table");
        for entry in group {
            table.insert(entry.digest.as_bytes(), value(&entry.answer.body).as_slice()).expect("a row");
        }
    }
    write.commit().expect("a commit");
}

fn get_bare(database: &redb::Database, table: Bare<'_>, entry: &Entry) -> Vec<u8> {
    let read = database.begin_read().expect("a read");
    let table = read.open_table(table).expect("a table");
    let value = table.get(entry.digest.as_bytes()).expect("a read");
    value.expect("a row").value().to_vec()
}
