//! Short and long forms, the three formats, and what becomes of plain values.

use serde_json::json;

use super::super::Written;
use super::super::report::MISPLACED;
use super::super::{Experiment, Parts, json, toml, yaml};
use super::{BASE, message, read, read_as, settings};

#[test]
fn short_forms_and_their_long_forms_are_the_same_settings() {
    let long = "dataset: {path: [d.jsonl], shuffle: {seed: 42}}\nprompt: {plugin: template, params: {user: '{{ input }}'}}\n\
                model: {provider: openai, name: a/b}\nmodels: {judge: {provider: x, name: y}}\nscorers: [{plugin: numeric}]\n";
    let short = "dataset: {path: d.jsonl, shuffle: 42}\nprompt: '{{ input }}'\nmodel: openai/a/b\nmodels: {judge: x/y}\n\
                 scorers: numeric\n";
    let expect = read(long, &[]).unwrap().cells;
    assert_eq!(read(short, &[]).unwrap().cells, expect);
    let plain = read("dataset: [a, b]\nprompt: p\nmodel: x/y\n", &[]).unwrap();
    assert_eq!(plain.cells[0].settings.dataset.path, ["a", "b"]);
}

const EVERYTHING: &str = r#"{
  "name": "all", "description": "d",
  "dataset": {"path": ["a.csv"], "format": "csv", "fields": {"id": "i", "input": "q", "target": "t"}, "limit": 100,
              "range": "10..", "ids": ["a", 7], "shuffle": 42},
  "prompt": {"plugin": "template", "params": {"z": 1, "a": {"$file": "shots.jsonl"}}},
  "model": {"provider": "openai", "name": "m", "base_url": "http://h", "key_variable": "K", "endpoint": "e",
            "sampling": {"max_tokens": 5, "temperature": 0, "top_p": 1, "stop": ["\n"], "seed": 9007199254740993,
                         "response_schema": {"b": 1, "a": 2}, "extra": {"x": 0.1}}, "params": {"p": true}},
  "models": {"judge": {"provider": "x", "name": "y"}},
  "scorers": [{"plugin": "match", "name": "at-end", "params": {"location": "end"}}],
  "epochs": 3,
  "limits": {"concurrency": 1, "requests_per_minute": 2, "tokens_per_minute": 3, "retries": 0, "timeout": "90s",
             "input_tokens_per_minute": 4, "output_tokens_per_minute": 5, "connect_timeout": "10s"},
  "mode": "batch", "salt": "s", "plugins": ["s.wasm"], "rehearse": {"replies": "r"}
}"#;

#[test]
fn every_key_is_read_and_written_again_in_a_stable_order() {
    let experiment = read_as("x.json", EVERYTHING, &[]).unwrap();
    let expect = concat!(
        r#"{"description":"d","dataset":{"path":["a.csv"],"format":"csv","fields":{"id":"i","input":"q","target":"t"},"#,
        r#""limit":100,"range":"10..","ids":["a","7"],"shuffle":{"seed":42}},"prompt":{"plugin":"template","params":"#,
        r#"{"z":1,"a":{"$file":"shots.jsonl"}}},"model":{"provider":"openai","name":"m","base_url":"http://h","#,
        r#""key_variable":"K","endpoint":"e","sampling":{"max_tokens":5,"temperature":0.0,"top_p":1.0,"stop":["\n"],"#,
        r#""seed":9007199254740993,"response_schema":{"b":1,"a":2},"extra":{"x":0.1}},"params":{"p":true}},"models":"#,
        r#"{"judge":{"provider":"x","name":"y"}},"scorers":[{"plugin":"match","name":"at-end","params":{"location":"end"}}],"#,
        r#""epochs":3,"limits":{"concurrency":1,"requests_per_minute":2,"tokens_per_minute":3,"#,
        r#""input_tokens_per_minute":4,"output_tokens_per_minute":5,"retries":0,"timeout":"1m 30s","#,
        r#""connect_timeout":"10s"},"mode":"batch","salt":"s"}"#,
    );
    assert_eq!(settings(&experiment), expect);
    let again: Written = serde_json::from_str(expect).unwrap();
    assert_eq!(again, experiment.cells[0].settings);
    assert_eq!(experiment.name, "all");
}

#[test]
fn the_same_experiment_in_json_as_yaml_and_in_toml_is_the_same() {
    let as_json = read_as("x.json", EVERYTHING, &[]).unwrap().cells;
    assert_eq!(read_as("x.yaml", EVERYTHING, &[]).unwrap().cells, as_json);
    let toml = "dataset = 'd.jsonl'\nprompt = '{{ input }}'\nmodel = 'openai/m'\n[sweep.model.sampling]\nseed = [1, 2]\n\
                [sweep]\n'salt' = ['a']\n";
    let yaml = format!("{BASE}sweep: {{model.sampling.seed: [1, 2], salt: [a]}}\n");
    assert_eq!(
        read_as("x.toml", toml, &[]).unwrap().cells,
        read(&yaml, &[]).unwrap().cells
    );
}

/// YAML 1.1 and 1.2 differ about these, and so do people.
#[test]
fn plain_yaml_values_mean_what_yaml_1_2_says() {
    let table = [
        ("no", json!("no")),
        ("on", json!("on")),
        ("yes", json!("yes")),
        ("true", json!(true)),
        ("False", json!(false)),
        ("~", json!(null)),
        ("2024-01-02", json!("2024-01-02")),
        ("12:30", json!("12:30")),
        ("0755", json!("0755")),
        ("1_000", json!("1_000")),
        ("0o17", json!(15)),
        ("0x1F", json!(31)),
        ("9007199254740993", json!(9_007_199_254_740_993_u64)),
        ("18446744073709551615", json!(u64::MAX)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("1.10", json!(1.1)),
        ("1e3", json!(1000.0)),
        ("'1'", json!("1")),
        ("|\n a\n b\n", json!("a\nb\n")),
        ("&a {b: 1}", json!({"b": 1})),
    ];
    for (text, expect) in table {
        assert_eq!(yaml::read(text).unwrap().value(), expect, "{text}");
    }
    let merged = yaml::read("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}")
        .unwrap()
        .value();
    assert_eq!(merged["b"], json!({"x": 1, "y": 3}));
}

#[test]
fn json_and_toml_values_keep_their_kind_and_order() {
    let text = r#"{"z": -0, "a": [1.0, 1, -7, "\ud83d\ude00", null]}"#;
    let value = json::read(text).unwrap().value();
    assert_eq!(value.to_string(), r#"{"z":-0.0,"a":[1.0,1,-7,"😀",null]}"#);
    let text = "z = 2024-01-02\na = [1.0, 0x1F, 1_000, true]\n";
    let value = toml::read(text).unwrap().value();
    assert_eq!(
        value.to_string(),
        r#"{"z":"2024-01-02","a":[1.0,31,1000,true]}"#
    );
}

#[test]
fn a_byte_order_mark_is_skipped() {
    assert!(read_as("x.json", &format!("\u{feff}{EVERYTHING}"), &[]).is_ok());
}

#[test]
fn without_a_file_the_options_say_everything() {
    let parts = Parts {
        dataset: Some("data/my test.jsonl".to_owned()),
        model: Some("openai/a/b".to_owned()),
        prompt: Some("1".to_owned()),
        scorers: vec!["x".to_owned(), "y".to_owned()],
        plugins: vec!["s.wasm".into()],
        name: None,
    };
    let experiment = Experiment::from_parts(&parts, &["epochs=1,2".to_owned()]).unwrap();
    assert_eq!(
        (experiment.name.as_str(), experiment.cells.len()),
        ("my-test", 2)
    );
    let expect = concat!(
        r#"{"dataset":{"path":["data/my test.jsonl"]},"prompt":{"plugin":"template","params":{"user":"1"}},"#,
        r#""model":{"provider":"openai","name":"a/b"},"scorers":[{"plugin":"x"},{"plugin":"y"}],"epochs":1}"#,
    );
    assert_eq!(settings(&experiment), expect);
    let error = |parts| message("x.yaml", Experiment::from_parts(&parts, &[]));
    assert_eq!(
        error(Parts {
            model: None,
            ..parts.clone()
        }),
        "the command line: `model` is missing; write `model: openai/gpt-4o-mini` or pass --model PROVIDER/NAME"
    );
    assert_eq!(
        error(Parts {
            model: Some("gpt".to_owned()),
            ..parts
        }),
        "--model: `model` is `gpt`; write `PROVIDER/NAME`, such as `openai/gpt-4o-mini`"
    );
}

/// The list of keys that are suggested from other levels must not outlive a key.
#[test]
fn each_suggested_key_exists() {
    for key in MISPLACED {
        let error = read(BASE, &[&format!("{key}=null")])
            .err()
            .map(|error| error.to_string());
        let unknown = error.is_some_and(|error| error.contains("unknown key"));
        assert!(!unknown, "{key}");
    }
}

/// A level costs the YAML crate so much stack that the permitted depth once ended a thread of 2 MiB.
#[test]
fn the_permitted_depth_fits_into_an_ordinary_stack() {
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let text = |levels| {
        format!(
            "{BASE}scorers: [{{plugin: a, params: {{x: {}}}}}]\n",
            deep(levels)
        )
    };
    let experiment = read(&text(60), &[]).unwrap();
    let value = &experiment.cells[0].settings.scorers[0].params["x"];
    assert_eq!(value.to_string(), deep(60));
    assert!(read(&text(61), &[]).is_err());
}
