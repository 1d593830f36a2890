//! What a folder or a file holds: in which language the plugin is written, what it is, and how much of the contract its
//! author wrote. Told from names and from the first words of lines; nothing of it runs.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file over this size is no plugin's.
const SIZE_LIMIT: u64 = 4 << 20;

/// A language that plugins are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// With the SDK or plain `wit-bindgen`.
    Rust,
    /// By componentize-py.
    Python,
    /// By jco with QuickJS.
    JavaScript,
}

/// How much of the contract the author wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `score`, a function.
    ScoreFunction,
    /// `prompt`, a function.
    PromptFunction,
    /// All of it, for this world.
    Whole(&'static str),
}

/// A plugin's sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder with a `Cargo.toml`.
    Rust {
        /// The folder.
        folder: PathBuf,
    },
    /// A file in Python or JavaScript.
    Script(Script),
}

/// A file in Python or JavaScript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The file.
    pub(super) file: PathBuf,
    /// Its text, read once: what is hashed is what is built.
    pub(super) text: String,
    pub(super) language: Language,
    pub(super) form: Form,
    /// The folder that it belongs to. A bare file has none: it is built alone, so that its content says all.
    pub(super) project: Option<PathBuf>,
}

/// There are no sources of a plugin.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file cannot be read.
    #[error("cannot read {path}: {cause}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// A folder without any of the names.
    #[error(
        "{path} holds no plugin: there is no Cargo.toml, and none of scorer.py, prompt.py, provider.py, scorer.js, prompt.js, \
         provider.js (`xhost plugin new NAME --kind scorer --lang python` makes one)", path = .0.display()
    )]
    Nothing(PathBuf),
    /// Neither .py nor .js.
    #[error("{path} is no plugin's source: name a folder, a .py or a .js file", path = .0.display())]
    Extension(PathBuf),
    /// A file that defines nothing of the contract.
    #[error("{path} defines no plugin: {needs}", path = path.display())]
    NoForm {
        /// The file.
        path: PathBuf,
        /// What it needs.
        needs: &'static str,
    },
}

/// The words that a line begins with, and what they say. The first that is found counts.
const PYTHON: [(&str, Form); 6] = [
    ("class Batch", Form::Whole("batch-provider-plugin")),
    ("class Provider", Form::Whole("provider-plugin")),
    ("class PromptBuilder", Form::Whole("prompt-plugin")),
    ("class Scorer", Form::Whole("scorer-plugin")),
    ("def score(", Form::ScoreFunction),
    ("def prompt(", Form::PromptFunction),
];

const PYTHON_NEEDS: &str = "it needs `def score(answer, target)`, or `def prompt(sample)`, or a class Scorer, PromptBuilder or Provider as the \
     contract has them, at the beginning of a line";

const JAVASCRIPT: [(&str, Form); 8] = [
    ("export const batch", Form::Whole("batch-provider-plugin")),
    ("export const provider", Form::Whole("provider-plugin")),
    ("export const promptBuilder", Form::Whole("prompt-plugin")),
    ("export const scorer", Form::Whole("scorer-plugin")),
    ("export function score(", Form::ScoreFunction),
    ("export const score ", Form::ScoreFunction),
    ("export function prompt(", Form::PromptFunction),
    ("export const prompt ", Form::PromptFunction),
];

const JAVASCRIPT_NEEDS: &str = "it needs `export function score(answer, targets, params)`, or `export function prompt(row, params, answers)`, or \
     `export const scorer`, `promptBuilder` or `provider` as the contract has them, at the beginning of a line";

impl Source {
    /// Whether a file is a script that becomes a plugin by building it.
    #[must_use]
    pub fn is_script(path: &Path) -> bool {
        language(path).is_some()
    }

    /// What a folder or a bare file holds.
    ///
    /// # Errors
    /// Where that is no plugin.
    pub fn find(path: &Path) -> Result<Source, SourceError> {
        if !path.is_dir() {
            return Script::read(path, None).map(Source::Script);
        }
        if path.join("Cargo.toml").is_file() {
            return Ok(Source::Rust {
                folder: path.into(),
            });
        }
        let names = ["py", "js"].into_iter().flat_map(|extension| {
            ["scorer", "prompt", "provider"].map(|kind| format!("{kind}.{extension}"))
        });
        let mut files = names.map(|name| path.join(name));
        match files.find(|file| file.is_file()) {
            Some(file) => Script::read(&file, Some(path)).map(Source::Script),
            None => Err(SourceError::Nothing(path.into())),
        }
    }

    /// The language.
    #[must_use]
    pub fn language(&self) -> Language {
        match self {
            Source::Rust { .. } => Language::Rust,
            Source::Script(script) => script.language,
        }
    }
}

impl Script {
    fn read(file: &Path, project: Option<&Path>) -> Result<Script, SourceError> {
        let language = language(file).ok_or_else(|| SourceError::Extension(file.into()))?;
        let text = text(file)?;
        let (forms, needs): (&[(&str, Form)], _) = match language {
            Language::Python => (&PYTHON, PYTHON_NEEDS),
            Language::JavaScript | Language::Rust => (&JAVASCRIPT, JAVASCRIPT_NEEDS),
        };
        let stands = |words: &str| text.lines().any(|line| line.starts_with(words));
        let found = forms.iter().find(|(words, _)| stands(words));
        let form = found.map(|(_, form)| *form);
        Ok(Script {
            form: form.ok_or_else(|| SourceError::NoForm {
                path: file.into(),
                needs,
            })?,
            file: file.into(),
            text,
            language,
            project: project.map(Path::to_owned),
        })
    }

    /// The file's name without its ending: the plugin's.
    pub(super) fn stem(&self) -> String {
        let stem = self.file.file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    }

    /// The world that it is built for.
    pub(super) fn world(&self) -> &'static str {
        match self.form {
            Form::ScoreFunction => "scorer-plugin",
            Form::PromptFunction => "prompt-plugin",
            Form::Whole(world) => world,
        }
    }
}

fn language(path: &Path) -> Option<Language> {
    match path.extension()?.to_str()? {
        "py" => Some(Language::Python),
        "js" | "mjs" => Some(Language::JavaScript),
        _ => None,
    }
}

fn text(file: &Path) -> Result<String, SourceError> {
    let failed = |cause: String| SourceError::Read {
        path: file.into(),
        cause,
    };
    let metadata = fs::metadata(file).map_err(|e| failed(e.to_string()))?;
    // To open a pipe waits for a writer.
    if !metadata.is_file() {
        return Err(failed("it is no regular file".into()));
    }
    if metadata.len() > SIZE_LIMIT {
        return Err(failed("it is larger than 4 MiB".into()));
    }
    fs::read_to_string(file).map_err(|e| failed(e.to_string()))
}
