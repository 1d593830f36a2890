//! Plugins given to others and got from others: `push`, `pull`, and where a login goes. Against Debian's `docker-registry`,
//! with `skopeo` and `oci-wasm` as clients that we did not write. Where they are missing, the tests say that they did not
//! run.

use crate::support::registry::{Registry, has, oci_wasm};
use crate::support::{Place, Ran, repository};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A place with rows, replies, and caches of its own.
pub fn place() -> Place {
    let place = Place::new();
    place.write(
        "rows.jsonl",
        "{\"id\": \"a\", \"input\": \"2 + 2?\", \"target\": \"four\"}\n{\"id\": \"b\", \"input\": \"3 + 3?\", \"target\": \"six\"}\n",
    );
    place.write(
        "replies.jsonl",
        "{\"model\": \"demo\", \"contains\": \"?\", \"reply\": \"It is four.\"}\n",
    );
    place
}

/// `xhost` with nothing fetched before, and with no credential but those that a test sets.
pub fn xhost(place: &Place) -> Command {
    let mut command = place.xhost();
    command.env("XDG_CACHE_HOME", place.path("cache-home"));
    for variable in ["", "_TOKEN", "_USER", "_PASSWORD"] {
        command.env_remove(format!("XHOST_REGISTRY{variable}"));
    }
    command.env_remove("DOCKER_CONFIG");
    command
}

pub fn ran(place: &Place, arguments: &[&str]) -> Ran {
    Ran::of(xhost(place).args(arguments))
}

/// A rehearsal that judges with this plugin.
pub fn judged(place: &Place, plugin: &str, more: &[&str]) -> Ran {
    let arguments = [
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
    ];
    ran(place, &[&arguments, more].concat())
}

pub fn component(name: &str) -> PathBuf {
    let path = match name {
        "word-count" => "examples/scorer-rust/word-count.wasm",
        "second-thoughts" => "examples/prompt-rust/second-thoughts.wasm",
        "plain-chat" => "examples/provider-rust/plain-chat.wasm",
        built_in => return repository().join(format!("plugins/prebuilt/{built_in}.wasm")),
    };
    repository().join(path)
}

/// Pushes a component; what the command says of it.
pub fn push(place: &Place, name: &str, reference: &str) -> Value {
    let file = component(name);
    let file = file.to_str().expect("UTF-8");
    let pushed = ran(place, &["plugin", "push", file, reference, "--json"]).expect(0);
    serde_json::from_str(&pushed.stdout()).expect("JSON")
}

pub fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {value}"))
}

pub fn blake3_of(path: &Path) -> String {
    blake3::hash(&std::fs::read(path).expect("it is there"))
        .to_hex()
        .to_string()
}

pub fn sha256_of(path: &Path) -> String {
    let output = Command::new("sha256sum")
        .arg(path)
        .output()
        .expect("coreutils");
    let text = String::from_utf8(output.stdout).expect("text");
    format!("sha256:{}", text.split(' ').next().expect("a digest"))
}

#[test]
fn a_plugin_goes_into_a_registry_and_comes_out_the_same() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let place = place();
    let name = registry.name("me/word-count:1.0");
    let first = push(&place, "word-count", &name);
    assert_eq!(first["sent"], true);
    let again = push(&place, "word-count", &registry.name("me/word-count:other"));
    assert_eq!(again["sent"], false, "the registry has it");
    assert_eq!(
        first["manifest"], again["manifest"],
        "the same component, the same digest"
    );
    assert_eq!(
        text(&first, "reference"),
        format!("{name}@{}", text(&first, "manifest"))
    );
    ran(&place, &["plugin", "pull", &name]).expect(0).prints(&[
        "word-count.wasm: a scorer for xhost:plugin@0.1.0",
        text(&first, "reference"),
    ]);
    let pulled = place.path("word-count.wasm");
    assert_eq!(blake3_of(&pulled), blake3_of(&component("word-count")));
    ran(&place, &["plugin", "check", "word-count.wasm"]).expect(0);
    ran(
        &place,
        &["plugin", "pull", text(&first, "reference"), "-o", "s.wasm"],
    )
    .expect(0);
    place.write("word-count.wasm", "something of mine");
    ran(&place, &["plugin", "pull", &name])
        .expect(2)
        .says(&["word-count.wasm is another plugin", "-o"]);
    assert_eq!(place.read("word-count.wasm"), "something of mine");
}

#[test]
fn a_project_s_folder_is_pushed_with_its_version_and_its_source() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let place = place();
    let wasm = std::fs::read(component("word-count")).expect("it is there");
    place.write(
        "mine/Cargo.toml",
        "[package]\nname = \"mine\"\nversion = \"1.2.3\"\nrepository = \"https://example.org/mine\"\n",
    );
    std::fs::write(place.path("mine/mine.wasm"), wasm).expect("it is written");
    let name = registry.name("mine:1");
    let pushed = ran(&place, &["plugin", "push", "mine", &name, "--json"]).expect(0);
    let pushed: Value = serde_json::from_str(&pushed.stdout()).expect("JSON");
    assert_eq!(pushed["version"], "1.2.3");
    let manifest = std::fs::read(registry.blob(text(&pushed, "manifest"))).expect("it is there");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    assert_eq!(
        manifest["annotations"],
        serde_json::json!({
            "io.github.xhost-rs.plugin.contract": "xhost:plugin@0.1.0",
            "io.github.xhost-rs.plugin.kind": "scorer",
            "org.opencontainers.image.source": "https://example.org/mine",
            "org.opencontainers.image.title": "mine",
            "org.opencontainers.image.version": "1.2.3",
        })
    );
    ran(&place, &["plugin", "push", "rows.jsonl", &name])
        .expect(2)
        .says(&["not a WebAssembly component"]);
    ran(&place, &["plugin", "push", "mine", "mine:1"])
        .expect(2)
        .says(&["it names no registry"]);
    ran(
        &place,
        &["plugin", "push", "mine", text(&pushed, "reference")],
    )
    .expect(2)
    .says(&["a push decides the digest"]);
}

#[test]
fn what_was_tampered_with_in_the_registry_s_own_files_is_refused() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let place = place();
    let name = registry.name("me/word-count:1");
    let pushed = push(&place, "word-count", &name);
    let layer = registry.blob(&sha256_of(&component("word-count")));
    let honest = std::fs::read(&layer).expect("it is there");
    let mut other = honest.clone();
    let middle = other.len() / 2;
    other[middle] ^= 1;
    std::fs::write(&layer, &other).expect("it is written");
    for arguments in [
        &["plugin", "pull", &name][..],
        &["plugin", "pull", text(&pushed, "reference")],
    ] {
        ran(&place, arguments)
            .expect(2)
            .says(&["the component is another one than its digest says"]);
    }
    judged(&place, &name, &[])
        .expect(2)
        .says(&["another one than its digest says"]);
    std::fs::write(&layer, &honest[..middle]).expect("it is written");
    let cut = ran(&place, &["plugin", "pull", &name]);
    assert!([2, 6].contains(&cut.code()), "{}", cut.stderr());
    for file in ["word-count.wasm", "xhost.lock"] {
        assert!(!place.path(file).exists(), "{file}");
    }
    std::fs::write(&layer, &honest).expect("it is written");
    judged(&place, &name, &[]).expect(0);
}

#[test]
fn a_login_is_used_for_its_own_registry_and_for_none_that_an_experiment_names() {
    let Some(registry) = Registry::guarded() else {
        return;
    };
    let place = place();
    let name = registry.name("me/word-count:1");
    let file = component("word-count");
    let push = ["plugin", "push", file.to_str().expect("UTF-8"), &name];
    let host = registry.address.as_str();
    ran(&place, &push)
        .expect(4)
        .says(&[&format!("docker login {host}"), "XHOST_REGISTRY"]);
    let with = |variables: &[(&str, &str)], arguments: &[&str]| {
        Ran::of(
            xhost(&place)
                .envs(variables.iter().copied())
                .args(arguments),
        )
    };
    let own = [
        ("XHOST_REGISTRY_USER", "me"),
        ("XHOST_REGISTRY_PASSWORD", "s3cret"),
    ];
    let wrong = [
        ("XHOST_REGISTRY_USER", "me"),
        ("XHOST_REGISTRY_PASSWORD", "guessed-it"),
    ];
    let said = with(&wrong, &push).expect(4).stderr();
    assert!(!said.contains("guessed-it"), "{said}");
    with(&own, &push).expect(0);
    let plan = [
        "plan",
        "--dataset",
        "rows.jsonl",
        "--model",
        "openai/demo",
        "--prompt",
        "{{ input }}",
        "--plugin",
        &name,
    ];
    with(&own, &plan).expect(4);
    let bound = [own[0], own[1], ("XHOST_REGISTRY", host)];
    with(&bound, &plan).expect(0);
    let other = [own[0], own[1], ("XHOST_REGISTRY", "ghcr.io")];
    with(&other, &["plugin", "pull", &name, "-o", "x.wasm"]).expect(4);
    std::fs::remove_dir_all(place.path("cache-home/xhost/plugins")).expect("it was there");
    place.write(
        ".docker/config.json",
        &format!("{{\"auths\": {{\"{host}\": {{\"auth\": \"bWU6czNjcmV0\"}}}}}}"),
    );
    ran(&place, &plan).expect(0);
}

#[test]
fn skopeo_copies_what_we_push_and_we_pull_what_it_copied() {
    let Some(registry) = Registry::start() else {
        return;
    };
    if !has("skopeo", "--version") {
        return;
    }
    let place = place();
    let name = registry.name("me/word-count:1");
    let pushed = push(&place, "word-count", &name);
    let skopeo = |arguments: &[&str]| {
        let output = Command::new("skopeo")
            .args(arguments)
            .output()
            .expect("it starts");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "skopeo {arguments:?}: {words}");
        output.stdout
    };
    let raw = skopeo(&[
        "inspect",
        "--raw",
        "--tls-verify=false",
        &format!("docker://{name}"),
    ]);
    let raw: Value = serde_json::from_slice(&raw).expect("JSON");
    assert_eq!(
        raw["config"]["mediaType"],
        "application/vnd.wasm.config.v0+json"
    );
    assert_eq!(raw["layers"][0]["mediaType"], "application/wasm");
    let layout = format!("oci:{}:1", place.path("layout").display());
    let copied = registry.name("elsewhere/copied:2");
    skopeo(&[
        "--insecure-policy",
        "copy",
        "--src-tls-verify=false",
        &format!("docker://{name}"),
        &layout,
    ]);
    skopeo(&[
        "--insecure-policy",
        "copy",
        "--dest-tls-verify=false",
        &layout,
        &format!("docker://{copied}"),
    ]);
    let pulled = ran(
        &place,
        &["plugin", "pull", &copied, "-o", "copied.wasm", "--json"],
    )
    .expect(0);
    let pulled: Value = serde_json::from_str(&pulled.stdout()).expect("JSON");
    assert_eq!(pulled["manifest"], pushed["manifest"], "not a byte differs");
    assert_eq!(
        blake3_of(&place.path("copied.wasm")),
        blake3_of(&component("word-count"))
    );
}

#[test]
fn the_ecosystem_s_own_crate_reads_what_we_push_and_we_read_what_it_pushes() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let Some(client) = oci_wasm() else { return };
    let place = place();
    let name = registry.name("me/word-count:1");
    let pushed = push(&place, "word-count", &name);
    let client = |arguments: &[&str]| {
        let output = Command::new(&client)
            .args(arguments)
            .output()
            .expect("it starts");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "oci-wasm {arguments:?}: {words}");
        String::from_utf8(output.stdout).expect("text")
    };
    let theirs = place.path("theirs.wasm");
    let theirs = theirs.to_str().expect("UTF-8");
    let said: Value = serde_json::from_str(&client(&["pull", &name, theirs])).expect("JSON");
    assert_eq!(said["digest"], pushed["manifest"]);
    assert_eq!(said["config"]["os"], "wasip2");
    let exports = said["config"]["component"]["exports"].to_string();
    assert!(exports.contains("xhost:plugin/scorer@0.1.0"), "{exports}");
    assert_eq!(
        blake3_of(Path::new(theirs)),
        blake3_of(&component("word-count"))
    );
    // What it would have written itself says the same of the component as ours does.
    let other = registry.name("them/word-count:1");
    let written: Value = serde_json::from_str(&client(&["push", theirs, &other])).expect("JSON");
    for key in ["architecture", "os", "layerDigests", "component"] {
        let (mut ours, mut their) = (said["config"][key].clone(), written["config"][key].clone());
        for side in [&mut ours, &mut their] {
            for list in ["exports", "imports"] {
                if let Some(list) = side.get_mut(list).and_then(Value::as_array_mut) {
                    list.sort_by_key(Value::to_string);
                }
            }
        }
        assert_eq!(ours, their, "{key}");
    }
    judged(&place, &other, &[]).expect(0);
}
