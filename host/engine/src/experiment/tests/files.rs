//! What is no experiment file, names, folders, and inclusions.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::super::{Experiment, Parts, PluginWord, included_files, replace_files};
use super::BASE;

#[track_caller]
fn load(file: &Path) -> Result<Experiment, String> {
    let folder = file.parent().unwrap().display().to_string();
    let loaded = Experiment::load(file, &Parts::default(), &[]);
    loaded.map_err(|error| error.to_string().replace(&format!("{folder}/"), ""))
}

#[test]
fn what_is_no_experiment_file_is_refused_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("first.yaml"), BASE).unwrap();
    fs::write(at("empty.yaml"), " \n").unwrap();
    fs::write(at("comment.yaml"), "# nothing\n").unwrap();
    fs::write(at("latin.yaml"), b"name: caf\xe9").unwrap();
    fs::write(at("large.yaml"), "#".repeat(4 * 1024 * 1024 + 1)).unwrap();
    fs::write(at("data.jsonl"), "{}").unwrap();
    fs::create_dir(at("sub")).unwrap();
    fs::write(at("sub/xhost.yaml"), BASE).unwrap();
    let empty = "empty; write at least `dataset`, `prompt` and `model`";
    let table = [
        (
            "frist.yaml",
            "no such file, but there is first.yaml; name another, as in `xhost run FILE`",
        ),
        (
            "first.json",
            "no such file, but there is first.yaml; name another, as in `xhost run FILE`",
        ),
        (
            "other.yaml",
            "no such file; name another, as in `xhost run FILE`",
        ),
        (
            "first",
            "no such file, but there is first.yaml; name another, as in `xhost run FILE`",
        ),
        ("empty.yaml", empty),
        ("comment.yaml", empty),
        ("latin.yaml", "byte 9 is not UTF-8; save the file as UTF-8"),
        (
            "large.yaml",
            "larger than 4 MiB; move examples and other data into files and name them by `$file`",
        ),
        (
            "data.jsonl",
            "not an experiment file; its name ends in .yaml, .yml, .json or .toml",
        ),
        (
            "sub",
            "a folder; name the experiment file in it, such as sub/xhost.yaml",
        ),
    ];
    for (name, expect) in table {
        assert_eq!(load(&at(name)).unwrap_err(), format!("{name}: {expect}"));
    }
}

#[test]
fn the_name_comes_from_the_file_or_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("gsm8k")).unwrap();
    for name in ["a.b.yaml", "gsm8k/xhost.yaml", "my exp.yaml"] {
        fs::write(at(name), BASE).unwrap();
    }
    assert_eq!(load(&at("a.b.yaml")).unwrap().name, "a.b");
    assert_eq!(load(&at("gsm8k/xhost.yaml")).unwrap().name, "gsm8k");
    let refused = load(&at("my exp.yaml")).unwrap_err();
    assert_eq!(
        refused,
        "my exp.yaml: `my exp` cannot name an experiment; write `name: my-exp` in the file"
    );
}

#[test]
fn paths_of_the_file_are_relative_to_its_folder_and_those_of_options_to_the_current_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.yaml");
    fs::write(
        &file,
        format!("{BASE}plugins: [a.wasm]\nrehearse: {{replies: r.jsonl}}\n"),
    )
    .unwrap();
    let parts = Parts {
        dataset: Some("other.jsonl".to_owned()),
        plugins: vec!["b.wasm".into()],
        ..Parts::default()
    };
    let experiment = Experiment::load(&file, &parts, &[]).unwrap();
    assert_eq!(experiment.folder, folder.path());
    assert_eq!(
        experiment.plugins,
        [folder.path().join("a.wasm"), "b.wasm".into()].map(PluginWord::File)
    );
    assert_eq!(experiment.rehearse, Some(folder.path().join("r.jsonl")));
    let here = std::path::absolute("other.jsonl").unwrap();
    assert_eq!(
        experiment.cells[0].settings.dataset.path,
        [here.to_str().unwrap()]
    );
}

#[test]
fn inclusions_are_found_and_replaced_and_nothing_else_is() {
    let value =
        json!({"a": {"$file": "x"}, "b": [{"$file": "y"}, {"$file": 1}, {"$file": "z", "c": 2}]});
    assert_eq!(included_files(&value).collect::<Vec<_>>(), ["x", "y"]);
    let load = |path: &Path| Ok::<_, String>(json!({ "$file": path }));
    let expect = json!({
        "a": {"$file": "f/x"},
        "b": [{"$file": "f/y"}, {"$file": 1}, {"$file": "z", "c": 2}],
    });
    assert_eq!(
        replace_files(value.clone(), Path::new("f"), load),
        Ok(expect)
    );
    let fail = |path: &Path| Err::<Value, _>(path.display().to_string());
    assert_eq!(
        replace_files(value, Path::new("f"), fail),
        Err("f/x".to_owned())
    );
}
