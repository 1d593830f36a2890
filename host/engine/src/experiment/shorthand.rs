//! The short forms of an experiment file and what each stands for.
//!
//! `expand` runs over every cell before it is typed, so that the structs know one form only; `set` lays one value over
//! the tree, and opens a short form when a path leads into it (`prompt.params.system=...` over `prompt: "..."`).

use super::fault::{Fault, Problem};
use super::tree::{Entry, Kind, Node, Origin, quoted};

/// Rewrites every short form in `root` to its long form.
///
/// # Errors
/// A model without a provider.
pub(super) fn expand(root: &mut Node) -> Result<(), Fault> {
    expand_below(root, &[])
}

fn expand_below(node: &mut Node, path: &[String]) -> Result<(), Fault> {
    // The short forms end here; what is deeper belongs to plugins.
    const DEEPEST: usize = 2;
    open(node, path)?;
    match &mut node.kind {
        _ if path.len() == DEEPEST => Ok(()),
        Kind::Map(entries) => entries
            .iter_mut()
            .try_for_each(|entry| expand_below(&mut entry.value, &join(path, &entry.key))),
        Kind::List(items) => items
            .iter_mut()
            .enumerate()
            .try_for_each(|(index, item)| expand_below(item, &join(path, &index.to_string()))),
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => Ok(()),
    }
}

fn join(path: &[String], key: &str) -> Vec<String> {
    let mut joined = path.to_vec();
    joined.push(key.to_owned());
    joined
}

/// Rewrites `node`, which stands at `path`, if it is a short form.
fn open(node: &mut Node, path: &[String]) -> Result<(), Fault> {
    let keys: Vec<&str> = path.iter().map(String::as_str).collect();
    let origin = node.origin;
    let long = match (keys.as_slice(), &node.kind) {
        (["dataset"], Kind::Text(_) | Kind::List(_)) => Node::map([("path", node.clone())], origin),
        (["dataset", "shuffle"], Kind::Number(_)) => Node::map([("seed", node.clone())], origin),
        (["prompt"], Kind::Text(_)) => {
            let params = Node::map([("user", node.clone())], origin);
            Node::map(
                [
                    ("plugin", Node::text("template", origin)),
                    ("params", params),
                ],
                origin,
            )
        }
        (["cache"], Kind::Text(_)) => Node::map([("policy", node.clone())], origin),
        // `off` is a word here, and YAML 1.1 readers make it a boolean.
        (["cache"], Kind::Bool(false)) => {
            Node::map([("policy", Node::text("off", origin))], origin)
        }
        (["model"] | ["models", _], Kind::Text(text)) => model(text, path, origin)?,
        (["scorers"], Kind::Text(_) | Kind::Map(_)) => Node {
            origin,
            kind: Kind::List(vec![node.clone()]),
        },
        (["scorers", _], Kind::Text(_)) => Node::map([("plugin", node.clone())], origin),
        _ => return Ok(()),
    };
    *node = long;
    Ok(())
}

fn model(text: &str, path: &[String], origin: Origin) -> Result<Node, Fault> {
    match text.split_once('/') {
        Some((provider, name)) if !provider.is_empty() && !name.is_empty() => Ok(Node::map(
            [
                ("provider", Node::text(provider, origin)),
                ("name", Node::text(name, origin)),
            ],
            origin,
        )),
        _ => {
            let problem = format!(
                "is {}; write `PROVIDER/NAME`, such as `openai/gpt-4o-mini`",
                quoted(text)
            );
            Err(Fault::at(path.to_vec(), origin, Problem::Misfit(problem)))
        }
    }
}

/// Puts `value` at `path`; maps on the way are made as needed, as if `origin` had written them.
///
/// # Errors
/// A list index that does not exist, or a path through a value that has nothing below it.
pub(super) fn set(
    root: &mut Node,
    path: &[String],
    value: Node,
    origin: Origin,
) -> Result<(), Fault> {
    let mut node = root;
    for (depth, key) in path.iter().enumerate() {
        if matches!(node.kind, Kind::Null) {
            node.kind = Kind::Map(Vec::new());
        }
        // An index has nothing to point at in a list that nobody wrote.
        if path[..depth] == ["scorers"] && node.kind == Kind::Map(Vec::new()) {
            node.kind = Kind::List(Vec::new());
        }
        open(node, &path[..depth])?;
        node = step(node, key, &path[..depth], origin)?;
    }
    *node = value;
    Ok(())
}

fn step<'n>(
    node: &'n mut Node,
    key: &str,
    above: &[String],
    origin: Origin,
) -> Result<&'n mut Node, Fault> {
    let described = node.describe();
    match &mut node.kind {
        Kind::Map(entries) => Ok(entry(entries, key, origin)),
        Kind::List(items) => {
            let count = items.len();
            let item = key
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get_mut(index));
            item.ok_or_else(|| {
                let problem = match count {
                    0 => "is an empty list; set the whole list".to_owned(),
                    1 => format!("is a list of 1: write 0 in place of `{key}`, or set the whole list"),
                    _ => format!(
                        "is a list of {count}: write 0 to {} in place of `{key}`, or set the whole list",
                        count - 1
                    ),
                };
                Fault::at(above.to_vec(), origin, Problem::Misfit(problem))
            })
        }
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => {
            let problem = format!("is {described}; there is no `{key}` below it");
            Err(Fault::at(above.to_vec(), origin, Problem::Misfit(problem)))
        }
    }
}

fn entry<'n>(entries: &'n mut Vec<Entry>, key: &str, origin: Origin) -> &'n mut Node {
    let index = entries
        .iter()
        .position(|entry| entry.key == key)
        .unwrap_or_else(|| {
            let kind = Kind::Map(Vec::new());
            entries.push(Entry {
                key: key.to_owned(),
                origin,
                value: Node { origin, kind },
            });
            entries.len() - 1
        });
    &mut entries[index].value
}
