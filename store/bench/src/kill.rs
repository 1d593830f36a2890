//! How long a store takes to open whose process was killed in the middle of its work, with a log as full as it gets.

use crate::answers::entry;
use crate::speed::store;
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use xhost_store::Entry;

/// Answers that go into the log, one by one and in groups, after the others: what fills it most.
const SMALL: [usize; 2] = [1, 100];

const ROUNDS: usize = 9;

pub fn lines(entries: usize) -> Vec<String> {
    let folder = tempfile::tempdir_in(".").expect("a folder");
    let path = folder.path().join("s.redb");
    let program = std::env::current_exe().expect("this program");
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        // Another part of the log is full each time.
        let (large, small) = (if round == 0 { entries } else { 0 }, 20 + round * 5);
        let ended = Command::new(&program)
            .arg("fill-and-die")
            .args([&path, Path::new(&large.to_string()), Path::new(&small.to_string())])
            .status()
            .expect("it starts");
        assert!(!ended.success(), "it dies");
        let started = Instant::now();
        let opened = store(&path);
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
        assert!(opened.len().expect("a count") as usize >= entries);
    }
    times.sort_by(f64::total_cmp);
    vec![format!(
        "open after a kill, {entries} entries: {:.1} ms, at most {:.1} ms of {ROUNDS}",
        times[ROUNDS / 2],
        times[ROUNDS - 1]
    )]
}

pub fn fill_and_die(path: &Path, large: usize, small: usize) -> ! {
    let texts = crate::answers::texts();
    let ours = store(path);
    let mut number = ours.len().expect("a count") as usize;
    let mut put = |count: usize| {
        let some: Vec<Entry> = (number..number + count).map(|n| entry(n, &texts)).collect();
        number += count;
        ours.commit(&some).expect("a commit");
    };
    (0..large / 1_000).for_each(|_| put(1_000));
    for n in 0..small {
        put(SMALL[n % 2]);
    }
    // As after `kill -9`: nothing is closed, nothing is dropped.
    std::process::abort();
}
