//! Pressure stall information: the share of time in which tasks waited for memory. The group's where it tells, else the
//! machine's. It rises before the limit is reached, when the kernel begins to drop pages that are still needed.

use super::cgroup::{self, Version};
use super::tree::Tree;
use serde::Serialize;

/// The share of time, in percent, in which tasks waited for memory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pressure {
    /// Some task waited, over ten seconds.
    pub some_10: f64,
    /// Every task waited, over ten seconds.
    pub full_10: f64,
    /// Whose pressure it is.
    pub of: Scope,
}

/// Whose pressure is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The control group's.
    Group,
    /// The machine's.
    Machine,
}

impl Pressure {
    /// Reads it; `None` where the kernel does not tell.
    #[must_use]
    pub fn read(tree: &Tree) -> Option<Pressure> {
        let own = cgroup::groups(tree, "memory").filter(|groups| groups.version == Version::V2);
        let own = own.and_then(|groups| groups.folders.first().cloned());
        let own = own.and_then(|(_, folder)| {
            parse(&tree.text(folder.join("memory.pressure"))?, Scope::Group)
        });
        own.or_else(|| parse(&tree.text("/proc/pressure/memory")?, Scope::Machine))
    }
}

fn parse(text: &str, of: Scope) -> Option<Pressure> {
    let (some, full) = procfs_core::get_pressure(text.as_bytes()).ok()?;
    let (some_10, full_10) = (f64::from(some.avg10), f64::from(full.avg10));
    Some(Pressure {
        some_10,
        full_10,
        of,
    })
}
