//! `xhost store` killed at any time, and on disks that may not be written to: what was acknowledged is there and right, nothing
//! else is claimed, and the store opens by itself.

use crate::support::{Place, Ran};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use xhost_store::{Answer, Digest, Entry, Options, Store};

const ANSWERS: u64 = 3_000;

fn entry(number: u64) -> Entry {
    let hash = blake3::hash(&number.to_le_bytes());
    let answer = Answer {
        body: format!("{{\"number\":{number},\"text\":\"{}\"}}", hash.to_hex()).into(),
        status: 200,
        api: "openai.chat".into(),
        model: "demo".into(),
        headers: Vec::new(),
        created_ms: number,
        latency_ms: 1,
    };
    Entry::from((Digest::from_bytes(*hash.as_bytes()), answer))
}

/// A store with so many answers, in a folder to run in.
fn stage(answers: u64) -> Place {
    let place = Place::new();
    let store = Store::open(&place.path("s.redb"), Options::default()).expect("a store");
    let entries: Vec<Entry> = (0..answers).map(entry).collect();
    for some in entries.chunks(1_000) {
        store.commit(some).expect("a commit");
    }
    place
}

/// The same, with all of them in `x.zst` too.
fn stage_with_export(answers: u64) -> Place {
    let place = stage(answers);
    let ran = command(&place, "s.redb", &["export", "x.zst"]).status();
    assert!(ran.expect("it runs").success());
    place
}

fn command(place: &Place, store: &str, arguments: &[&str]) -> Command {
    let mut command = place.xhost();
    command.args(["store", "--store", store]).args(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Kills the process when this is so, unless it ended before.
fn kill_when(child: &mut Child, due: impl Fn() -> bool) {
    while child.try_wait().expect("it can be asked").is_none() {
        if due() {
            // It may have ended by itself.
            let _ = child.kill();
            break;
        }
    }
    child.wait().expect("it ends");
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// The store opens by itself, is whole, and has the first so many answers and no others.
fn check(place: &Place, store: &str) -> u64 {
    let path = place.path(store);
    let opened = Store::open(&path, Options::default()).expect("it opens by itself");
    let count = opened.len().expect("a count");
    for number in 0..ANSWERS {
        let expected = entry(number);
        let found = opened.get(&expected.digest).expect("a whole record");
        assert_eq!(
            found,
            (number < count).then_some(expected.answer),
            "{number} of {count}"
        );
    }
    drop(opened);
    assert!(
        xhost_store::verify(&path, |_, _| {})
            .expect("a store")
            .is_whole()
    );
    count
}

#[test]
fn a_killed_collection_or_compaction_leaves_the_old_store_or_the_new_one() {
    let place = stage(ANSWERS);
    let new = place.path("s.redb.new");
    for (round, word) in ["gc", "compact"].into_iter().cycle().take(10).enumerate() {
        let mut child = command(&place, "s.redb", &[word])
            .spawn()
            .expect("it starts");
        // The later the round, the more of its steps are done: the new file's size is how far it is.
        kill_when(&mut child, || length(&new) >= round as u64 * 100_000);
        assert_eq!(check(&place, "s.redb"), ANSWERS, "round {round}");
    }
}

#[test]
fn a_killed_export_leaves_no_file_of_the_name_and_the_store_as_it_was() {
    let place = stage(ANSWERS);
    let out = place.path("out.zst");
    let partial = |place: &Place| {
        let files = std::fs::read_dir(place.path("."))
            .expect("the folder")
            .flatten();
        let partial = files.filter(|file| file.file_name().to_string_lossy().starts_with(".tmp"));
        partial.map(|file| length(&file.path())).max()
    };
    for round in 0..6_u64 {
        let mut child = command(&place, "s.redb", &["export", "out.zst"])
            .spawn()
            .expect("it starts");
        kill_when(&mut child, || {
            partial(&place).is_some_and(|bytes| bytes >= round * 20_000)
        });
        if out.exists() {
            // It was faster than the kill: what has the name is whole.
            let ran =
                Ran::of(
                    place
                        .xhost()
                        .args(["store", "import", "out.zst", "--store", "copy.redb"]),
                );
            ran.expect(0).prints(&["3000 answers are new"]);
            std::fs::remove_file(&out).expect("it is there");
            std::fs::remove_file(place.path("copy.redb")).expect("it is there");
        }
        for file in std::fs::read_dir(place.path("."))
            .expect("the folder")
            .flatten()
        {
            if file.file_name().to_string_lossy().starts_with(".tmp") {
                std::fs::remove_file(file.path()).expect("what is left of it");
            }
        }
        assert_eq!(check(&place, "s.redb"), ANSWERS, "round {round}");
    }
}

#[test]
fn a_killed_import_is_some_of_it_and_the_next_one_the_rest() {
    let place = stage(ANSWERS);
    let export = ["export", "all.zst"];
    assert!(
        command(&place, "s.redb", &export)
            .status()
            .expect("it runs")
            .success()
    );
    let import = ["import", "all.zst"];
    let path = place.path("t.redb");
    let mut partial = 0;
    for round in 0..8_u64 {
        let mut child = command(&place, "t.redb", &import)
            .spawn()
            .expect("it starts");
        kill_when(&mut child, || length(&path) > round * 150_000);
        if !path.exists() {
            continue;
        }
        let store = Store::open(&path, Options::default()).expect("it opens by itself");
        let count = store.len().expect("a count");
        partial += u64::from(count > 0 && count < ANSWERS);
        for stored in store.iter() {
            let stored = stored.expect("a whole record");
            assert_eq!(stored.answer, entry(stored.answer.created_ms).answer);
        }
        drop(store);
        assert!(
            xhost_store::verify(&path, |_, _| {})
                .expect("a store")
                .is_whole()
        );
        if round % 2 == 1 {
            std::fs::remove_file(&path).expect("it is there");
        }
    }
    assert!(
        partial > 0,
        "every import was killed before it began, or after it ended"
    );
    assert!(
        command(&place, "t.redb", &import)
            .status()
            .expect("it runs")
            .success()
    );
    assert_eq!(check(&place, "t.redb"), ANSWERS);
}

/// A script in a mount namespace of its own; nothing where this machine lets no process mount anything.
fn mounted(place: &Place, script: &str) -> Option<(String, String)> {
    let allowed = Command::new("unshare").args(["-rm", "true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("NOT RUN: this machine lets no process mount a file system for itself");
        return None;
    }
    let mut command = Command::new("unshare");
    command
        .args(["-rm", "bash", "-c", script])
        .env("TMPDIR", place.path("."))
        .env("HOME", place.path("."))
        .current_dir(place.path("."));
    let output = command.output().expect("bash runs");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(99) {
        eprintln!("NOT RUN: this machine mounts nothing for a process: {words}");
        return None;
    }
    Some((String::from_utf8_lossy(&output.stdout).into_owned(), words))
}

/// Nothing is written there, nothing is lost, and the words say what the disk must be.
#[test]
fn a_store_on_a_file_system_that_is_only_read_is_refused_with_advice_and_stays_what_it_is() {
    let place = stage_with_export(100);
    std::fs::create_dir(place.path("disk")).expect("a folder");
    let path = place.path("disk/s.redb");
    std::fs::rename(place.path("s.redb"), &path).expect("it is moved");
    let before = std::fs::read(&path).expect("the store");
    let program = env!("CARGO_BIN_EXE_xhost");
    let script = format!(
        "mount --bind disk disk && mount -o remount,bind,ro disk || exit 99
         for word in stat verify compact 'import x.zst' 'export all.zst'; do
           {program} store --store disk/s.redb $word; echo $word $?
         done
         {program} store --store disk/new/s.redb import x.zst; echo new $?"
    );
    let Some((told, words)) = mounted(&place, &script) else {
        return;
    };
    for word in [
        "stat",
        "verify",
        "compact",
        "import x.zst",
        "export all.zst",
        "new",
    ] {
        assert!(
            told.contains(&format!("{word} 7")),
            "{word}: {told}\n{words}"
        );
    }
    let advice = "it needs a disk that can be written to, or name another file with --store";
    assert!(words.matches(advice).count() >= 5, "{words}");
    assert!(std::fs::read(&path).expect("the store") == before);
    let left = std::fs::read_dir(place.path("disk"))
        .expect("the folder")
        .count();
    assert_eq!(left, 1, "nothing was left beside it");
}

/// The folder of the store, and then the store itself, are another user's.
#[test]
fn a_folder_that_is_forbidden_is_refused_with_advice_and_stays_what_it_is() {
    let place = stage_with_export(100);
    std::fs::create_dir(place.path("theirs")).expect("a folder");
    std::fs::rename(place.path("s.redb"), place.path("theirs/s.redb")).expect("it is moved");
    let program = env!("CARGO_BIN_EXE_xhost");
    // Whoever has all rights has none here: the bits of the mode decide again.
    let script = format!(
        "command -v setpriv >/dev/null || exit 99
         run() {{ setpriv --inh-caps=-all --bounding-set=-all --no-new-privs {program} store --store \"$@\"; }}
         chmod 500 theirs && run theirs/new.redb import x.zst; echo new $?
         chmod 600 theirs/s.redb && run theirs/s.redb stat; echo kept $?
         chmod 000 theirs/s.redb && run theirs/s.redb stat; echo file $?
         chmod 600 theirs/s.redb; chmod 000 theirs && run theirs/s.redb stat; echo folder $?
         chmod 700 theirs"
    );
    let Some((told, words)) = mounted(&place, &script) else {
        return;
    };
    for expected in ["new 7", "kept 0", "file 7", "folder 7"] {
        assert!(told.contains(expected), "{expected}: {told}\n{words}");
    }
    let advice = "make it and its folder yours to read and write";
    assert_eq!(words.matches(advice).count(), 3, "{words}");
    assert!(!words.contains("there is no store"), "{words}");
    // A store that may be opened for writing was opened and closed, which is bytes of its own; it has what it had.
    assert_eq!(check(&place, "theirs/s.redb"), 100);
}
