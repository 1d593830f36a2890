//! The folder of compiled code, tampered with: whatever lies there, verdicts are those of the plugin that was named. What is
//! not believed is compiled anew and replaced.

use super::text::text_component_of;
use crate::support::{Place, Ran};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

const FOLDER: &str = "cache/xhost/aot";

/// Two scorers, one of which always says 1 and the other 0.
fn stage() -> Place {
    let place = Place::new();
    place.write(
        "rows.jsonl",
        "{\"id\": \"a\", \"input\": \"?\", \"target\": \"x\"}\n",
    );
    for (name, bits) in [("one", "\\f0\\3f"), ("nought", "\\00\\00")] {
        let guest = text_component_of("scorer/well-behaved", |text| text.replace("\\f0\\3f", bits));
        fs::write(place.path(&format!("{name}.wasm")), guest).expect("it can be written");
    }
    place.write(
        "xhost.yaml",
        "name: code\ndataset: {path: rows.jsonl}\nprompt: '{{ input }}'\nmodel: openai/demo\n\
         plugins: [one.wasm, nought.wasm]\nscorers: [one, nought, includes]\n",
    );
    place
}

#[track_caller]
fn verdicts_are_right(place: &Place) {
    let mut command = place.xhost();
    command
        .env("XDG_CACHE_HOME", place.path("cache"))
        .args(["run", "--rehearse", "--out", "out"]);
    Ran::of(&mut command).expect(0);
    let scores = place.lines("out/trials.jsonl")[0]["scores"].clone();
    let value = |index: usize| scores[index]["value"].clone();
    assert_eq!((value(0), value(1)), (1.0.into(), 0.0.into()), "{scores}");
    assert_eq!(scores[2]["scorer"], "includes", "{scores}");
}

/// The code of one of the two, and its checksum.
fn code(place: &Place, name: &str) -> (PathBuf, PathBuf) {
    let bytes = fs::read(place.path(&format!("{name}.wasm"))).expect("it is there");
    let digest = blake3::hash(&bytes).to_hex().to_string();
    let files = fs::read_dir(place.path(FOLDER)).expect("the folder is there");
    let of_it = |path: &PathBuf| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        file.starts_with(&digest) && file.ends_with(".cwasm")
    };
    let mut found = files.flatten().map(|entry| entry.path()).filter(of_it);
    let file = found.next().expect("its code is kept");
    let checksum = file.with_extension("seal");
    (file, checksum)
}

type Act<'a> = &'a dyn Fn(&Place, &Path, &Path);

/// Runs after each act: the code is compiled anew, a file of its own again, and believed from then on. (The compiler does
/// not write the same bytes each time.)
fn after(acts: &[(&str, Act<'_>)]) {
    let place = stage();
    verdicts_are_right(&place);
    let (file, checksum) = code(&place, "one");
    let read = || {
        let code = fs::read(&file).expect("code");
        (code, fs::read_to_string(&checksum).expect("a checksum"))
    };
    let node = || fs::symlink_metadata(&file).map(|metadata| metadata.ino());
    for (name, act) in acts {
        act(&place, &file, &checksum);
        let tampered = node().expect("something is there");
        verdicts_are_right(&place);
        let metadata = fs::symlink_metadata(&file).expect("it is there");
        assert!(metadata.ino() != tampered, "{name}: it was replaced");
        assert!(metadata.is_file() && metadata.permissions().mode() & 0o077 == 0);
        let anew = read();
        verdicts_are_right(&place);
        assert!(read() == anew, "{name}: what is there now is believed");
    }
}

fn change(file: &Path, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).expect("code");
    change(&mut bytes);
    fs::write(file, bytes).expect("written");
}

#[test]
fn code_with_a_flipped_byte_anywhere_or_cut_off_is_compiled_anew() {
    after(&[
        ("flipped in the middle", &|_, file, _| {
            change(file, |bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            });
        }),
        ("cut off", &|_, file, _| {
            change(file, |bytes| bytes.truncate(bytes.len() / 2));
        }),
        ("both empty", &|_, file, checksum| {
            fs::write(file, b"").expect("written");
            fs::write(checksum, b"").expect("written");
        }),
        ("another checksum", &|_, _, checksum| {
            fs::write(checksum, "0".repeat(64)).expect("written");
        }),
        ("no checksum", &|_, _, checksum| {
            fs::remove_file(checksum).expect("removed");
        }),
        ("another kind", &|_, _, checksum| {
            let text = fs::read_to_string(checksum).expect("it is there");
            assert!(text.contains("\"Scorer\""), "{text}");
            fs::write(checksum, text.replace("Scorer", "Provider")).expect("written");
        }),
        ("no borders", &|_, _, checksum| {
            let text = fs::read_to_string(checksum).expect("it is there");
            let other = text.replace("\"composed\":false", "\"composed\":true");
            assert_ne!(text, other);
            fs::write(checksum, other).expect("written");
        }),
    ]);
}

#[test]
fn another_plugins_code_under_a_plugins_name_is_not_taken_though_its_checksum_fits() {
    after(&[("another's", &|place, file, checksum| {
        let (other, its_checksum) = code(place, "nought");
        fs::copy(other, file).expect("copied");
        fs::copy(its_checksum, checksum).expect("copied");
    })]);
}

#[test]
fn a_link_a_pipe_and_what_others_can_write_are_not_opened() {
    after(&[
        ("a link", &|place, file, _| {
            let elsewhere = place.path("elsewhere.cwasm");
            fs::rename(file, &elsewhere).expect("moved");
            symlink(&elsewhere, file).expect("linked");
        }),
        ("a second name", &|place, file, _| {
            fs::hard_link(file, place.path("twin.cwasm")).expect("linked");
        }),
        ("others may write", &|_, file, _| {
            fs::set_permissions(file, fs::Permissions::from_mode(0o666)).expect("a mode");
        }),
        ("a pipe", &|_, file, _| {
            fs::remove_file(file).expect("removed");
            let made = std::process::Command::new("mkfifo").arg(file).status();
            assert!(made.expect("mkfifo starts").success());
        }),
        ("another's file", &|_, file, _| {
            // Only root can give a file away.
            if chown(file, Some(65_534), None).is_err() {
                change(file, |bytes| bytes.truncate(1));
            }
        }),
    ]);
}

#[test]
fn a_folder_that_others_may_enter_is_left_alone() {
    let place = stage();
    verdicts_are_right(&place);
    let folder = place.path(FOLDER);
    let (file, _) = code(&place, "one");
    fs::write(&file, b"planted").expect("written");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("a mode");
    verdicts_are_right(&place);
    assert_eq!(fs::read(&file).expect("it is there"), b"planted");
}

#[test]
fn compiled_code_is_never_taken_for_a_plugin() {
    let place = stage();
    verdicts_are_right(&place);
    fs::copy(code(&place, "one").0, place.path("one.wasm")).expect("copied");
    place
        .run(&["--rehearse", "--out", "again"])
        .expect(2)
        .says(&["one", "compiled code, which is never taken from a file"]);
}
