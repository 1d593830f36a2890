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

#[test]
fn eight_times_as_many_requests_take_no_more_memory() {
    let most = large().unwrap_or(4_000);
    for dialect in DIALECTS {
        let few = peak(dialect, most / 8, 2_000);
        let many = peak(dialect, most, 2_000);
        assert!(many < 150_000_000, "{many}");
        assert!(many < few + (6 << 20), "{few} bytes became {many}");
    }
}

#[test]
fn a_batch_of_long_requests_and_answers_costs_a_few_megabytes() {
    let most = if large().is_some() { 2_000 } else { 320 };
    for dialect in DIALECTS {
        let few = peak(dialect, 40, 100_000);
        let many = peak(dialect, most, 100_000);
        assert!(many < 150_000_000, "{many}");
        assert!(many < few + (8 << 20), "{few} bytes became {many}");
    }
}
