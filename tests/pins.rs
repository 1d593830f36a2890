//! Runs with plugins from registries, URLs and files, and the `xhost.lock` that pins them. Where Debian's `docker-registry` is
//! missing, the tests say that they did not run.

use crate::sharing::{blake3_of, component, judged, place, push, ran, sha256_of, text};
use crate::support::Simulator;
use crate::support::registry::Registry;

#[test]
fn a_run_fetches_a_plugin_once_and_pins_it() {
    let Some(mut registry) = Registry::start() else {
        return;
    };
    let place = place();
    let name = registry.name("me/word-count:1.0");
    let pushed = push(&place, "word-count", &name);
    judged(&place, &name, &["--locked"])
        .expect(2)
        .says(&["is not pinned", "--locked"]);
    assert!(!place.path("xhost.lock").exists());
    judged(&place, &name, &[])
        .expect(0)
        .says(&[&format!("fetching {name}")]);
    let digest = blake3_of(&component("word-count"));
    let lock = format!(
        "# Written by xhost: the plugins that this folder's experiments use. Keep it with them; `--update` takes newer plugins.\n\
         version = 1\n\n[[plugin]]\nname = \"{name}\"\nblake3 = \"{digest}\"\nmanifest = \"{}\"\n",
        text(&pushed, "manifest")
    );
    assert_eq!(place.read("xhost.lock"), lock);
    assert_eq!(
        place.json("out/run.json")["resolved"]["configs"][0]["scorers"][0]["use"]["digest"],
        digest.as_str()
    );
    assert_eq!(
        place.json("out/run.json")["resolved"]["configs"][0]["scorers"][0]["label"],
        "word-count"
    );
    registry.stop();
    let offline = judged(&place, &name, &["--locked"]).expect(0);
    assert!(
        !offline.stderr().contains("fetching"),
        "{}",
        offline.stderr()
    );
    assert_eq!(place.read("xhost.lock"), lock);
    // What is kept is not believed because it is there.
    std::fs::write(
        place.path(&format!("cache-home/xhost/plugins/{digest}.wasm")),
        "else",
    )
    .expect("it is written");
    judged(&place, &name, &[])
        .expect(6)
        .says(&["cannot connect"]);
}

#[test]
fn a_replay_needs_neither_the_registry_nor_what_was_fetched() {
    let Some(mut registry) = Registry::start() else {
        return;
    };
    let place = place();
    let name = registry.name("me/word-count:1.0");
    push(&place, "word-count", &name);
    let simulator = Simulator::start(&[]);
    let url = format!("model.base_url={}", simulator.base_url());
    ran(
        &place,
        &[
            "run",
            "--dataset",
            "rows.jsonl",
            "--model",
            "openai/demo",
            "--prompt",
            "{{ input }}",
            "--plugin",
            &name,
            &url,
            "--out",
            "out",
            "--quiet",
            "--store",
            "s.redb",
        ],
    )
    .expect(0);
    registry.stop();
    drop(simulator);
    std::fs::remove_dir_all(place.path("cache-home/xhost/plugins")).expect("it was there");
    std::fs::remove_file(place.path("xhost.lock")).expect("it was there");
    let replayed = ran(&place, &["replay", "out", "--store", "s.redb"]).expect(0);
    assert!(
        !replayed.stderr().contains("fetching"),
        "{}",
        replayed.stderr()
    );
    assert!(!place.path("xhost.lock").exists());
}

#[test]
fn a_tag_that_moved_is_refused_until_the_user_says_update() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let place = place();
    let name = registry.name("me/scorer:1");
    let old = push(&place, "word-count", &name);
    judged(&place, &name, &[]).expect(0);
    let new = push(&place, "includes", &name);
    // Who has the pinned one goes on with it.
    judged(&place, &name, &[]).expect(0);
    judged(&place, &name, &["--update=numeric"])
        .expect(2)
        .says(&["no plugin of these experiments has that name", "`scorer`"]);
    std::fs::remove_dir_all(place.path("cache-home/xhost/plugins")).expect("it was there");
    let (pinned, found) = (text(&old, "manifest"), text(&new, "manifest"));
    for more in [&[][..], &["--locked"], &["--update=numeric"]] {
        judged(&place, &name, more).expect(2).says(&[
            &format!("pinned {pinned}"),
            &format!("found  {found}"),
            "`--update=scorer`",
        ]);
    }
    assert!(place.read("xhost.lock").contains(pinned));
    // As the message says, the pinned one is there under its digest.
    judged(&place, &format!("{name}@{pinned}"), &[]).expect(0);
    judged(&place, &name, &["--update=scorer"]).expect(0);
    let lock = place.read("xhost.lock");
    assert!(
        lock.contains(&format!(
            "name = \"{name}\"\nblake3 = \"{}\"\nmanifest = \"{found}\"",
            text(&new, "blake3")
        )),
        "{lock}"
    );
    push(&place, "word-count", &name);
    judged(&place, &name, &["--update"]).expect(0);
    assert!(place.read("xhost.lock").contains(&format!(
        "name = \"{name}\"\nblake3 = \"{}\"",
        text(&old, "blake3")
    )));
}

/// Prompt, provider and scorer of one experiment, each named where it is used.
const EXPERIMENT: &str = "\
name: shared
dataset: {path: rows.jsonl}
prompt: {plugin: 'REGISTRY/me/second-thoughts:1', params: {rounds: 1}}
model: {provider: 'REGISTRY/me/plain-chat:1', name: demo, sampling: {max_tokens: 64}}
scorers:
  - plugin: REGISTRY/me/word-count:1
    params: {minimum: MINIMUM, maximum: 6}
  - exact
rehearse: {replies: replies.jsonl}
";

#[test]
fn prompts_providers_and_scorers_come_from_a_registry_and_their_parameters_are_checked_first() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let place = place();
    for name in ["second-thoughts", "plain-chat", "word-count"] {
        push(&place, name, &registry.name(&format!("me/{name}:1")));
    }
    let experiment = EXPERIMENT.replace("REGISTRY", &registry.address);
    place.write("in/rows.jsonl", &place.read("rows.jsonl"));
    place.write("in/replies.jsonl", &place.read("replies.jsonl"));
    place.write("in/wrong.yaml", &experiment.replace("MINIMUM", "many"));
    ran(&place, &["run", "in/wrong.yaml", "--rehearse", "--quiet"])
        .expect(2)
        .says(&["`scorers.0.params.minimum`", "the scorer `word-count`"]);
    place.write("in/x.yaml", &experiment.replace("MINIMUM", "3"));
    ran(
        &place,
        &[
            "run",
            "in/x.yaml",
            "--rehearse",
            "--quiet",
            "--out",
            "out",
            "--locked",
        ],
    )
    .expect(0);
    let lock = place.read("in/xhost.lock");
    assert_eq!(lock.matches("[[plugin]]").count(), 3, "{lock}");
    let resolved = &place.json("out/run.json")["resolved"]["configs"][0];
    assert_eq!(resolved["prompt"]["plugin"], "second-thoughts");
    assert_eq!(resolved["model"]["provider"], "plain-chat");
    assert_eq!(resolved["scorers"][0]["label"], "word-count");
    assert_eq!(
        resolved["scorers"][0]["use"]["digest"],
        blake3_of(&component("word-count")).as_str()
    );
}

#[test]
fn a_url_is_taken_with_its_digest_and_without_one_the_digest_is_said() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let place = place();
    push(&place, "word-count", &registry.name("me/word-count:1"));
    let sha = sha256_of(&component("word-count"));
    let bare = format!("http://{}/v2/me/word-count/blobs/{sha}", registry.address);
    let blake = format!("{bare}#blake3={}", blake3_of(&component("word-count")));
    judged(&place, &bare, &[])
        .expect(2)
        .says(&["has no digest", &blake]);
    judged(&place, &format!("{bare}#blake3={}", "0".repeat(64)), &[])
        .expect(2)
        .says(&["another one than its digest says"]);
    assert!(!place.path("xhost.lock").exists());
    judged(&place, &blake, &[])
        .expect(0)
        .says(&["fetching http://"]);
    let again = judged(&place, &blake, &["--locked"]).expect(0);
    assert!(!again.stderr().contains("fetching"), "{}", again.stderr());
    judged(&place, &format!("{bare}#{}", sha.replace(':', "=")), &[]).expect(0);
    ran(&place, &["plugin", "pull", &blake, "-o", "got.wasm"]).expect(0);
    judged(&place, "http://example.org/x.wasm#sha256=00", &[]).expect(2);
    let zeros = "0".repeat(64);
    judged(
        &place,
        &format!("http://example.org/x.wasm#sha256={zeros}"),
        &[],
    )
    .expect(2)
    .says(&["`--insecure example.org`"]);
}

#[test]
fn a_file_of_one_s_own_may_change_and_is_pinned_anew_unless_the_lock_is_to_hold() {
    let place = place();
    std::fs::copy(component("word-count"), place.path("mine.wasm")).expect("it is there");
    judged(&place, "mine.wasm", &[]).expect(0);
    let digest = blake3_of(&component("word-count"));
    assert!(
        place
            .read("xhost.lock")
            .contains(&format!("name = \"mine.wasm\"\nblake3 = \"{digest}\"\n"))
    );
    judged(&place, "./mine.wasm", &["--locked"]).expect(0);
    std::fs::copy(component("includes"), place.path("mine.wasm")).expect("it is there");
    let new = blake3_of(&component("includes"));
    judged(&place, "mine.wasm", &["--locked"]).expect(2).says(&[
        "mine.wasm",
        &digest,
        &new,
        "--locked",
    ]);
    judged(&place, "mine.wasm", &[])
        .expect(0)
        .says(&["warning: mine.wasm is another one"]);
    let quiet = judged(&place, "mine.wasm", &["--locked"]).expect(0);
    assert!(!quiet.stderr().contains("warning"), "{}", quiet.stderr());
    assert!(place.read("xhost.lock").contains(&new));
    place.write("xhost.lock", "version = 9\n");
    judged(&place, "mine.wasm", &[])
        .expect(2)
        .says(&["xhost.lock", "its version is 9"]);
}

#[test]
fn a_built_in_plugin_is_given_by_its_name_and_pinned_by_the_program() {
    let place = place();
    judged(&place, "includes", &[]).expect(0);
    assert!(!place.path("xhost.lock").exists());
    assert_eq!(
        place.json("out/run.json")["resolved"]["configs"][0]["scorers"][0]["label"],
        "includes"
    );
    judged(&place, "inclodes", &[])
        .expect(2)
        .says(&["there is no plugin `inclodes`"]);
}
