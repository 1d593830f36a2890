//! Whatever the order of completion, the same bytes; and nothing that was there is lost.

use super::*;
use crate::record::Usage;
use crate::until::Flow;
use std::sync::Arc;

fn trial(number: u64) -> Trial {
    Trial {
        config: Arc::default(),
        sample: format!("s{number}"),
        epoch: 1,
        answer: Some("x".repeat(number as usize % 50)),
        scores: Vec::new(),
        requests: Vec::new(),
        usage: Usage::default(),
        failure: None,
    }
}

/// Ends trials in this order; returns the bytes, the digest, and the ordinals as they were handed on.
fn write(folder: &Path, order: &[u64], total: u64) -> (String, Option<blake3::Hash>, Vec<u64>) {
    let mut results = Results::open(folder).expect("it opens");
    let mut handed_on = Vec::new();
    for ordinal in order {
        results
            .put(*ordinal, &trial(*ordinal), |line| {
                handed_on.push(line.ordinal);
            })
            .expect("it is written");
    }
    let (_, digest) = results
        .finish(total, |line| handed_on.push(line.ordinal))
        .expect("it is written");
    (
        std::fs::read_to_string(folder.join(TRIALS)).expect("it is there"),
        digest,
        handed_on,
    )
}

/// A permutation that a seed decides.
fn shuffled(count: u64, mut seed: u64) -> Vec<u64> {
    let mut order: Vec<u64> = (0..count).collect();
    for index in (1..order.len()).rev() {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        order.swap(index, (seed >> 33) as usize % (index + 1));
    }
    order
}

#[test]
fn any_order_of_completion_gives_the_same_bytes_and_the_same_digest() {
    let expected: Vec<u64> = (0..500).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let first = write(folder.path(), &expected, 500);
    assert!(first.1.is_some());
    for seed in 0..20 {
        let folder = tempfile::tempdir().expect("a folder");
        let found = write(folder.path(), &shuffled(500, seed), 500);
        assert_eq!(
            found,
            (first.0.clone(), first.1, expected.clone()),
            "seed {seed}"
        );
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("a folder").count(),
            1,
            "nothing waits any more"
        );
    }
}

#[test]
fn missing_trials_leave_a_gap_and_no_digest() {
    let folder = tempfile::tempdir().expect("a folder");
    let (text, digest, handed_on) = write(folder.path(), &[7, 0, 3], 9);
    assert_eq!(
        (text.lines().count(), digest, handed_on),
        (3, None, vec![0, 3, 7])
    );
}

#[test]
fn a_run_that_is_repeated_writes_nothing_and_one_that_is_cut_off_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let order: Vec<u64> = (0..50).collect();
    let (whole, ..) = write(folder.path(), &order, 50);
    let path = folder.path().join(TRIALS);
    let mut results = Results::open(folder.path()).expect("it opens");
    for ordinal in 0..20 {
        results
            .put(ordinal, &trial(ordinal), |_| {})
            .expect("it is compared");
    }
    results.flush().expect("it is flushed");
    drop(results);
    assert_eq!(
        std::fs::read_to_string(&path).expect("it is there"),
        whole,
        "cut off after 20 trials"
    );
    let (shorter, ..) = write(folder.path(), &order[..20], 20);
    assert_eq!(
        shorter.lines().count(),
        20,
        "a run that ends with fewer trials has only those"
    );
}

#[test]
fn results_that_end_early_are_the_same_bytes_whatever_came_first() {
    let in_order: Vec<u64> = (0..40).collect();
    let backwards: Vec<u64> = (0..40).rev().collect();
    let mut files = Vec::new();
    for order in [in_order, backwards] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut results = Results::open(folder.path()).expect("it opens");
        let mut flows = Vec::new();
        for ordinal in order {
            let last = |line: Line<'_>| {
                if line.ordinal == 17 {
                    Flow::Enough
                } else {
                    Flow::On
                }
            };
            flows.push(
                results
                    .put(ordinal, &trial(ordinal), last)
                    .expect("it is taken"),
            );
        }
        assert_eq!(flows.last(), Some(&Flow::Enough));
        let (written, digest) = results.finish(40, |_| {}).expect("it ends");
        assert_eq!(written, 18);
        let text = std::fs::read_to_string(folder.path().join(TRIALS)).expect("it is there");
        assert_eq!(text.lines().count(), 18);
        files.push((text, digest.expect("it is whole")));
    }
    assert!(files[0] == files[1]);
}

#[test]
fn trials_that_wait_are_whole_lines_that_can_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut results = Results::open(folder.path()).expect("it opens");
    for ordinal in [5, 9, 1] {
        results
            .put(ordinal, &trial(ordinal), |_| -> Flow {
                panic!("its turn has not come")
            })
            .expect("it waits");
    }
    let waiting =
        std::fs::read_to_string(folder.path().join("pending.jsonl")).expect("it is there");
    assert!(
        waiting
            .lines()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
    );
    assert_eq!(waiting.lines().count(), 3);
}

#[test]
fn another_runs_files_move_away_and_the_same_runs_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |plan: &str| RunFile {
        xhost: "0".into(),
        experiment: "e".into(),
        plan: plan.into(),
        resolved: serde_json::Value::Null,
    };
    let prepare = |plan: &str| {
        Folder::prepare(folder.path(), &run(plan))
            .expect("it is prepared")
            .earlier
    };
    assert_eq!(prepare("aaaa"), None);
    std::fs::write(folder.path().join(TRIALS), "old").expect("it can be written");
    assert_eq!(prepare("aaaa"), None);
    let earlier = prepare("bbbb").expect("another run");
    assert_eq!(
        std::fs::read_to_string(earlier.join(TRIALS)).expect("it is kept"),
        "old"
    );
    assert!(!folder.path().join(TRIALS).exists());
}

#[test]
fn a_run_that_is_repeated_does_not_touch_the_file_before_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let order: Vec<u64> = (0..50).collect();
    let first = write(folder.path(), &order, 50);
    let path = folder.path().join(TRIALS);
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
    let file = std::fs::File::options().write(true).open(&path);
    file.and_then(|file| file.set_modified(long_ago))
        .expect("its time is set");
    let modified = || {
        std::fs::metadata(&path)
            .and_then(|it| it.modified())
            .expect("it has a time")
    };
    let mut results = Results::open(folder.path()).expect("it opens");
    for ordinal in shuffled(50, 3) {
        results
            .put(ordinal, &trial(ordinal), |_| {})
            .expect("it is compared");
    }
    results.flush().expect("it is flushed");
    assert_eq!(modified(), long_ago, "nothing was written");
    let (_, digest) = results.finish(50, |_| {}).expect("it ends");
    let text = std::fs::read_to_string(&path).expect("it is there");
    assert_eq!((text, digest), (first.0, first.1));
}

#[test]
fn what_differs_is_replaced_and_what_stands_before_it_is_kept() {
    let expected = {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), &(0..50).collect::<Vec<_>>(), 50)
    };
    let whole = expected.0.as_str();
    let line_30: usize = whole.lines().take(30).map(|line| line.len() + 1).sum();
    let longer = format!("{whole}{{\"left\":\"over\"}}\n");
    let changed = format!("{}#{}", &whole[..line_30], &whole[line_30 + 1..]);
    for (name, there) in [
        ("nothing", ""),
        ("a line that was being written", &whole[..line_30 + 9]),
        ("a line without its end", &whole[..line_30 - 1]),
        ("whole lines", &whole[..line_30]),
        ("a line that differs", &changed),
        ("a line too many", &longer),
        ("other things", "\u{0}\u{0}\u{0}\u{0}"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(TRIALS);
        std::fs::write(&path, there).expect("it can be written");
        let mut results = Results::open(folder.path()).expect("it opens");
        for ordinal in 0..20 {
            results
                .put(ordinal, &trial(ordinal), |_| {})
                .expect("it is taken");
        }
        drop(results);
        let left = std::fs::read_to_string(&path).expect("it is there");
        if there.len() > line_30 / 2 {
            assert!(
                left.len() >= line_30 - 1,
                "{name}: killed before the difference"
            );
            assert_eq!(left, there, "{name}: killed before the difference");
        }
        assert_eq!(
            write(folder.path(), &shuffled(50, 1), 50),
            expected,
            "{name}: the next run"
        );
    }
}

#[test]
fn the_digest_of_a_run_covers_requests_answers_scores_and_failures_and_not_what_follows_from_them()
{
    use crate::record::{Cause, Exchange, TrialFailure, Verdict};
    use xhost_store::{Digest, ResponseDigest};
    let exchange = |digest: u8, response: u8| Exchange {
        digest: Digest::from_bytes([digest; 32]),
        response: ResponseDigest::from_bytes([response; 32]),
    };
    let verdict = |scorer: &str, name: &str, value: serde_json::Value| Verdict {
        scorer: Arc::from(scorer),
        name: name.into(),
        value,
        extracted: None,
        explanation: None,
        extra: None,
    };
    let with = |requests: Vec<Exchange>, scores: Vec<Verdict>| Trial {
        requests,
        scores,
        ..trial(0)
    };
    let one = || vec![exchange(1, 2)];
    let scored = |scorer, name, value| with(one(), vec![verdict(scorer, name, value)]);
    let failed = |cause| Trial {
        failure: Some(TrialFailure::new(cause, "m".into())),
        ..trial(0)
    };
    let all = [
        trial(0),
        with(one(), Vec::new()),
        with(vec![exchange(2, 2)], Vec::new()),
        with(vec![exchange(1, 1)], Vec::new()),
        with(vec![exchange(2, 1)], Vec::new()),
        with(vec![exchange(1, 2), exchange(1, 2)], Vec::new()),
        scored("a", "b", true.into()),
        scored("a", "b", false.into()),
        scored("a", "b", "true".into()),
        scored("a", "b", 1.into()),
        scored("a", "b", 1.0.into()),
        scored("ab", "", true.into()),
        scored("", "ab", true.into()),
        failed(Cause::Timeout),
        failed(Cause::Rejected),
    ];
    let digests: std::collections::HashSet<[u8; 32]> = all.iter().map(digest::of_trial).collect();
    assert_eq!(digests.len(), all.len());
    let told = Trial {
        answer: Some("other".into()),
        ..trial(0)
    };
    assert_eq!(
        digest::of_trial(&told),
        digest::of_trial(&trial(0)),
        "the answer is read in the response"
    );
}

/// Results over which a checkpoint was taken after so many trials; those with these places failed.
fn interrupted(folder: &Path, trials: u64, failed: &[u64]) -> Checkpoint {
    let mut results = Results::open(folder).expect("it opens");
    for ordinal in 0..trials {
        let mut trial = trial(ordinal);
        if failed.contains(&ordinal) {
            let cause = crate::record::Cause::Timeout;
            trial.failure = Some(crate::record::TrialFailure::new(cause, "late".into()));
        }
        results.put(ordinal, &trial, |_| ()).expect("it is written");
    }
    let checkpoint = results.checkpoint();
    results.flush().expect("it is written");
    checkpoint
}

#[test]
fn a_run_that_goes_on_takes_over_the_trials_that_did_not_fail() {
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoint = interrupted(folder.path(), 3_000, &[0, 5, 2_500]);
    assert_eq!(checkpoint.trials, 3_000);
    let known = Known::open(folder.path(), &checkpoint).expect("readable");
    let known = Arc::new(known.expect("they are as they were"));
    let missing: Vec<u64> = (0..3_010)
        .filter(|ordinal| !known.has(*ordinal).expect("readable"))
        .collect();
    assert_eq!(missing[..3], [0, 5, 2_500]);
    assert_eq!(missing.len(), 3 + 10);

    let mut results = Results::open(folder.path()).expect("it opens");
    results.recall(known);
    let mut makers = Vec::new();
    // As they are made anew, in an order of their own.
    for ordinal in missing.iter().rev() {
        let put = results.put(*ordinal, &trial(*ordinal), |line| {
            makers.push((line.ordinal, line.maker));
        });
        put.expect("it is written");
        loop {
            let written = results.write_known(|line| makers.push((line.ordinal, line.maker)));
            if !written.expect("it is written").1 {
                break;
            }
        }
    }
    let (written, digest) = results.finish(3_010, |_| ()).expect("it is written");
    assert_eq!(written, 3_010);
    let ordinals: Vec<u64> = makers.iter().map(|(ordinal, _)| *ordinal).collect();
    assert_eq!(ordinals, (0..3_010).collect::<Vec<_>>());
    let made_now = makers.iter().filter(|(_, maker)| *maker == Maker::Now);
    assert_eq!(made_now.count(), missing.len());

    let other = tempfile::tempdir().expect("a folder");
    let whole = write(other.path(), &(0..3_010).collect::<Vec<_>>(), 3_010);
    assert_eq!(digest, whole.1, "the same digest");
    let text = std::fs::read_to_string(folder.path().join(TRIALS)).expect("it is there");
    assert!(text == whole.0, "and the same bytes");
}

#[test]
fn a_run_that_is_interrupted_again_keeps_what_an_earlier_one_made_behind_a_gap() {
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoint = interrupted(folder.path(), 100, &[40]);
    let known = Known::open(folder.path(), &checkpoint).expect("readable");
    let mut results = Results::open(folder.path()).expect("it opens");
    results.recall(Arc::new(known.expect("they are as they were")));
    let (written, digest) = results.finish(100, |_| ()).expect("it is written");
    assert_eq!((written, digest), (99, None));
}

#[test]
fn results_that_are_not_what_the_checkpoint_says_are_not_taken_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoint = interrupted(folder.path(), 20, &[]);
    let path = folder.path().join(TRIALS);
    let text = std::fs::read_to_string(&path).expect("it is there");
    let last = text.trim_end().rfind('\n').expect("lines");
    let swapped: Vec<&str> = text.lines().rev().collect();
    for changed in [
        text.replacen("s3", "s4", 1),
        text[..last].to_owned(),
        text[..text.len() - 1].to_owned(),
        swapped.join("\n") + "\n",
        String::new(),
    ] {
        std::fs::write(&path, &changed).expect("it is written");
        let known = Known::open(folder.path(), &checkpoint).expect("readable");
        assert!(known.is_none(), "{changed}");
    }
    std::fs::remove_file(&path).expect("it is there");
    assert!(
        Known::open(folder.path(), &checkpoint)
            .expect("readable")
            .is_none()
    );
    // What stands behind is no concern of the checkpoint.
    std::fs::write(&path, text + "{\"torn").expect("it is written");
    assert!(
        Known::open(folder.path(), &checkpoint)
            .expect("readable")
            .is_some()
    );
}
