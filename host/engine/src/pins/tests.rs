//! The lock file's bytes, and what may replace what.

use super::*;

fn pin(digit: &str) -> Pin {
    Pin {
        blake3: digit.repeat(64),
        manifest: None,
        source: None,
    }
}

fn image(digit: &str) -> Pin {
    Pin {
        manifest: Some(format!("sha256:{}", digit.repeat(64))),
        ..pin(digit)
    }
}

fn locked(pins: &[(&str, Pin)]) -> Lock {
    let pins = pins
        .iter()
        .map(|(name, pin)| ((*name).to_owned(), pin.clone()));
    Lock {
        pins: pins.collect(),
    }
}

#[test]
fn the_file_has_one_spelling_and_is_read_as_it_was_written() {
    let script = Pin {
        source: Some("c".repeat(64)),
        ..pin("b")
    };
    let lock = locked(&[
        ("scorer.py", script),
        ("ghcr.io/ml/similar:1.0", image("a")),
        ("we\"ird\u{7f}\\\n.wasm", pin("d")),
    ]);
    let text = lock.text();
    let (a, b, c, d) = (
        "a".repeat(64),
        "b".repeat(64),
        "c".repeat(64),
        "d".repeat(64),
    );
    let expected = format!(
        "# Written by xhost: the plugins that this folder's experiments use. Keep it with them; `--update` takes newer plugins.\n\
         version = 1\n\n\
         [[plugin]]\nname = \"ghcr.io/ml/similar:1.0\"\nblake3 = \"{a}\"\nmanifest = \"sha256:{a}\"\n\n\
         [[plugin]]\nname = \"scorer.py\"\nblake3 = \"{b}\"\nsource = \"{c}\"\n\n\
         [[plugin]]\nname = \"we\\\"ird\\u007f\\\\\\n.wasm\"\nblake3 = \"{d}\"\n"
    );
    assert_eq!(text, expected);
    assert_eq!(Lock::parse(&text), Ok(lock));
}

#[test]
fn what_xhost_did_not_write_is_refused() {
    let entry = |fields: &str| format!("version = 1\n[[plugin]]\nname = \"x\"\n{fields}");
    let good = format!("blake3 = \"{}\"\n", "0".repeat(64));
    for (text, says) in [
        (String::new(), "version"),
        ("version = 2".into(), "its version is 2"),
        (
            entry("blake3 = \"../../etc/passwd\""),
            "a digest of `x` is none",
        ),
        (
            entry(&format!("{good}manifest = \"{}\"", "0".repeat(64))),
            "a digest",
        ),
        (entry(&format!("{good}source = \"0\"")), "a digest"),
        (entry(&format!("{good}else = 1")), "unknown field"),
        (
            entry(&format!("{good}[[plugin]]\nname = \"x\"\n{good}")),
            "twice",
        ),
    ] {
        let refused = Lock::parse(&text).expect_err("it is refused");
        assert!(refused.contains(says), "{refused}");
    }
}

/// A key that is not known was quoted as it stood in the file, with the codes that move a terminal's cursor.
#[test]
fn a_refusal_quotes_nothing_that_steers_a_terminal() {
    for text in [
        r#""\u001b[2J" = 1"#,
        "version = 1\n[[plugin]]\n\"\\u001b[2J\" = 1",
        "version = 1\n[[plugin]]\nname = \"\\u001b[2J\"\nblake3 = \"\"",
    ] {
        let refused = Lock::parse(text).expect_err("it is refused");
        assert!(refused.contains("[2J"), "{refused:?}");
        assert!(!refused.contains(char::is_control), "{refused:?}");
    }
}

/// What becomes of `x`, pinned as `before`, when `found` is there.
fn settled(
    before: Option<Pin>,
    mode: &Mode,
    found: &Pin,
    place: Place,
) -> (Result<Settled, PinError>, Option<Pin>) {
    let before: Vec<_> = before.into_iter().map(|pin| ("h.io/x:1", pin)).collect();
    let mut lock = locked(&before);
    let settled = lock.settle(mode, ("h.io/x:1", "x"), found, place);
    (settled, lock.get("h.io/x:1").cloned())
}

#[test]
fn a_plugin_from_elsewhere_is_replaced_only_when_the_user_says_so() {
    use Place::{Elsewhere, Here};
    let (old, new) = (image("1"), image("2"));
    let update = |names: &[&str]| Mode::Update(names.iter().map(|&name| name.into()).collect());
    for (before, mode, place, expected) in [
        (None, Mode::Add, Elsewhere, Some(Settled::New)),
        (None, Mode::Locked, Elsewhere, None),
        (None, update(&[]), Elsewhere, Some(Settled::New)),
        (Some(&new), Mode::Add, Elsewhere, Some(Settled::Same)),
        (Some(&new), Mode::Locked, Elsewhere, Some(Settled::Same)),
        (Some(&old), Mode::Add, Elsewhere, None),
        (Some(&old), Mode::Locked, Elsewhere, None),
        (Some(&old), update(&["y"]), Elsewhere, None),
        (Some(&old), update(&[]), Elsewhere, Some(Settled::Updated)),
        (
            Some(&old),
            update(&["x"]),
            Elsewhere,
            Some(Settled::Updated),
        ),
        (
            Some(&old),
            update(&["h.io/x:1"]),
            Elsewhere,
            Some(Settled::Updated),
        ),
        (Some(&old), Mode::Add, Here, Some(Settled::Changed)),
        (Some(&old), Mode::Locked, Here, None),
        (None, Mode::Locked, Here, None),
    ] {
        let (settled, after) = settled(before.cloned(), &mode, &new, place);
        assert_eq!(
            settled.as_ref().ok().copied(),
            expected,
            "{mode:?} {place:?}"
        );
        let kept = if expected.is_some() {
            Some(&new)
        } else {
            before
        };
        assert_eq!(after.as_ref(), kept, "{mode:?} {place:?}");
    }
}

#[test]
fn a_refusal_shows_both_digests_and_the_words_to_say() {
    let (settled, _) = settled(Some(image("1")), &Mode::Add, &image("2"), Place::Elsewhere);
    let words = settled.expect_err("refused").to_string();
    for part in [
        &format!("pinned sha256:{}", "1".repeat(64)),
        &format!("found  sha256:{}", "2".repeat(64)),
        "`--update=x`",
        "`--update` for all",
        &format!("`@sha256:{}` after the tag", "1".repeat(64)),
    ] {
        assert!(words.contains(part), "{words}");
    }
}

#[test]
fn a_file_is_written_whole_and_none_is_an_empty_lock() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE);
    assert_eq!(Lock::read(&path).expect("none"), Lock::default());
    let lock = locked(&[("scorer.wasm", pin("1"))]);
    lock.write(&path).expect("it is written");
    assert_eq!(Lock::read(&path).expect("it is read"), lock);
    assert!(lock.write(&folder.path().join("none/xhost.lock")).is_err());
}
