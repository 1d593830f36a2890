//! Code that this machine has compiled before. Compiled code is trusted code: loading it is executing it. So it lies in a
//! folder that only its owner may enter, is named after the component's digest and the engine's settings, and is checked
//! against its own digest before it is loaded, and it is never taken from a user, a store or a bundle.

use super::engine::{Compiled, Engine};
use super::load::PluginDigest;
use crate::machine::private_folder;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use wasmtime::component::Component;

/// The hidden command that compiles what it reads.
pub const COMPILE: &str = "compile-plugin";

/// The component, if this machine has compiled it before.
pub(super) fn earlier(engine: &Engine, digest: &PluginDigest) -> Option<Component> {
    let compiled = engine
        .compiled()
        .filter(|compiled| private_folder(&compiled.folder))?;
    load(engine.wasmtime(), &code_file(engine, compiled, digest))
}

/// The component, compiled now. Trouble with the folder costs time, never correctness.
pub(super) fn component(
    engine: &Engine,
    digest: &PluginDigest,
    bytes: &[u8],
) -> wasmtime::Result<Component> {
    let Some(compiled) = engine
        .compiled()
        .filter(|compiled| private_folder(&compiled.folder))
    else {
        return Component::new(engine.wasmtime(), bytes);
    };
    let file = code_file(engine, compiled, digest);
    let elsewhere = compiled
        .compiler
        .as_ref()
        .is_some_and(|program| compile_elsewhere(program, bytes));
    if !elsewhere {
        save(&file, &engine.wasmtime().precompile_component(bytes)?).ok();
    }
    load(engine.wasmtime(), &file).map_or_else(|| Component::new(engine.wasmtime(), bytes), Ok)
}

fn code_file(engine: &Engine, compiled: &Compiled, digest: &PluginDigest) -> PathBuf {
    let settings = settings_digest(engine.wasmtime());
    compiled.folder.join(format!("{digest}-{settings}.cwasm"))
}

/// Has this program, started anew, compile into the same folder. What it cannot do is done here, with the true error.
fn compile_elsewhere(program: &Path, bytes: &[u8]) -> bool {
    let child = Command::new(program)
        .arg(COMPILE)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return false };
    let written = child
        .stdin
        .take()
        .is_some_and(|mut stdin| stdin.write_all(bytes).is_ok());
    child.wait().is_ok_and(|status| status.success()) && written
}

/// Names the engine: another wasmtime, other settings or another processor never see this code.
fn settings_digest(engine: &wasmtime::Engine) -> String {
    struct Blake(blake3::Hasher);
    impl Hasher for Blake {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut hasher = Blake(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().to_hex()[..16].to_owned()
}

fn checksum_file(file: &Path) -> PathBuf {
    file.with_extension("blake3")
}

fn load(engine: &wasmtime::Engine, file: &Path) -> Option<Component> {
    let expected = fs::read_to_string(checksum_file(file)).ok()?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(fs::File::open(file).ok()?).ok()?;
    if hasher.finalize().to_hex().as_str() != expected.trim() {
        return None;
    }
    #[expect(
        unsafe_code,
        reason = "the file is ours alone, and its bytes are those that this engine wrote: see above"
    )]
    // SAFETY: the folder is private to this user and the bytes match the digest written beside them, so they are what
    // `precompile_component` of an engine with the same settings produced.
    let component = unsafe { Component::deserialize_file(engine, file) };
    component.ok()
}

/// The checksum goes last: a file without one is not used.
fn save(file: &Path, compiled: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    write_renamed(folder, file, compiled)?;
    let checksum = blake3::hash(compiled).to_hex();
    write_renamed(folder, &checksum_file(file), checksum.as_bytes())
}

fn write_renamed(folder: &Path, file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.persist(file)?;
    Ok(())
}
