//! From sources to a component. Compilers say what is wrong in their own words.

use super::embedded::{JS_SDK, PYTHON_SDK, WIT, text};
use super::source::{Form, Language, Script, Source};
use super::tool::{self, ToolError};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Files that a project in JavaScript may have. A folder with more is somebody's home.
const FILES: usize = 2_000;

/// A component cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A compiler failed, or is missing.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The disk refuses.
    #[error("cannot build in {path}: {cause}", path = path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// The operating system's words.
        cause: std::io::Error,
    },
    /// `cargo` showed the errors already.
    #[error("cargo failed: its errors are above")]
    Cargo,
    /// It built something else.
    #[error(
        "{folder} makes no component: its Cargo.toml needs `[lib]` with `crate-type = [\"cdylib\"]`", folder = .0.display()
    )]
    NoComponent(PathBuf),
    /// More files than a plugin has.
    #[error("{folder} holds more than {FILES} files: is it the plugin's own folder?", folder = .0.display())]
    Files(PathBuf),
}

/// Builds the component into `out`. `tools` is xhost's folder for compilers, `cargo_home` is cargo's.
///
/// # Errors
/// What the compiler said, or how to get it.
pub fn build(
    source: &Source,
    tools: Option<&Path>,
    cargo_home: Option<&Path>,
    out: &Path,
) -> Result<(), BuildError> {
    let out = std::path::absolute(out).map_err(|cause| disk(out, cause))?;
    match source {
        Source::Rust { folder } => rust(folder, cargo_home, &out),
        Source::Script(script) => {
            let place = tempfile::tempdir().map_err(|cause| disk(&std::env::temp_dir(), cause))?;
            let made = place.path().join("made.wasm");
            for (name, text) in WIT {
                write(&place.path().join("wit").join(name), text)?;
            }
            match script.language {
                Language::Python => python(script, tools, place.path(), &made),
                Language::JavaScript | Language::Rust => {
                    javascript(script, tools, place.path(), &made)
                }
            }?;
            fs::copy(&made, &out).map_err(|cause| disk(&out, cause))?;
            Ok(())
        }
    }
}

/// Cargo's own progress and errors go to the author's terminal.
fn rust(folder: &Path, cargo_home: Option<&Path>, out: &Path) -> Result<(), BuildError> {
    let mut cargo = tool::cargo(folder, cargo_home)?;
    let output = cargo
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|cause| disk(folder, cause))?;
    if !output.status.success() {
        return Err(BuildError::Cargo);
    }
    let told = String::from_utf8_lossy(&output.stdout);
    let artifacts = told
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let components = artifacts.filter_map(|artifact| {
        let files = artifact["filenames"].as_array()?.clone();
        let mut names = files.iter().filter_map(serde_json::Value::as_str);
        names
            .find(|name| name.ends_with(".wasm"))
            .map(PathBuf::from)
    });
    // The plugin's own comes after those of what it is made of.
    let mut made: Vec<PathBuf> = components.collect();
    let component = made
        .pop()
        .ok_or_else(|| BuildError::NoComponent(folder.into()))?;
    fs::copy(&component, out).map_err(|cause| disk(out, cause))?;
    Ok(())
}

/// WASI stays in: without stderr there are no tracebacks.
fn python(
    script: &Script,
    tools: Option<&Path>,
    place: &Path,
    made: &Path,
) -> Result<(), BuildError> {
    let (author, glue) = (place.join("author"), place.join("glue"));
    let sdk = text(PYTHON_SDK, "xhost_plugin.py");
    write(&glue.join("xhost_plugin.py"), sdk)?;
    let stem = script.stem();
    let (class, function) = match script.form {
        Form::ScoreFunction => ("Scorer", "scorer(_author.score)"),
        Form::PromptFunction => ("PromptBuilder", "prompt_builder(_author.prompt)"),
        Form::Whole(_) => ("", ""),
    };
    let main = if class.is_empty() {
        stem.clone()
    } else {
        // Imported by its text: a file's name need not be a name in Python.
        let module = serde_json::Value::from(stem.as_str());
        let text = format!(
            "import importlib\n\nimport xhost_plugin\n\n_author = importlib.import_module({module})\n\
             {class} = xhost_plugin.as_{function}\n"
        );
        write(&glue.join("xhost_main.py"), &text)?;
        "xhost_main".to_owned()
    };
    let path = match &script.project {
        Some(project) => std::path::absolute(project).map_err(|cause| disk(project, cause))?,
        None => {
            write(&author.join(format!("{stem}.py")), &script.text)?;
            author
        }
    };
    let mut command = tool::script_tool(Language::Python, script.project.as_deref(), tools);
    command
        .current_dir(place)
        .args([
            "--quiet",
            "--wit-path",
            "wit",
            "--world",
            script.world(),
            "componentize",
        ])
        .arg("--python-path")
        .arg(path)
        .args(["--python-path", "glue", &main, "--output"])
        .arg(made);
    tool::run(command, || {
        tool::missing_script_tool(Language::Python, tools)
    })?;
    Ok(())
}

/// QuickJS rather than jco's default engine: a tenth of the size, and nothing that wants the network. It takes absolute
/// paths only.
fn javascript(
    script: &Script,
    tools: Option<&Path>,
    place: &Path,
    made: &Path,
) -> Result<(), BuildError> {
    let sdk = text(JS_SDK, "xhost-plugin.js");
    let tail = match script.form {
        Form::ScoreFunction => {
            format!("{sdk}\nexport const scorer = xhostScorer(score, {PARAMS});\n")
        }
        Form::PromptFunction => {
            format!("{sdk}\nexport const promptBuilder = xhostPromptBuilder(prompt, {PARAMS});\n")
        }
        Form::Whole(_) => String::new(),
    };
    let folder = place.join("author");
    if let Some(project) = &script.project {
        copy_scripts(project, &folder, &mut 0)?;
    }
    // Appended, so that the lines of a stack are the author's.
    let file = folder.join(format!("{}.js", script.stem()));
    write(&file, &format!("{}\n{tail}", script.text))?;
    let mut command = tool::script_tool(Language::JavaScript, script.project.as_deref(), tools);
    command
        .current_dir(&folder)
        .args(["componentize"])
        .arg(&file)
        .args(["--backend", "qjs", "--backend-qjs-disable-async", "--wit"])
        .arg(place.join("wit"))
        .args(["--world-name", script.world(), "--out"])
        .arg(made);
    tool::run(command, || {
        tool::missing_script_tool(Language::JavaScript, tools)
    })?;
    Ok(())
}

const PARAMS: &str = "typeof params === \"undefined\" ? {} : params";

/// The modules that the plugin's file may import.
fn copy_scripts(from: &Path, to: &Path, count: &mut usize) -> Result<(), BuildError> {
    let entries = fs::read_dir(from).map_err(|cause| disk(from, cause))?;
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let hidden = name.to_string_lossy().starts_with('.') || name == "node_modules";
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        *count += 1;
        if *count > FILES {
            return Err(BuildError::Files(from.into()));
        }
        if is_folder && !hidden {
            copy_scripts(&path, &to.join(&name), count)?;
        } else if Source::is_script(&path) && path.is_file() {
            fs::create_dir_all(to).map_err(|cause| disk(to, cause))?;
            fs::copy(&path, to.join(&name)).map_err(|cause| disk(&path, cause))?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), BuildError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|cause| disk(folder, cause))?;
    }
    fs::write(path, text).map_err(|cause| disk(path, cause))
}

fn disk(path: &Path, cause: std::io::Error) -> BuildError {
    BuildError::Disk {
        path: path.into(),
        cause,
    }
}
