//! `xhost plugin new`: a folder that builds at once and needs nothing from a repository. It holds the plugin, a test in
//! its language, cases for `xhost plugin test`, a README, and the SDK with the types of the contract.

use super::embedded::{self, File, template};
use super::source::Language;
use crate::plugin::Kind;
use std::fs;
use std::path::{Path, PathBuf};

/// A new project.
pub struct Project {
    /// The plugin's name, and the folder's.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// What it is written in.
    pub language: Language,
}

/// A project cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// The name is none.
    #[error(
        "`{0}` is no name for a plugin: take lower-case letters, digits and `-`, beginning with a letter, 64 at most"
    )]
    Name(String),
    /// Nothing is written over.
    #[error("{path} is there already: take another name, or remove it", path = .0.display())]
    There(PathBuf),
    /// The disk refuses.
    #[error("cannot write {path}: {cause}", path = path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's words.
        cause: std::io::Error,
    },
}

/// Writes the project into the folder of its name below `parent`.
///
/// # Errors
/// Where the name is none, the folder is there, or the disk refuses.
pub fn create(parent: &Path, project: &Project) -> Result<PathBuf, NewError> {
    if !is_name(&project.name) {
        return Err(NewError::Name(project.name.clone()));
    }
    let folder = parent.join(&project.name);
    if folder.symlink_metadata().is_ok() {
        return Err(NewError::There(folder));
    }
    for (path, text) in project.files() {
        write(&folder.join(path), &text)?;
    }
    Ok(folder)
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 64
        && name.chars().all(plain)
        && !name.ends_with('-')
        && !name.contains("--")
}

fn write(path: &Path, text: &str) -> Result<(), NewError> {
    let failed = |cause| NewError::Write {
        path: path.into(),
        cause,
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)
}

impl Project {
    /// What the kind is called in files and on the command line.
    fn kind_word(&self) -> &'static str {
        match self.kind {
            Kind::PromptBuilder => "prompt",
            Kind::Scorer => "scorer",
            Kind::Provider => "provider",
        }
    }

    /// The project's files, in no order that matters.
    fn files(&self) -> Vec<(String, String)> {
        let kind = self.kind_word();
        let mut files = match self.language {
            Language::Rust => self.rust(kind),
            Language::Python => self.python(kind),
            Language::JavaScript => self.javascript(kind),
        };
        let cases = template(&format!("cases/{kind}.jsonl"));
        files.push(("cases.jsonl".into(), cases.into()));
        files
    }

    fn rust(&self, kind: &str) -> Vec<(String, String)> {
        let mut files = vec![
            self.filled("Cargo.toml", "rust/Cargo.toml"),
            ("Cargo.lock".into(), self.lock(template("rust/Cargo.lock"))),
            self.filled("src/lib.rs", &format!("rust/{kind}.rs")),
            self.filled("README.md", "rust/README.md"),
            (".gitignore".into(), "/target\n/*.wasm\n".into()),
        ];
        files.extend(copied("vendor/xhost-plugin", embedded::RUST_SDK));
        files.extend(copied("wit", embedded::WIT));
        files
    }

    fn python(&self, kind: &str) -> Vec<(String, String)> {
        let mut files = vec![
            self.filled(&format!("{kind}.py"), &format!("python/{kind}.py")),
            self.filled(
                &format!("test_{kind}.py"),
                &format!("python/test_{kind}.py"),
            ),
            self.filled("pyproject.toml", "python/pyproject.toml"),
            self.filled("README.md", "python/README.md"),
            (
                ".gitignore".into(),
                "__pycache__/\n/.venv\n/*.wasm\n".into(),
            ),
        ];
        files.extend(copied("sdk", embedded::PYTHON_SDK));
        files
    }

    fn javascript(&self, kind: &str) -> Vec<(String, String)> {
        let mut files = vec![
            self.filled(&format!("{kind}.js"), &format!("js/{kind}.js")),
            self.filled(&format!("{kind}.test.js"), &format!("js/{kind}.test.js")),
            self.filled("package.json", "js/package.json"),
            self.filled("jsconfig.json", "js/jsconfig.json"),
            self.filled("README.md", "js/README.md"),
            (".gitignore".into(), "/node_modules\n/*.wasm\n".into()),
        ];
        let types = embedded::JS_SDK
            .iter()
            .filter(|(name, _)| name.ends_with(".d.ts"));
        files.extend(types.map(|(name, text)| (format!("sdk/{name}"), (*text).to_owned())));
        files
    }

    /// A template under its name in the project, with the plugin's name in it.
    fn filled(&self, path: &str, template_name: &str) -> (String, String) {
        let pascal: String = self.name.split('-').map(capitalized).collect();
        let text = template(template_name)
            .replace("my-plugin", &self.name)
            .replace("MyPlugin", &pascal)
            .replace("my-kind", self.kind_word());
        (path.to_owned(), text)
    }

    /// The versions that the template was tried with. Cargo keeps packages in the order of their names.
    fn lock(&self, template: &str) -> String {
        const PACKAGE: &str = "[[package]]\n";
        let text = template.replace("\"my-plugin\"", &format!("\"{}\"", self.name));
        let mut parts: Vec<String> = text
            .split(PACKAGE)
            .map(|part| part.trim_end().to_owned())
            .collect();
        parts[1..].sort();
        let packages: String = parts[1..]
            .iter()
            .map(|part| format!("\n\n{PACKAGE}{part}"))
            .collect();
        format!("{}{packages}\n", parts[0])
    }
}

fn copied(folder: &str, files: &[File]) -> Vec<(String, String)> {
    let copy = |(name, text): &File| (format!("{folder}/{name}"), (*text).to_owned());
    files.iter().map(copy).collect()
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
