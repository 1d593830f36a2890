//! Plugins from their authors' side: new projects (`project`), from sources to a component (`build`), what a component is
//! (`look`), cases with their verdicts (`suite`), and what a call costs (`bench`).
//!
//! Called by the command line alone. Runs compilers, but never loads what they made other than as any plugin is loaded.

/// What travels inside this program: the contract, the SDKs and the templates.
mod embedded;

/// A new project.
mod project;

/// What a folder or a file holds: which language, which kind.
mod source;

/// Compilers, and how to get those that are missing.
mod tool;

/// From sources to a component.
mod build;

/// Components of bare files, kept by content.
mod built;

/// What a component is and may do.
mod look;

/// Cases as written.
mod case;

/// Verdicts as JSON.
mod verdict;

/// Cases in, verdicts out, and a diff for what differs.
mod suite;

/// What a call costs.
mod bench;

pub use bench::{Bench, Yardstick, bench};
pub use build::{BuildError, build};
pub use built::{Built, ScriptError, Workshop};
pub use case::{Case, CaseError, read as read_cases};
pub use look::{Grant, Import, Look, look};
pub use project::{NewError, Project, create};
pub use source::{Language, Source, SourceError};
pub use suite::{Outcome, run, updated};

#[cfg(test)]
mod tests;
