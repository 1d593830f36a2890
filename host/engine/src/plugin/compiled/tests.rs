//! Compiled code that is not what it should be, and compilers that come to an end. `tests/hostile/code.rs` has the files.

use super::{Code, deserialized, load, save, whole};
use crate::experiment::Component as Known;
use crate::plugin::{Compiled, Engine, Kind, Plugin, PluginDigest};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn scorer() -> Vec<u8> {
    let shell = include_str!("../../../../../tests/guests/wat/scorer.wat");
    let guest = include_str!("../../../../../tests/guests/wat/scorer/well-behaved.wat");
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

/// For Python this is what makes a second start short: 18 MB are neither read nor hashed.
#[test]
fn a_plugin_whose_code_is_kept_is_not_read_and_one_whose_code_is_not_kept_must_be_what_it_was() {
    let (folder, bytes) = (tempfile::tempdir().expect("a folder"), scorer());
    let file = folder.path().join("guest.wasm");
    std::fs::write(&file, &bytes).expect("written");
    let known = Known {
        name: "guest".into(),
        file: file.clone(),
        digest: *PluginDigest::of(&bytes).as_bytes(),
    };
    let (kept, elsewhere) = (folder.path().join("kept"), folder.path().join("elsewhere"));
    let load = |folder: &Path| Plugin::from_component(&kept_in(folder, None), &known);
    load(&kept).expect("it is compiled and kept");
    std::fs::write(&file, "(something else)").expect("written");
    let plugin = load(&kept).expect("its code is there");
    assert_eq!(plugin.kind(), Kind::Scorer);
    for refused in [plugin.bytes().map(drop), load(&elsewhere).map(drop)] {
        let error = refused.expect_err("it is another one").to_string();
        assert!(error.contains("not what it was"), "{error}");
    }
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
