//! Room on the disk of a folder, and open files of this process.

use super::tree::Tree;
use serde::Serialize;
use std::path::Path;

/// The file system of a folder.
#[derive(Clone, Debug, Serialize)]
pub struct Disk {
    /// Bytes that this user may still write.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
    /// Files that may still be made; `None` where the file system does not count them.
    pub free_files: Option<u64>,
    /// Files in all.
    pub total_files: Option<u64>,
}

impl Disk {
    /// Of the folder, or the nearest one above it that is there.
    #[must_use]
    pub fn of(folder: &Path) -> Option<Disk> {
        let absolute = std::path::absolute(folder).ok()?;
        let there = absolute.ancestors().find(|folder| folder.exists())?;
        let stat = rustix::fs::statvfs(there).ok()?;
        let counted = stat.f_files > 0;
        Some(Disk {
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
            free_files: counted.then_some(stat.f_favail),
            total_files: counted.then_some(stat.f_files),
        })
    }
}

/// Open files of this process.
#[derive(Clone, Debug, Serialize)]
pub struct Files {
    /// How many are open.
    pub open: Option<u64>,
    /// How many may be; `None` for no limit.
    pub limit: Option<u64>,
    /// How far this user may raise the limit, which `xhost` does at its start.
    pub hard: Option<u64>,
}

impl Files {
    /// Reads it.
    #[must_use]
    pub fn read(tree: &Tree) -> Files {
        let open = tree
            .exists("/proc/self/fd")
            .then(|| tree.names("/proc/self/fd").len() as u64);
        let limits = tree.text("/proc/self/limits").unwrap_or_default();
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"));
        let mut numbers = line
            .into_iter()
            .flat_map(str::split_whitespace)
            .map(|word| word.parse().ok());
        let (limit, hard) = (numbers.next().flatten(), numbers.next().flatten());
        Files { open, limit, hard }
    }
}
