//! Where this process stands among the control groups: which version governs a controller, and the folders from its own
//! group up to the topmost that can be seen. In a container the topmost is often the container's own.

use super::tree::Tree;
use procfs_core::FromBufRead;
use procfs_core::ProcessCGroups;
use procfs_core::process::MountInfo;
use std::path::{Component, Path, PathBuf};

/// The kernel's two interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// One hierarchy for each controller.
    V1,
    /// One hierarchy for all.
    V2,
}

/// The groups of this process for one controller.
#[derive(Debug)]
pub(super) struct Groups {
    pub(super) version: Version,
    /// Each group's name within what can be seen, and its folder; the process's own first.
    pub(super) folders: Vec<(String, PathBuf)>,
}

/// The groups for a controller; `None` where it is not mounted.
pub(super) fn groups(tree: &Tree, controller: &str) -> Option<Groups> {
    let mounts = mounts(tree);
    let own = ProcessCGroups::from_buf_read(tree.text("/proc/self/cgroup")?.as_bytes()).ok()?;
    let path_of = |wanted: &dyn Fn(&[String]) -> bool| {
        let found = own.0.iter().find(|group| wanted(&group.controllers));
        found.map(|group| group.pathname.clone())
    };
    let first = mounts
        .iter()
        .find(|mount| mount.fs_type == "cgroup" && mount.super_options.contains_key(controller));
    let one = first.zip(path_of(&|names| {
        names.iter().any(|name| name == controller)
    }));
    if let Some((mount, path)) = one {
        return Some(walk(tree, Version::V1, mount, &path));
    }
    let second = mounts.iter().find(|mount| mount.fs_type == "cgroup2")?;
    let path = path_of(&<[String]>::is_empty)?;
    Some(walk(tree, Version::V2, second, &path))
}

/// The mounts that can be read.
pub(super) fn mounts(tree: &Tree) -> Vec<MountInfo> {
    let text = tree.text("/proc/self/mountinfo").unwrap_or_default();
    text.lines()
        .filter_map(|line| MountInfo::from_line(line).ok())
        .collect()
}

/// From the process's own group to the mount point. A path outside of what is mounted means the mount point itself.
fn walk(tree: &Tree, version: Version, mount: &MountInfo, path: &str) -> Groups {
    let path = Path::new(path);
    let within = path.strip_prefix(&mount.root).unwrap_or(path);
    let within: PathBuf = within
        .components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect();
    let escapes = path.components().any(|part| part == Component::ParentDir);
    let inside = !escapes && tree.exists(mount.mount_point.join(&within));
    let within = if inside { within } else { PathBuf::new() };
    let folders = within.ancestors().map(|ancestor| {
        let name = format!("/{}", ancestor.display());
        (name, mount.mount_point.join(ancestor))
    });
    Groups {
        version,
        folders: folders.collect(),
    }
}
