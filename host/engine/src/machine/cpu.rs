//! How many processors this process may use, and how busy they are. The load average is the machine's, also in a container.

use super::cgroup::{self, Version};
use super::tree::Tree;
use serde::Serialize;

/// Processors.
#[derive(Clone, Debug, Serialize)]
pub struct Cpus {
    /// What may be used at once: the smallest of the others.
    pub usable: Option<f64>,
    /// The smallest quota of the control groups, in processors.
    pub quota: Option<f64>,
    /// Processors that this process may run on.
    pub affinity: Option<u64>,
    /// Processors of the machine.
    pub machine: Option<u64>,
    /// The load average of one, five and fifteen minutes: of the whole machine.
    pub load: Option<[f64; 3]>,
}

impl Cpus {
    /// Reads it.
    #[must_use]
    pub fn read(tree: &Tree) -> Cpus {
        let quota = quota(tree);
        let affinity = tree.text("/proc/self/status").and_then(|text| {
            text.lines()
                .find_map(|line| count_list(line.strip_prefix("Cpus_allowed_list:")?))
        });
        let machine = tree
            .text("/sys/devices/system/cpu/online")
            .and_then(|text| count_list(&text));
        let whole = [affinity, machine]
            .into_iter()
            .flatten()
            .map(|count| count as f64);
        let usable = whole.chain(quota).reduce(f64::min);
        Cpus {
            usable,
            quota,
            affinity,
            machine,
            load: load(tree),
        }
    }
}

fn quota(tree: &Tree) -> Option<f64> {
    let groups = cgroup::groups(tree, "cpu")?;
    let of_group = |folder: &std::path::PathBuf| match groups.version {
        Version::V2 => {
            let text = tree.text(folder.join("cpu.max"))?;
            let (quota, period) = text.trim().split_once(' ')?;
            ratio(quota.parse().ok()?, period.parse().ok()?)
        }
        Version::V1 => ratio(
            tree.number(folder.join("cpu.cfs_quota_us"))?,
            tree.number(folder.join("cpu.cfs_period_us"))?,
        ),
    };
    groups
        .folders
        .iter()
        .filter_map(|(_, folder)| of_group(folder))
        .reduce(f64::min)
}

fn ratio(quota: u64, period: u64) -> Option<f64> {
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}

/// How many are in a list such as `0-3,8`.
fn count_list(text: &str) -> Option<u64> {
    let mut count = 0;
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        count += last.checked_sub(first)? + 1;
    }
    Some(count)
}

fn load(tree: &Tree) -> Option<[f64; 3]> {
    let text = tree.text("/proc/loadavg")?;
    let mut words = text.split_whitespace().map_while(|word| word.parse().ok());
    Some([words.next()?, words.next()?, words.next()?])
}
