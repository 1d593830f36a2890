//! The machine as this process may use it: the real memory limit, processors, pressure, disks, files, and processes that
//! look like one experiment started many times. Pure over a tree of files, so that tests give captured ones. Reads only;
//! whatever cannot be read is `None`.

/// Files as the kernel shows them.
mod tree;

/// Control groups.
mod cgroup;

/// The memory limit.
mod memory;

/// Processors.
mod cpu;

/// Waiting for memory.
mod pressure;

/// Disks and open files.
mod disk;

/// Processes that look like a fan-out.
mod process;

/// Which kind of container.
mod container;

/// Folders that are ours alone.
mod private;

pub use cgroup::Version;
pub use container::Container;
pub use cpu::Cpus;
pub use disk::{Disk, Files};
pub use memory::{Bound, Group, Memory};
pub use pressure::{Pressure, Scope};
pub use private::private_folder;
pub use process::FanOut;
pub use tree::Tree;

use serde::Serialize;

/// The share of the limit that a run may fill: beyond it the kernel drops pages that are needed, and then kills.
pub const SAFE_PERCENT: u64 = 80;

/// What there is.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// What surrounds this process.
    pub container: Container,
    /// Memory.
    pub memory: Memory,
    /// Waiting for memory; `None` where the kernel does not tell.
    pub pressure: Option<Pressure>,
    /// Processors.
    pub cpus: Cpus,
    /// Open files.
    pub files: Files,
    /// Processes that look like one experiment started many times, the largest first.
    pub fan_outs: Vec<FanOut>,
}

impl Machine {
    /// Reads everything.
    #[must_use]
    pub fn read(tree: &Tree) -> Machine {
        Machine {
            container: Container::read(tree),
            memory: Memory::read(tree),
            pressure: Pressure::read(tree),
            cpus: Cpus::read(tree),
            files: Files::read(tree),
            fan_outs: process::fan_outs(tree),
        }
    }
}

/// So many percent of a number of bytes.
#[must_use]
pub fn percent_of(bytes: u64, percent: u64) -> u64 {
    (u128::from(bytes) * u128::from(percent) / 100) as u64
}

/// Bytes for a person: 512 MiB, 1.5 GiB.
#[must_use]
pub fn shown_bytes(bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    match mebibytes {
        small if small < 1.0 => format!("{} KiB", bytes >> 10),
        some if some < 1_024.0 => format!("{some:.0} MiB"),
        many if many < 102_400.0 => format!("{:.1} GiB", many / 1_024.0),
        most => format!("{:.0} GiB", most / 1_024.0),
    }
}
