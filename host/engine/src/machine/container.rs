//! What kind of container this is, as far as its files tell.

use super::cgroup;
use super::tree::Tree;
use serde::Serialize;

/// What surrounds this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Container {
    /// A pod's container.
    Kubernetes,
    /// A job of a cluster.
    Slurm,
    /// Docker or what behaves like it.
    Docker,
    /// Podman or what behaves like it.
    Podman,
    /// None that can be told.
    None,
}

impl Container {
    /// Looks for what each kind leaves behind.
    #[must_use]
    pub fn read(tree: &Tree) -> Container {
        let groups = tree.text("/proc/self/cgroup").unwrap_or_default();
        let mounted = |part: &str| {
            cgroup::mounts(tree).iter().any(|mount| {
                mount.root.contains(part) || mount.mount_point.to_string_lossy().contains(part)
            })
        };
        if groups.contains("/kubepods") || mounted("/kubelet/pods/") || mounted("kubernetes.io") {
            Container::Kubernetes
        } else if groups.contains("/slurm") {
            Container::Slurm
        } else if tree.exists("/run/.containerenv") || groups.contains("/libpod") {
            Container::Podman
        } else if tree.exists("/.dockerenv") || groups.contains("/docker") {
            Container::Docker
        } else {
            Container::None
        }
    }

    /// In words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Container::Kubernetes => "a Kubernetes container",
            Container::Slurm => "a Slurm job",
            Container::Docker => "a Docker container",
            Container::Podman => "a Podman container",
            Container::None => "no container that can be told",
        }
    }
}
