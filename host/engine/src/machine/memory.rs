//! How much memory there really is: the smallest limit on the way from this process's control group to the machine. What
//! `free` shows is the machine's, whatever the container's limit is.

use super::cgroup::{self, Groups, Version};
use super::tree::Tree;
use serde::Serialize;

/// The memory of this process's surroundings, in bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    /// What may be used: the smallest limit.
    pub limit: Option<u64>,
    /// Which limit that is.
    pub bound: Bound,
    /// What is used below that limit, without file pages that the kernel can drop at once.
    pub used: Option<u64>,
    /// What is left: the least over all limits.
    pub available: Option<u64>,
    /// All memory of the machine, as `free` shows it.
    pub free_total: Option<u64>,
    /// What `free` calls available.
    pub free_available: Option<u64>,
    /// The kernel's interface for control groups.
    pub version: Option<Version>,
    /// The control groups, this process's own first.
    pub groups: Vec<Group>,
    /// Processes of this group that the kernel has killed for want of memory.
    pub killed: Option<u64>,
    /// What this process holds itself.
    pub own: Option<u64>,
}

/// What bounds memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// The machine has no more.
    Machine,
    /// A file of a control group.
    Group {
        /// The group.
        group: String,
        /// The file.
        file: &'static str,
    },
}

/// One control group, in bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// Its name within what can be seen.
    pub name: String,
    #[serde(skip)]
    version: Version,
    /// What kills.
    pub limit: Option<u64>,
    /// What slows down: version 2's `memory.high`.
    pub high: Option<u64>,
    /// A limit of a group above that cannot be seen: version 1's `hierarchical_memory_limit`.
    pub above: Option<u64>,
    /// What is used, without file pages that the kernel can drop at once.
    pub used: Option<u64>,
}

impl Memory {
    /// Reads it.
    #[must_use]
    pub fn read(tree: &Tree) -> Memory {
        let found = cgroup::groups(tree, "memory");
        let version = found.as_ref().map(|groups| groups.version);
        let groups = found
            .as_ref()
            .map_or_else(Vec::new, |found| read_groups(tree, found));
        let total = tree.keyed("/proc/meminfo", "MemTotal");
        let free_available = tree.keyed("/proc/meminfo", "MemAvailable");
        let machine = Candidate {
            bytes: total,
            bound: Bound::Machine,
            used: total
                .zip(free_available)
                .map(|(total, available)| total.saturating_sub(available)),
        };
        // The first of equal ones is told: what is written in a file before what only follows from one.
        let written = groups.iter().flat_map(written);
        let candidates: Vec<Candidate> = written
            .chain(groups.iter().map(above))
            .chain([machine])
            .collect();
        let known = candidates.iter().filter(|one| one.bytes.is_some());
        let smallest = known.min_by_key(|one| one.bytes);
        let left = candidates
            .iter()
            .filter_map(|one| Some(one.bytes?.saturating_sub(one.used?)));
        Memory {
            limit: smallest.and_then(|one| one.bytes),
            bound: smallest.map_or(Bound::Machine, |one| one.bound.clone()),
            used: smallest.and_then(|one| one.used),
            available: left.min(),
            free_total: total,
            free_available,
            version,
            killed: found.as_ref().and_then(|found| killed(tree, found)),
            groups,
            own: tree.keyed("/proc/self/status", "VmRSS"),
        }
    }
}

struct Candidate {
    bytes: Option<u64>,
    bound: Bound,
    used: Option<u64>,
}

fn written(group: &Group) -> [Candidate; 2] {
    let files = [
        (group.limit, group.version.limit_file()),
        (group.high, "memory.high"),
    ];
    files.map(|(bytes, file)| candidate(group, bytes, file))
}

fn above(group: &Group) -> Candidate {
    candidate(group, group.above, "memory.stat")
}

fn candidate(group: &Group, bytes: Option<u64>, file: &'static str) -> Candidate {
    let bound = Bound::Group {
        group: group.name.clone(),
        file,
    };
    Candidate {
        bytes,
        bound,
        used: group.used,
    }
}

impl Version {
    fn limit_file(self) -> &'static str {
        match self {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        }
    }
}

fn read_groups(tree: &Tree, found: &Groups) -> Vec<Group> {
    let read = |(name, folder): &(String, std::path::PathBuf)| {
        let (current, inactive) = match found.version {
            Version::V1 => ("memory.usage_in_bytes", "total_inactive_file"),
            Version::V2 => ("memory.current", "inactive_file"),
        };
        let stat = folder.join("memory.stat");
        let droppable = tree.keyed(&stat, inactive).unwrap_or(0);
        Group {
            name: name.clone(),
            version: found.version,
            limit: tree.number(folder.join(found.version.limit_file())),
            high: tree.number(folder.join("memory.high")),
            above: tree.keyed(&stat, "hierarchical_memory_limit"),
            used: tree
                .number(folder.join(current))
                .map(|used| used.saturating_sub(droppable)),
        }
    };
    found.folders.iter().map(read).collect()
}

fn killed(tree: &Tree, found: &Groups) -> Option<u64> {
    let (_, own) = found.folders.first()?;
    let file = match found.version {
        Version::V1 => "memory.oom_control",
        Version::V2 => "memory.events",
    };
    tree.keyed(own.join(file), "oom_kill")
}
