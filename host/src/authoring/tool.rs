//! Compilers: where they are, how they are run, and, where one is missing, the very command that installs it.

use super::source::Language;
use std::ffi::OsString;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The versions that the templates are tried with.
const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";
const JCO: &str = "@bytecodealliance/jco@1.35.0";

/// A script is built in seconds. One that computes for ever while it is loaded must not hold a run for ever.
const LONGEST: Duration = Duration::from_secs(300);

/// What a compiler may say of one file.
const SAID: u64 = 64 << 10;

/// A tool did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// There is none.
    #[error("{0}")]
    Missing(String),
    /// It cannot be started.
    #[error("cannot start {program}: {cause}")]
    Start {
        /// The program.
        program: String,
        /// The operating system's words.
        cause: std::io::Error,
    },
    /// It failed.
    #[error("{program} failed:\n{said}")]
    Failed {
        /// The program.
        program: String,
        /// Its own words.
        said: String,
    },
    /// It did not end.
    #[error(
        "{program} was stopped after {seconds} s: does the file compute while it is loaded?",
        seconds = LONGEST.as_secs()
    )]
    Late {
        /// The program.
        program: String,
    },
}

/// The compiler of a script: the project's own, then those in xhost's folder for tools, then the one on the path.
pub(super) fn script_tool(
    language: Language,
    project: Option<&Path>,
    tools: Option<&Path>,
) -> Command {
    let (name, own, shared) = match language {
        Language::Python => ("componentize-py", ".venv/bin", "python/bin"),
        Language::JavaScript | Language::Rust => {
            ("jco", "node_modules/.bin", "js/node_modules/.bin")
        }
    };
    let own = project.map(|project| project.join(own).join(name));
    let shared = tools.map(|tools| tools.join(shared).join(name));
    let found = [own, shared]
        .into_iter()
        .flatten()
        .find(|file| file.is_file())
        .and_then(|file| std::path::absolute(file).ok());
    Command::new(found.unwrap_or_else(|| PathBuf::from(name)))
}

/// How to get the compiler of a script.
pub(super) fn missing_script_tool(language: Language, tools: Option<&Path>) -> ToolError {
    let tools = tools.unwrap_or(Path::new(".xhost-tools")).display();
    ToolError::Missing(match language {
        Language::Python => format!(
            "building a plugin in Python needs componentize-py (18 MB; Python 3.10 or later); run\n    \
             python3 -m venv '{tools}/python' && '{tools}/python/bin/pip' install {COMPONENTIZE_PY}\n\
             xhost looks there, in a project's .venv, and on the path"
        ),
        Language::JavaScript | Language::Rust => format!(
            "building a plugin in JavaScript needs jco (Node 20 or later); run\n    \
             npm install --prefix '{tools}/js' {JCO}\n\
             xhost looks there, in a project's node_modules (`npm install`), and on the path"
        ),
    })
}

/// Runs a tool to its end; what it says is its error's text.
pub(super) fn run(
    mut command: Command,
    missing: impl FnOnce() -> ToolError,
) -> Result<(), ToolError> {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let start = |cause| ToolError::Start {
        program: program.clone(),
        cause,
    };
    let mut said = tempfile::tempfile().map_err(start)?;
    command
        .stdin(Stdio::null())
        .stdout(said.try_clone().map_err(start)?)
        .stderr(said.try_clone().map_err(start)?);
    let child = match command.spawn() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(missing()),
        child => child.map_err(start)?,
    };
    let Some(status) = wait(child).map_err(start)? else {
        return Err(ToolError::Late { program });
    };
    if status.success() {
        return Ok(());
    }
    let mut text = Vec::new();
    said.rewind().map_err(start)?;
    said.take(SAID).read_to_end(&mut text).map_err(start)?;
    let said = String::from_utf8_lossy(&text).trim_end().to_owned();
    Err(ToolError::Failed { program, said })
}

/// `None` where it had to be stopped.
fn wait(mut child: std::process::Child) -> std::io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() > LONGEST {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `cargo build` for components, whichever way this machine has.
pub(super) fn cargo(folder: &Path, cargo_home: Option<&Path>) -> Result<Command, ToolError> {
    let sysroot = |toolchain: &[&str]| {
        let mut command = Command::new("rustc");
        command
            .args(toolchain)
            .args(["--print", "sysroot"])
            .current_dir(folder);
        let output = command
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
    };
    // What a panic says about its place must not depend on where things are on this machine.
    let mut flags = vec![remap(folder, "plugin")];
    flags.extend(cargo_home.map(|home| remap(&home.join("registry/src"), "crates")));
    let standard = sysroot(&[]);
    if let Some(sysroot) = &standard
        && sysroot.join("lib/rustlib/wasm32-wasip2/lib").is_dir()
    {
        return Ok(build(Command::new("cargo"), &flags, &[]));
    }
    let stable = sysroot(&["+stable"]).or(standard);
    let linkers = stable.and_then(|sysroot| linkers(&sysroot));
    let (sources, library) = (
        Path::new("/usr/lib/rustlib/src/rust"),
        Path::new("/usr/lib/wasm32-wasi"),
    );
    match linkers {
        Some(linkers)
            if Path::new("/usr/bin/cargo").exists() && sources.is_dir() && library.is_dir() =>
        {
            flags.push(remap(sources, "rust"));
            flags.extend(
                sources
                    .canonicalize()
                    .map(|sources| remap(&sources, "rust")),
            );
            flags.push(format!("-L{}", library.display()).into());
            let mut command = Command::new("/usr/bin/cargo");
            let path = [
                linkers.join("gcc-ld"),
                linkers.clone(),
                "/usr/bin".into(),
                "/bin".into(),
            ];
            let path = std::env::join_paths(path).unwrap_or_default();
            command
                .env("PATH", path)
                .env(
                    "CARGO_TARGET_WASM32_WASIP2_LINKER",
                    linkers.join("wasm-component-ld"),
                )
                .env("RUSTC_BOOTSTRAP", "1");
            Ok(build(command, &flags, &["-Zbuild-std=std,panic_abort"]))
        }
        _ => Err(missing_rust()),
    }
}

fn missing_rust() -> ToolError {
    ToolError::Missing(
        "building a plugin in Rust needs the target wasm32-wasip2 (Rust 1.95 or later); run\n    \
         rustup target add wasm32-wasip2\n\
         or, where rustup's servers cannot be reached, on Debian 12 or later, beside rustup's stable toolchain:\n    \
         apt-get install rustc-web cargo-web rust-web-src wasi-libc"
            .into(),
    )
}

/// The folder of a toolchain that holds the linker of components.
fn linkers(sysroot: &Path) -> Option<PathBuf> {
    let targets = std::fs::read_dir(sysroot.join("lib/rustlib")).ok()?;
    let mut folders = targets.flatten().map(|target| target.path().join("bin"));
    folders.find(|folder| folder.join("wasm-component-ld").is_file())
}

fn remap(from: &Path, to: &str) -> OsString {
    let mut flag = OsString::from("--remap-path-prefix=");
    flag.push(std::path::absolute(from).unwrap_or_else(|_| from.into()));
    flag.push("=");
    flag.push(to);
    flag
}

fn build(mut command: Command, flags: &[OsString], more: &[&str]) -> Command {
    // Separated by this character, so that paths may hold spaces.
    let flags = flags.join(&OsString::from("\u{1f}"));
    command
        .args(["build", "--release", "--target", "wasm32-wasip2"])
        .args(["--message-format", "json-render-diagnostics"])
        .args(more)
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags);
    command
}
