//! Compiled code that is not what it should be, and compilers that come to an end. `tests/hostile/code.rs` has the files.

use super::{Code, deserialized, load, save, whole};
use crate::plugin::{Compiled, Engine, Plugin, PluginDigest};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn scorer() -> Vec<u8> {
    let shell = include_str!("../../../../tests/guests/wat/scorer.wat");
    let guest = include_str!("../../../../tests/guests/wat/scorer/well-behaved.wat");
    wat::parse_str(shell.replace(";; GUEST\n", guest)).expect("it is a component")
}

fn kept_in(folder: &Path, compiler: Option<&Path>) -> Engine {
    let compiled = Compiled {
        folder: folder.join("aot"),
        compiler: compiler.map(Path::to_owned),
    };
    Engine::new(Some(compiled)).expect("an engine")
}

#[test]
fn code_of_an_engine_with_other_settings_is_not_loaded_though_its_checksum_fits() {
    let (folder, bytes) = (tempfile::tempdir().expect("a folder"), scorer());
    let engine = kept_in(folder.path(), None);
    Plugin::from_bytes(&engine, "guest", &bytes).expect("it is compiled and kept");
    let digest = PluginDigest::of(&bytes);
    let code = Code::of(&engine, engine.compiled().expect("it keeps code"), &digest);
    let (_, role) = load(&engine, &code).expect("its own is");
    // Without fuel, a guest could compute for ever.
    let other = wasmtime::Engine::default();
    let foreign = other.precompile_component(&bytes).expect("it compiles");
    save(&code, role, &foreign).expect("it is written");
    assert!(load(&engine, &code).is_none());
    let (file, _) = whole(&engine, &code).expect("its checksum fits");
    assert!(deserialized(&other, &file).is_some(), "it was code");
}

#[test]
fn what_ends_its_compiler_is_not_compiled_here_and_what_its_compiler_cannot_do_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let compiler = folder.path().join("compiler");
    let ends_by = |act: &str| {
        std::fs::write(&compiler, format!("#!/bin/sh\n{act}\n")).expect("written");
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&compiler, mode).expect("a mode");
        let engine = kept_in(folder.path(), Some(&compiler));
        Plugin::from_bytes(&engine, "guest", &scorer()).map(|plugin| plugin.name().to_owned())
    };
    let error = ends_by("kill -KILL $$")
        .expect_err("it is refused")
        .to_string();
    assert!(
        error.contains("the plugin guest does not compile"),
        "{error}"
    );
    assert!(
        error.contains("ended by signal 9") && error.contains("600 s"),
        "{error}"
    );
    assert_eq!(
        ends_by("cat > /dev/null; exit 1").expect("it is compiled here"),
        "guest"
    );
}
