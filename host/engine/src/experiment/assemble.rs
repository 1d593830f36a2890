//! Puts an experiment together: the tree, the options and overrides over it, its cells typed and checked, its name.
//!
//! The pipeline of this module. Takes the file's text as an argument.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::arguments::{self, Argument};
use super::error::ExperimentError;
use super::fault::{Fault, Problem};
use super::report::{ROOT_KEYS, Sources};
use super::sweep::{self, RawCell};
use super::tree::{Kind, Node, Origin, Place, quoted};
use super::values::{is_name, name_message, one_or_many};
use super::{Cell, Experiment, Parts, PluginWord, check, typed};

/// The keys that all cells share.
#[derive(Default, Deserialize)]
#[serde(default, expecting = "a map")]
struct Heading {
    name: Option<String>,
    #[serde(deserialize_with = "one_or_many")]
    plugins: Vec<String>,
    rehearse: Option<Rehearse>,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a map such as `{replies: replies.jsonl}`"
)]
struct Rehearse {
    replies: String,
}

pub(super) fn from_file(
    file: &Path,
    text: &str,
    tree: Node,
    parts: &Parts,
    overrides: &[String],
) -> Result<Experiment, ExperimentError> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // The file's paths are relative to its folder, the command line's to the current one.
    let dataset = parts.dataset.as_ref().map(|dataset| absolute(dataset));
    let arguments = collect(
        &Parts {
            dataset,
            ..parts.clone()
        },
        overrides,
    )?;
    let sources = Sources {
        file: Some(file.display().to_string()),
        text,
        arguments: &arguments,
    };
    let (heading, cells) = cells(tree, &sources)?;
    Ok(Experiment {
        plugins: plugins(&heading, folder, parts),
        components: BTreeMap::new(),
        name: heading.name.map_or_else(|| name_of(file, folder), Ok)?,
        file: Some(file.to_owned()),
        folder: folder.to_owned(),
        cells,
        rehearse: heading
            .rehearse
            .map(|rehearse| folder.join(rehearse.replies)),
    })
}

pub(super) fn without_file(
    parts: &Parts,
    overrides: &[String],
) -> Result<Experiment, ExperimentError> {
    let arguments = collect(parts, overrides)?;
    let sources = Sources {
        file: None,
        text: "",
        arguments: &arguments,
    };
    let tree = Node {
        origin: Origin::File(Place::Offset(0)),
        kind: Kind::Map(Vec::new()),
    };
    let (heading, cells) = cells(tree, &sources)?;
    let named_by_dataset = || name_like(&cells[0].settings.dataset.path[0]);
    Ok(Experiment {
        plugins: plugins(&heading, Path::new(""), parts),
        components: BTreeMap::new(),
        name: heading.name.unwrap_or_else(named_by_dataset),
        file: None,
        folder: PathBuf::from("."),
        rehearse: heading
            .rehearse
            .map(|rehearse| PathBuf::from(rehearse.replies)),
        cells,
    })
}

/// The file's plugins, relative to its folder, then the command line's, relative to the current one.
fn plugins(heading: &Heading, folder: &Path, parts: &Parts) -> Vec<PluginWord> {
    let of_file = heading.plugins.iter();
    let of_file = of_file.map(|word| PluginWord::read(word, folder));
    let given = parts.plugins.iter();
    of_file
        .chain(given.map(|word| PluginWord::read(word, Path::new(""))))
        .collect()
}

/// Options first, so that an override has the last word.
fn collect(parts: &Parts, overrides: &[String]) -> Result<Vec<Argument>, ExperimentError> {
    let mut arguments = Vec::new();
    let text = |text: &Option<String>| text.clone().map(Kind::Text);
    let scorers = parts
        .scorers
        .iter()
        .map(|name| Node::text(name, Origin::Argument(0)));
    let scorers = (!parts.scorers.is_empty()).then(|| Kind::List(scorers.collect()));
    let options: [(&'static str, &[&str], Option<Kind>); 5] = [
        ("--name", &["name"], text(&parts.name)),
        ("--dataset", &["dataset", "path"], text(&parts.dataset)),
        ("--model", &["model"], text(&parts.model)),
        ("--prompt", &["prompt"], text(&parts.prompt)),
        ("--scorer", &["scorers"], scorers),
    ];
    for (name, path, value) in options {
        if let Some(value) = value {
            arguments.push(Argument::option(name, path, value, arguments.len()));
        }
    }
    for argument in overrides {
        arguments.push(arguments::parse(argument, arguments.len())?);
    }
    Ok(arguments)
}

fn cells(mut tree: Node, sources: &Sources<'_>) -> Result<(Heading, Vec<Cell>), ExperimentError> {
    let report = |fault: Fault| sources.report(fault);
    if !matches!(tree.kind, Kind::Map(_)) {
        let problem = format!(
            "is {}; it takes a map such as `model: openai/gpt-4o-mini`",
            tree.describe()
        );
        return Err(report(Fault::at(
            Vec::new(),
            tree.origin,
            Problem::Misfit(problem),
        )));
    }
    let sweep = tree.take("sweep");
    let mut raw = sweep::cells(&tree, sweep.as_ref(), sources)?;
    // No sweep reaches the heading, so every cell carries the same one; it is taken out of each.
    let mut shared = Heading::default();
    for cell in &mut raw {
        shared = heading(&mut cell.tree).map_err(report)?;
    }
    let cells = raw.into_iter().map(|cell| typed_cell(cell).map_err(report));
    Ok((shared, cells.collect::<Result<_, _>>()?))
}

fn heading(tree: &mut Node) -> Result<Heading, Fault> {
    let entries = ROOT_KEYS.iter().filter_map(|key| tree.take(key)).collect();
    let node = Node {
        origin: tree.origin,
        kind: Kind::Map(entries),
    };
    let heading: Heading = typed::read(&node)?;
    match &heading.name {
        Some(name) if !is_name(name) => {
            let path = vec!["name".to_owned()];
            let origin = node.origin_of(&path);
            Err(Fault::at(path, origin, Problem::Misfit(name_message(name))))
        }
        _ => Ok(heading),
    }
}

fn typed_cell(RawCell { axes, tree }: RawCell) -> Result<Cell, Fault> {
    let settings = typed::read(&tree)?;
    check::check(&settings, &tree)?;
    Ok(Cell { axes, settings })
}

fn absolute(path: &str) -> String {
    std::path::absolute(path).map_or_else(
        |_| path.to_owned(),
        |path| path.to_string_lossy().into_owned(),
    )
}

/// The file's stem; `xhost.yaml` says nothing, so its folder gives the name.
fn name_of(file: &Path, folder: &Path) -> Result<String, ExperimentError> {
    let stem = file
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let name = match stem.as_str() {
        "xhost" => {
            let folder = std::path::absolute(folder).unwrap_or_default();
            folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        }
        _ => stem,
    };
    match is_name(&name) {
        true => Ok(name),
        false => Err(ExperimentError::NoName {
            file: file.to_owned(),
            name: quoted(&name),
            instead: name_like(&name),
        }),
    }
}

/// A name as near to the stem of `path` as the rules allow.
fn name_like(path: &str) -> String {
    let stem = Path::new(path)
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let fits = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    let name: String = stem
        .chars()
        .map(|character| if fits(character) { character } else { '-' })
        .collect();
    let name = name.trim_matches(['-', '.']);
    if is_name(name) {
        name.to_owned()
    } else {
        "experiment".to_owned()
    }
}
