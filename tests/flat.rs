//! Memory does not grow with what passes through: the same command over eight times as much takes as much at its peak. What
//! passes cannot be compressed, so that it has its size everywhere.

use crate::support::{Place, Ran};
use base64::Engine;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use xhost_store::{Answer, Digest, Entry, Options, Store};

/// A text of so many bytes, another one for each number.
fn noise(number: usize, bytes: usize) -> String {
    let mut raw = vec![0; bytes * 3 / 4];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.finalize_xof().fill(&mut raw);
    base64::engine::general_purpose::STANDARD.encode(raw)
}

const BODY: usize = 32 << 10;

/// Eight times as much is 112 MB more, and the store's page cache grows to its 32.
const MAY_GROW: u64 = 48 << 20;

#[track_caller]
fn flat(few: u64, many: u64) {
    eprintln!(
        "{} MiB, and {} MiB for eight times as much",
        few >> 20,
        many >> 20
    );
    assert!(many < few + MAY_GROW, "{few} became {many}");
}

fn peak(ran: &Ran) -> u64 {
    let told: Value = serde_json::from_str(&ran.stdout()).expect("it prints JSON");
    told["peak_memory_bytes"].as_u64().expect("it is known")
}

/// A run of so many trials that is over, with all that export needs of it.
fn ended_run(trials: usize) -> Place {
    let place = Place::new();
    place.write(
        "rows.jsonl",
        "{\"id\": \"r\", \"input\": \"?\", \"target\": \"x\"}\n",
    );
    place.write(
        "xhost.yaml",
        "name: e\ndataset: rows.jsonl\nprompt: '{{ input }}'\nmodel: {provider: openai, name: demo}\nscorers: [includes]\n",
    );
    place
        .run(&["--rehearse", "--store", "s.redb", "--out", "out"])
        .expect(0);
    let mut line = place.lines("out/trials.jsonl").remove(0);
    let store = Store::open(&place.path("s.redb"), Options::default()).expect("it opens");
    let mut lines = String::new();
    for number in 0..trials {
        let digest = Digest::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes());
        let answer = Answer {
            body: noise(number, BODY).into(),
            status: 200,
            api: "a".into(),
            model: "m".into(),
            headers: Vec::new(),
            created_ms: 1,
            latency_ms: 1,
        };
        line["sample"] = json!(format!("r{number:06}"));
        line["requests"] = json!([{"digest": digest, "response": answer.digest()}]);
        let _ = writeln!(lines, "{line}");
        store
            .commit(&[Entry::from((digest, answer))])
            .expect("room");
    }
    place.write("out/trials.jsonl", &lines);
    // It tells what the one trial came to.
    std::fs::remove_file(place.path("out/summary.json")).expect("it was there");
    place
}

#[test]
fn an_export_takes_as_much_memory_for_eight_times_the_trials() {
    let exported = |trials: usize| {
        let place = ended_run(trials);
        let mut export = place.xhost();
        export.args([
            "export", "out", "-o", "e.xhb", "--store", "s.redb", "--json",
        ]);
        peak(&Ran::of(&mut export).expect(0))
    };
    flat(exported(500), exported(4_000));
}

/// Lines of request and response.
fn calls(place: &Place, count: usize) {
    let mut out = BufWriter::new(File::create(place.path("calls.jsonl")).expect("a file"));
    for number in 0..count {
        let request =
            json!({"model": "m", "messages": [{"role": "user", "content": number.to_string()}]});
        let message = json!({"role": "assistant", "content": noise(number, BODY)});
        let response = json!({"object": "chat.completion", "choices": [{"message": message}]});
        writeln!(out, "{}", json!({"request": request, "response": response})).expect("room");
    }
}

/// A batch's files, whose results come in another order.
fn batch(place: &Place, count: usize) {
    let mut input = BufWriter::new(File::create(place.path("input.jsonl")).expect("a file"));
    let mut output = BufWriter::new(File::create(place.path("output.jsonl")).expect("a file"));
    for number in 0..count {
        let body =
            json!({"model": "m", "messages": [{"role": "user", "content": noise(number, BODY)}]});
        let request =
            json!({"custom_id": number.to_string(), "url": "/v1/chat/completions", "body": body});
        writeln!(input, "{request}").expect("room");
        let message = json!({"role": "assistant", "content": "x"});
        let response = json!({"status_code": 200, "body": {"choices": [{"message": message}]}});
        let result = json!({"custom_id": (count - 1 - number).to_string(), "response": response});
        writeln!(output, "{result}").expect("room");
    }
}

#[test]
fn an_import_takes_as_much_memory_for_eight_times_the_lines() {
    let imported = |make: fn(&Place, usize), files: &[&str], count: usize| {
        let place = Place::new();
        make(&place, count);
        let mut import = place.xhost();
        import
            .args(["store", "import", "--json", "--store", "s.redb"])
            .args(files);
        let ran = Ran::of(&mut import).expect(0);
        let told: Value = serde_json::from_str(&ran.stdout()).expect("it prints JSON");
        assert_eq!(told["stored"], count);
        peak(&ran)
    };
    let lines = |count| imported(calls, &["calls.jsonl"], count);
    flat(lines(500), lines(4_000));
    let joined = |count| imported(batch, &["input.jsonl", "output.jsonl"], count);
    flat(joined(500), joined(4_000));
}
