//! `xhost plugin new` and `build`: from nothing to a component.

use super::super::{Exit, Failure, places};
use crate::authoring::{self, Language, Project, Source};
use crate::plugin::Kind;
use std::path::{Path, PathBuf};

const NEW_EXAMPLES: &str = "\
Examples:
  xhost plugin new similarity --kind scorer --lang python
  xhost plugin new two-rounds --kind prompt --lang rust
  xhost plugin new my-api --kind provider --lang js";

/// Start a plugin of your own: a folder that builds at once
///
/// It holds the plugin, a test, cases for `xhost plugin test`, a README, and the SDK with the contract's types.
#[derive(clap::Args)]
#[command(after_help = NEW_EXAMPLES)]
pub(in crate::cli) struct New {
    /// The plugin's name, and the new folder's
    name: String,
    /// What it does
    #[arg(long)]
    kind: KindWord,
    /// What it is written in
    #[arg(long)]
    lang: LanguageWord,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum KindWord {
    /// Judges answers
    Scorer,
    /// Turns samples into prompts
    Prompt,
    /// Speaks a model API
    Provider,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum LanguageWord {
    /// Small and fast; needs the target wasm32-wasip2
    Rust,
    /// 18 MB, for Python is in it; needs componentize-py
    Python,
    /// 1.6 MB, for QuickJS is in it; needs jco
    Js,
}

pub(super) fn new(arguments: &New) -> Result<Exit, Failure> {
    let project = Project {
        name: arguments.name.clone(),
        kind: match arguments.kind {
            KindWord::Scorer => Kind::Scorer,
            KindWord::Prompt => Kind::PromptBuilder,
            KindWord::Provider => Kind::Provider,
        },
        language: match arguments.lang {
            LanguageWord::Rust => Language::Rust,
            LanguageWord::Python => Language::Python,
            LanguageWord::Js => Language::JavaScript,
        },
    };
    let folder = authoring::create(Path::new(""), &project).map_err(Failure::wrong)?;
    let name = folder.display();
    println!(
        "{name} is there; its README says what is what. Next:\n  \
         xhost plugin build {name}\n  \
         xhost plugin test {name}/{name}.wasm {name}/cases.jsonl"
    );
    Ok(Exit::Done)
}

const BUILD_EXAMPLES: &str = "\
Examples:
  xhost plugin build                    the plugin in this folder
  xhost plugin build similarity         the one in that folder, into similarity/similarity.wasm
  xhost plugin build scorer.py          a file with `def score(answer, target)`, into scorer.wasm";

/// Build a plugin's component, next to its sources
///
/// Finds the compiler, or says which command installs it.
#[derive(clap::Args)]
#[command(after_help = BUILD_EXAMPLES)]
pub(in crate::cli) struct Build {
    /// The plugin's folder, or a .py or .js file
    #[arg(value_name = "DIR | FILE", default_value = ".")]
    source: PathBuf,
    /// Where the component goes [default: next to the sources, by the folder's or the file's name]
    #[arg(long, value_name = "WASM")]
    out: Option<PathBuf>,
}

pub(super) fn build(arguments: &Build) -> Result<Exit, Failure> {
    let source = Source::find(&arguments.source).map_err(Failure::wrong)?;
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => component_of(&arguments.source)?,
    };
    let workshop = places::workshop();
    authoring::build(
        &source,
        workshop.tools.as_deref(),
        workshop.cargo_home.as_deref(),
        &out,
    )
    .map_err(Failure::wrong)?;
    let size = std::fs::metadata(&out).map_or(0, |metadata| metadata.len());
    println!("built {} ({size} bytes)", out.display());
    Ok(Exit::Done)
}

/// Where a folder's or a file's component is.
pub(super) fn component_of(source: &Path) -> Result<PathBuf, Failure> {
    if !source.is_dir() {
        return Ok(source.with_extension("wasm"));
    }
    let whole = source
        .canonicalize()
        .map_err(|cause| Failure::wrong(format!("{}: {cause}", source.display())))?;
    let name = whole.file_name().unwrap_or_default().to_string_lossy();
    Ok(source.join(format!("{name}.wasm")))
}
