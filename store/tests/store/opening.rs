//! What can be wrong with a path: each has its own words, and nothing is harmed.

use crate::format::META;
use crate::support::{answer, closed_store, digest, folder};
use redb::{Database, TableDefinition};
use std::fs;
use std::path::Path;
use xhost_store::{OpenError, Options, Store};

fn refusal(path: &Path) -> OpenError {
    Store::open(path, Options::default()).expect_err("this is no store to open")
}

fn set_meta(path: &Path, name: &str, value: &[u8]) {
    let write = Database::open(path).unwrap().begin_write().unwrap();
    write.open_table(META).unwrap().insert(name, value).unwrap();
    write.commit().unwrap();
}

#[test]
fn two_opens_of_one_store_exclude_each_other() {
    let folder = folder();
    let path = folder.path().join("s");
    let options = Options {
        command: "xhost run a.yaml\u{1b}[2J".into(),
        ..Options::default()
    };
    let store = Store::open(&path, options).unwrap();
    let busy = refusal(&path);
    assert!(matches!(busy, OpenError::Busy { .. }), "{busy:?}");
    let expected = format!(
        "the store {} is in use, by process {} xhost run a.yaml[2J: `--wait` waits until it is free; or name another store with --store",
        path.display(),
        std::process::id()
    );
    assert_eq!(busy.to_string(), expected);
    fs::remove_file(folder.path().join("s.holder")).unwrap();
    let words = refusal(&path).to_string();
    assert!(
        words.contains("is in use: `--wait` waits"),
        "the note is gone, the lock is not: {words}"
    );
    drop(store);
    drop(Store::open(&path, Options::default()).unwrap());
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(
        names,
        ["s"],
        "a store that is closed leaves nothing beside it"
    );
}

#[test]
fn a_holder_note_that_a_kill_left_does_not_lock() {
    let folder = folder();
    let path = closed_store(folder.path(), &[]);
    fs::write(folder.path().join("store.redb.holder"), "process 1 init").unwrap();
    assert!(Store::open(&path, Options::default()).is_ok());
}

#[test]
fn a_newer_format_and_another_key_schema_are_refused() {
    let folder = folder();
    let path = closed_store(folder.path(), &[]);
    set_meta(&path, "key_schema", b"xhost request v2");
    let words = refusal(&path).to_string();
    let at = path.display();
    assert_eq!(
        words,
        format!(
            "the store {at} names requests by `xhost request v2`, and this program by `xhost request v1`: name another file with --store"
        )
    );
    set_meta(&path, "format", &7_u32.to_le_bytes());
    let words = refusal(&path).to_string();
    assert_eq!(
        words,
        format!("the store {at} has format 7, and this program reads up to 3: get a newer xhost")
    );
}

#[test]
fn what_is_not_a_store_says_so_and_stays_as_it_is() {
    let folder = folder();
    let path = folder.path().join("thing");
    let cases: [(&[u8], &str); 4] = [
        (b"", "it is empty"),
        (b"x", "Not a redb database: magic number mismatch"),
        (&[7; 100_000], "Not a redb database: magic number mismatch"),
        (
            b"SQLite format 3\0",
            "Not a redb database: magic number mismatch",
        ),
    ];
    for (bytes, what) in cases {
        fs::write(&path, bytes).unwrap();
        let expected = format!(
            "{} is not a store of xhost ({what}): name another file with --store",
            path.display()
        );
        assert_eq!(refusal(&path).to_string(), expected);
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    let words = refusal(folder.path()).to_string();
    assert!(
        words.ends_with("is not a store of xhost (it is a folder): name another file with --store"),
        "{words}"
    );
    let under = refusal(&path.join("store")).to_string();
    assert!(
        under.ends_with("something above it is no folder, or name another file with --store"),
        "{under}"
    );
}

#[test]
fn a_redb_file_of_another_program_is_refused() {
    let folder = folder();
    let path = folder.path().join("other");
    let write = Database::create(&path).unwrap().begin_write().unwrap();
    write
        .open_table(TableDefinition::<u64, u64>::new("theirs"))
        .unwrap()
        .insert(1, 2)
        .unwrap();
    write.commit().unwrap();
    let words = refusal(&path).to_string();
    assert!(
        words.contains("is not a store of xhost (it is a redb file of another program)"),
        "{words}"
    );
}

#[test]
fn a_store_that_was_cut_short_is_damaged_and_no_panic() {
    let folder = folder();
    let answers: Vec<_> = (0..200)
        .map(|n| (digest(n), answer([n as u8; 3_000])))
        .collect();
    let path = closed_store(folder.path(), &answers);
    let whole = fs::read(&path).unwrap();
    for length in [
        9,
        300,
        512,
        4_096,
        5_000,
        65_536,
        whole.len() / 2,
        whole.len() - 4_096,
    ] {
        fs::write(&path, &whole[..length]).unwrap();
        match Store::open(&path, Options::default()) {
            Err(error) => {
                assert!(
                    matches!(error, OpenError::Damaged { .. } | OpenError::Io { .. }),
                    "{length}: {error}"
                );
            }
            // The end of the file may be free pages.
            Ok(store) => {
                for (digest, answer) in &answers {
                    let read = store.get(digest);
                    assert!(
                        read.is_err()
                            || read.is_ok_and(|found| found.is_none_or(|found| found == *answer))
                    );
                }
            }
        }
    }
}

#[test]
fn a_crash_while_a_store_is_made_is_harmless() {
    let folder = folder();
    // What is left: a file under another name, at any length.
    let path = closed_store(&folder.path().join("elsewhere"), &[]);
    let whole = fs::read(path).unwrap();
    for (n, length) in [0, 100, 4_096, whole.len()].into_iter().enumerate() {
        fs::write(
            folder.path().join(format!(".new-store-{n}")),
            &whole[..length],
        )
        .unwrap();
    }
    let path = closed_store(folder.path(), &[(digest(1), answer("x"))]);
    assert!(
        Store::open(&path, Options::default())
            .unwrap()
            .get(&digest(1))
            .unwrap()
            .is_some()
    );
}

#[cfg(unix)]
#[test]
fn a_store_and_its_folders_are_for_the_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let path = closed_store(&folder.path().join("a/b"), &[]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let modes = [folder.path().join("a"), folder.path().join("a/b"), path].map(|path| mode(&path));
    assert_eq!(modes, [0o700, 0o700, 0o600]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_says_what_to_do() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let locked = folder.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(locked.join("probe"), "").is_ok() {
        eprintln!("skipped: this user (root?) may write into any folder");
        return;
    }
    let words = refusal(&locked.join("store")).to_string();
    assert!(
        words.contains("make it and its folder yours to read and write"),
        "{words}"
    );
}
