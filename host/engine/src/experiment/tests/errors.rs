//! The exact text of errors in a file, with positions, in all three formats.

use super::{BASE, message, read, read_as};

const ROOT: &str = "Known here: name, plugins, sweep, rehearse, description, dataset, prompt, model, models, scorers, \
                    epochs, limits, mode, cache, salt";

/// `text` comes after [`BASE`], so its first line is line 4.
#[track_caller]
fn check(text: &str, expect: &str) {
    let result = read(&format!("{BASE}{text}"), &[]);
    let message = message("x.yaml", result);
    assert_eq!(message.lines().next().unwrap(), expect, "{text}");
}

#[track_caller]
fn check_whole(name: &str, text: &str, expect: &str) {
    assert_eq!(message(name, read_as(name, text, &[])), expect, "{text}");
}

#[test]
fn an_unknown_key_names_the_nearest_one_and_shows_the_line() {
    let excerpt = "  |\n2 | modle: x\n  | ^";
    let expect =
        format!("x.yaml:2:1: unknown key `modle`; did you mean `model`? {ROOT}\n{excerpt}");
    check_whole("x.yaml", "epochs: 1\nmodle: x\n", &expect);
}

#[test]
fn unknown_keys_are_found_at_every_level() {
    let table = [
        ("zzz: 1", format!("x.yaml:4:1: unknown key `zzz`. {ROOT}")),
        (
            "temperature: 1",
            format!(
                "x.yaml:4:1: unknown key `temperature`; did you mean `model.sampling.temperature`? {ROOT}"
            ),
        ),
        (
            "limits.retries: 1",
            format!(
                "x.yaml:4:1: unknown key `limits.retries`; did you mean `limits: {{retries: ...}}`? {ROOT}"
            ),
        ),
    ];
    for (text, expect) in table {
        check(text, &expect);
    }
    check(
        "scorers:\n  - numeric\n  - {plugin: m, parms: {}}",
        "x.yaml:6:17: unknown key `scorers.1.parms`; did you mean `scorers.1.params`? Known here: plugin, name, params",
    );
    check(
        "models: {judge: {provider: a, name: b, samplng: {}}}",
        "x.yaml:4:40: unknown key `models.judge.samplng`; did you mean `models.judge.sampling`? Known here: provider, \
         name, base_url, key_variable, endpoint, sampling, params",
    );
    check(
        "rehearse: {reply: r}",
        "x.yaml:4:12: unknown key `rehearse.reply`. Known here: replies",
    );
    check(
        "sweep: {limits.retrys: [1]}",
        "x.yaml:4:9: unknown key `limits.retrys`; did you mean `limits.retries`? Known here: concurrency, \
         requests_per_minute, tokens_per_minute, input_tokens_per_minute, output_tokens_per_minute, budget, max_tokens_total, \
         retries, timeout, connect_timeout",
    );
}

#[test]
fn a_value_of_a_wrong_type_or_size_says_what_to_write() {
    let table = [
        (
            "epochs: many",
            "9: `epochs` is the text `many`; it takes a whole number from 0 to 4294967295",
        ),
        (
            "epochs: 1.5",
            "9: `epochs` is the number 1.5; it takes a whole number from 0 to 4294967295",
        ),
        (
            "epochs: -1",
            "9: `epochs` is the number -1; it takes a whole number from 0 to 4294967295",
        ),
        ("epochs: 0", "9: `epochs` is 0; write 1 or more"),
        (
            "epochs: [1]",
            "9: `epochs` is a list; it takes a whole number from 0 to 4294967295",
        ),
        (
            "limits: {concurrency: 0}",
            "23: `limits.concurrency` is 0; write 1 or more",
        ),
        (
            "limits: {timeout: 10}",
            "19: `limits.timeout` is the number 10; it takes a number with its unit, such as `90s` or `10m`",
        ),
        (
            "limits: {timeout: 0s}",
            "19: `limits.timeout` is the text `0s`; write a number and its unit, such as `90s` or `10m`",
        ),
        (
            "limits: 7",
            "9: `limits` is the number 7; it takes a map such as `{concurrency: 100}`",
        ),
        (
            "mode: bach",
            "7: `mode` is `bach`; did you mean `batch`? It takes one of: live, auto, batch",
        ),
        (
            "mode: slow",
            "7: `mode` is `slow`. It takes one of: live, auto, batch",
        ),
        (
            "mode: 1",
            "7: `mode` is the number 1; it takes one of: live, auto, batch",
        ),
        (
            "salt: 1",
            "7: `salt` is the number 1; it takes text: put it in quotes",
        ),
        (
            "name: a b",
            "7: `name` is `a b`; write 1 to 128 letters, digits, `.`, `_` or `-`",
        ),
        (
            "name: ..",
            "7: `name` is `..`; write 1 to 128 letters, digits, `.`, `_` or `-`",
        ),
        (
            "models: {a b: openai/x}",
            "15: `models.a b` is a bad name; write 1 to 128 letters, digits, `.`, `_` or `-`",
        ),
        (
            "models: {judge: x}",
            "17: `models.judge` is `x`; write `PROVIDER/NAME`, such as `openai/gpt-4o-mini`",
        ),
        (
            "rehearse: r.jsonl",
            "11: `rehearse` is the text `r.jsonl`; it takes a map such as `{replies: replies.jsonl}`",
        ),
        (
            "plugins: [1]",
            "11: `plugins.0` is the number 1; it takes text: put it in quotes",
        ),
        (
            "scorers: [match, {plugin: match}]",
            "18: `scorers.1` is called `match`, as is `scorers.0`; give one of them another `name`",
        ),
        (
            "scorers: [match, 'ghcr.io/ml/match:1.0']",
            "18: `scorers.1` is called `match`, as is `scorers.0`; give one of them another `name`",
        ),
        (
            "scorers: [a, {plugin: b, name: a}]",
            "14: `scorers.1` is called `a`, as is `scorers.0`; give one of them another `name`",
        ),
        (
            "scorers: ['']",
            "11: `scorers.0.plugin` is an empty text; write a name",
        ),
    ];
    for (text, expect) in table {
        check(text, &format!("x.yaml:4:{expect}"));
    }
}

#[test]
fn a_bad_dataset_or_model_says_what_to_write() {
    let table = [
        (
            "dataset: {path: d, range: 5..2}\nmodel: a/b",
            "1:27: `dataset.range` is the text `5..2`; write `START..END` with START below END, such as `10..20`, `10..` or `..20`",
        ),
        (
            "dataset: {path: d, ids: [a, 1, 2.5]}\nmodel: a/b",
            "1:32: `dataset.ids.2` is the number 2.5; it takes text or a list of texts: put it in quotes",
        ),
        (
            "dataset: {path: []}\nmodel: a/b",
            "1:17: `dataset.path` is empty; write a file's name, such as `data/test.jsonl`",
        ),
        (
            "dataset: {format: csv}\nmodel: a/b",
            "1:10: `dataset.path` is missing; write `path: data/test.jsonl`",
        ),
        (
            "dataset: d\nmodel: {name: b}",
            "2:8: `model.provider` is missing; write `provider: openai`, or `model: PROVIDER/NAME` in short",
        ),
        (
            "dataset: d\nmodel: {provider: a, name: 4.5}",
            "2:28: `model.name` is the number 4.5; it takes text: put it in quotes",
        ),
        (
            "dataset: d\nmodel: 3",
            "2:8: `model` is the number 3; it takes `PROVIDER/NAME` or a map with `provider` and `name`",
        ),
        (
            "dataset: d\nmodel: {provider: a, name: m, sampling: {temperature: -1}}",
            "2:55: `model.sampling.temperature` is -1; write 0 or more",
        ),
        (
            "dataset: d\nmodel: {provider: a, name: m, sampling: {top_p: 2}}",
            "2:49: `model.sampling.top_p` is 2; write a number from 0 to 1",
        ),
    ];
    for (text, expect) in table {
        let message = message("x.yaml", read(&format!("{text}\nprompt: p\n"), &[]));
        assert_eq!(
            message.lines().next().unwrap(),
            format!("x.yaml:{expect}"),
            "{text}"
        );
    }
    let missing =
        "x.yaml: `dataset` is missing; write `dataset: data/test.jsonl` or pass --dataset FILE";
    check_whole("x.yaml", "prompt: p\nmodel: a/b\n", missing);
}

/// Whoever pastes a key where its variable's name belongs must not find it in a terminal's log.
#[test]
fn a_credential_in_the_wrong_place_is_not_repeated() {
    let text = "dataset: d\nprompt: p\nmodel: {provider: a, name: m, key_variable: sk-abc}";
    let expect = "x.yaml:3:45: `model.key_variable` is no name of an environment variable; write letters, digits and \
                  `_`, such as `OPENAI_API_KEY`, and put the credential itself into that variable";
    check_whole("x.yaml", text, expect);
}

#[test]
fn broken_yaml_is_told_with_its_place() {
    let table = [
        (
            "x: a: b",
            "4:5: mapping values are not allowed in this context",
        ),
        ("x: [a", "4:4: unclosed bracket '['"),
        (
            "model: openai/y",
            "4:1: the key `model` stands twice in this map; keep one",
        ),
        (
            "x: {1: a, '1': b}",
            "4:11: the key `1` stands twice in this map; keep one",
        ),
        (
            "x: {{ input }}",
            "4:5: a key must be text; a value that begins with `{`, such as \"{{ input }}\", stands in quotes",
        ),
        (
            "salt: 123456789012345678901",
            "4:7: a whole number beyond 64 bits would be rounded; put it in quotes",
        ),
        (
            "salt: .inf",
            "4:7: `.inf` is no finite number; quote it if text is meant",
        ),
        (
            "salt: !x 1",
            "4:10: the tag `!x` means nothing here; remove it",
        ),
        (
            "---\na: 1",
            "5:1: a second document begins here; an experiment file holds one",
        ),
        ("~: 1", "4:1: a key must be text; write it in quotes"),
        (
            "x: *y",
            "4:4: an alias of nothing; a text that begins with `*` stands in quotes",
        ),
    ];
    for (text, expect) in table {
        check(text, &format!("x.yaml:{expect}"));
    }
}

#[test]
fn alias_bombs_end_at_once() {
    let level = |above: char, name: char| {
        format!(
            "{name}: &{name} [{}]\n",
            [format!("*{above}").as_str(); 9].join(",")
        )
    };
    let laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned()
        + &('b'..='i')
            .map(|name| level((name as u8 - 1) as char, name))
            .collect::<String>();
    let deep = "{a: ".repeat(70) + "1" + &"}".repeat(70);
    let long = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(1_000_000),
        ["*a"; 90].join(",")
    );
    for (text, place) in [(laughs, "5:11"), (long, "2:26"), (deep, "1:257")] {
        let message = message("x.yaml", read(&text, &[]));
        let expect = format!(
            "x.yaml:{place}: too much for an experiment file: deeply nested, very long, or grown by aliases; move data \
             into files and name them by `$file`"
        );
        assert_eq!(message.lines().next().unwrap(), expect);
    }
}

#[test]
fn json_and_toml_errors_have_positions_too() {
    let table = [
        (
            "x.json",
            "{\"a\": 1,\n \"a\": 2}",
            "2:2: the key `a` stands twice in this map; keep one",
        ),
        ("x.json", "{\"model\": 1,}", "1:13: key must be a string"),
        (
            "x.json",
            "{\"a\": 123456789012345678901}",
            "1:7: a whole number beyond 64 bits would be rounded; put it in quotes",
        ),
        ("x.json", "{\"a\": 1e999}", "1:7: number out of range"),
        (
            "x.json",
            "{\"dataset\": \"d\",\n \"prompt\": \"p\",\n \"model\": {\"provder\": 1}}",
            "3:12: unknown key `model.provder`; did you mean `model.provider`? Known here: provider, name, base_url, key_variable, endpoint, sampling, params",
        ),
        (
            "x.json",
            "{\"dataset\": \"é\", \"prompt\": \"p\", \"model\": \"m\"}",
            "1:42: `model` is `m`; write `PROVIDER/NAME`, such as `openai/gpt-4o-mini`",
        ),
        (
            "x.toml",
            "a = \n",
            "1:5: string values must be quoted, expected literal string",
        ),
        ("x.toml", "a = 1\na = 2", "2:1: duplicate key"),
        (
            "x.toml",
            "a = nan",
            "1:5: `nan` is no finite number; quote it if text is meant",
        ),
        (
            "x.toml",
            "a = 123456789012345678901",
            "1:5: a whole number beyond 64 bits would be rounded; put it in quotes",
        ),
        (
            "x.toml",
            "dataset='d'\nprompt='p'\n[model]\nprovider='a'\nnmae='b'\n",
            "5:1: unknown key `model.nmae`; did you mean `model.name`? Known here: provider, name, base_url, key_variable, endpoint, sampling, params",
        ),
    ];
    for (name, text, expect) in table {
        let message = message(name, read_as(name, text, &[]));
        assert_eq!(
            message.lines().next().unwrap(),
            format!("{name}:{expect}"),
            "{text}"
        );
    }
    for (name, text) in [
        ("x.json", "[".repeat(100) + &"]".repeat(100)),
        ("x.toml", format!("a={}", "[".repeat(90_000))),
    ] {
        assert!(message(name, read_as(name, &text, &[])).starts_with(name));
    }
}

#[test]
fn a_long_line_is_cut_around_the_caret() {
    let text = format!("{BASE}salt: \"{}\" z", "y".repeat(300));
    let message = message("x.yaml", read(&text, &[]));
    let lines: Vec<&str> = message.lines().skip(2).collect();
    assert_eq!(lines[0], format!("4 | {}\" z", "y".repeat(63)));
    assert_eq!(lines[1], format!("  | {}^", " ".repeat(65)));
}
