//! What the page cache costs and gives: reads all over a store that is larger than it, each cache in a process of its own.

use crate::answers::entry;
use crate::turns::timed;
use std::path::Path;
use std::process::Command;
use xhost_store::{Entry, Options, Store};

/// Reads of one process.
const READS: usize = 100_000;

/// Answers that such a process then stores, in groups as a run has them.
const PUTS: usize = 20_000;

pub fn lines(entries: usize, texts: &[String]) -> Vec<String> {
    let folder = tempfile::tempdir_in(".").expect("a folder");
    let path = folder.path().join("s.redb");
    let program = std::env::current_exe().expect("this program");
    let store = crate::speed::store(&path);
    for from in (0..entries).step_by(1_000) {
        let some: Vec<Entry> = (from..from + 1_000).map(|n| entry(n, texts)).collect();
        store.commit(&some).expect("a commit");
    }
    drop(store);
    let mut lines = Vec::new();
    // Once before what counts: the system's own cache has the file then, for each of them.
    for (turn, megabytes) in [16, 16, 64, 16, 64, 16, 64].into_iter().enumerate() {
        let output = Command::new(&program)
            .arg("read-and-put")
            .args([path.as_path(), Path::new(&entries.to_string()), Path::new(&megabytes.to_string())])
            .output()
            .expect("it starts");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let told = told.lines().last().unwrap_or_default();
        if turn > 0 {
            lines.push(format!("cache of {megabytes} MB, {entries} entries: {told}"));
        }
    }
    lines
}

pub fn read_and_put(path: &Path, entries: usize, megabytes: usize) {
    let texts = crate::answers::texts();
    let options = Options {
        cache_bytes: megabytes << 20,
        ..Options::default()
    };
    let before = peak();
    let store = Store::open(path, options).expect("a store");
    let reads = timed(|| {
        for n in 0..READS {
            let number = n * 7_919 % entries;
            let digest = xhost_store::Digest::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes());
            assert!(store.get(&digest).expect("a read").is_some());
        }
    });
    let read = peak();
    let first = store.len().expect("a count") as usize;
    let work = crate::answers::groups(first, PUTS / 20, 20, &texts);
    let generated = peak();
    let puts = timed(|| work.iter().for_each(|some| drop(store.commit(some).expect("a commit"))));
    println!(
        "{:.0} gets/s, {:.0} puts/s; peak memory grew by {} MB reading, by {} MB writing",
        READS as f64 / reads.as_secs_f64(),
        PUTS as f64 / puts.as_secs_f64(),
        read.saturating_sub(before) >> 10,
        peak().saturating_sub(generated) >> 10
    );
}

/// The most memory that this process had, in KB, where the system tells.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
