//! Experiments as written: a file, options and overrides become a list of cells, one per config.
//!
//! ```text
//! file --yaml|json|toml--> tree with positions --sweep + arguments--> a tree per cell --serde--> Written
//! ```
//! Called by the command line; `plan` resolves what comes out. Nothing is opened but the experiment file itself: neither
//! datasets nor plugins nor included files, and no default is filled in.

mod arguments;
mod assemble;
mod check;
mod dimensions;
mod error;
mod fault;
mod files;
mod json;
mod near;
mod plugin_word;
mod report;
mod shorthand;
mod source;
mod sweep;
mod toml;
mod tree;
mod typed;
mod values;
mod written;
mod yaml;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

pub use arguments::is_override;
pub use error::{ExperimentError, Spot};
pub use files::{included_files, replace_files};
pub(crate) use near::nearest;
pub use plugin_word::{PluginWord, short_name};
pub use values::{RowRange, Span};
pub use written::{
    Cache, CachePolicy, Dataset, Fields, Format, Limits, Mode, Model, Prompt, Sampling, Scorer,
    Shuffle, Written,
};

/// An experiment, its sweep spread out.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// Letters, digits, `.`, `_` and `-`: fit for a folder's name.
    pub name: String,
    /// The file as it was given; `None` if the command line is all there is.
    pub file: Option<PathBuf>,
    /// What relative paths in the cells resolve against: the file's folder, or the current one.
    pub folder: PathBuf,
    /// At least one and at most 10,000, the last axis varying fastest.
    pub cells: Vec<Cell>,
    /// Where `--rehearse` finds its replies, with `folder` before it.
    pub rehearse: Option<PathBuf>,
    /// Plugins that are given: the file's, then the command line's.
    pub plugins: Vec<PluginWord>,
    /// The components that stand for words of `plugins` and of the cells: fetched, built or found by whoever read this.
    pub components: BTreeMap<PluginWord, Component>,
}

/// A component on this machine's disk that stands for a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// The plugin's name.
    pub name: String,
    /// Where its bytes are.
    pub file: PathBuf,
    /// The blake3 of its bytes; what else lies there by now is refused.
    pub digest: [u8; 32],
}

/// One config.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The swept keys, with dots, and this cell's values as written. Empty when nothing is swept.
    pub axes: Map<String, Value>,
    /// All of this cell's settings.
    pub settings: Written,
}

/// What the command line's options say. Each stands for an override of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// `--name`
    pub name: Option<String>,
    /// `--dataset`, relative to the current folder: replaces `dataset.path` and leaves the rest of `dataset`.
    pub dataset: Option<String>,
    /// `--model`, as `PROVIDER/NAME`: replaces all of `model`.
    pub model: Option<String>,
    /// `--prompt`, a template: replaces all of `prompt`.
    pub prompt: Option<String>,
    /// `--scorer`: if there is one, they replace all of `scorers`.
    pub scorers: Vec<String>,
    /// `--plugin`, a file relative to the current folder: added to the file's.
    pub plugins: Vec<String>,
}

/// An experiment whose file is not on disk; the name tells the format.
#[cfg(any(test, feature = "fuzzing"))]
pub fn from_text(
    file: &Path,
    text: &str,
    overrides: &[String],
) -> Result<Experiment, ExperimentError> {
    let tree = source::parse(file, text)?;
    assemble::from_file(file, text, tree, &Parts::default(), overrides)
}

impl Experiment {
    /// Reads `file` and lays the options and then the overrides (`KEY=VALUE`) over it.
    ///
    /// # Errors
    /// Anything that is wrong with the file, an option or an override; the text says where and what to write.
    pub fn load(
        file: &Path,
        parts: &Parts,
        overrides: &[String],
    ) -> Result<Experiment, ExperimentError> {
        let (text, tree) = source::read(file)?;
        assemble::from_file(file, &text, tree, parts, overrides)
    }

    /// An experiment without a file, from the options and overrides alone.
    ///
    /// # Errors
    /// As for [`Experiment::load`]; dataset, model and prompt must be there.
    pub fn from_parts(parts: &Parts, overrides: &[String]) -> Result<Experiment, ExperimentError> {
        assemble::without_file(parts, overrides)
    }
}
