//! The whole program killed at any time, again and again, while the provider counts what it is paid for. After each kill:
//! the store opens by itself and is whole, every answer that the results speak of is in it, and at most what was under way
//! is paid for again. `XHOST_KILLS=2000 cargo test -p xhost --test integration kills` is the long form.

use crate::support::{Place, Simulator};
use std::path::Path;
use std::process::Stdio;
use xhost_store::{Digest, Options, Store, verify};

const CONCURRENCY: u64 = 8;

/// Calls in flight, and answers that wait for their commit: a call keeps its place until its answer is stored. What a kill
/// costs is what these were about to store.
const UNDER_WAY: u64 = CONCURRENCY;

/// Answers between two kills.
const BETWEEN: u64 = 6;

const EXPERIMENT: &str = "\
name: killed
dataset: {path: rows.jsonl}
prompt: '{{ input }}'
model: {provider: openai, name: demo, sampling: {max_tokens: 64}}
scorers: [includes]
";

/// The digests in the results, as far as they were written.
fn known(place: &Place) -> Vec<Digest> {
    let mut digests = Vec::new();
    for file in ["out/trials.jsonl", "out/pending.jsonl"] {
        let text = std::fs::read_to_string(place.path(file)).unwrap_or_default();
        for line in text.lines() {
            // The last line may be torn.
            let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else {
                continue;
            };
            let line = if line["requests"].is_array() {
                &line
            } else {
                &line["line"]
            };
            let requests = line["requests"].as_array().into_iter().flatten();
            digests
                .extend(requests.filter_map(|one| one["digest"].as_str()?.parse::<Digest>().ok()));
        }
    }
    digests
}

fn check(place: &Place, path: &Path) -> u64 {
    let digests = known(place);
    let store = Store::open(path, Options::default()).expect("it opens by itself");
    for digest in digests {
        let answer = store.get(&digest).expect("a whole record");
        assert!(
            answer.is_some(),
            "{digest} is in the results and not in the store"
        );
    }
    store.len().expect("a count")
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a test is may come from outside"
)]
fn kills() -> u64 {
    std::env::var("XHOST_KILLS").map_or(50, |text| text.parse().expect("a number"))
}

#[test]
fn a_program_that_is_killed_again_and_again_pays_once() {
    let kills = kills();
    let rows = kills * BETWEEN + 50;
    let place = Place::new();
    place.write("xhost.yaml", EXPERIMENT);
    let row = |id| format!("{{\"id\": \"{id}\", \"input\": \"Say {id}.\", \"target\": \"x\"}}\n");
    place.write("rows.jsonl", &(0..rows).map(row).collect::<String>());
    let simulator = Simulator::start(&["--latency-ms", "3"]);
    let base_url = format!("model.base_url={}", simulator.base_url());
    let concurrency = CONCURRENCY.to_string();
    let path = place.path("s.redb");
    let arguments = [
        "--store",
        "s.redb",
        "--out",
        "out",
        "--concurrency",
        &concurrency,
        &base_url,
    ];
    let mut stored = 0;
    for round in 0..kills {
        let before = simulator.count("answered");
        let wanted = before + BETWEEN;
        let mut command = place.xhost();
        command
            .arg("run")
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("it starts");
        while simulator.count("answered") < wanted {
            if child.try_wait().expect("it can be asked").is_some() {
                break;
            }
        }
        // It may have ended by itself.
        let _ = child.kill();
        child.wait().expect("it ends");
        let (answered, repeated) = (simulator.count("answered"), simulator.count("repeated"));
        let mut now = 0;
        if path.exists() {
            now = check(&place, &path);
        }
        assert!(now >= stored, "round {round}: {now} answers after {stored}");
        let lost = (answered - before).saturating_sub(now - stored);
        assert!(
            lost <= UNDER_WAY,
            "round {round}: {lost} answers are not stored"
        );
        stored = now;
        let most = (round + 1) * UNDER_WAY;
        assert!(repeated <= most, "round {round}: {repeated} paid for twice");
    }
    assert!(verify(&path, |_, _| {}).expect("a store").is_whole());
    let (answered, repeated) = (simulator.count("answered"), simulator.count("repeated"));
    let lost = answered - repeated - stored;
    place.run(&arguments).expect(0);
    assert_eq!(check(&place, &path), rows);
    assert_eq!(
        simulator.count("repeated"),
        repeated + lost,
        "what was lost, and no more"
    );
}
