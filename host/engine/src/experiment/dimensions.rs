//! What is swept, and what the command line lays over it.
//!
//! Everything is a dimension: an axis of the file, its explicit cells, an override that sweeps, or an override of one
//! value. The file's come before the arguments; a later one may refine what an earlier one set but may not undo it.

use std::collections::HashSet;

use serde_json::Value;

use super::arguments::{self, Argument};
use super::fault::{Fault, Problem};
use super::report::ROOT_KEYS;
use super::tree::{Entry, Kind, Node, Origin};

/// A list of alternatives of which each cell takes one; none is missing, and an alternative of an axis has one setting.
#[derive(Debug)]
pub(super) struct Dimension {
    pub(super) alternatives: Vec<Vec<Setting>>,
    pub(super) kind: DimensionKind,
}

/// Where a dimension comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DimensionKind {
    Axis,
    Cells,
    /// One value from the command line: in no cell's axes.
    Fixed,
}

/// One value for one key.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Setting {
    pub(super) path: Vec<String>,
    pub(super) origin: Origin,
    pub(super) value: Node,
}

impl Setting {
    pub(super) fn key(&self) -> String {
        self.path.join(".")
    }
}

/// All dimensions, in the order in which a cell applies them.
///
/// # Errors
/// A sweep of a wrong form, or assignments that undo each other.
pub(super) fn dimensions(
    sweep: Option<&Entry>,
    arguments: &[Argument],
) -> Result<Vec<Dimension>, Fault> {
    let mut dimensions = Vec::new();
    if let Some(entry) = sweep {
        match &entry.value.kind {
            Kind::Null => {}
            Kind::Map(entries) => axes(entries, &[], &mut dimensions)?,
            Kind::List(items) => dimensions.push(explicit(items, entry.value.origin)?),
            Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => {
                let problem = format!(
                    "is {}; it takes a map of keys to lists, such as `{{model.name: [a, b]}}`, or a list of maps",
                    entry.value.describe()
                );
                return Err(sweep_fault(&[], entry.value.origin, problem));
            }
        }
    }
    for argument in arguments {
        lay(argument, &mut dimensions)?;
    }
    Ok(dimensions)
}

/// The axes of a map; a map in it is the longer way to write dots, which TOML prefers.
fn axes(entries: &[Entry], above: &[String], dimensions: &mut Vec<Dimension>) -> Result<(), Fault> {
    for entry in entries {
        let path = key_path(entry, above)?;
        match &entry.value.kind {
            Kind::Map(inner) if !inner.is_empty() => axes(inner, &path, dimensions)?,
            Kind::List(values) if !values.is_empty() => {
                push(axis(&path, entry.origin, values)?, dimensions)?;
            }
            Kind::List(_) => {
                let problem =
                    "is an empty list; write the values it takes, or remove it".to_owned();
                return Err(sweep_fault(&path, entry.value.origin, problem));
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Map(_) => {
                let problem = format!(
                    "is {}; it takes a list of values, such as `[a, b]`",
                    entry.value.describe()
                );
                return Err(sweep_fault(&path, entry.value.origin, problem));
            }
        }
    }
    Ok(())
}

fn axis(path: &[String], origin: Origin, values: &[Node]) -> Result<Dimension, Fault> {
    let setting = |value: &Node| {
        vec![Setting {
            path: path.to_vec(),
            origin,
            value: value.clone(),
        }]
    };
    let alternatives: Vec<_> = values.iter().map(setting).collect();
    if let Some(index) = again(&alternatives) {
        let value = &values[index];
        let problem = format!("has {} twice; remove one", value.describe());
        return Err(sweep_fault(path, value.origin, problem));
    }
    let kind = DimensionKind::Axis;
    Ok(Dimension { alternatives, kind })
}

fn explicit(items: &[Node], origin: Origin) -> Result<Dimension, Fault> {
    if items.is_empty() {
        let problem = "is an empty list; write the cells, or remove it".to_owned();
        return Err(sweep_fault(&[], origin, problem));
    }
    let mut alternatives = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let place = [index.to_string()];
        let Kind::Map(entries) = &item.kind else {
            let problem = format!(
                "is {}; it takes a map, such as `{{model.name: a, epochs: 2}}`",
                item.describe()
            );
            return Err(sweep_fault(&place, item.origin, problem));
        };
        let mut settings = Vec::with_capacity(entries.len());
        for entry in entries {
            let path = key_path(entry, &[])?;
            refuse_undoing(&path, entry.origin, &settings)?;
            settings.push(Setting {
                path,
                origin: entry.origin,
                value: entry.value.clone(),
            });
        }
        alternatives.push(settings);
    }
    if let Some(index) = again(&alternatives) {
        let problem = "stands there twice; remove one".to_owned();
        let origin = items[index].origin;
        return Err(sweep_fault(&[index.to_string()], origin, problem));
    }
    let kind = DimensionKind::Cells;
    Ok(Dimension { alternatives, kind })
}

fn key_path(entry: &Entry, above: &[String]) -> Result<Vec<String>, Fault> {
    let Some(below) = arguments::path(&entry.key) else {
        let problem = "is no path; write names with dots between, such as `model.name`".to_owned();
        return Err(sweep_fault(
            std::slice::from_ref(&entry.key),
            entry.origin,
            problem,
        ));
    };
    let path = [above, &below].concat();
    match ROOT_KEYS.contains(&path[0].as_str()) {
        true => Err(Fault::at(
            path,
            entry.origin,
            Problem::Misfit(SHARED.to_owned()),
        )),
        false => Ok(path),
    }
}

const SHARED: &str =
    "is one for the whole experiment and cannot be swept; remove it from the sweep";

fn sweep_fault(path: &[String], origin: Origin, problem: String) -> Fault {
    let path = std::iter::once("sweep".to_owned()).chain(path.iter().cloned());
    Fault::at(path.collect(), origin, Problem::Misfit(problem))
}

fn push(dimension: Dimension, dimensions: &mut Vec<Dimension>) -> Result<(), Fault> {
    let setting = &dimension.alternatives[0][0];
    for earlier in dimensions
        .iter()
        .flat_map(|dimension| &dimension.alternatives)
    {
        refuse_undoing(&setting.path, setting.origin, earlier)?;
    }
    dimensions.push(dimension);
    Ok(())
}

/// A value for `path` replaces whatever was set at it and below it.
fn refuse_undoing(path: &[String], origin: Origin, earlier: &[Setting]) -> Result<(), Fault> {
    match earlier
        .iter()
        .find(|setting| setting.path.starts_with(path))
    {
        Some(undone) => {
            let key = undone.key();
            let problem = format!(
                "would undo `{key}`, which is set before it; put it first, or set one of them"
            );
            Err(Fault::at(path.to_vec(), origin, Problem::Misfit(problem)))
        }
        None => Ok(()),
    }
}

/// Adds what an argument assigns: it replaces earlier assignments to the same key, in the place of a replaced axis.
fn lay(argument: &Argument, dimensions: &mut Vec<Dimension>) -> Result<(), Fault> {
    let path = &argument.path;
    let origin = argument.values[0].origin;
    let sweeps = argument.values.len() > 1;
    if path[0] == "sweep" {
        let problem = "cannot be overridden; sweep a key by KEY=A,B, or set it by KEY=A".to_owned();
        return Err(Fault::at(path.clone(), origin, Problem::Misfit(problem)));
    }
    if sweeps && ROOT_KEYS.contains(&path[0].as_str()) {
        return Err(Fault::at(
            path.clone(),
            origin,
            Problem::Misfit(SHARED.to_owned()),
        ));
    }
    let mut dimension = axis(path, origin, &argument.values)?;
    let replaced = dimensions
        .iter()
        .position(|d| d.kind != DimensionKind::Cells && d.alternatives[0][0].path == *path);
    if !sweeps {
        dimension.kind = DimensionKind::Fixed;
    }
    match replaced {
        Some(index) if sweeps => {
            dimensions[index] = dimension;
            return Ok(());
        }
        Some(index) => drop(dimensions.remove(index)),
        None => dimensions
            .iter_mut()
            .for_each(|dimension| forget(path, dimension)),
    }
    push(dimension, dimensions)
}

/// Removes a key from explicit cells; cells that differed in nothing else become one.
fn forget(path: &[String], dimension: &mut Dimension) {
    if dimension.kind != DimensionKind::Cells {
        return;
    }
    let mut seen = HashSet::new();
    dimension.alternatives.retain_mut(|settings| {
        settings.retain(|setting| setting.path != path);
        seen.insert(text(settings))
    });
}

/// The first alternative that equals an earlier one.
fn again(alternatives: &[Vec<Setting>]) -> Option<usize> {
    let mut seen = HashSet::new();
    alternatives
        .iter()
        .position(|settings| !seen.insert(text(settings)))
}

/// The same for equal settings, and for no others.
fn text(settings: &[Setting]) -> String {
    let pair = |setting: &Setting| (setting.key(), setting.value.value());
    Value::Object(settings.iter().map(pair).collect()).to_string()
}
