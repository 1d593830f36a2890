//! That no two rows have the same id, without holding all ids: their hashes are sorted on disk, so that equal ones are
//! neighbours.

use crate::sort::Sorter;
use std::io;

/// 16 bytes of blake3: among a thousand million ids, two that differ meet by chance once in 10^20 datasets.
pub(super) fn hash(id: &str) -> u128 {
    let hash = blake3::hash(id.as_bytes());
    u128::from_be_bytes(std::array::from_fn(|index| hash.as_bytes()[index]))
}

/// The ids so far.
#[derive(Default)]
pub(super) struct Unique(Sorter<16>);

impl Unique {
    pub(super) fn add(&mut self, id: &str) -> io::Result<()> {
        self.0.add(hash(id).to_be_bytes())
    }

    /// A hash that is there twice.
    pub(super) fn duplicate(self) -> io::Result<Option<u128>> {
        let mut last = None;
        for hash in self.0.sorted()? {
            let hash = Some(u128::from_be_bytes(hash?));
            if last == hash {
                return Ok(hash);
            }
            last = hash;
        }
        Ok(None)
    }
}
