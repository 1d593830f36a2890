//! `xhost store`: the answers of a run counted, shown, checked, repaired, collected, packed and carried away.

use crate::support::{Place, Ran, Simulator};
use serde_json::Value;
use std::process::{Command, Stdio};

const EXPERIMENT: &str = "\
name: small
dataset: {path: rows.jsonl}
prompt: '{{ input }}'
model: {provider: openai, name: demo, sampling: {max_tokens: 64}}
scorers: [includes]
";

/// A store with the answers of one run over so many rows.
fn stage(rows: usize) -> (Place, Simulator, String) {
    let place = Place::new();
    place.write("xhost.yaml", EXPERIMENT);
    let text: String = (0..rows)
        .map(|id| format!("{{\"id\": \"{id}\", \"input\": \"Say {id}.\", \"target\": \"x\"}}\n"))
        .collect();
    place.write("rows.jsonl", &text);
    let simulator = Simulator::start(&[]);
    let base_url = format!("model.base_url={}", simulator.base_url());
    place
        .run(&["--store", "s.redb", "--out", "out", &base_url])
        .expect(0);
    (place, simulator, base_url)
}

fn store(place: &Place, arguments: &[&str]) -> Ran {
    let mut command = place.xhost();
    command.args(["store", "--store", "s.redb"]).args(arguments);
    Ran::of(&mut command)
}

fn json(place: &Place, arguments: &[&str]) -> Value {
    let ran = store(place, &[&["--json"], arguments].concat()).expect(0);
    serde_json::from_str(&ran.stdout()).expect("it prints JSON")
}

#[test]
fn a_run_is_counted_and_its_answers_and_requests_are_shown() {
    let (place, _simulator, _) = stage(3);
    let stat = json(&place, &["stat"]);
    let stat = &stat["stat"];
    for (name, count) in [
        ("answers", 3),
        ("requests", 3),
        ("runs", 1),
        ("superseded", 0),
    ] {
        assert_eq!(stat[name], count, "{name} in {stat}");
    }
    let trial = &place.lines("out/trials.jsonl")[1];
    let digest = trial["requests"][0]["digest"].as_str().expect("a digest");
    let got = json(&place, &["get", digest]);
    assert_eq!(got["response"], trial["requests"][0]["response"]);
    assert_eq!(got["request"]["target"], "/v1/chat/completions");
    let body: Value =
        serde_json::from_str(got["request"]["body"].as_str().expect("a text")).expect("JSON");
    assert_eq!(body["messages"][0]["content"], "Say 1.");
    let words = store(&place, &["get", digest]).expect(0).stdout();
    assert!(
        words.contains("POST ") && words.contains("Say 1."),
        "{words}"
    );
    let words = store(&place, &["stat"]).expect(0).stdout();
    assert!(
        words.contains("3 answers, 0 superseded; 3 with their requests; 1 runs"),
        "{words}"
    );
    store(&place, &["get", &"0".repeat(64)])
        .expect(2)
        .says(&["no answer"]);
    store(&place, &["get", "12"])
        .expect(2)
        .says(&["64 hexadecimal characters"]);
    let mut absent = place.xhost();
    absent.args(["store", "stat", "--store", "absent.redb"]);
    Ran::of(&mut absent)
        .expect(7)
        .says(&["absent.redb", "--store"]);
    assert!(
        !place.path("absent.redb").exists(),
        "looking makes no store"
    );
}

#[test]
fn damage_is_found_with_its_answer_and_repaired() {
    let (place, simulator, base_url) = stage(20);
    let words = store(&place, &["verify"]).expect(0).stdout();
    assert!(words.contains("whole: 20 answers"), "{words}");
    let path = place.path("s.redb");
    let mut bytes = std::fs::read(&path).expect("the store");
    let trial = &place.lines("out/trials.jsonl")[7];
    let digest = trial["requests"][0]["digest"].as_str().expect("a digest");
    let digest: xhost_store::Digest = digest.parse().expect("a digest");
    // A record is its version, thirty bytes on its key, at 98 what is packed.
    let records: Vec<usize> = (30..bytes.len() - 128)
        .filter(|at| bytes[*at..].starts_with(digest.as_bytes()) && bytes[at - 30] == 2)
        .collect();
    assert!(!records.is_empty());
    for at in records {
        bytes[at + 80] ^= 1;
    }
    std::fs::write(&path, bytes).expect("it can be written");
    let report = store(&place, &["verify", "--json"]).expect(7).stdout();
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let affected: Vec<&Value> = report["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|finding| finding["what"] == "answer")
        .collect();
    assert_eq!(affected.len(), 1, "{report}");
    let digest = affected[0]["digest"].as_str().expect("a digest");
    let words = store(&place, &["verify", "--repair"]).expect(0).stdout();
    assert!(
        words.contains(digest) && words.contains("19 answers are there"),
        "{words}"
    );
    assert!(place.path("s.redb.old-1").exists());
    store(&place, &["verify"]).expect(0);
    place
        .run(&["--store", "s.redb", "--out", "out", &base_url])
        .expect(0);
    assert_eq!(
        simulator.count("calls"),
        21,
        "one answer is asked for again"
    );
}

#[test]
fn a_collection_keeps_what_noted_runs_touched() {
    let (place, simulator, base_url) = stage(6);
    place.write("few.yaml", &EXPERIMENT.replace("name: small", "name: few"));
    let few = [
        "few.yaml",
        "dataset.limit=2",
        "--store",
        "s.redb",
        "--out",
        "few",
        &base_url,
    ];
    place.run(&few).expect(0);
    assert_eq!(simulator.count("calls"), 6, "hits are touched too");
    let copied = json(&place, &["gc"]);
    assert_eq!(
        (&copied["answers"], &copied["left"]),
        (&6.into(), &0.into())
    );
    let copied = json(&place, &["gc", "--keep-runs"]);
    assert_eq!(copied["answers"], 6);
    store(&place, &["gc", "--keep-runs", "absent"])
        .expect(2)
        .says(&["absent"]);
    let copied = json(&place, &["gc", "--keep-runs", "few"]);
    assert_eq!(
        (&copied["answers"], &copied["left"]),
        (&2.into(), &4.into())
    );
    let words = store(&place, &["compact"]).expect(0).stdout();
    assert!(words.contains("2 answers are kept"), "{words}");
    place.run(&few).expect(0);
    assert_eq!(simulator.count("calls"), 6, "what the run needs is there");
}

#[test]
fn answers_are_carried_away_and_come_back() {
    let (place, simulator, base_url) = stage(4);
    store(&place, &["export", "a.jsonl.zst"]).expect(0);
    store(&place, &["export", "a.jsonl.zst"])
        .expect(7)
        .says(&["a.jsonl.zst"]);
    let mut other = place.xhost();
    other.args([
        "store",
        "import",
        "a.jsonl.zst",
        "--store",
        "other.redb",
        "--json",
    ]);
    let ran = Ran::of(&mut other).expect(0);
    let imported: Value = serde_json::from_str(&ran.stdout()).expect("JSON");
    assert_eq!(imported["stored"], 4);
    place
        .run(&["--store", "other.redb", "--out", "other", &base_url])
        .expect(0);
    assert_eq!(simulator.count("calls"), 4, "an imported answer is a hit");
    assert!(place.read("other/trials.jsonl") == place.read("out/trials.jsonl"));
    let mut piped = place.xhost();
    piped.args(["store", "export", "-", "--store", "other.redb"]);
    let piped = piped.output().expect("it runs").stdout;
    assert!(piped == std::fs::read(place.path("a.jsonl.zst")).expect("the file"));
    place.write("wrong.jsonl", "{\"key\": 1, \"meta\": 1, \"bind\": 1}\n");
    store(&place, &["import", "wrong.jsonl"])
        .expect(2)
        .says(&["wrong.jsonl", "line 1"]);
}

#[test]
fn whoever_is_told_to_waits_for_the_store() {
    let (place, _simulator, _) = stage(1);
    let slow = Simulator::start(&["--latency-ms", "60000"]);
    let mut holder = place.xhost();
    let base_url = format!("model.base_url={}", slow.base_url());
    holder.args([
        "run", &base_url, "salt=x", "--store", "s.redb", "--quiet", "--out", "held",
    ]);
    let mut holder = holder.spawn().expect("it starts");
    while slow.count("calls") == 0 {
        std::thread::yield_now();
    }
    store(&place, &["stat"]).expect(7).says(&[
        &holder.id().to_string(),
        "xhost run (small)",
        "--wait",
    ]);
    let mut waiting = place.xhost();
    waiting.args(["store", "stat", "--wait", "--store", "s.redb"]);
    let mut waiting = waiting
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut said = String::new();
    let stderr = waiting.stderr.take().expect("it is piped");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stderr), &mut said).expect("a line");
    assert!(
        said.contains("waiting: ") && said.contains("in use"),
        "{said}"
    );
    holder.kill().expect("it can be killed");
    holder.wait().expect("it ends");
    assert!(waiting.wait().expect("it ends").success());
}

/// A collection that is killed at any time leaves the store as it was, or as it is to be.
#[test]
fn a_killed_collection_loses_nothing() {
    let (place, _simulator, _) = stage(300);
    for round in 0..8_u64 {
        let mut command = place.xhost();
        command.args(["store", "compact", "--store", "s.redb"]);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        // The later the round, the more of its steps are done: the new file's size is how far it is.
        let new = place.path("s.redb.new");
        let far = round * 60_000;
        while child.try_wait().expect("it can be asked").is_none() {
            if std::fs::metadata(&new).is_ok_and(|file| file.len() >= far) {
                let _ = child.kill();
                break;
            }
        }
        child.wait().expect("it ends");
        let words = store(&place, &["verify"]).expect(0).stdout();
        assert!(
            words.contains("whole: 300 answers"),
            "round {round}: {words}"
        );
    }
    store(&place, &["compact"]).expect(0);
    assert!(!place.path("s.redb.new").exists());
}

/// A disk of 24 MB, where this machine lets a process mount one for itself.
#[test]
fn a_disk_that_fills_up_stops_the_run_and_a_disk_without_room_is_refused_before_it() {
    let allowed = Command::new("unshare").args(["-rm", "true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("NOT RUN: this machine lets no process mount a file system for itself");
        return;
    }
    let place = Place::new();
    place.write(
        "xhost.yaml",
        &EXPERIMENT.replace(", sampling: {max_tokens: 64}", ""),
    );
    let row =
        |id: usize| format!("{{\"id\": \"{id}\", \"input\": \"Say {id}.\", \"target\": \"x\"}}\n");
    place.write("rows.jsonl", &(0..120).map(row).collect::<String>());
    // Nothing that zstd can make smaller.
    let mut state = 1_u64;
    let mut noise = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'!' + (state >> 58) as u8)
    };
    let replies: String = (0..120)
        .map(|id| {
            let text: String = (0..300_000).map(|_| noise()).collect();
            let reply = serde_json::json!({"model": "demo", "contains": format!("Say {id}."), "reply": text});
            format!("{reply}\n")
        })
        .collect();
    place.write("replies.jsonl", &replies);
    let program = env!("CARGO_BIN_EXE_xhost");
    for disk in ["disk", "small"] {
        std::fs::create_dir(place.path(disk)).expect("a folder");
    }
    let script = format!(
        "mount -t tmpfs -o size=24m none disk || exit 99
         {program} run --rehearse --replies replies.jsonl --store disk/s.redb --out out --quiet; echo first $?
         {program} store --store disk/s.redb verify >&2; echo whole $?
         {program} run --rehearse --replies replies.jsonl --store disk/s.redb --out out --quiet; echo again $?
         mount -t tmpfs -o size=8m none small || exit 99
         {program} run --rehearse --replies replies.jsonl --store small/s.redb --out out --quiet; echo small $?"
    );
    let mut command = Command::new("unshare");
    command
        .args(["-rm", "bash", "-c", &script])
        .current_dir(place.path("."));
    command.env(
        "XDG_CACHE_HOME",
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"),
    );
    command.env("TMPDIR", place.path("."));
    let output = command.output().expect("bash runs");
    let (told, words) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    if output.status.code() == Some(99) {
        eprintln!("NOT RUN: this machine mounts no file system in memory: {words}");
        return;
    }
    assert!(told.contains("first 7"), "{told}\n{words}");
    assert!(
        told.contains("whole 0") && told.contains("again 7"),
        "{told}\n{words}"
    );
    assert!(words.contains("free some space"), "{words}");
    assert!(
        told.contains("small 7") && words.contains("answers may need"),
        "{told}\n{words}"
    );
}
