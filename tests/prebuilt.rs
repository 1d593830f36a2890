//! Prebuilt components are what their sources say: a lock ties each to a digest over the sources that it was built from.

use crate::support::repository;
use std::process::Command;

#[test]
fn no_source_of_a_committed_guest_has_moved_on() {
    let checked = Command::new(repository().join("tests/guests/build"))
        .arg("--check")
        .output()
        .expect("bash is there");
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );
}

#[test]
fn no_source_of_a_built_in_plugin_has_moved_on() {
    let checked = Command::new(repository().join("plugins/build"))
        .arg("--check")
        .output()
        .expect("bash is there");
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );
}
