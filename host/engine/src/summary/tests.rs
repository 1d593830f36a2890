//! What is counted of the lines of the results, and the table that a person reads.

use super::*;
use serde_json::json;

/// A line of the results: scores as `(scorer, name, value)`, and the failure's cause.
fn line(scores: &[(&str, &str, Value)], failure: Option<&str>) -> Vec<u8> {
    let score = |(scorer, name, value): &(&str, &str, Value)| json!({ "scorer": scorer, "name": name, "value": value, "extracted": null, "explanation": null });
    let line = json!({
        "config": {},
        "sample": "s",
        "epoch": 1,
        "answer": "a",
        "scores": scores.iter().map(score).collect::<Vec<_>>(),
        "requests": [],
        "usage": { "input": 1_000, "output": 20, "cache_read": 3, "cache_write": 2, "reasoning": 1 },
        "failure": failure.map(|cause| json!({ "cause": cause, "message": "m", "scorer": null })),
    });
    line.to_string().into_bytes()
}

fn tally(scorers: &[&str], lines: &[Vec<u8>]) -> ConfigSummary {
    let mut tally = Tally::new(
        Arc::default(),
        scorers.iter().map(|label| Arc::from(*label)).collect(),
    );
    for (sample, bytes) in lines.iter().enumerate() {
        tally.line(sample as u64, bytes);
    }
    tally.summary()
}

/// A measure as `scorer name: scores, mean, failures`.
fn told(summary: &ConfigSummary) -> Vec<String> {
    let measure = |one: &ScorerSummary| {
        let ScorerSummary {
            scorer,
            name,
            n,
            mean,
            failures,
            ..
        } = one;
        let name = name.as_deref().unwrap_or("(none)");
        let mean = mean.map_or_else(|| "-".to_owned(), |mean| mean.to_string());
        format!("{scorer} {name}: {n}, {mean}, {failures}")
    };
    summary.scorers.iter().map(measure).collect()
}

#[test]
fn every_measure_counts_the_scores_that_are_there_and_the_trials_without_one() {
    let correct = |value: bool| ("match", "correct", json!(value));
    for (name, scorers, lines, expected) in [
        (
            "nothing",
            &["match"][..],
            vec![],
            &["match (none): 0, -, 0"][..],
        ),
        (
            "booleans",
            &["match"],
            vec![line(&[correct(true)], None), line(&[correct(false)], None)],
            &["match correct: 2, 0.5, 0"],
        ),
        (
            "a score is missing where the trial failed",
            &["match"],
            vec![line(&[correct(true)], None), line(&[], Some("timeout"))],
            &["match correct: 1, 1, 1"],
        ),
        (
            "a scorer that never answered is told all the same",
            &["match", "judge"],
            vec![line(&[correct(true)], Some("plugin-trap"))],
            &["match correct: 1, 1, 0", "judge (none): 0, -, 1"],
        ),
        (
            "two measures of one scorer, in the order of their first scores",
            &["text"],
            vec![
                line(&[("text", "words", json!(4))], None),
                line(
                    &[("text", "lines", json!(1.5)), ("text", "words", json!(6))],
                    None,
                ),
            ],
            &["text words: 2, 5, 0", "text lines: 1, 1.5, 1"],
        ),
        (
            "one measure's name under two scorers",
            &["a", "b"],
            vec![line(
                &[("b", "score", json!(1)), ("a", "score", json!(0))],
                None,
            )],
            &["a score: 1, 0, 0", "b score: 1, 1, 0"],
        ),
        (
            "labels have no mean",
            &["class"],
            vec![line(&[("class", "label", json!("x"))], None)],
            &["class label: 1, -, 0"],
        ),
        (
            "what is no line of the results",
            &["match"],
            vec![
                b"{\"scores\": [".to_vec(),
                b"\xff".to_vec(),
                b"{}".to_vec(),
                line(&[correct(true)], None),
            ],
            &["match correct: 1, 1, 0"],
        ),
    ] {
        assert_eq!(told(&tally(scorers, &lines)), expected, "{name}");
    }
}

#[test]
fn trials_failures_and_tokens_add_up() {
    let lines = [
        line(&[], Some("timeout")),
        line(&[], Some("timeout")),
        line(&[], Some("rejected")),
        line(&[], None),
    ];
    let summary = tally(&[], &lines);
    assert_eq!(summary.trials, 4);
    let failures: Vec<(&str, u64)> = summary
        .failures
        .iter()
        .map(|(cause, count)| (cause.as_str(), *count))
        .collect();
    assert_eq!(failures, [("rejected", 1), ("timeout", 2)]);
    let tokens = Usage {
        input: 4_000,
        output: 80,
        cache_read: 12,
        cache_write: 8,
        reasoning: 4,
    };
    assert_eq!(summary.tokens, tokens);
    let totals = Totals::of(&[summary, tally(&[], &lines[..1])]);
    assert_eq!(
        (totals.trials, totals.failures, totals.tokens.input),
        (5, 4, 5_000)
    );
}

#[test]
fn tokens_that_a_hostile_provider_makes_up_do_not_overflow() {
    let mut lines = vec![line(&[], None)];
    let most = String::from_utf8(lines[0].clone()).expect("JSON is text");
    lines.push(most.replace("1000", &u64::MAX.to_string()).into_bytes());
    let summary = tally(&[], &lines);
    assert_eq!(summary.trials, 2);
    assert_eq!(summary.tokens.input, u64::MAX);
}

#[test]
fn labels_are_counted_by_name_as_long_as_there_are_few() {
    let label = |text: &str| line(&[("class", "label", json!(text))], None);
    let few = tally(&["class"], &[label("b"), label("a"), label("b")]);
    let counts: Vec<(&str, u64)> = few.scorers[0]
        .labels
        .iter()
        .map(|(name, count)| (name.as_str(), *count))
        .collect();
    assert_eq!(counts, [("a", 1), ("b", 2)]);
    let mut lines: Vec<_> = (0..150)
        .map(|number| label(&format!("made up {number}")))
        .collect();
    lines.push(label("made up 0"));
    let many = tally(&["class"], &lines);
    let labels = &many.scorers[0].labels;
    assert_eq!(labels.len(), LABELS + 1);
    assert_eq!((labels["made up 0"], labels["(other labels)"]), (2, 50));
    assert_eq!(many.scorers[0].n, 151);
}

fn summary(configs: Vec<ConfigSummary>, run_digest: Option<&str>) -> Summary {
    let totals = Totals {
        retries: 3,
        cost_usd: Some(Money(120_000_000_000)),
        peak_memory_bytes: Some(57 << 20),
        seconds: 12.34,
        ..Totals::of(&configs)
    };
    Summary {
        experiment: "arithmetic".into(),
        plan: "p".into(),
        complete: run_digest.is_some(),
        run_digest: run_digest.map(str::to_owned),
        configs,
        until: None,
        totals,
    }
}

#[test]
fn the_table_of_one_config_has_no_column_for_it() {
    let lines: Vec<_> = (0..1_319)
        .map(|number| line(&[("match", "correct", json!(number < 286))], None))
        .collect();
    let mut config = tally(&["match", "judge"], &lines);
    config.origins = Origins {
        hits: 1_000,
        shared: 19,
        calls: 300,
    };
    let expected = [
        " scorer              n     mean   stderr            95 %   failed    hits   calls   tokens in   tokens out    cost ",
        "───────────────────────────────────────────────────────────────────────────────────────────────────────────────────",
        " match correct   1,319   0.2168   0.0114   0.195 … 0.240        0   1,000     300   1,319,000       26,380   $0.00 ",
        " judge               0        -        -               -    1,319                                                  ",
        "",
        "1,319 trials, 0 failed; 1,000 answers from the store, 19 shared, 300 calls, 3 retries; 12.3 s; $0.1200; 57 MiB at most",
        "run digest d1",
    ]
    .join("\n");
    assert_eq!(render(&summary(vec![config], Some("d1"))), expected);
}

#[test]
fn the_table_of_a_sweep_names_the_settings_that_differ() {
    let config = |model: &str, scores: &[(&str, &str, Value)]| {
        let axes = json!({ "model.name": model, "epochs": 2 });
        let axes = axes.as_object().expect("an object").clone();
        let line = line(scores, scores.is_empty().then_some("timeout"));
        ConfigSummary {
            config: Arc::new(axes),
            ..tally(&["class"], &[line.clone(), line])
        }
    };
    let configs = vec![
        config("small", &[("class", "label", json!("yes"))]),
        config("large", &[]),
    ];
    let expected = [
        " config             scorer        n    mean   stderr   95 %   failed   hits   calls   tokens in   tokens out    cost ",
        "─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────",
        " model.name=small   class label   2   yes 2        -      -        0      0       0       2,000           40   $0.00 ",
        " epochs=2                                                                                                            ",
        " model.name=large   class         0       -        -      -        2      0       0       2,000           40   $0.00 ",
        " epochs=2                                                                                                            ",
        "",
        "4 trials, 2 failed; 0 answers from the store, 0 shared, 0 calls, 3 retries; 12.3 s; $0.1200; 57 MiB at most",
    ]
    .join("\n");
    assert_eq!(render(&summary(configs, None)), expected);
}

#[test]
fn names_that_are_never_the_same_twice_and_endless_ones_are_not_kept() {
    let long = "x".repeat(100_000);
    let lines: Vec<Vec<u8>> = (0..300)
        .map(|n| {
            let label = json!(format!("{n} {long}"));
            let measure = format!("{n} {long}");
            line(
                &[
                    ("s", "label", label),
                    ("s", &measure, json!(1.0)),
                    ("other", "correct", json!(true)),
                ],
                None,
            )
        })
        .collect();
    let summary = tally(&["s", "other"], &lines);
    let [labels, .., others, right] = summary.scorers.as_slice() else {
        panic!("{:?}", summary.scorers.len());
    };
    assert_eq!(
        summary.scorers.len(),
        102,
        "a hundred, the others, and the other scorer's"
    );
    assert_eq!(labels.labels.len(), 101);
    assert_eq!(labels.labels["(other labels)"], 200);
    assert_eq!(
        (others.name.as_deref(), others.n, others.mean),
        (Some("(other measures)"), 201, None)
    );
    assert_eq!((right.scorer.as_str(), right.mean), ("other", Some(1.0)));
    let kept = serde_json::to_string(&summary).expect("it is JSON").len();
    assert!(kept < 100_000, "{kept} bytes");
}
