//! Live calls and batches of every built-in provider, against servers that we did not write: PyPI's `llmock`, and Google's
//! own SDK as the judge of what reaches a server of its API.

use crate::support::{Place, llmock::Llmock, repository};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

const ROWS: usize = 5;

/// A provider as somebody else's server has it.
struct Peer {
    name: &'static str,
    provider: &'static str,
    path: &'static str,
    params: &'static str,
}

const PEERS: [Peer; 6] = [
    Peer {
        name: "openai",
        provider: "openai",
        path: "/v1",
        params: "{}",
    },
    Peer {
        name: "anthropic",
        provider: "anthropic",
        path: "/anthropic",
        params: "{}",
    },
    Peer {
        name: "mistral",
        provider: "mistral",
        path: "/mistral/v1",
        params: "{}",
    },
    // It keeps no files for this dialect, and looks for requests in a place of its own.
    Peer {
        name: "gemini",
        provider: "gemini",
        path: "/gemini",
        params: "{batch: {input: requests}}",
    },
    Peer {
        name: "groq",
        provider: "openai",
        path: "/groq/openai/v1",
        params: "{batch: {most_bytes: 100000000}}",
    },
    // Azure's header, in every call of a batch too.
    Peer {
        name: "azure",
        provider: "openai",
        path: "/v1",
        params: "{auth: api-key}",
    },
];

fn place(provider: &str, base_url: &str, params: &str) -> Place {
    let place = Place::new();
    let rows = (0..ROWS).map(|row| {
        format!("{{\"id\": \"r{row}\", \"input\": \"Question {row}?\", \"target\": \"hello\"}}\n")
    });
    place.write("rows.jsonl", &rows.collect::<String>());
    place.write(
        "xhost.yaml",
        &format!(
            "name: peer
dataset: {{path: rows.jsonl}}
prompt: '{{{{ input }}}}'
model:
  provider: {provider}
  name: some-model
  base_url: {base_url}
  key_variable: PEERS_KEY
  params: {params}
  sampling: {{max_tokens: 64}}
scorers: [includes]
"
        ),
    );
    place
}

/// A run with the credential that the peer looks for.
fn run(place: &Place, mode: &str) {
    let folder = format!("out-{mode}");
    let store = format!("{mode}.redb");
    let arguments = ["run", "--mode", mode, "--store", &store, "--out", &folder];
    let output = place
        .xhost()
        .args(arguments)
        .env("PEERS_KEY", "a-key-of-peers")
        .output()
        .expect("xhost starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{mode}: {text}");
}

/// The texts of a run's answers, all of which are there.
fn answers(place: &Place, mode: &str) -> Vec<String> {
    let trials = place.lines(&format!("out-{mode}/trials.jsonl"));
    assert_eq!(trials.len(), ROWS);
    let text = |trial: &Value| {
        let answer = trial["answer"].as_str();
        answer
            .unwrap_or_else(|| panic!("no answer: {trial}"))
            .to_owned()
    };
    trials.iter().map(text).collect()
}

#[test]
fn llmock_takes_live_calls_and_batches_of_every_dialect_and_gives_its_verdict_pass() {
    let Some(llmock) = Llmock::start(&[]) else {
        return;
    };
    // Its batches take three seconds each; they do not wait for each other.
    std::thread::scope(|scope| {
        for peer in &PEERS {
            let base_url = format!("http://{}{}", llmock.address, peer.path);
            scope.spawn(move || {
                let place = place(peer.provider, &base_url, peer.params);
                for mode in ["live", "batch"] {
                    run(&place, mode);
                    let answers = answers(&place, mode);
                    assert!(answers.iter().all(|text| !text.is_empty()), "{}", peer.name);
                }
                let usage = &place.lines("out-batch/trials.jsonl")[0]["usage"];
                assert!(usage["input"].as_u64() > Some(0), "{}: {usage}", peer.name);
                let digest = |mode: &str| {
                    let trials = place.lines(&format!("out-{mode}/trials.jsonl"));
                    let of = |trial: &Value| trial["requests"][0]["request"].clone();
                    trials.iter().map(of).collect::<Vec<_>>()
                };
                assert_eq!(digest("live"), digest("batch"), "{}", peer.name);
            });
        }
    });
    let requests = llmock.requests();
    let refused: Vec<&Value> = requests
        .iter()
        .filter(|request| request["status"].as_u64() >= Some(400))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    let (well, words) = llmock.verdict();
    assert!(well && words.contains("PASS"), "{words}");
}

/// Google's API as its official SDK knows it, until the end of the test.
struct Google {
    child: Child,
    base_url: String,
}

impl Google {
    fn start(key: &str) -> Option<Google> {
        let Some(python) = std::env::var_os("XHOST_PYTHON") else {
            eprintln!("NOT RUN: set XHOST_PYTHON to a Python that has `google-genai` from PyPI");
            return None;
        };
        let mut child = Command::new(python)
            .arg(repository().join("tests/clients/gemini_server.py"))
            .arg(key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output is piped");
        BufReader::new(output).read_line(&mut line).expect("text");
        let base_url = line.trim().strip_prefix("listening on ");
        let base_url = base_url.expect("the SDK's own acts succeed").to_owned();
        Some(Google { child, base_url })
    }

    /// How often each act was done.
    fn seen(&self) -> serde_json::Map<String, Value> {
        let address = self.base_url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).expect("it answers");
        let head = format!("GET /_seen HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("it is taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer");
        serde_json::from_str(body).expect("an object")
    }
}

impl Drop for Google {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first batch leaves one request to an error that passes, and one without a word.
#[test]
fn every_act_with_which_gemini_is_asked_is_one_of_googles_own_sdk() {
    let Some(google) = Google::start("a-key-of-peers") else {
        return;
    };
    let place = place("gemini", &google.base_url, "{}");
    for mode in ["live", "batch"] {
        run(&place, mode);
        let expect = (0..ROWS).map(|row| format!("Answer to Question {row}?"));
        assert_eq!(answers(&place, mode), expect.collect::<Vec<_>>());
    }
    let usage = &place.lines("out-batch/trials.jsonl")[0]["usage"];
    assert_eq!(
        usage,
        &json!({"input": 7, "output": 5, "cache_read": 0, "cache_write": 0, "reasoning": 2})
    );
    let seen = google.seen();
    let count = |act: &str| {
        let of = |(name, times): (&String, &Value)| name.contains(act).then_some(times.as_u64());
        seen.iter().filter_map(of).flatten().sum::<u64>()
    };
    assert_eq!(count(":generateContent"), ROWS as u64, "live: {seen:?}");
    for act in [": start", "finalize", ":batchGenerateContent", ":download"] {
        assert_eq!(count(act), 2, "{act}: {seen:?}");
    }
}

#[test]
fn a_rehearsal_speaks_every_providers_dialect_and_says_whose_batches_it_does_not() {
    for (provider, batches) in [
        ("openai", true),
        ("anthropic", true),
        ("mistral", false),
        ("gemini", false),
    ] {
        let place = place(provider, "https://example.invalid", "{}");
        let rehearse = |mode| {
            [
                "--rehearse",
                "--mode",
                mode,
                "--store",
                "s.redb",
                "--out",
                "out-live",
            ]
        };
        place.run(&rehearse("live")).expect(0);
        for text in answers(&place, "live") {
            assert!(text.starts_with("The answer is "), "{provider}: {text}");
        }
        let usage = &place.lines("out-live/trials.jsonl")[0]["usage"];
        assert!(usage["output"].as_u64() > Some(0), "{provider}: {usage}");
        let mut arguments = rehearse("batch");
        arguments[6] = "out-batch";
        let ran = place.run(&arguments);
        if batches {
            ran.expect(0);
        } else {
            let words = format!("the simulator has no batches of `{provider}`; write `mode: live`");
            ran.expect(2).says(&[&words]);
        }
    }
}

#[test]
fn a_server_whose_batches_are_not_openais_is_known_before_anything_is_sent() {
    for host in ["api.together.xyz", "openrouter.ai"] {
        let place = place("openai", &format!("https://{host}/v1"), "{}");
        let words =
            format!("`mode: batch`: {host} takes no batches in OpenAI's form; write `mode: live`");
        place
            .run(&["--mode", "batch", "--store", "s.redb", "--out", "out"])
            .expect(2)
            .says(&[&words]);
    }
}
