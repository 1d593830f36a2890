//! The gateway: the official SDKs and plain HTTP before it, the simulator behind it.

use super::{EXPERIMENT, Serve, command, place, until};
use crate::support::{Place, Ran, Simulator, repository};
use std::io::{Read, Write};
use std::process::Command;

/// A gateway before this simulator, and its address.
fn gateway(place: &Place, simulator: &Simulator) -> (Serve, String) {
    let mut command = place.xhost();
    command
        .args(["serve", "--store", "s.redb", "--listen", "127.0.0.1:0"])
        .env("XHOST_SERVE_TOKEN", TOKEN)
        .env("OPENAI_API_KEY", "provider-key")
        .env("OPENAI_BASE_URL", simulator.base_url())
        .env("ANTHROPIC_API_KEY", "provider-key")
        .env(
            "ANTHROPIC_BASE_URL",
            format!("http://{}", simulator.address),
        );
    let mut serve = Serve::of(&mut command);
    let address = serve.line("listening on http://");
    (serve, address)
}

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// What the gateway answers to a POST: its status and headers as text, and its body.
fn post(address: &str, path: &str, headers: &[&str], body: &str) -> (String, String) {
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    let length = body.len();
    let headers = headers.join("\r\n");
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("an answer");
    let (head, body) = said.split_once("\r\n\r\n").expect("an HTTP answer");
    (head.to_owned(), body.to_owned())
}

#[test]
fn the_official_sdks_are_answered_by_the_gateway_and_asked_for_nothing_twice() {
    let Some(python) = std::env::var_os("XHOST_PYTHON") else {
        eprintln!(
            "NOT RUN: set XHOST_PYTHON to a Python that has `openai` and `anthropic` from PyPI"
        );
        return;
    };
    let place = place(1);
    let simulator = Simulator::start(&["--key", "provider-key", "--latency-ms", "50"]);
    let (_serve, address) = gateway(&place, &simulator);
    let output = Command::new(python)
        .arg(repository().join("tests/clients/gateway_sdks.py"))
        .args([
            &format!("http://{address}"),
            TOKEN,
            &format!("http://{}", simulator.address),
        ])
        .output()
        .expect("Python runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("ok  ").count(), 5, "{said}");
}

#[test]
fn a_run_and_the_gateway_share_answers_to_the_same_body() {
    let place = place(4);
    let simulator = Simulator::start(&["--key", "provider-key"]);
    let (_serve, address) = gateway(&place, &simulator);
    let key = format!("authorization: Bearer {TOKEN}");
    let ask = |number: usize| {
        let body = format!(
            "{{\"model\":\"demo\",\"messages\":[{{\"role\":\"user\",\"content\":\"Question {number}?\"}}],\"max_completion_tokens\":64}}"
        );
        post(&address, "/v1/chat/completions", &[&key], &body)
    };
    let (head, first) = ask(0);
    assert!(
        head.starts_with("HTTP/1.1 200") && head.contains("x-xhost-answer: call"),
        "{head}"
    );
    place.write("xhost.yaml", &EXPERIMENT.replace(" endpoint: here,", ""));
    let mut run = place.xhost();
    run.env("OPENAI_API_KEY", "provider-key")
        .env("OPENAI_BASE_URL", simulator.base_url())
        .args(["run", "--store", "s.redb", "--out", "out", "--quiet"]);
    Ran::of(&mut run).expect(0);
    assert_eq!(place.json("out/summary.json")["totals"]["hits"], 1);
    let (head, again) = ask(0);
    assert!(
        head.contains("x-xhost-answer: hit") && again == first,
        "{head}"
    );
    let (head, _) = ask(3);
    assert!(head.contains("x-xhost-answer: hit"), "{head}");
    assert_eq!(
        (simulator.count("answered"), simulator.count("repeated")),
        (4, 0)
    );
}

#[test]
fn the_gateway_answers_nobody_without_its_token_and_listens_where_others_cannot_reach_it() {
    let place = place(1);
    let simulator = Simulator::start(&[]);
    let (mut serve, address) = gateway(&place, &simulator);
    let body = r#"{"model":"demo","messages":[]}"#;
    let wrong = format!("authorization: Bearer {}x", &TOKEN[1..]);
    for headers in [&[][..], &["x-api-key: provider-key"], &[wrong.as_str()]] {
        let (head, said) = post(&address, "/v1/messages", headers, body);
        assert!(head.starts_with("HTTP/1.1 401"), "{head}");
        assert!(
            said.contains("authentication_error") && !said.contains(TOKEN),
            "{said}"
        );
        let (head, _) = post(&address, "/stats", headers, body);
        assert!(head.starts_with("HTTP/1.1 401"), "{head}");
    }
    let key = format!("x-api-key: {TOKEN}");
    let (head, said) = post(&address, "/v1/embeddings", &[&key], body);
    assert!(
        head.starts_with("HTTP/1.1 404") && said.contains("/v1/messages only"),
        "{head} {said}"
    );
    let (head, _) = post(
        &address,
        "/v1/messages",
        &[&key, "x-xhost-draw: none"],
        body,
    );
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    assert_eq!(simulator.count("calls"), 0);
    serve.signal("-TERM");
    assert_eq!(serve.wait(), 0);
    for (arguments, words) in [
        (&["--listen", "0.0.0.0:0"][..], "--allow-remote"),
        (
            &["--listen", "127.0.0.1:0", "--base-url", "mistral=http://h"],
            "openai=… or anthropic=…",
        ),
        (&["--token-file", "t"], "--listen"),
        (
            &["--listen", "127.0.0.1:0", "--token-file", "rows.jsonl"],
            "visible ASCII",
        ),
    ] {
        Ran::of(
            place
                .xhost()
                .args(["serve", "--store", "s.redb"])
                .args(arguments),
        )
        .expect(2)
        .says(&[words]);
    }
    // A token that it makes itself is printed, and is another one each time.
    let tokens = [(); 2].map(|()| {
        let mut serve = Serve::start(&place, &["--listen", "127.0.0.1:0"]);
        serve.line("listening on http://127.0.0.1:");
        let token = serve.line("token xhost-");
        serve.signal("-TERM");
        assert_eq!((serve.wait(), token.len()), (0, 64));
        token
    });
    assert_ne!(tokens[0], tokens[1]);
}

#[test]
fn a_program_that_hangs_up_has_paid_for_an_answer_that_is_kept() {
    let place = place(1);
    let simulator = Simulator::start(&["--latency-ms", "700"]);
    let (mut serve, address) = gateway(&place, &simulator);
    let body = r#"{"model":"demo","messages":[{"role":"user","content":"Hi."}]}"#;
    let mut stream = std::net::TcpStream::connect(&address).expect("it listens");
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-api-key: {TOKEN}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    until("the call has left", || simulator.count("calls") == 1);
    drop(stream);
    // Ended now, it waits for what is paid for.
    serve.signal("-TERM");
    assert_eq!(serve.wait(), 0);
    command(&place, &["store", "stat"])
        .expect(0)
        .prints(&["1 answers"]);
    let (_serve, address) = gateway(&place, &simulator);
    let key = format!("x-api-key: {TOKEN}");
    let (head, _) = post(&address, "/v1/chat/completions", &[&key], body);
    assert!(head.contains("x-xhost-answer: hit"), "{head}");
    assert_eq!(simulator.count("calls"), 1);
}
