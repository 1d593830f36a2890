//! From a tree and its dimensions to one tree per cell: the cartesian product, in the order in which it was written.
//!
//! Bounds the number of cells and their text before they are made.

use serde_json::{Map, Value};

use super::dimensions::{Dimension, DimensionKind, dimensions};
use super::error::ExperimentError;
use super::fault::Fault;
use super::report::Sources;
use super::shorthand;
use super::tree::{Entry, Node};

/// More is a mistake in an axis: a config is read, typed and reported by people.
const MOST_CELLS: usize = 10_000;
/// Bytes of all cells together, by [`Node::weight`]: 10,000 copies of a long prompt do not fit in memory.
const MOST_TEXT: usize = 64 * 1024 * 1024;

/// One cell, not yet typed.
pub(super) struct RawCell {
    pub(super) axes: Map<String, Value>,
    pub(super) tree: Node,
}

/// The cells of `base` under the file's `sweep` and the arguments; the first dimension varies slowest.
///
/// # Errors
/// A sweep of a wrong form, assignments that undo each other, or too many cells.
pub(super) fn cells(
    base: &Node,
    sweep: Option<&Entry>,
    sources: &Sources<'_>,
) -> Result<Vec<RawCell>, ExperimentError> {
    let dimensions = dimensions(sweep, sources.arguments).map_err(|fault| sources.report(fault))?;
    let origin = sweep.map(|entry| entry.origin);
    let count = dimensions
        .iter()
        .map(|dimension| dimension.alternatives.len())
        .fold(1, usize::saturating_mul);
    if count > MOST_CELLS {
        let spot = Box::new(sources.spot(origin).without_excerpt());
        return Err(ExperimentError::TooManyCells { spot, cells: count });
    }
    let mut cells = Vec::with_capacity(count);
    let mut text = 0;
    for number in 0..count {
        let cell = cell(base, &dimensions, number).map_err(|fault| sources.report(fault))?;
        text += cell.tree.weight();
        if text > MOST_TEXT && count > 1 {
            let spot = Box::new(sources.spot(origin).without_excerpt());
            return Err(ExperimentError::CellsTooLarge { spot });
        }
        cells.push(cell);
    }
    Ok(cells)
}

/// The cell with this number: `number` in the mixed radix of the dimensions' sizes, the last being the fastest digit.
fn cell(base: &Node, dimensions: &[Dimension], number: usize) -> Result<RawCell, Fault> {
    let mut chosen = Vec::with_capacity(dimensions.len());
    let mut rest = number;
    for dimension in dimensions.iter().rev() {
        chosen.push((
            dimension.kind,
            &dimension.alternatives[rest % dimension.alternatives.len()],
        ));
        rest /= dimension.alternatives.len();
    }
    let mut tree = base.clone();
    let mut axes = Map::new();
    for (kind, settings) in chosen.into_iter().rev() {
        for setting in settings {
            if kind != DimensionKind::Fixed {
                axes.insert(setting.key(), setting.value.value());
            }
            shorthand::set(
                &mut tree,
                &setting.path,
                setting.value.clone(),
                setting.origin,
            )?;
        }
    }
    shorthand::expand(&mut tree)?;
    Ok(RawCell { axes, tree })
}
