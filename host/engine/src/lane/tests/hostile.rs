//! The lane with a provider plugin that means harm.

use super::*;

static HOSTILE: LazyLock<Plugin> = LazyLock::new(|| {
    let bytes = include_bytes!("../../../../../tests/guests/prebuilt/hostile-provider.wasm");
    Plugin::from_bytes(&ENGINE, "hostile-provider", bytes).expect("a plugin")
});

#[tokio::test(start_paused = true)]
async fn a_hostile_provider_cannot_keep_a_call_alive_or_forge_a_message() {
    for (attack, reply, expected, calls) in [
        ("error-as-answer", answer(), "fails: overloaded", 3),
        ("fault-escapes", error(500, ""), "fails: rejected", 1),
    ] {
        let script = Script::new(vec![reply]);
        let params = format!(r#"{{"attack":"{attack}"}}"#);
        let lane = lane(&HOSTILE, &params, None, SETTINGS, &script).await;
        let (result, _) = ask(&lane).await;
        assert_eq!(
            (in_words(&result).as_str(), script.calls()),
            (expected, calls),
            "{attack}"
        );
        let Err(CallFailure::Trial(failure)) = result else {
            panic!("{attack}")
        };
        assert!(
            !failure.message.contains(char::is_control),
            "{attack}: {}",
            failure.message
        );
        assert!(
            !failure.message.contains('\u{202e}'),
            "{attack}: {}",
            failure.message
        );
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_always_says_again_is_asked_so_often_and_no_oftener() {
    let script = Script::new(vec![error(500, "")]);
    let params = r#"{"attack":"never-give-up"}"#;
    let lane = lane(&HOSTILE, params, None, SETTINGS, &script).await;
    let (result, _) = ask(&lane).await;
    assert_eq!(
        (in_words(&result).as_str(), script.calls()),
        ("fails: rate-limited", 201)
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_without_end_is_cut_to_the_longest_that_is_sensible() {
    let script = Script::new(vec![error(429, "")]);
    let lane = lane(
        &HOSTILE,
        r#"{"attack":"endless-retry-after"}"#,
        None,
        SETTINGS,
        &script,
    )
    .await;
    let (events, mut inbox) = mpsc::channel(1_024);
    let (request, asker, run) = (request(), Asker::new(0, events), Stop::default());
    let asked = lane.ask(&request, request.digest(), &run, &asker);
    let end = async {
        loop {
            if let Some(Event::Retry { wait_ms, .. }) = inbox.recv().await {
                run.request(StopReason::Interrupted);
                return wait_ms;
            }
        }
    };
    let (result, wait_ms) = tokio::join!(asked, end);
    assert_eq!(
        (in_words(&result).as_str(), wait_ms),
        ("stops: interrupted", 3_600_000)
    );
}
