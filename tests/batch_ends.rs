//! Every end that a batch can have, one test each, with what becomes of each request: answered, failed with the provider's
//! reason, or queued again.

use crate::batch::{DIALECTS, RUN, experiment, place};
use crate::support::{Place, Ran, Simulator};
use serde_json::{Value, json};

/// The requests of each batch.
const REQUESTS: usize = 12;

/// Runs twelve requests against a server whose first batches end in these ways.
fn ends(dialect: (&str, &str), ends: &str, code: i32) -> (Place, Simulator) {
    let place = place(REQUESTS);
    let simulator = Simulator::start(&["--batch-ends", ends]);
    experiment(&place, &simulator, dialect, "");
    place.run(&RUN).expect(code);
    (place, simulator)
}

/// What a run came to: of twelve trials, those that failed with cause and words.
fn failures(place: &Place) -> Vec<(String, String)> {
    let trials = place.lines("out/trials.jsonl");
    assert_eq!(trials.len(), REQUESTS, "every trial is in the results");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let (failed, answered): (Vec<_>, Vec<_>) =
        trials.iter().partition(|trial| !trial["failure"].is_null());
    for trial in answered {
        assert!(trial["answer"].is_string(), "{trial}");
    }
    failed
        .into_iter()
        .map(|trial| {
            let failure = &trial["failure"];
            (text(&failure["cause"]), text(&failure["message"]))
        })
        .collect()
}

/// Lines of results that were of no use, over all batches.
fn useless_lines(place: &Place) -> u64 {
    let events = place.lines("out/events.jsonl");
    let read = events.iter().filter(|event| event["event"] == "batch-read");
    read.map(|event| event["useless_lines"].as_u64().expect("a number"))
        .sum()
}

/// All twelve are answered, after so many batches, and each was paid for once.
fn all_answered(dialect: (&str, &str), end: &str, batches: u64, useless: u64) {
    let (place, simulator) = ends(dialect, end, 0);
    let stats = simulator.stats();
    let what = format!("{dialect:?} {end}: {stats}");
    assert_eq!(failures(&place), [], "{what}");
    assert_eq!(stats["charged"], REQUESTS, "{what}");
    assert_eq!(stats["repeated"], 0, "{what}");
    assert_eq!(stats["batches"], batches, "{what}");
    assert_eq!(useless_lines(&place), useless, "{what}");
}

/// In one batch so many are refused, with these words, and the others are answered.
fn some_fail(dialect: (&str, &str), end: &str, refused: usize, words: &str) {
    let (place, simulator) = ends(dialect, end, 3);
    let failures = failures(&place);
    assert_eq!(failures.len(), refused, "{dialect:?} {end}");
    for (cause, message) in failures {
        assert_eq!(cause, "rejected");
        assert!(message.contains(words), "{message}");
    }
    let stats = simulator.stats();
    assert_eq!(stats["charged"], REQUESTS - refused, "{stats}");
    assert_eq!(stats["batches"], 1, "{stats}");
}

#[test]
fn an_answer_of_a_batch_is_stored_with_its_request() {
    for dialect in DIALECTS {
        let (place, _simulator) = ends(dialect, "completed", 0);
        let mut stat = place.xhost();
        stat.args(["store", "stat", "--json", "--store", "s.redb"]);
        let told = Ran::of(&mut stat).expect(0).stdout();
        let stat: Value = serde_json::from_str(&told).expect("it prints JSON");
        let stat = &stat["stat"];
        let count = json!(REQUESTS);
        assert_eq!((&stat["answers"], &stat["requests"]), (&count, &count));
    }
}

#[test]
fn of_a_completed_batch_every_line_is_taken_in_whatever_order() {
    for dialect in DIALECTS {
        all_answered(dialect, "completed", 1, 0);
    }
}

#[test]
fn of_a_partly_completed_batch_the_refused_fail_with_their_reason_and_the_others_are_answered() {
    for dialect in DIALECTS {
        some_fail(dialect, "partly", 4, "This request is not allowed.");
    }
}

#[test]
fn of_an_expired_batch_the_paid_results_are_kept_and_the_rest_is_queued_again() {
    for dialect in DIALECTS {
        all_answered(dialect, "expired", 2, 0);
    }
}

#[test]
fn of_a_cancelled_batch_the_paid_results_are_kept_and_the_rest_is_queued_again() {
    for dialect in DIALECTS {
        all_answered(dialect, "cancelled", 2, 0);
    }
}

#[test]
fn a_batch_that_fails_at_validation_fails_its_requests_with_the_reason() {
    some_fail(DIALECTS[0], "failed", REQUESTS, "invalid_json_line");
}

#[test]
fn a_batch_without_output_is_queued_again() {
    for dialect in DIALECTS {
        all_answered(dialect, "no-output", 2, 0);
    }
}

#[test]
fn where_there_is_an_error_file_only_each_request_fails_with_its_own_reason() {
    for dialect in DIALECTS {
        let words = "This request is not allowed.";
        some_fail(dialect, "errors-only", REQUESTS, words);
    }
}

#[test]
fn a_line_that_names_an_unknown_request_is_counted_and_nothing_else() {
    for dialect in DIALECTS {
        all_answered(dialect, "unknown", 1, 1);
    }
}

#[test]
fn of_duplicate_lines_the_first_counts() {
    for dialect in DIALECTS {
        all_answered(dialect, "duplicate", 1, REQUESTS as u64);
    }
}

#[test]
fn requests_whose_lines_are_missing_are_queued_again() {
    for dialect in DIALECTS {
        all_answered(dialect, "missing", 2, 0);
    }
}

#[test]
fn a_line_that_is_no_json_is_missing_and_spoils_no_other() {
    for dialect in DIALECTS {
        all_answered(dialect, "broken", 2, 4);
    }
}

#[test]
fn results_that_break_off_in_the_middle_are_read_on() {
    for dialect in DIALECTS {
        let (place, simulator) = ends(dialect, "cut-stream", 0);
        let stats = simulator.stats();
        assert_eq!(failures(&place), []);
        assert_eq!(
            (&stats["charged"], &stats["batches"], &stats["repeated"]),
            (&REQUESTS.into(), &1.into(), &0.into()),
            "{stats}"
        );
    }
}

#[test]
fn a_file_whose_name_is_empty_is_no_file() {
    all_answered(DIALECTS[0], "empty-names", 1, 0);
}

#[test]
fn a_batch_over_the_enqueued_token_limit_is_tried_in_smaller_parts() {
    let place = place(40);
    let simulator = Simulator::start(&["--batch-tokens", "400"]);
    experiment(&place, &simulator, DIALECTS[0], "");
    place.run(&RUN).expect(0);
    let stats = simulator.stats();
    assert_eq!(stats["charged"], 40, "{stats}");
    assert_eq!(stats["repeated"], 0, "{stats}");
    let batches = place.json("out/batches.json");
    let states: Vec<&Value> = batches
        .as_object()
        .expect("batches")
        .values()
        .map(|batch| &batch["state"])
        .collect();
    assert!(states.iter().any(|state| **state == "failed"), "{batches}");
    let trials = place.lines("out/trials.jsonl");
    assert!(trials.iter().all(|trial| trial["failure"].is_null()));
}

#[test]
fn a_request_is_queued_again_three_times_and_not_for_ever() {
    for dialect in DIALECTS {
        let (place, simulator) = ends(dialect, "no-output,no-output,no-output", 3);
        let failures = failures(&place);
        assert_eq!(failures.len(), 12);
        assert!(failures[0].1.contains("in 3 batches"), "{failures:?}");
        assert_eq!(simulator.count("batches"), 3);
        let (place, _) = ends(dialect, "expired,expired,expired", 3);
        let failed = self::failures(&place);
        assert!(!failed.is_empty() && failed.len() < 12, "{failed:?}");
        assert!(
            failed.iter().all(|(cause, _)| cause == "timeout"),
            "{failed:?}"
        );
    }
}
