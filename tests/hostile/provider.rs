//! Providers that mean harm: another host, a header of their own, the credential, the user's money.

use super::stage;
use crate::guests::component;
use crate::support::{Place, Ran, Simulator};
use std::collections::BTreeSet;

/// Attacks of the provider: the run's exit code, and the words of the error or of the trial's failure.
const PROVIDER: &[(&str, i32, &str)] = &[
    ("none", 0, ""),
    ("base-url", 2, "neither http nor https"),
    ("base-url-userinfo", 2, "holds a credential"),
    ("base-url-query", 2, "query"),
    ("base-url-newline", 2, "control characters"),
    ("key-variable-name", 2, "no name of one"),
    ("auth-host", 2, "frames the message"),
    ("auth-injection", 2, "no name of one"),
    ("other-host", 3, "could name another host"),
    ("other-origin", 3, "does not begin with"),
    ("no-slash", 3, "does not begin with"),
    ("back-slash", 3, "could name another host"),
    ("dot-dot", 3, "leaves the base URL"),
    ("encoded-dot-dot", 3, "leaves the base URL"),
    ("newline-path", 3, "do not belong"),
    ("query-in-path", 3, "do not belong"),
    ("fragment-in-path", 3, "do not belong"),
    ("header-injection", 3, "visible ASCII"),
    ("header-name-injection", 3, "a name that is none"),
    ("authorization", 3, "the host's to set"),
    ("host-header", 3, "the host's to set"),
    ("cookie", 3, "the host's to set"),
    ("content-length", 3, "the host's to set"),
    ("bad-json-body", 3, "JSON"),
    ("deep-body", 3, "recursion limit"),
    ("huge-body", 3, "8 MiB"),
    ("endless-usage", 0, ""),
    ("huge-model", 0, ""),
    ("bad-extra", 3, "not a JSON object"),
    ("huge-api", 2, "longer than 100 characters"),
    ("many-headers", 2, "more than 100 headers"),
    ("set-cookie", 0, ""),
    ("base-url-variable", 6, "127.0.0.1:1"),
];

/// A place with rows, and the provider that means harm.
fn provider() -> Option<(Place, String)> {
    let prebuilt = "tests/guests/prebuilt/hostile-provider.wasm";
    let provider = component("hostile-provider", prebuilt)?;
    let (place, _) = stage().expect("both guests are there");
    Some((place, provider.to_str().expect("a path in UTF-8").into()))
}

/// An experiment of that provider, with more for the model and the file.
fn experiment(place: &Place, attack: &str, model: &str, more: &str) {
    place.write(
        "provider.yaml",
        &format!(
            "name: hostile-provider\ndataset: {{path: rows.jsonl}}\nprompt: '{{{{ input }}}}'\nscorers: [includes]\n\
             model: {{provider: hostile-provider, name: demo, params: {{attack: {attack}}}{model}}}\n{more}"
        ),
    );
}

#[test]
fn a_provider_cannot_leave_its_address_or_frame_its_own_messages() {
    let Some((place, provider)) = provider() else {
        return;
    };
    let simulator = Simulator::start(&[]);
    for (attack, code, words) in PROVIDER {
        let at = match *attack {
            attack if attack.starts_with("base-url") => String::new(),
            _ => format!(", base_url: '{}'", simulator.base_url()),
        };
        experiment(&place, attack, &at, "");
        let before = simulator.count("calls");
        let ran = place.run(&[
            "provider.yaml",
            "--plugin",
            &provider,
            "--store",
            &format!("{attack}.redb"),
            "--out",
            attack,
        ]);
        let sent = simulator.count("calls") - before;
        let ran: Ran = ran.expect(*code);
        match code {
            0 => assert_eq!(sent, 2, "{attack}"),
            2 | 6 => drop(ran.says(&[words])),
            _ => {
                let trial = place.lines(&format!("{attack}/trials.jsonl")).remove(0);
                let message = trial["failure"]["message"]
                    .as_str()
                    .expect("a message")
                    .to_owned();
                assert!(
                    message.contains(words),
                    "{attack}: `{words}` is not in: {message}"
                );
                assert!(
                    message.contains("provider `hostile-provider` ("),
                    "{attack}: {message}"
                );
                // What it makes of an answer comes after the answer.
                let answers = if *attack == "bad-extra" { 2 } else { 0 };
                assert_eq!(sent, answers, "{attack}: no packet leaves");
            }
        }
    }
}

#[test]
fn a_provider_that_asks_at_random_asks_the_same_in_every_run() {
    let Some((place, provider)) = provider() else {
        return;
    };
    experiment(&place, "random-body", "", "");
    let asked = |out: &str| {
        let arguments = ["provider.yaml", "--plugin", &provider, "--rehearse"];
        place.run(&[&arguments[..], &["--out", out]].concat());
        let events = place.lines(&format!("{out}/events.jsonl"));
        let calls = events.iter().filter(|event| event["event"] == "call-ended");
        let digests = calls.map(|call| call["digest"].as_str().map(str::to_owned));
        digests.collect::<BTreeSet<Option<String>>>()
    };
    let (first, second) = (asked("first"), asked("second"));
    assert!(first.iter().any(Option::is_some), "it asked");
    assert_eq!(first, second);
}

#[test]
fn a_provider_from_elsewhere_is_given_no_credential_that_the_experiment_does_not_name() {
    let Some((place, provider)) = provider() else {
        return;
    };
    let simulator = Simulator::start(&["--key", "anything"]);
    experiment(&place, "key-variable", "", "");
    let mut command = place.xhost();
    command.env("AWS_SECRET_ACCESS_KEY", "anything");
    let base_url = format!("model.base_url={}", simulator.base_url());
    let output = command
        .args([
            "run",
            "provider.yaml",
            "--plugin",
            &provider,
            &base_url,
            "--store",
            "s.redb",
        ])
        .output();
    let output = output.expect("it runs");
    assert_eq!(
        simulator.count("answered"),
        0,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Attacks of the batch half: the run's exit code, and the words of its error.
const BATCHES: &[(&str, i32, &str)] = &[
    ("batch", 0, ""),
    ("batch-form", 0, ""),
    ("batch-strangers", 0, ""),
    ("batch-no-room", 3, ""),
    ("batch-line-feed", 2, "line feed"),
    (
        "batch-fewer-lines",
        2,
        "other than one line for each request",
    ),
    ("batch-endless-acts", 2, "more than 8 acts"),
    ("batch-content-type", 2, "not visible ASCII"),
    ("batch-id", 2, "id of a batch is not visible ASCII"),
    ("batch-other-host", 2, "could name another host"),
    ("batch-header", 2, "not visible ASCII"),
    ("batch-results-elsewhere", 2, "could name another host"),
    ("batch-many-results", 2, "more than 64 results"),
];

#[test]
fn a_batch_goes_nowhere_else_and_what_is_made_of_its_results_is_checked() {
    let Some((place, provider)) = provider() else {
        return;
    };
    let simulator = Simulator::start(&[]);
    for (attack, code, words) in BATCHES {
        let at = format!(", base_url: '{}'", simulator.base_url());
        experiment(&place, attack, &at, "mode: batch\n");
        let store = format!("{attack}.redb");
        let ran = place.run(&[
            "provider.yaml",
            "--plugin",
            &provider,
            "--store",
            &store,
            "--out",
            attack,
        ]);
        eprintln!("{attack}");
        let ran = ran.expect(*code);
        let told = ran.stderr();
        assert!(
            told.contains(words),
            "{attack}: `{words}` is not in: {told}"
        );
        let plain = |character: char| !character.is_control() || character == '\n';
        assert!(told.chars().all(plain), "{attack}: {told:?}");
        let trials = place.lines(&format!("{attack}/trials.jsonl"));
        match code {
            0 => assert!(
                trials.iter().all(|trial| !trial["answer"].is_null()),
                "{attack}"
            ),
            2 => assert!(told.contains("hostile-provider"), "{attack}: {told}"),
            _ => assert!(
                trials.iter().all(|trial| !trial["failure"].is_null()),
                "{attack}"
            ),
        }
    }
    assert_eq!(simulator.count("calls"), 0, "nothing was sent live");
}

/// A server that sends each call on to another one, and whether that other one was ever spoken to.
struct Redirecting {
    base_url: String,
    other: std::net::TcpListener,
}

impl Redirecting {
    fn start() -> Redirecting {
        let listen = || std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (here, other) = (listen(), listen());
        other.set_nonblocking(true).expect("it can be asked");
        let to = other.local_addr().expect("it has an address");
        let base_url = format!(
            "http://{}/v1",
            here.local_addr().expect("it has an address")
        );
        std::thread::spawn(move || {
            for stream in here.incoming().flatten().take(64) {
                send_on(stream, to);
            }
        });
        Redirecting { base_url, other }
    }

    fn other_was_spoken_to(&self) -> bool {
        self.other.accept().is_ok()
    }
}

fn send_on(mut stream: std::net::TcpStream, to: std::net::SocketAddr) {
    use std::io::{Read, Write};
    let mut request = [0; 16 << 10];
    // One piece is enough of it; whoever called reads the answer.
    let _ = stream.read(&mut request);
    let _ = write!(
        stream,
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{to}/v1/chat/completions\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
}

#[test]
fn a_redirect_is_not_followed_with_the_credential_or_without() {
    let (place, _) = stage().expect("both guests are there");
    let server = Redirecting::start();
    place.write(
        "provider.yaml",
        &format!(
            "name: redirected\ndataset: {{path: rows.jsonl}}\nprompt: '{{{{ input }}}}'\nscorers: [includes]\n\
             model: {{provider: openai, name: demo, base_url: '{}', key_variable: THE_KEY}}\n",
            server.base_url
        ),
    );
    let mut command = place.xhost();
    command.env("THE_KEY", "a-secret-that-stays");
    command.args(["run", "provider.yaml", "--store", "s.redb", "--out", "out"]);
    let ran = Ran::of(&mut command);
    assert_ne!(ran.code(), 0);
    let told = ran.stderr() + &place.read("out/events.jsonl");
    assert!(told.contains("redirect"), "{told}");
    assert!(!told.contains("a-secret-that-stays"), "{told}");
    assert!(!server.other_was_spoken_to());
}
