//! A store that several processes share, and the gateway: the real programs, killed and lied to.

/// The gateway.
mod gateway;

use crate::support::{Place, Ran, Simulator, shared_data};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const EXPERIMENT: &str = "\
name: small
dataset: {path: rows.jsonl}
prompt: '{{ input }}'
model: {provider: openai, name: demo, endpoint: here, sampling: {max_tokens: 64}}
scorers: [includes]
";

fn place(rows: usize) -> Place {
    let place = Place::new();
    place.write("xhost.yaml", EXPERIMENT);
    let row =
        |id| format!("{{\"id\": \"r{id}\", \"input\": \"Question {id}?\", \"target\": \"x\"}}\n");
    place.write("rows.jsonl", &(0..rows).map(row).collect::<String>());
    place
}

/// `xhost serve`, until the end of the test.
struct Serve {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Serve {
    fn start(place: &Place, arguments: &[&str]) -> Serve {
        let mut command = place.xhost();
        command.args(["serve", "--store", "s.redb"]).args(arguments);
        Serve::of(&mut command)
    }

    fn of(command: &mut Command) -> Serve {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let stdout = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut serve = Serve { child, stdout };
        serve.line("sharing ");
        serve
    }

    /// What follows these words in the next line that it prints.
    fn line(&mut self, words: &str) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("it says something");
        let rest = line.trim().strip_prefix(words);
        rest.unwrap_or_else(|| panic!("no `{words}` in {line:?}"))
            .to_owned()
    }

    fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    fn wait(&mut self) -> i32 {
        self.child.wait().expect("it ends").code().unwrap_or(-1)
    }

    /// The most memory that it had, in MiB.
    fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .expect("a line");
        let kib = line.split_whitespace().nth(1).expect("a number");
        kib.parse::<u64>().expect("a number") / 1_024
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(sent.expect("kill runs").success());
}

fn run(place: &Place, simulator: &Simulator, out: &str, more: &[&str]) -> Child {
    let base_url = format!("model.base_url={}", simulator.base_url());
    let mut command = place.xhost();
    command.args([
        "run", &base_url, "--store", "s.redb", "--out", out, "--quiet",
    ]);
    command
        .args(more)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command.spawn().expect("it starts")
}

/// Its exit code, and what it said.
fn end(mut child: Child) -> (i32, String) {
    let mut said = String::new();
    let mut stderr = child.stderr.take().expect("it is piped");
    stderr.read_to_string(&mut said).expect("text");
    (child.wait().expect("it ends").code().unwrap_or(-1), said)
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(120), "never: {what}");
        std::thread::yield_now();
    }
}

fn command(place: &Place, words: &[&str]) -> Ran {
    Ran::of(place.xhost().args(words).args(["--store", "s.redb"]))
}

#[test]
fn two_runs_at_once_ask_each_request_once_and_every_command_finds_the_store() {
    let place = place(120);
    let simulator = Simulator::start(&["--latency-ms", "20"]);
    let mut serve = Serve::start(&place, &[]);
    let runs = ["a", "b", "c"].map(|out| run(&place, &simulator, out, &[]));
    for child in runs {
        let (code, said) = end(child);
        assert_eq!(code, 0, "{said}");
    }
    assert_eq!(
        (simulator.count("answered"), simulator.count("repeated")),
        (120, 0)
    );
    let results = ["a", "b", "c"].map(|out| place.read(&format!("{out}/trials.jsonl")));
    assert!(results[0] == results[1] && results[1] == results[2]);

    let base_url = format!("model.base_url={}", simulator.base_url());
    command(&place, &["plan", &base_url])
        .expect(0)
        .prints(&["120"]);
    command(&place, &["store", "stat"])
        .expect(0)
        .prints(&["120 answers", "3 runs"]);
    let digest = place.lines("a/trials.jsonl")[0]["requests"][0]["digest"].clone();
    let digest = digest.as_str().expect("a digest").to_owned();
    command(&place, &["store", "get", &digest])
        .expect(0)
        .prints(&["Question 0?"]);
    command(&place, &["cache", "why", &digest])
        .expect(0)
        .prints(&["has an answer"]);
    place.write(
        "other.yaml",
        &EXPERIMENT.replace("max_tokens: 64", "max_tokens: 65"),
    );
    command(&place, &["cache", "why", "other.yaml:r7"])
        .expect(0)
        .prints(&[
            "the nearest of 120 stored requests",
            "max_completion_tokens",
        ]);
    command(&place, &["replay", "a"])
        .expect(0)
        .prints(&["the same to the byte"]);
    command(&place, &["export", "a", "-o", "a.xhb"]).expect(0);
    command(&place, &["import", "a.xhb"])
        .expect(0)
        .prints(&["120 were there"]);
    for words in [
        &["store", "gc"][..],
        &["store", "compact"],
        &["store", "verify"],
        &["store", "verify", "--repair"],
        &["store", "export", "all.zst"],
        &["store", "import", "all.zst"],
    ] {
        place.write(
            "all.zst",
            "{\"key\": \"k\", \"bind\": \"b\", \"meta\": {}}\n",
        );
        let process = format!("process {} xhost serve", serve.child.id());
        command(&place, words)
            .expect(7)
            .says(&[&process, "stop `xhost serve`"]);
    }
    Ran::of(place.xhost().args(["serve", "--store", "s.redb"]))
        .expect(7)
        .says(&["xhost serve"]);

    serve.signal("-TERM");
    assert_eq!(serve.wait(), 0);
    assert!(
        !place.path("s.redb.serve").exists(),
        "it takes its socket away"
    );
    command(&place, &["store", "verify"])
        .expect(0)
        .prints(&["whole: 120 answers"]);
    command(&place, &["export", "a", "-o", "again.xhb"]).expect(0);
    let bytes =
        ["a.xhb", "again.xhb"].map(|name| std::fs::read(place.path(name)).expect("a bundle"));
    assert!(
        bytes[0] == bytes[1],
        "the same bundle, whoever had the store"
    );
}

#[test]
fn a_killed_client_leaves_its_requests_to_the_next_who_waits() {
    let place = place(6);
    let slow = Simulator::start(&["--latency-ms", "600000"]);
    let quick = Simulator::start(&[]);
    let _serve = Serve::start(&place, &[]);
    let doomed = run(&place, &slow, "doomed", &[]);
    until("all requests are claimed", || slow.count("calls") == 6);
    let other = run(&place, &quick, "other", &[]);
    until("the other run has begun", || {
        place.path("other/events.jsonl").exists()
    });
    // It looks into the store after that: whatever it did not find, it would have asked for long before this returns.
    command(&place, &["store", "stat"])
        .expect(0)
        .prints(&["0 answers"]);
    assert_eq!(
        quick.count("calls"),
        0,
        "what is asked already is waited for"
    );
    signal(&doomed, "-KILL");
    end(doomed);
    let (code, said) = end(other);
    assert_eq!(code, 0, "{said}");
    assert_eq!((quick.count("answered"), quick.count("repeated")), (6, 0));
}

#[test]
fn a_killed_server_costs_nothing_that_was_paid_for() {
    let place = place(60);
    let simulator = Simulator::start(&["--latency-ms", "300"]);
    let mut serve = Serve::start(&place, &[]);
    let going = run(&place, &simulator, "out", &["--concurrency", "8"]);
    until("some answers are stored and others on their way", || {
        simulator.count("answered") >= 16
    });
    serve.signal("-KILL");
    serve.wait();
    let (code, said) = end(going);
    assert_eq!(code, 7, "{said}");
    for words in ["`xhost serve` that has it is gone", "start it again"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let paid = simulator.count("answered");
    assert!(paid < 60, "no further call leaves: {paid}");
    let stat = command(&place, &["store", "stat"]).expect(0);
    assert!(stat.stderr().contains("took in"), "{}", stat.stderr());
    stat.prints(&[&format!("{paid} answers")]);

    // What the killed one left does not keep the next one out.
    let mut serve = Serve::start(&place, &[]);
    let (code, said) = end(run(&place, &simulator, "out", &[]));
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        (simulator.count("answered"), simulator.count("repeated")),
        (60, 0)
    );
    serve.signal("-INT");
    assert_eq!(serve.wait(), 0);
}

#[test]
fn a_server_that_is_stopped_tells_its_clients_and_stores_what_they_sent() {
    let place = place(60);
    let simulator = Simulator::start(&["--latency-ms", "200"]);
    let mut serve = Serve::start(&place, &[]);
    let going = run(&place, &simulator, "out", &["--concurrency", "8"]);
    until("answers come", || simulator.count("answered") >= 16);
    serve.signal("-INT");
    assert_eq!(serve.wait(), 0);
    let (code, said) = end(going);
    assert_eq!(code, 7, "{said}");
    assert!(said.contains("it was stopped"), "{said}");
    // Without a server, as with one.
    let (code, said) = end(run(&place, &simulator, "out", &[]));
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        (simulator.count("answered"), simulator.count("repeated")),
        (60, 0)
    );
}

#[test]
fn batches_go_through_a_shared_store_one_run_at_a_time() {
    let place = place(30);
    let simulator = Simulator::start(&["--batch-delay-ms", "1500"]);
    let _serve = Serve::start(&place, &[]);
    let first = run(&place, &simulator, "first", &["--mode", "batch"]);
    until("its batch is submitted", || simulator.count("batches") == 1);
    let (code, said) = end(run(
        &place,
        &simulator,
        "second",
        &["--mode", "batch", "model.name=other"],
    ));
    assert_eq!(code, 7, "{said}");
    assert!(said.contains("--mode live"), "{said}");
    let (code, said) = end(first);
    assert_eq!(code, 0, "{said}");
    let (code, said) = end(run(&place, &simulator, "second", &[]));
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        (simulator.count("answered"), simulator.count("repeated")),
        (30, 0)
    );
}

fn connect(place: &Place) -> UnixStream {
    let stream = UnixStream::connect(place.path("s.redb.serve/socket")).expect("it listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a timeout");
    stream
}

fn hello(protocol: u32) -> Vec<u8> {
    let mut hello = b"xhostshr".to_vec();
    hello.extend(protocol.to_le_bytes());
    hello.extend(5_u16.to_le_bytes());
    hello.extend(b"0.0.0");
    hello
}

/// What the server says until it closes the connection.
fn last_words(mut stream: UnixStream) -> Vec<u8> {
    let mut said = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut said);
    said
}

#[test]
fn whatever_a_client_says_the_server_goes_on_and_stays_small() {
    let place = place(3);
    // Requests that take their part of the room for messages.
    let long = EXPERIMENT.replace(
        "{{ input }}",
        &format!("{} {{{{ input }}}}", "word ".repeat(4_000)),
    );
    place.write("xhost.yaml", &long);
    let simulator = Simulator::start(&[]);
    let serve = Serve::start(&place, &[]);
    let socket = place.path("s.redb.serve/socket");
    let mode = |path| {
        std::fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        (mode(socket.parent().expect("a folder")), mode(&socket)),
        (0o700, 0o600)
    );
    assert!(
        std::fs::metadata(&socket)
            .expect("it is there")
            .file_type()
            .is_socket()
    );

    let frame = |body: &[u8]| [&(body.len() as u32).to_le_bytes()[..], body].concat();
    let garbage: Vec<u8> = (0..200_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let mut commit = vec![3];
    commit.extend([0; 8]);
    commit.extend(u32::MAX.to_le_bytes());
    let speeches = [
        garbage.clone(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        [hello(1), garbage].concat(),
        [hello(1), u32::MAX.to_le_bytes().to_vec()].concat(),
        [hello(1), frame(&[])].concat(),
        [hello(1), frame(&[99; 9])].concat(),
        [hello(1), frame(&commit)].concat(),
        [hello(1), frame(&[1; 20])].concat(),
    ];
    for speech in &speeches {
        let mut stream = connect(&place);
        // It may have hung up before all was said.
        let _ = stream.write_all(speech);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        last_words(stream);
    }
    // Many that promise a large message and send none of it hold nothing.
    let promises: Vec<UnixStream> = (0..50)
        .map(|_| {
            let mut stream = connect(&place);
            let large = (190_u32 << 20).to_le_bytes();
            stream
                .write_all(&[hello(1), large.to_vec()].concat())
                .expect("it reads");
            stream
        })
        .collect();
    let mut stranger = connect(&place);
    stranger.write_all(&hello(7)).expect("it reads");
    let said = last_words(stranger);
    assert_eq!(&said[..8], b"xhostshr");
    assert_eq!(
        said[8..12],
        1_u32.to_le_bytes(),
        "it says which version it is, and leaves"
    );

    let (code, said) = end(run(&place, &simulator, "out", &[]));
    assert_eq!(code, 0, "{said}");
    command(&place, &["store", "stat"])
        .expect(0)
        .prints(&["3 answers"]);
    assert!(serve.peak() < 60, "{} MiB", serve.peak());
    drop(promises);
}

#[test]
fn a_server_of_another_version_is_told_from_a_broken_one() {
    let place = place(1);
    let _held = Serve::start(&place, &[]);
    let socket = place.path("s.redb.serve/socket");
    std::fs::remove_file(&socket).expect("it is ours");
    let other = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    for (answer, words) in [
        (hello(7), &["protocol 7", "protocol 1", "0.0.0"][..]),
        (vec![b'?'; 64], &["is no `xhost serve`"]),
    ] {
        let asking = place
            .xhost()
            .args(["store", "stat", "--store", "s.redb"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let (mut stream, _) = other.accept().expect("it comes");
        stream.write_all(&answer).expect("it reads");
        let (code, said) = end(asking);
        assert_eq!(code, 7);
        for words in words {
            assert!(said.contains(words), "{words}: {said}");
        }
    }
    // A socket that nobody listens at is what a killed server leaves.
    drop(other);
    std::fs::write(place.path("s.redb.holder"), "process 1 xhost run (x)").expect("a note");
    command(&place, &["store", "stat"]).expect(7).says(&[
        "process 1 xhost run (x)",
        "--wait",
        "xhost serve --store s.redb",
    ]);
}

#[test]
fn a_deep_folder_is_no_hindrance() {
    let place = place(2);
    let deep = format!("{}/s.redb", ["d".repeat(60), "e".repeat(60)].join("/"));
    let simulator = Simulator::start(&[]);
    let runtime = place.path("rt");
    std::fs::create_dir(&runtime).expect("a folder");
    let mut command = place.xhost();
    command.env("XDG_RUNTIME_DIR", &runtime);
    command.args(["serve", "--store", &deep]);
    let mut serve = Serve::of(&mut command);
    let base_url = format!("model.base_url={}", simulator.base_url());
    // Another session need not have the same runtime folder.
    place.run(&[&base_url, "--store", &deep]).expect(0);
    assert_eq!(
        std::fs::read_dir(runtime.join("xhost"))
            .expect("a folder")
            .count(),
        1
    );
    serve.signal("-TERM");
    assert_eq!(serve.wait(), 0);
    assert_eq!(
        std::fs::read_dir(runtime.join("xhost"))
            .expect("a folder")
            .count(),
        0
    );
}

#[test]
fn a_warm_run_over_gsm8k_through_a_shared_store_costs_little_more_than_one_of_its_own() {
    let (Some(test), Some(replies)) = (
        shared_data("gsm8k/test.jsonl"),
        shared_data("gsm8k/replies.jsonl"),
    ) else {
        return;
    };
    let place = Place::new();
    let simulator = Simulator::start(&["--replies", replies.to_str().expect("a path in UTF-8")]);
    place.write(
        "xhost.yaml",
        &format!(
            "name: gsm8k
dataset: {{path: {}, fields: {{input: question, target: target}}}}
prompt: '{{{{ question }}}}'
model: {{provider: openai, name: 6b_finetuning, sampling: {{max_tokens: 512, temperature: 0}}}}
scorers: [numeric]
sweep: {{model.name: [6b_finetuning, 175b_finetuning]}}
limits: {{concurrency: 100}}
",
            test.display()
        ),
    );
    let timed = |out: &str| {
        let begun = Instant::now();
        let (code, said) = end(run(&place, &simulator, out, &[]));
        assert_eq!(code, 0, "{said}");
        begun.elapsed()
    };
    let mut serve = Serve::start(&place, &[]);
    let cold = timed("cold");
    let served = (0..3).map(|_| timed("served")).min().expect("three runs");
    let peak = serve.peak();
    serve.signal("-TERM");
    assert_eq!(serve.wait(), 0);
    let own = (0..3).map(|_| timed("own")).min().expect("three runs");
    assert_eq!(
        (simulator.count("answered"), simulator.count("repeated")),
        (2_638, 0)
    );
    let results = ["cold", "served", "own"].map(|out| place.read(&format!("{out}/trials.jsonl")));
    assert!(results[0] == results[1] && results[1] == results[2]);
    eprintln!(
        "cold {cold:?}; warm, served {served:?}; warm, own {own:?}; the server had {peak} MiB at most"
    );
    assert!(served < own * 3, "served {served:?}, own {own:?}");
    assert!(peak < 80, "{peak} MiB");
}
