//! Plugin authors: from an empty folder with an empty home to a verdict in a run, in three languages; bare files; what
//! `check`, `test` and `bench` say. Where a language's compiler is missing, its tests say that they did not run.

use crate::support::{Place, Ran, repository};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// `xhost` with these arguments, as somebody new to it: nothing built before, nothing in the home.
fn xhost(place: &Place, arguments: &[&str]) -> Ran {
    let mut command = place.xhost();
    command.env("XDG_CACHE_HOME", place.path("cache-home"));
    keep_rust(&mut command);
    Ran::of(command.args(arguments))
}

/// Rust stays where it is installed, though the home is another.
fn keep_rust(command: &mut Command) {
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    for (variable, folder) in [("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")] {
        let there = std::env::var_os(variable).map_or_else(|| home.join(folder), PathBuf::from);
        command.env(variable, there);
    }
}

/// Whether a compiler is there; if not, says so.
fn has(tool: &str) -> bool {
    let found = Command::new(tool)
        .arg("--version")
        .output()
        .is_ok_and(|ran| ran.status.success());
    if !found {
        eprintln!("NOT RUN: there is no {tool} here; .ci/run installs it");
    }
    found
}

/// As the README of a new project says, to a verdict in a run.
fn from_nothing(language: &str) {
    let (place, started) = (Place::new(), Instant::now());
    let name = "says-it";
    xhost(
        &place,
        &[
            "plugin", "new", name, "--kind", "scorer", "--lang", language,
        ],
    )
    .expect(0);
    let built = xhost(&place, &["plugin", "build", name]);
    if language == "rust" && built.stderr().contains("rustup target add wasm32-wasip2") {
        eprintln!("NOT RUN: there is no Rust for wasm32-wasip2 here; .ci/run installs it");
        return;
    }
    built.expect(0);
    let wasm = format!("{name}/{name}.wasm");
    xhost(
        &place,
        &["plugin", "test", &wasm, &format!("{name}/cases.jsonl")],
    )
    .expect(0)
    .prints(&["3 of 3 cases passed"]);
    verdict(&place, &wasm).expect(0);
    mean(&place, "correct", 0.5);
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("{language}: from `plugin new` to a verdict in a run in {seconds:.0} s");
}

/// A run of two rows, one of them answered rightly, judged by this plugin.
fn verdict(place: &Place, plugin: &str) -> Ran {
    place.write(
        "rows.jsonl",
        "{\"id\": \"a\", \"input\": \"2 + 2?\", \"target\": \"four\"}\n{\"id\": \"b\", \"input\": \"3 + 3?\", \"target\": \"six\"}\n",
    );
    place.write(
        "replies.jsonl",
        "{\"model\": \"demo\", \"contains\": \"?\", \"reply\": \"It is Four.\"}\n",
    );
    xhost(
        place,
        &[
            "run",
            "--dataset",
            "rows.jsonl",
            "--model",
            "openai/demo",
            "--prompt",
            "{{ input }}",
            "--plugin",
            plugin,
            "--rehearse",
            "--replies",
            "replies.jsonl",
            "--out",
            "out",
            "--quiet",
        ],
    )
}

#[track_caller]
fn mean(place: &Place, name: &str, expect: f64) {
    let summary = place.json("out/summary.json");
    let scores = summary["configs"][0]["scorers"]
        .as_array()
        .expect("scorers");
    let found = scores.iter().find(|score| score["name"] == name);
    assert_eq!(
        found.expect("the score is there")["mean"],
        expect,
        "{summary}"
    );
}

#[test]
fn a_scorer_in_rust_from_nothing_to_a_verdict() {
    from_nothing("rust");
}

#[test]
fn a_scorer_in_javascript_from_nothing_to_a_verdict() {
    if has("jco") {
        from_nothing("js");
    }
}

#[test]
fn a_scorer_in_python_from_nothing_to_a_verdict() {
    if has("componentize-py") {
        from_nothing("python");
    }
}

const SCORER_PY: &str = "\
from xhost_plugin import BadInput, Measure


def helper(text):
    raise ValueError(f'cannot read {text}')


def score(answer: str, target: str, limit: float = 0.5, mode: str = 'plain'):
    if answer == 'boom':
        helper(answer)
    if answer == '':
        raise BadInput('there is no answer')
    print('looking at', answer)
    right = target.lower() in answer.lower()
    return {'correct': right, 'length': Measure(len(answer), explanation=mode)}
";

#[test]
fn a_bare_scorer_py_is_built_once_and_its_traceback_reaches_its_author() {
    if !has("componentize-py") {
        return;
    }
    let place = Place::new();
    place.write("scorer.py", SCORER_PY);
    verdict(&place, "scorer.py")
        .expect(0)
        .says(&["building scorer.py"]);
    mean(&place, "correct", 0.5);
    let again = verdict(&place, "scorer.py").expect(0);
    assert!(!again.stderr().contains("building"), "{}", again.stderr());
    let schema = xhost(&place, &["plugin", "check", "scorer.py", "--json"])
        .expect(0)
        .stdout();
    let schema: serde_json::Value = serde_json::from_str(&schema).expect("JSON");
    assert_eq!(
        schema["params"]["properties"]["limit"],
        serde_json::json!({"type": "number", "default": 0.5})
    );
    assert_eq!(schema["params"]["additionalProperties"], false);
    place.write(
        "cases.jsonl",
        "{\"answer\": \"it is four\", \"target\": \"Four\", \"expect\": {\"scores\": {\"correct\": true, \"length\": 10}}}\n\
         {\"answer\": \"\", \"target\": \"Four\", \"expect\": {\"refused\": \"there is no answer\"}}\n\
         {\"answer\": \"boom\", \"target\": \"Four\", \"expect\": {\"scores\": {\"correct\": true}}}\n",
    );
    xhost(&place, &["plugin", "test", "scorer.py", "cases.jsonl"])
        .expect(3)
        .prints(&[
            "2 of 3 cases passed",
            "Traceback (most recent call last)",
            "scorer.py\", line 10, in score",
            "scorer.py\", line 5, in helper",
            "ValueError: cannot read boom",
        ]);
}

#[test]
fn a_bare_scorer_js_is_kept_by_content_and_a_changed_component_is_not_believed() {
    if !has("jco") {
        return;
    }
    let place = Place::new();
    place.write("scorer.js", "export function score(answer, targets) { return answer.toLowerCase().includes(targets[0]); }\n");
    verdict(&place, "scorer.js")
        .expect(0)
        .says(&["building scorer.js"]);
    mean(&place, "correct", 0.5);
    let kept = only_file(&place.path("cache-home/xhost/built"), "scorer.wasm");
    let text = std::fs::read(&kept).expect("it is there");
    std::fs::write(&kept, b"something else").expect("it can be written");
    verdict(&place, "scorer.js")
        .expect(0)
        .says(&["building scorer.js"]);
    assert_eq!(std::fs::read(&kept).expect("it is there").len(), text.len());
    let unchanged = verdict(&place, "scorer.js").expect(0);
    assert!(
        !unchanged.stderr().contains("building"),
        "{}",
        unchanged.stderr()
    );
    place.write("scorer.js", "export function score() { return false; }\n");
    verdict(&place, "scorer.js")
        .expect(0)
        .says(&["building scorer.js"]);
    mean(&place, "correct", 0.0);
}

#[test]
fn built_files_are_not_kept_where_others_may_write() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.write("scorer.js", "export function score() { return false; }\n");
    let folder = place.path("cache-home/xhost/built");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).expect("a mode");
    verdict(&place, "scorer.js")
        .expect(2)
        .says(&["mode 0700", "xhost plugin build"]);
}

fn only_file(folder: &Path, name: &str) -> PathBuf {
    let keys: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .flatten()
        .collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
    keys[0].path().join(name)
}

#[test]
fn a_missing_compiler_is_named_with_the_command_that_installs_it() {
    let place = Place::new();
    for (language, words) in [
        ("python", "install componentize-py==0.25.1"),
        ("js", "@bytecodealliance/jco@1.35.0"),
        ("rust", "rustup target add wasm32-wasip2"),
    ] {
        let name = format!("in-{language}");
        xhost(
            &place,
            &[
                "plugin", "new", &name, "--kind", "prompt", "--lang", language,
            ],
        )
        .expect(0);
        let mut command = place.xhost();
        let empty = place.path("no-tools");
        std::fs::create_dir_all(&empty).expect("a folder");
        command.env("PATH", empty).args(["plugin", "build", &name]);
        Ran::of(&mut command).expect(2).says(&[words]);
    }
}

#[test]
fn a_compiler_s_own_errors_are_shown() {
    if !has("jco") {
        return;
    }
    let place = Place::new();
    place.write(
        "scorer.js",
        "export function score(answer) { return ; ) }\n",
    );
    xhost(&place, &["plugin", "build", "scorer.js"])
        .expect(2)
        .says(&["jco failed", "scorer"]);
}

#[test]
fn checking_says_what_is_denied_and_what_is_refused() {
    let place = Place::new();
    let guest = crate::guests::component("word-count", "examples/scorer-rust/word-count.wasm")
        .expect("it is committed");
    let guest = guest.to_str().expect("UTF-8");
    let ran = xhost(&place, &["plugin", "check", guest, "--json"]).expect(0);
    let told: serde_json::Value = serde_json::from_str(&ran.stdout()).expect("JSON");
    assert_eq!(
        (&told["kind"], &told["api"]),
        (&"scorer".into(), &"0.1.0".into())
    );
    let bytes = std::fs::read(guest).expect("it is there");
    assert_eq!(told["digest"], blake3::hash(&bytes).to_hex().as_str());
    let imports = told["imports"].as_array().expect("a list");
    let grant = |name: &str| {
        let import = imports.iter().find(|import| {
            import["name"]
                .as_str()
                .is_some_and(|found| found.starts_with(name))
        });
        import
            .map(|import| import["grant"].clone())
            .unwrap_or_default()
    };
    assert_eq!(grant("wasi:cli/environment"), "denied");
    assert_eq!(grant("xhost:plugin/log"), "given");
    assert_eq!(told["params"]["properties"]["minimum"]["type"], "integer");
    std::fs::write(
        place.path("http.wasm"),
        crate::hostile::text_component("scorer/wants-http"),
    )
    .expect("written");
    xhost(&place, &["plugin", "check", "http.wasm"])
        .expect(2)
        .prints(&["refused  wasi:http", "plugins have no network"])
        .says(&["does not fit"]);
}

#[test]
fn a_verdict_that_changes_from_run_to_run_fails_and_state_is_never_seen() {
    let place = Place::new();
    let hostile = crate::guests::component("hostile", "tests/guests/prebuilt/hostile.wasm")
        .expect("it is committed");
    let hostile = hostile.to_str().expect("UTF-8");
    let case = |attack: &str| {
        let line = format!("{{\"params\": {{\"attack\": \"{attack}\"}}, \"answer\": \"x\"}}\n");
        place.write("cases.jsonl", &line);
        let arguments = ["plugin", "test", hostile, "cases.jsonl", "--update"];
        xhost(&place, &arguments).expect(0);
        xhost(&place, &arguments[..4])
    };
    case("counter").expect(0).prints(&["1 of 1 cases passed"]);
    assert!(
        place.read("cases.jsonl").contains("\"value\":1.0"),
        "{}",
        place.read("cases.jsonl")
    );
    case("random").expect(3).prints(&["two runs differ"]);
    case("panic").expect(0);
}

#[test]
fn measuring_shows_a_built_in_plugin_beside() {
    let place = Place::new();
    let ran = xhost(
        &place,
        &["plugin", "bench", "includes", "--seconds", "0.01", "--json"],
    )
    .expect(0);
    let rows: serde_json::Value = serde_json::from_str(&ran.stdout()).expect("JSON");
    assert_eq!(
        (&rows[0]["name"], &rows[1]["name"]),
        (&"includes".into(), &"exact".into())
    );
    for field in [
        "calls_per_second",
        "calls_per_second_together",
        "first_call_ms",
        "memory_bytes",
        "fuel",
    ] {
        assert!(
            rows[0][field].as_f64().expect("a number") > 0.0,
            "{field}: {rows}"
        );
    }
}

#[test]
fn components_built_against_each_released_version_go_on_working() {
    let released = repository().join("tests/guests/released");
    let digests = std::fs::read_to_string(released.join("DIGESTS")).expect("it is there");
    let place = Place::new();
    let mut tried = 0;
    for line in digests.lines().filter(|line| !line.starts_with('#')) {
        let (digest, name) = line.split_once("  ").expect("a digest and a file");
        let file = released.join(name);
        let bytes = std::fs::read(&file).expect("it is committed");
        assert_eq!(
            blake3::hash(&bytes).to_hex().as_str(),
            digest,
            "{name} is frozen: never build it again"
        );
        let cases = file.with_extension("jsonl");
        let (file, cases) = (
            file.to_str().expect("UTF-8"),
            cases.to_str().expect("UTF-8"),
        );
        xhost(&place, &["plugin", "test", file, cases]).expect(0);
        tried += 1;
    }
    assert!(tried >= 3, "one of each kind");
}

#[test]
fn the_wrong_parameter_is_named_as_the_experiment_writes_it_before_anything_is_asked() {
    let place = Place::new();
    place.write(
        "rows.jsonl",
        "{\"id\": \"a\", \"input\": \"x\", \"target\": \"y\"}\n",
    );
    for (scorers, words) in [
        (
            "[exact, {plugin: includes, params: {ignore_case: 'yes'}}]",
            "`scorers.1.params.ignore_case`: \"yes\" is not of type",
        ),
        (
            "[{plugin: includes, params: {ignore_cse: true}}]",
            "`scorers.0.params.ignore_cse`: there is no such param; did you mean `ignore_case`?",
        ),
    ] {
        place.write(
            "xhost.yaml",
            &format!("name: x\ndataset: {{path: rows.jsonl}}\nprompt: hi\nmodel: openai/demo\nscorers: {scorers}\n"),
        );
        xhost(&place, &["run", "--rehearse", "--quiet"])
            .expect(2)
            .says(&[words]);
    }
}

#[test]
fn every_command_for_authors_has_a_help_with_an_example() {
    let place = Place::new();
    for command in ["list", "show", "new", "build", "check", "test", "bench"] {
        let help = xhost(&place, &["plugin", command, "--help"])
            .expect(0)
            .stdout();
        assert!(
            help.contains("Example") && help.contains("xhost plugin "),
            "{command}: {help}"
        );
    }
}

#[test]
fn the_python_sdk_derives_schemas_from_annotations_and_defaults() {
    if !has("python3") {
        return;
    }
    let folder = repository().join("plugins/sdk-python");
    let mut command = Command::new("python3");
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(folder)
        .args(["-m", "unittest", "-q", "test_xhost_plugin"]);
    Ran::of(&mut command).expect(0);
}
