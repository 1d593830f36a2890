//! Bytes of an answer, and what they are made of. Each text stands in one answer, and texts to one question lie side by side:
//! what was packed with a dictionary was no part of what it was trained from. After `compact`, only such answers count.

use crate::answers::entry;
use crate::speed::store;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::path::Path;
use xhost_store::{Entry, Keep, Old};

const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rec-1");
const HEADER: usize = 98;

/// A record's bytes, of those the packed ones, and whether a dictionary packed them.
struct Record {
    bytes: usize,
    packed: usize,
    with_dictionary: bool,
}

fn records(path: &Path) -> Vec<Record> {
    let database = Database::open(path).expect("a closed store");
    let read = database.begin_read().expect("a read");
    let table = read.open_table(RECORDS).expect("a table");
    let rows = table.iter().expect("rows").map(|row| {
        let (_, record) = row.expect("a row");
        let record = record.value();
        Record {
            bytes: record.len(),
            packed: record.len() - HEADER,
            with_dictionary: record[1] == 2,
        }
    });
    rows.collect()
}

pub fn lines(count: usize, texts: &[String]) -> Vec<String> {
    let mut lines = of_records(texts);
    lines.push(of_a_file(count, texts));
    lines
}

/// What index, dictionaries and pages add where there are many answers. There are fewer texts than that: after the first
/// round each is the first half of one and the second half of another.
fn of_a_file(count: usize, texts: &[String]) -> String {
    let folder = tempfile::tempdir_in(".").expect("a folder");
    let path = folder.path().join("s.redb");
    let (ours, mut raw) = (store(&path), 0);
    for first in (0..count).step_by(1_000) {
        let numbers = first..count.min(first + 1_000);
        let spliced: Vec<Entry> = numbers.map(|n| entry(n, &[spliced(n, texts)])).collect();
        raw += spliced.iter().map(|entry| entry.answer.body.len()).sum::<usize>();
        ours.commit(&spliced).expect("a commit");
    }
    drop(ours);
    let copied = xhost_store::copy(&path, Keep::All, Old::Removed, "bench", |_, _| {}).expect("a copy");
    let percent = 100.0 * copied.bytes_after as f64 / raw as f64;
    format!("the file of {count} answers of {} bytes after `compact`, with all that is in it: {percent:.1} %", raw / count)
}

fn spliced(number: usize, texts: &[String]) -> String {
    let (round, at) = (number / texts.len(), number % texts.len());
    let other = &texts[(at + round * 613) % texts.len()];
    let half = |text: &str| (0..=text.len() / 2).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    [&texts[at][..half(&texts[at])], &other[half(other)..]].concat()
}

fn of_records(texts: &[String]) -> Vec<String> {
    let folder = tempfile::tempdir_in(".").expect("a folder");
    let path = folder.path().join("s.redb");
    let entries: Vec<Entry> = (0..texts.len()).map(|n| entry(n, texts)).collect();
    let ours = store(&path);
    for some in entries.chunks(16) {
        ours.commit(some).expect("a commit");
    }
    drop(ours);
    let written = records(&path);
    xhost_store::copy(&path, Keep::All, Old::Removed, "bench", |_, _| {}).expect("a copy");
    let compacted = records(&path);
    let raw: usize = entries.iter().map(|entry| entry.answer.body.len()).sum();
    let percent = |records: &[Record], counts: &dyn Fn(usize) -> bool| {
        let of = |n: &usize| counts(*n);
        let json: usize = (0..records.len()).filter(of).map(|n| entries[n].answer.body.len()).sum();
        let bytes: usize = (0..records.len()).filter(of).map(|n| records[n].bytes).sum();
        100.0 * bytes as f64 / json as f64
    };
    let early = written.iter().filter(|record| !record.with_dictionary).count();
    let late = |n: usize| written[n].with_dictionary;
    let packed: usize = (0..written.len()).filter(|n| late(*n)).map(|n| written[n].packed).sum();
    vec![
        format!("size: {} answers of {} bytes of JSON; {early} were stored before there was a dictionary", entries.len(), raw / entries.len()),
        format!("records take {:.1} % as written, {:.1} % after the first dictionary", percent(&written, &|_| true), percent(&written, &late)),
        format!("after `compact` {:.1} %, without those that the first dictionary was trained from {:.1} %", percent(&compacted, &|_| true), percent(&compacted, &late)),
        format!("of {} bytes {HEADER} are the header (64 of them digests), {} the packed answer", packed / (written.len() - early) + HEADER, packed / (written.len() - early)),
    ]
}
