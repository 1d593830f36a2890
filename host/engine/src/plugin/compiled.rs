//! Code that this machine has compiled before. Compiled code is trusted code: loading it is executing it. So it lies in a
//! folder that only its owner may enter, is named after the component's digest and the engine's settings, and is checked
//! against a digest over all three before it is loaded, and it is never taken from a user, a store or a bundle. With it lies
//! what the component is to the host, so that who has the code need not read the component.

use super::engine::{Compiled, Engine};
use super::inspect::{RULES, Role};
use super::load::PluginDigest;
use crate::machine::private_folder;
use serde::{Deserialize, Serialize};
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use wasmtime::component::Component;

/// The hidden command that compiles what it reads.
pub const COMPILE: &str = "compile-plugin";

/// The component, if this machine has compiled it before.
pub(super) fn earlier(engine: &Engine, digest: &PluginDigest) -> Option<(Component, Role)> {
    let compiled = engine
        .compiled()
        .filter(|compiled| private_folder(&compiled.folder))?;
    load(engine, &Code::of(engine, compiled, digest))
}

/// The component, compiled now. Trouble with the folder costs time, never correctness.
pub(super) fn component(
    engine: &Engine,
    digest: &PluginDigest,
    role: Role,
    bytes: &[u8],
) -> wasmtime::Result<Component> {
    let Some(compiled) = engine
        .compiled()
        .filter(|compiled| private_folder(&compiled.folder))
    else {
        return Component::new(engine.wasmtime(), bytes);
    };
    let code = Code::of(engine, compiled, digest);
    let elsewhere = match &compiled.compiler {
        Some(program) => compile_elsewhere(program, bytes),
        None => Elsewhere::Failed,
    };
    match elsewhere {
        Elsewhere::Compiled => {}
        // What ended that process would end this one.
        Elsewhere::Killed(signal) => return Err(Killed(signal).into()),
        Elsewhere::Failed => {
            let compiled = engine.wasmtime().precompile_component(bytes)?;
            save(&code, role, &compiled).ok();
        }
    }
    match load(engine, &code) {
        Some((component, _)) => Ok(component),
        None => Component::new(engine.wasmtime(), bytes),
    }
}

/// What became of the compiler in a process of its own.
enum Elsewhere {
    Compiled,
    /// It could not; here it can, or fails with the true error.
    Failed,
    /// A signal ended it.
    Killed(i32),
}

/// The compiler was ended by the system.
#[derive(Debug, thiserror::Error)]
#[error(
    "its compiler was ended by signal {0}: the plugin takes more than {seconds} s of computing or {gib} GiB of memory to compile, or the machine has too little",
    seconds = COMPILER_SECONDS,
    gib = COMPILER_MEMORY >> 30
)]
struct Killed(i32);

/// Computing time of the compiler's process. Python, the largest guest known, takes 20 s of two processors where wasmtime
/// itself is not optimised.
pub const COMPILER_SECONDS: u64 = 600;

/// Memory of the compiler's process, of which Python takes a quarter.
pub const COMPILER_MEMORY: u64 = 4 << 30;

/// Where the code of a component is, and what it is tied to.
struct Code {
    file: PathBuf,
    digest: PluginDigest,
    settings: String,
}

impl Code {
    fn of(engine: &Engine, compiled: &Compiled, digest: &PluginDigest) -> Code {
        let settings = settings_digest(engine.wasmtime());
        Code {
            file: compiled.folder.join(format!("{digest}-{settings}.cwasm")),
            digest: *digest,
            settings,
        }
    }

    fn seal_file(&self) -> PathBuf {
        self.file.with_extension("seal")
    }

    /// A checksum to which the code is to be added. It covers the component's digest, its role and the engine's settings
    /// too: code that stands under another name is not taken.
    fn checksum(&self, role: Role) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_derive_key("xhost 2026-11 compiled code v2");
        hasher.update(self.digest.as_bytes());
        hasher.update(self.settings.as_bytes());
        hasher.update(format!("{role:?}").as_bytes());
        hasher
    }
}

/// What lies beside the code.
#[derive(Deserialize, Serialize)]
struct Seal {
    role: Role,
    blake3: String,
}

/// Has this program, started anew, compile into the same folder.
fn compile_elsewhere(program: &Path, bytes: &[u8]) -> Elsewhere {
    use std::os::unix::process::ExitStatusExt;
    let child = Command::new(program)
        .arg(COMPILE)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else {
        return Elsewhere::Failed;
    };
    let written = child
        .stdin
        .take()
        .is_some_and(|mut stdin| stdin.write_all(bytes).is_ok());
    match child.wait() {
        Ok(status) if status.success() && written => Elsewhere::Compiled,
        Ok(status) => status.signal().map_or(Elsewhere::Failed, Elsewhere::Killed),
        Err(_) => Elsewhere::Failed,
    }
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
    RULES.hash(&mut hasher);
    hasher.0.finalize().to_hex()[..16].to_owned()
}

/// A file of ours: no link, and nobody else can have written it.
fn own_file(path: &Path) -> Option<fs::File> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(
            (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK)
                .bits()
                .cast_signed(),
        )
        .open(path)
        .ok()?;
    let metadata = file.metadata().ok()?;
    let ours = metadata.is_file()
        && metadata.uid() == rustix::process::geteuid().as_raw()
        && metadata.mode() & 0o022 == 0
        && metadata.nlink() == 1;
    ours.then_some(file)
}

fn load(engine: &Engine, code: &Code) -> Option<(Component, Role)> {
    let (file, role) = whole(engine, code)?;
    Some((deserialized(engine.wasmtime(), &file)?, role))
}

/// The file, where it is what was written, and what its component is.
fn whole(engine: &Engine, code: &Code) -> Option<(fs::File, Role)> {
    let seal = own_file(&code.seal_file())?.take(1 << 10);
    let seal: Seal = serde_json::from_reader(seal).ok()?;
    let file = own_file(&code.file)?;
    let mut found = code.checksum(seal.role);
    // Python's is 40 MB, for which every run waits.
    let hash = || found.update_mmap_rayon(opened(&file)).map(|_| ());
    engine.with_all_workers(hash).ok()?;
    (found.finalize().to_hex().as_str() == seal.blake3).then_some((file, seal.role))
}

/// The very file that was opened, whatever stands under its name by now.
fn opened(file: &fs::File) -> String {
    format!("/dev/fd/{}", file.as_raw_fd())
}

/// The code in a file, of which `whole` must have come just now.
fn deserialized(engine: &wasmtime::Engine, file: &fs::File) -> Option<Component> {
    #[expect(
        unsafe_code,
        reason = "the file is ours alone, and its bytes are those that this engine wrote: see above"
    )]
    // SAFETY: the folder and the file are private to this user, and the bytes match the digest written beside them (`whole`),
    // so they are what `precompile_component` of an engine with the same settings produced for this component.
    let component = unsafe { Component::deserialize_file(engine, opened(file)) };
    component.ok()
}

/// The seal goes last: a file without one is not used.
fn save(code: &Code, role: Role, compiled: &[u8]) -> std::io::Result<()> {
    let folder = code.file.parent().unwrap_or(Path::new("."));
    write_renamed(folder, &code.file, compiled)?;
    let blake3 = code.checksum(role).update(compiled).finalize().to_hex();
    let seal = Seal {
        role,
        blake3: blake3.to_string(),
    };
    write_renamed(folder, &code.seal_file(), &serde_json::to_vec(&seal)?)
}

fn write_renamed(folder: &Path, file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests;
