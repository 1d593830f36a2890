//! The store against SQLite in WAL mode with `synchronous=FULL` and against bare redb, in one process, in turns: absolute
//! numbers depend on the machine and on what else it does, ratios within a turn hardly do. Each figure is the median of
//! the turns' ratios.
//!
//! `cargo run --release --manifest-path store/bench/Cargo.toml [-- ENTRIES]`

use redb::{ReadableDatabase, TableDefinition};
use rusqlite::{Connection, params};
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use xhost_store::{Answer, Digest, Entry, Options, Store};

const TURNS: usize = 5;
const BARE: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("bare");

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, path, entries] = arguments.as_slice()
        && word == "fill-and-die"
    {
        fill_and_die(Path::new(path), entries.parse().expect("a number"));
    }
    let entries = arguments.first().map_or(20_000, |text| text.parse().expect("a number"));
    let texts = texts();
    println!("{entries} entries, {TURNS} turns");
    for group in [1, 64, 256, 1_024] {
        puts(entries.min(group * 60), group, &texts);
    }
    gets(entries, &texts);
    size(&texts);
    open_after_kill(entries * 10);
}

/// Texts of answers: the published ones of GSM8K where they are at hand.
fn texts() -> Vec<String> {
    let named = std::env::var("XHOST_SHARED_DATA").unwrap_or_else(|_| "../shared/data".into());
    let path = Path::new(&named).join("gsm8k/replies.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("{} is not there: made-up texts", path.display());
        return (0..500).map(|n| format!("{n} and {} make {}. ", n * 7, n * 8).repeat(20)).collect();
    };
    let reply = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).expect("JSON");
        row["reply"].as_str().expect("a text").to_owned()
    };
    text.lines().map(reply).collect()
}

/// An answer as a chat API gives it. No two are equal.
fn entry(number: usize, texts: &[String]) -> Entry {
    let id = blake3::hash(&number.to_le_bytes());
    let body = serde_json::json!({
        "id": format!("chatcmpl-{}", &id.to_hex()[..29]),
        "object": "chat.completion",
        "created": 1_790_000_000 + number,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": texts[number % texts.len()], "refusal": null, "annotations": []},
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": {
            "prompt_tokens": 60 + number % 90, "completion_tokens": 50 + number % 70, "total_tokens": 110 + number % 160,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": format!("fp_{:010x}", number % 7),
    });
    let answer = Answer {
        body: body.to_string().into_bytes().into(),
        status: 200,
        api: "openai.chat".into(),
        model: "gpt-4o-mini-2024-07-18".into(),
        headers: vec![("x-request-id".into(), id.to_hex()[..20].to_string())],
        created_ms: 1_790_000_000_000 + number as u64,
        latency_ms: (number % 3_000) as u32,
    };
    Entry::from((Digest::from_bytes(*id.as_bytes()), answer))
}

fn store(path: &Path) -> Store {
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

fn rate(count: usize, act: impl FnOnce()) -> f64 {
    let started = Instant::now();
    act();
    count as f64 / started.elapsed().as_secs_f64()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Durable puts, into stores that hold some thousands already.
fn puts(count: usize, group: usize, texts: &[String]) {
    let folder = tempfile::tempdir_in(".").expect("a folder");
    let ours = store(&folder.path().join("s.redb"));
    let mut theirs = sqlite(&folder.path().join("s.sqlite"));
    let mut number = 0;
    let mut next = |count: usize| {
        let entries: Vec<Entry> = (number..number + count).map(|n| entry(n, texts)).collect();
        number += count;
        entries
    };
    let first = next(6_000);
    for some in first.chunks(1_000) {
        ours.commit(some).expect("a commit");
        put_sqlite(&mut theirs, some);
    }
    let (mut ratios, mut most) = (Vec::new(), (0.0_f64, 0.0_f64));
    for _ in 0..TURNS {
        let entries = next(count);
        let us = rate(count, || {
            entries.chunks(group).for_each(|some| drop(ours.commit(some).expect("a commit")));
        });
        let them = rate(count, || {
            entries.chunks(group).for_each(|some| put_sqlite(&mut theirs, some));
        });
        ratios.push(us / them);
        most = (most.0.max(us), most.1.max(them));
    }
    println!(
        "puts, {group:>4} a commit: {:>8.0}/s, SQLite {:>8.0}/s, ratio {:.2}",
        most.0,
        most.1,
        median(ratios)
    );
}

fn gets(count: usize, texts: &[String]) {
    let folder = tempfile::tempdir_in(".").expect("a folder");
    let ours = store(&folder.path().join("s.redb"));
    let mut theirs = sqlite(&folder.path().join("s.sqlite"));
    let mut builder = redb::Database::builder();
    builder.set_cache_size(16 << 20);
    let bare = builder.create(folder.path().join("bare.redb")).expect("a database");
    let entries: Vec<Entry> = (0..count).map(|n| entry(n, texts)).collect();
    for some in entries.chunks(1_000) {
        ours.commit(some).expect("a commit");
        put_sqlite(&mut theirs, some);
        let write = bare.begin_write().expect("a transaction");
        for entry in some {
            let mut table = write.open_table(BARE).expect("a table");
            table.insert(entry.digest.as_bytes(), &entry.answer.body[..]).expect("a row");
        }
        write.commit().expect("a commit");
    }
    let order: Vec<usize> = (0..count).map(|n| n * 7_919 % count).collect();
    let (mut against_sqlite, mut against_verified, mut against_bare, mut most) = (vec![], vec![], vec![], 0.0_f64);
    for _ in 0..TURNS {
        let us = rate(count, || {
            for n in &order {
                assert!(ours.get(&entries[*n].digest).expect("a read").is_some());
            }
        });
        let look = |verify: bool| {
            let mut select = theirs
                .prepare_cached("SELECT value FROM answers WHERE key = ?1")
                .expect("a statement");
            for n in &order {
                let key = entries[*n].digest.as_bytes().as_slice();
                let value: Vec<u8> = select.query_row([key], |row| row.get(0)).expect("a row");
                assert!(!verify || blake3::hash(&value).as_bytes()[0] < 255 || !value.is_empty());
            }
        };
        let them = rate(count, || look(false));
        let verified = rate(count, || look(true));
        let plain = rate(count, || {
            for n in &order {
                let read = bare.begin_read().expect("a read");
                let table = read.open_table(BARE).expect("a table");
                let value = table.get(entries[*n].digest.as_bytes()).expect("a read");
                assert!(!value.expect("a row").value().to_vec().is_empty());
            }
        });
        against_sqlite.push(us / them);
        against_verified.push(us / verified);
        against_bare.push(us / plain);
        most = most.max(us);
    }
    println!(
        "gets, verified: {most:.0}/s; ratio to SQLite {:.2}, to SQLite with a hash over each value {:.2}, to bare redb {:.2}",
        median(against_sqlite),
        median(against_verified),
        median(against_bare)
    );
}

fn size(texts: &[String]) {
    let folder = tempfile::tempdir_in(".").expect("a folder");
    let path = folder.path().join("s.redb");
    let entries: Vec<Entry> = (0..texts.len().max(2_000)).map(|n| entry(n, texts)).collect();
    let raw: usize = entries.iter().map(|entry| entry.answer.body.len()).sum();
    let ours = store(&path);
    for some in entries.chunks(64) {
        ours.commit(some).expect("a commit");
    }
    let fresh = ours.stat().expect("counts");
    drop(ours);
    let copied = xhost_store::copy(&path, xhost_store::Keep::All, xhost_store::Old::Removed, "bench", |_, _| {});
    let packed = store(&path).stat().expect("counts");
    println!(
        "size: {} bytes of JSON an answer; records take {:.1} %, after `compact` {:.1} %; the file after `compact` {:.1} %",
        raw / entries.len(),
        100.0 * fresh.record_bytes as f64 / raw as f64,
        100.0 * packed.record_bytes as f64 / raw as f64,
        100.0 * copied.expect("a copy").bytes_after as f64 / raw as f64
    );
}

/// How long a store takes to open whose process was killed in the middle of its work.
fn open_after_kill(entries: usize) {
    let folder = tempfile::tempdir_in(".").expect("a folder");
    let path = folder.path().join("s.redb");
    let program = std::env::current_exe().expect("this program");
    let mut times = Vec::new();
    for round in 0..3 {
        let more = if round == 0 { entries } else { 1_000 };
        let ended = Command::new(&program)
            .arg("fill-and-die")
            .arg(&path)
            .arg(more.to_string())
            .status()
            .expect("it starts");
        assert!(!ended.success(), "it dies");
        let started = Instant::now();
        let opened = store(&path);
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
        assert!(opened.len().expect("a count") as usize >= entries);
    }
    println!("open after a kill, {entries} entries: {:.1} ms", median(times));
}

fn fill_and_die(path: &Path, entries: usize) -> ! {
    let texts = texts();
    let ours = store(path);
    let from = ours.len().expect("a count") as usize;
    let mut number = from;
    while number < from + entries {
        let some: Vec<Entry> = (number..number + 1_000).map(|n| entry(n, &texts)).collect();
        ours.commit(&some).expect("a commit");
        number += 1_000;
    }
    // As after `kill -9`: nothing is closed, nothing is dropped.
    std::process::abort();
}
