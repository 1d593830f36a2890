//! Batches that are large: memory follows what is under way, not how many requests there are or how long they are. The full
//! sizes take minutes: `XHOST_LARGE=100000 cargo test --release -p xhost --test integration -- batch_large`.

use crate::batch::{DIALECTS, RUN, experiment};
use crate::support::{Place, Simulator};
use std::fmt::Write as _;

fn large() -> Option<usize> {
    let large = std::env::var_os("XHOST_LARGE")?;
    large.to_str()?.parse().ok()
}

/// Runs so many requests of so many bytes; the most memory that the run held.
fn peak(dialect: (&str, &str), requests: usize, bytes: usize) -> u64 {
    let place = Place::new();
    let long = "why ".repeat(bytes / 4);
    let mut rows = String::new();
    for id in 0..requests {
        let _ = writeln!(
            rows,
            "{{\"id\": \"r{id}\", \"input\": \"Question {id}: {long}?\", \"target\": \"x\"}}"
        );
    }
    place.write("rows.jsonl", &rows);
    // Answers are as long as the questions.
    let reply =
        format!("{{\"model\": \"demo\", \"contains\": \"Question\", \"reply\": \"{long}\"}}\n");
    let replies = place.write("replies.jsonl", &reply);
    let simulator = Simulator::start(&["--replies", replies.to_str().expect("UTF-8")]);
    experiment(&place, &simulator, dialect, "");
    let yaml = place
        .read("xhost.yaml")
        .replace("max_tokens: 64", "max_tokens: 100000");
    place.write("xhost.yaml", &yaml);
    place.run(&RUN).expect(0);
    let stats = simulator.stats();
    assert_eq!(stats["charged"], requests, "{stats}");
    assert_eq!(stats["repeated"], 0, "{stats}");
    let summary = place.json("out/summary.json");
    let peak = summary["totals"]["peak_memory_bytes"].as_u64();
    let peak = peak.expect("Linux tells");
    eprintln!("{dialect:?}: {requests} requests of {bytes} bytes: {peak} bytes at most");
    peak
}

/// What may differ: how full the store's page cache is, and how the allocator's pieces lie.
const SLACK: u64 = 24 << 20;

#[test]
fn three_times_as_many_requests_take_no_more_memory() {
    let most = large().unwrap_or(3_000);
    let few = peak(DIALECTS[0], most / 3, 10_000);
    let many = peak(DIALECTS[0], most, 10_000);
    assert!(many < 150_000_000, "{many}");
    // Two thirds of the requests and of their answers are 40 MB.
    assert!(many < few + SLACK, "{few} bytes became {many}");
}

#[test]
fn a_batch_of_long_requests_and_answers_stays_below_150_megabytes() {
    // 36 MB of requests and as much of answers, beside what any run takes.
    let most = if large().is_some() { 2_000 } else { 360 };
    let peak = peak(DIALECTS[1], most, 100_000);
    assert!(peak < 150_000_000, "{peak}");
}
