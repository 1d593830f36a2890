//! The lane against a scripted transport: what is asked again, what ends a trial, what ends the model, and that waits are
//! taken. Time is tokio's and stands still while nobody waits. The provider is real, or hostile.

/// Provider plugins that mean harm.
mod hostile;

use super::*;
use crate::http::{Incoming, Outgoing};
use crate::plugin::{Engine, Plugin, builtin};
use crate::request::{Draw, Wishes};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::collections::VecDeque;
use std::sync::LazyLock;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(None).expect("an engine"));
static OPENAI: LazyLock<Plugin> =
    LazyLock::new(|| builtin::load(&ENGINE, "openai").expect("a plugin"));
const ANSWER: &str = r#"{"model":"m-1","choices":[{"message":{"content":"four"},"finish_reason":"stop"}],
  "usage":{"prompt_tokens":5,"completion_tokens":1}}"#;

type Reply = Result<Incoming, TransportError>;

fn status(status: u16, body: &str) -> Reply {
    let headers = vec![("x-request-id".to_owned(), "r".to_owned())];
    Ok(Incoming {
        status,
        headers,
        body: Bytes::from(body.to_owned()),
    })
}

fn with_header(name: &str, value: &str, reply: Reply) -> Reply {
    reply.map(|mut incoming| {
        incoming.headers.push((name.to_owned(), value.to_owned()));
        incoming
    })
}

fn answer() -> Reply {
    status(200, ANSWER)
}

fn error(number: u16, code: &str) -> Reply {
    status(
        number,
        &format!(r#"{{"error":{{"message":"the words","code":"{code}"}}}}"#),
    )
}

fn unreachable() -> Reply {
    Err(TransportError::Unreachable {
        origin: "http://h".into(),
        cause: "refused".into(),
    })
}

fn timeout() -> Reply {
    Err(TransportError::Timeout {
        origin: "http://h".into(),
        seconds: 600,
    })
}

fn broken() -> Reply {
    Err(TransportError::Broken {
        origin: "http://h".into(),
        cause: "reset".into(),
    })
}

fn redirect() -> Reply {
    Err(TransportError::Redirect {
        origin: "http://h".into(),
        status: 302,
        location: None,
    })
}

fn too_large() -> Reply {
    Err(TransportError::TooLarge {
        origin: "http://h".into(),
    })
}

/// Gives these replies in turn, the last one for ever, each after a second.
struct Script {
    replies: Mutex<VecDeque<Reply>>,
    sent: Mutex<Vec<(Instant, Outgoing)>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

impl Script {
    fn new(replies: Vec<Reply>) -> Arc<Script> {
        let (replies, sent) = (Mutex::new(replies.into()), Mutex::default());
        let (in_flight, most_in_flight) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Script {
            replies,
            sent,
            in_flight,
            most_in_flight,
        })
    }

    fn sent(&self) -> Vec<(Instant, Outgoing)> {
        self.sent.lock().expect("no test panicked").clone()
    }

    fn calls(&self) -> usize {
        self.sent().len()
    }

    fn next(&self) -> Reply {
        let mut replies = self.replies.lock().expect("no test panicked");
        if replies.len() > 1 {
            replies.pop_front()
        } else {
            replies.front().cloned()
        }
        .expect("a script has a reply")
    }
}

impl Transport for Script {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Reply> {
        Box::pin(async move {
            self.sent
                .lock()
                .expect("no test panicked")
                .push((now(), request));
            let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
            self.most_in_flight.fetch_max(now, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            self.next()
        })
    }
}

const SETTINGS: Settings = Settings {
    pace: PaceLimits {
        requests_per_minute: None,
        tokens_per_minute: None,
        input_tokens_per_minute: None,
        output_tokens_per_minute: None,
    },
    retries: 2,
    timeout: Duration::from_secs(600),
};

/// A variable that is set wherever a test runs: it stands for a credential's.
const VARIABLE: &str = "PATH";

fn secret() -> Secret {
    Secret::from_environment(VARIABLE).expect("it is set")
}

/// A lane of this provider to the script; the endpoint takes no credential unless `key_variable` names one.
async fn lane(
    plugin: &Plugin,
    params: &str,
    key_variable: Option<&str>,
    settings: Settings,
    script: &Arc<Script>,
) -> Lane {
    let provider = Provider {
        plugin: plugin.clone(),
        params: Arc::new(params.to_owned()),
    };
    let profile = provider.describe().await.expect("it describes itself");
    let base_url = Some("http://h/v1".to_owned());
    let wishes = Wishes {
        base_url,
        key_variable: key_variable.map(str::to_owned),
        ..Wishes::default()
    };
    let endpoint = Endpoint::new(&profile, &wishes).expect("an address");
    let transport: Arc<dyn Transport> = Arc::<Script>::clone(script);
    let road = Road {
        transport: Some(transport),
        ceiling: Ceiling::new(2),
    };
    Lane::new(provider, profile, endpoint, "m".into(), settings, road)
}

/// A lane that nothing is sent on.
pub(crate) async fn idle() -> Arc<Lane> {
    let script = Script::new(Vec::new());
    Arc::new(lane(&OPENAI, "{}", None, SETTINGS, &script).await)
}

fn request() -> Request {
    Request {
        endpoint: "http://h".into(),
        method: "POST",
        target: "/v1/chat/completions".into(),
        headers: vec![("x-own".into(), "1".into())],
        body: Bytes::from_static(b"{}"),
        draw: Draw {
            epoch: 1,
            repeat: 0,
        },
        salt: String::new(),
    }
}

/// Asks once; the result, and the events meanwhile.
async fn ask(lane: &Lane) -> (Result<Fresh, CallFailure>, Vec<Event>) {
    let (events, mut inbox) = mpsc::channel(1_024);
    let request = request();
    let result = lane
        .ask(
            &request,
            request.digest(),
            &Stop::default(),
            &Asker::new(0, events),
        )
        .await;
    let mut told = Vec::new();
    while let Ok(event) = inbox.try_recv() {
        told.push(event);
    }
    (result, told)
}

fn in_words(result: &Result<Fresh, CallFailure>) -> String {
    match result {
        Ok(_) => "answered".into(),
        Err(CallFailure::Trial(failure)) => format!("fails: {}", failure.cause.text()),
        Err(CallFailure::Stopped(StopReason::Denied(_))) => "stops: denied".into(),
        Err(CallFailure::Stopped(StopReason::Exhausted(_))) => "stops: exhausted".into(),
        Err(CallFailure::Stopped(StopReason::Unreachable(_))) => "stops: unreachable".into(),
        Err(CallFailure::Stopped(reason)) => format!("stops: {reason}"),
        Err(CallFailure::Deferred) => "waits for a batch".into(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_repeated_as_often_as_its_failure_deserves() {
    let mut not_utf8 = answer();
    if let Ok(incoming) = &mut not_utf8 {
        incoming.body = Bytes::from_static(b"\"\xff\"");
    }
    let within_success = || status(200, r#"{"error":{"code":503,"message":"the words"}}"#);
    for (name, replies, expected, calls) in [
        ("an answer", vec![answer()], "answered", 1),
        (
            "ill, then well",
            vec![error(500, ""), answer()],
            "answered",
            2,
        ),
        (
            "ill for too long",
            vec![error(503, "")],
            "fails: overloaded",
            3,
        ),
        (
            "too fast, then not",
            vec![error(429, ""), error(429, ""), error(429, ""), answer()],
            "answered",
            4,
        ),
        (
            "too fast and ill",
            vec![
                error(429, ""),
                error(500, ""),
                error(429, ""),
                error(500, ""),
            ],
            "fails: overloaded",
            5,
        ),
        (
            "no credit",
            vec![error(429, "insufficient_quota")],
            "stops: exhausted",
            1,
        ),
        (
            "no such key",
            vec![error(401, "invalid_api_key")],
            "stops: denied",
            1,
        ),
        ("wrong for ever", vec![error(400, "")], "fails: rejected", 1),
        (
            "no JSON",
            vec![status(200, "<html>")],
            "fails: malformed",
            1,
        ),
        ("no UTF-8", vec![not_utf8], "fails: malformed", 1),
        (
            "no answer in it",
            vec![status(200, "{}")],
            "fails: malformed",
            1,
        ),
        (
            "an error as an answer, then one",
            vec![within_success(), answer()],
            "answered",
            2,
        ),
        (
            "an error as an answer",
            vec![within_success()],
            "fails: overloaded",
            3,
        ),
        ("no answer in time", vec![timeout()], "fails: timeout", 3),
        (
            "broken off",
            vec![broken(), broken(), answer()],
            "answered",
            3,
        ),
        (
            "nobody there from the start",
            vec![unreachable()],
            "stops: unreachable",
            3,
        ),
        (
            "nobody there at first",
            vec![unreachable(), answer()],
            "answered",
            2,
        ),
        ("elsewhere", vec![redirect()], "fails: malformed", 1),
        ("too large", vec![too_large()], "fails: malformed", 1),
    ] {
        let script = Script::new(replies);
        let lane = lane(&OPENAI, "{}", None, SETTINGS, &script).await;
        let (result, events) = ask(&lane).await;
        assert_eq!(
            (in_words(&result).as_str(), script.calls()),
            (expected, calls),
            "{name}"
        );
        let retries = events
            .iter()
            .filter(|event| matches!(event, Event::Retry { .. }))
            .count();
        let ended = events
            .iter()
            .filter(|event| matches!(event, Event::CallEnded { .. }))
            .count();
        assert_eq!((retries, ended), (calls - 1, calls), "{name}");
        assert_eq!(
            lane.stop.reason().is_some(),
            expected.starts_with("stops"),
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_as_it_came_with_the_headers_that_the_plugin_reads() {
    let script = Script::new(vec![with_header("retry-after", "7", answer())]);
    let lane = lane(&OPENAI, "{}", None, SETTINGS, &script).await;
    let Fresh {
        answer, completion, ..
    } = ask(&lane).await.0.expect("an answer");
    assert_eq!(answer.body, ANSWER.as_bytes());
    assert_eq!(
        (answer.status, answer.api.as_str(), answer.model.as_str()),
        (200, "openai.chat", "m-1")
    );
    assert_eq!(answer.headers, [("retry-after".to_owned(), "7".to_owned())]);
    assert_eq!((completion.usage.input, completion.usage.output), (5, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_is_the_request_and_its_credential_where_one_is_named() {
    let secret = secret();
    let value = secret.expose();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let plain = [pair("content-type", "application/json"), pair("x-own", "1")];
    for (params, variable, credential) in [
        ("{}", None, None),
        (
            "{}",
            Some(VARIABLE),
            Some(pair("authorization", &format!("Bearer {value}"))),
        ),
        (
            r#"{"auth":"api-key"}"#,
            Some(VARIABLE),
            Some(pair("api-key", value)),
        ),
        (r#"{"auth":"none"}"#, Some(VARIABLE), None),
    ] {
        let script = Script::new(vec![answer()]);
        let lane = lane(&OPENAI, params, variable, SETTINGS, &script).await;
        assert_eq!(in_words(&ask(&lane).await.0), "answered", "{params}");
        let (_, outgoing) = script.sent().remove(0);
        let expected: Vec<_> = plain.iter().cloned().chain(credential).collect();
        assert_eq!(outgoing.headers, expected, "{params}, {variable:?}");
        assert_eq!(
            (outgoing.method, outgoing.url.as_str()),
            ("POST", "http://h/v1/chat/completions")
        );
        assert_eq!(
            (&outgoing.body[..], outgoing.timeout),
            (&b"{}"[..], SETTINGS.timeout)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_a_provider_quotes_is_neither_shown_nor_stored() {
    let secret = secret();
    let value = secret.expose();
    let message = format!("key={value} is odd");
    let body = serde_json::json!({ "error": { "message": message } });
    let refusal = status(400, &body.to_string());
    let script = Script::new(vec![with_header("retry-after", value, answer()), refusal]);
    let lane = lane(&OPENAI, "{}", Some(VARIABLE), SETTINGS, &script).await;
    let fresh = ask(&lane).await.0.expect("an answer");
    assert_eq!(
        fresh.answer.headers,
        [("retry-after".to_owned(), "[credential]".to_owned())]
    );
    let failure = ask(&lane).await.0.expect_err("it is refused");
    let CallFailure::Trial(failure) = failure else {
        panic!("{failure:?}")
    };
    assert_eq!(
        failure.message,
        "http://h (HTTP 400): key=[credential] is odd"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_credential_that_the_experiment_names_nothing_is_sent() {
    let script = Script::new(vec![answer()]);
    let lane = lane(
        &OPENAI,
        "{}",
        Some("XHOST_NOBODY_SETS_THIS"),
        SETTINGS,
        &script,
    )
    .await;
    let failure = ask(&lane).await.0.expect_err("there is no credential");
    let CallFailure::Stopped(reason @ StopReason::MissingKey(_)) = failure else {
        panic!("{failure:?}")
    };
    let expected = "no credential for http://h: set the environment variable XHOST_NOBODY_SETS_THIS, or name another \
                    one as `model.key_variable`, or try the run without a provider: `--rehearse`";
    assert_eq!(reason.to_string(), expected);
    assert_eq!((script.calls(), lane.stop.reason()), (0, Some(reason)));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_a_provider_asks_for_holds_everybody_back() {
    const WAIT: Duration = Duration::from_mins(1);
    let script = Script::new(vec![
        with_header("retry-after", "60", error(429, "")),
        answer(),
    ]);
    let lane = lane(&OPENAI, "{}", None, SETTINGS, &script).await;
    let (events, mut inbox) = mpsc::channel(1_024);
    let (request, asker, run) = (request(), Asker::new(0, events), Stop::default());
    let first = lane.ask(&request, request.digest(), &run, &asker);
    let second = async {
        while !matches!(inbox.recv().await, Some(Event::Retry { .. })) {}
        let told = now();
        (told, ask(&lane).await.0)
    };
    let (first, (told, second)) = tokio::join!(first, second);
    assert_eq!(
        (in_words(&first), in_words(&second)),
        ("answered".into(), "answered".into())
    );
    let sent = script.sent();
    assert_eq!(sent.len(), 3);
    for (at, _) in &sent[1..] {
        // The gate closed a moment before the event was seen.
        let waited = *at - told;
        assert!(
            waited > WAIT - Duration::from_secs(1),
            "it left after {waited:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_are_in_flight_than_there_are_permits() {
    let script = Script::new(vec![answer()]);
    let lane = lane(&OPENAI, "{}", None, SETTINGS, &script).await;
    // Whoever has an answer holds its permit until it is stored.
    let answered = async || ask(&lane).await.0.is_ok();
    let all = futures_util::future::join_all((0..9).map(|_| answered())).await;
    assert!(all.into_iter().all(|answered| answered));
    assert_eq!(script.calls(), 9);
    assert_eq!(script.most_in_flight.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_when_the_run_ends_asks_no_more() {
    let script = Script::new(vec![error(500, "")]);
    let lane = lane(&OPENAI, "{}", None, SETTINGS, &script).await;
    let (events, mut inbox) = mpsc::channel(1_024);
    let (request, asker, run) = (request(), Asker::new(0, events), Stop::default());
    let asked = lane.ask(&request, request.digest(), &run, &asker);
    let end = async {
        while !matches!(inbox.recv().await, Some(Event::Retry { .. })) {}
        run.request(StopReason::Interrupted);
    };
    let (result, ()) = tokio::join!(asked, end);
    assert_eq!(
        (in_words(&result).as_str(), script.calls()),
        ("stops: interrupted", 1)
    );
    assert_eq!(lane.stop.reason(), None, "the lane itself is well");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_in_flight_when_the_run_ends_is_let_finish() {
    let script = Script::new(vec![answer()]);
    let lane = lane(&OPENAI, "{}", None, SETTINGS, &script).await;
    let (events, mut inbox) = mpsc::channel(1_024);
    let (request, asker, run) = (request(), Asker::new(0, events), Stop::default());
    let asked = lane.ask(&request, request.digest(), &run, &asker);
    let end = async {
        while !matches!(inbox.recv().await, Some(Event::CallStarted { .. })) {}
        run.request(StopReason::Interrupted);
    };
    let (result, ()) = tokio::join!(asked, end);
    assert_eq!(in_words(&result), "answered", "it is paid for");
}
