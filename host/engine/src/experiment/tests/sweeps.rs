//! The cells of a sweep: which, in which order, and what overrides do to them.

use super::{BASE, message, read};

/// The axes of the cells, one line of compact JSON each.
#[track_caller]
fn check(sweep: &str, overrides: &[&str], expect: &[&str]) {
    let experiment = read(&format!("{BASE}sweep: {sweep}\n"), overrides).unwrap();
    let axes = experiment
        .cells
        .iter()
        .map(|cell| serde_json::to_string(&cell.axes).unwrap());
    assert_eq!(axes.collect::<Vec<_>>(), expect, "{sweep} {overrides:?}");
}

#[track_caller]
fn check_error(sweep: &str, overrides: &[&str], expect: &str) {
    let message = message(
        "x.yaml",
        read(&format!("{BASE}sweep: {sweep}\n"), overrides),
    );
    assert_eq!(
        message.lines().next().unwrap(),
        expect,
        "{sweep} {overrides:?}"
    );
}

#[test]
fn the_last_axis_varies_fastest() {
    check("{}", &[], &["{}"]);
    check("", &[], &["{}"]);
    check(
        "{model.name: [a, b], epochs: [1, 2]}",
        &[],
        &[
            r#"{"model.name":"a","epochs":1}"#,
            r#"{"model.name":"a","epochs":2}"#,
            r#"{"model.name":"b","epochs":1}"#,
            r#"{"model.name":"b","epochs":2}"#,
        ],
    );
    check(
        "{prompt: {params: {system: [x]}}, model: [c/d]}",
        &["salt=s,t"],
        &[
            r#"{"prompt.params.system":"x","model":"c/d","salt":"s"}"#,
            r#"{"prompt.params.system":"x","model":"c/d","salt":"t"}"#,
        ],
    );
}

#[test]
fn explicit_cells_are_taken_as_they_stand() {
    check(
        "[{model.name: a, epochs: 2}, {}, {model: c/d, model.sampling.seed: 1}]",
        &[],
        &[
            r#"{"model.name":"a","epochs":2}"#,
            "{}",
            r#"{"model":"c/d","model.sampling.seed":1}"#,
        ],
    );
}

#[test]
fn each_cell_has_its_own_settings() {
    let text = format!(
        "{BASE}sweep: {{model: [openai/a, {{provider: x, name: b}}], dataset.path: [p, q]}}\n"
    );
    let experiment = read(&text, &["model.sampling.temperature=0"]).unwrap();
    let cell = |index: usize| {
        let settings = &experiment.cells[index].settings;
        let temperature = settings
            .model
            .sampling
            .as_ref()
            .unwrap()
            .temperature
            .unwrap();
        (
            settings.model.name.as_str(),
            settings.dataset.path[0].as_str(),
            temperature,
        )
    };
    assert_eq!(
        [cell(0), cell(1), cell(2), cell(3)],
        [
            ("a", "p", 0.0),
            ("a", "q", 0.0),
            ("b", "p", 0.0),
            ("b", "q", 0.0)
        ]
    );
}

#[test]
fn an_override_replaces_the_axis_of_its_key() {
    let both = "{model.name: [a, b], epochs: [1, 2]}";
    check(
        both,
        &["model.name=c"],
        &[r#"{"epochs":1}"#, r#"{"epochs":2}"#],
    );
    check(
        both,
        &["epochs=1", "model.name=c,d"],
        &[r#"{"model.name":"c"}"#, r#"{"model.name":"d"}"#],
    );
    check("{epochs: [1]}", &["epochs=1,2", "epochs=3"], &["{}"]);
    check(
        "[{model.name: a, epochs: 2}, {model.name: b, epochs: 2}, {salt: x}]",
        &["model.name=c"],
        &[r#"{"epochs":2}"#, r#"{"salt":"x"}"#],
    );
}

#[test]
fn a_bad_sweep_says_what_to_write() {
    let at = |column: usize, message: &str| format!("x.yaml:4:{column}: {message}");
    let table = [
        (
            "3",
            at(
                8,
                "`sweep` is the number 3; it takes a map of keys to lists, such as `{model.name: [a, b]}`, or a list of maps",
            ),
        ),
        (
            "{model.name: a}",
            at(
                21,
                "`sweep.model.name` is the text `a`; it takes a list of values, such as `[a, b]`",
            ),
        ),
        (
            "{model.name: []}",
            at(
                21,
                "`sweep.model.name` is an empty list; write the values it takes, or remove it",
            ),
        ),
        (
            "{model.name: [a, a]}",
            at(25, "`sweep.model.name` has the text `a` twice; remove one"),
        ),
        (
            "{model..name: [a]}",
            at(
                9,
                "`sweep.model..name` is no path; write names with dots between, such as `model.name`",
            ),
        ),
        (
            "[]",
            at(8, "`sweep` is an empty list; write the cells, or remove it"),
        ),
        (
            "[a]",
            at(
                9,
                "`sweep.0` is the text `a`; it takes a map, such as `{model.name: a, epochs: 2}`",
            ),
        ),
        (
            "[{epochs: 1}, {epochs: 1}]",
            at(22, "`sweep.1` stands there twice; remove one"),
        ),
        (
            "{name: [a]}",
            at(
                9,
                "`name` is one for the whole experiment and cannot be swept; remove it from the sweep",
            ),
        ),
        ("{epochs: [1, 0]}", at(21, "`epochs` is 0; write 1 or more")),
        (
            "{scorers.1.name: [a]}",
            at(9, "`scorers` is an empty list; set the whole list"),
        ),
        (
            "{model.name: [a], model: [c/d]}",
            at(
                26,
                "`model` would undo `model.name`, which is set before it; put it first, or set one of them",
            ),
        ),
    ];
    for (sweep, expect) in table {
        check_error(sweep, &[], &expect);
    }
    check_error(
        "{model.name: [a, b]}",
        &["model=c/d"],
        "override `model=c/d`: `model` would undo `model.name`, which is set before it; put it first, or set one of them",
    );
}

#[test]
fn the_number_and_the_size_of_cells_are_bounded() {
    let numbers = |count: usize| {
        (0..count)
            .map(|number| number.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let hundred = numbers(100);
    let sweep = format!("{{prompt.params.a: [{hundred}], prompt.params.b: [{hundred}]}}");
    assert_eq!(
        read(&format!("{BASE}sweep: {sweep}\n"), &[])
            .unwrap()
            .cells
            .len(),
        10_000
    );
    let message = "x.yaml:4:1: the sweep makes 20000 configs, and 10000 is the most; shorten an axis or split the experiment";
    check_error(&sweep, &["salt=a,b"], message);
    let long = format!(
        "{{prompt.params.a: [{hundred}]}}\nsalt: {}",
        "x".repeat(1_000_000)
    );
    let message = "x.yaml:4:1: the configs of this sweep are more than 64 MiB of text; move long texts into files and \
                   name them by `$file`";
    check_error(&long, &[], message);
}
