//! The store against SQLite in WAL mode with `synchronous=FULL` and against bare redb, in one process and in turns: absolute
//! numbers depend on the machine and on what else it does, ratios within a turn hardly do. criterion takes the samples; the
//! ratios below its figures are medians over the turns behind them.
//!
//! `cargo bench --manifest-path store/bench/Cargo.toml [-- ENTRIES [puts|gets|size|kill|memory]]`

/// What is stored.
mod answers;

/// Who is measured, and in which turns.
mod turns;

/// Durable puts and verified gets.
mod speed;

/// Bytes of an answer, and what they are made of.
mod size;

/// Opening after a kill.
mod kill;

/// The page cache.
mod memory;

use criterion::Criterion;
use std::path::Path;
use std::time::Duration;

const PARTS: [&str; 5] = ["puts", "gets", "size", "kill", "memory"];

fn main() {
    // cargo says `--bench` to every benchmark.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|text| text != "--bench").collect();
    if let [word, path, large, small] = arguments.as_slice()
        && word == "fill-and-die"
    {
        let number = |text: &String| text.parse().expect("a number");
        kill::fill_and_die(Path::new(path), number(large), number(small));
    }
    if let [word, path, entries, megabytes] = arguments.as_slice()
        && word == "read-and-put"
    {
        let number = |text: &String| text.parse().expect("a number");
        memory::read_and_put(Path::new(path), number(entries), number(megabytes));
        return;
    }
    let entries = arguments.first().map_or(Ok(20_000), |text| text.parse());
    let part = arguments.get(1);
    let (Ok(entries), true) = (entries, part.is_none_or(|part| PARTS.contains(&part.as_str()))) else {
        eprintln!("error: `cargo bench … -- [ENTRIES [PART]]`, as in `-- 20000 gets`; parts: {}", PARTS.join(", "));
        std::process::exit(2);
    };
    let texts = answers::texts();
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/criterion");
    let mut criterion = Criterion::default()
        .without_plots()
        .output_directory(&target)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    let wanted = |one| part.is_none_or(|part| part == one);
    let mut ratios = Vec::new();
    for group in [1, 8, 64, 256, 1_024].into_iter().filter(|_| wanted("puts")) {
        ratios.extend(speed::puts(&mut criterion, group, &texts));
    }
    // Once where each has all of it in its cache, once where none has.
    for entries in [entries / 4, entries].into_iter().filter(|_| wanted("gets")) {
        ratios.extend(speed::gets(&mut criterion, entries, &texts));
    }
    if wanted("size") {
        ratios.extend(size::lines(entries, &texts));
    }
    if wanted("kill") {
        ratios.extend(kill::lines(entries * 10));
    }
    if wanted("memory") {
        ratios.extend(memory::lines(entries * 10, &texts));
    }
    ratios.iter().for_each(|line| println!("{line}"));
}
