//! Requests, each once: they are sorted on disk, so that equal ones are neighbours. Exact whatever their number.

use crate::sort::Sorter;
use std::io;
use xhost_store::Digest;

/// A request as far as a forecast cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) digest: [u8; 32],
    /// The lane's place in the forecast.
    pub(super) lane: u16,
    /// Bytes of its body.
    pub(super) bytes: u32,
    /// The most tokens of its answer; 0 for no limit.
    pub(super) cap: u32,
}

impl Asked {
    pub(super) fn digest(&self) -> Digest {
        Digest::from_bytes(self.digest)
    }

    fn to_bytes(self) -> [u8; WIDTH] {
        let mut bytes = [0; WIDTH];
        bytes[..32].copy_from_slice(&self.digest);
        bytes[32..34].copy_from_slice(&self.lane.to_be_bytes());
        bytes[34..38].copy_from_slice(&self.bytes.to_be_bytes());
        bytes[38..].copy_from_slice(&self.cap.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; WIDTH]) -> Asked {
        Asked {
            digest: std::array::from_fn(|at| bytes[at]),
            lane: u16::from_be_bytes(std::array::from_fn(|at| bytes[32 + at])),
            bytes: u32::from_be_bytes(std::array::from_fn(|at| bytes[34 + at])),
            cap: u32::from_be_bytes(std::array::from_fn(|at| bytes[38 + at])),
        }
    }
}

const WIDTH: usize = 42;

/// The requests so far.
#[derive(Default)]
pub(super) struct Distinct {
    sorter: Sorter<WIDTH>,
    /// How many were added, equal ones counted each.
    pub(super) added: u64,
}

impl Distinct {
    pub(super) fn add(&mut self, asked: Asked) -> io::Result<()> {
        self.added += 1;
        self.sorter.add(asked.to_bytes())
    }

    /// Each request once, in the order of the digests.
    pub(super) fn each(self, mut take: impl FnMut(&Asked)) -> io::Result<()> {
        let mut last = None;
        for record in self.sorter.sorted()? {
            let asked = Asked::from_bytes(&record?);
            if last.replace(asked.digest) != Some(asked.digest) {
                take(&asked);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Distinct, WIDTH};
    use crate::sort::Sorter;

    #[test]
    fn each_request_is_counted_once_wherever_its_twins_lie() {
        let mut distinct = Distinct::default();
        let numbers = 2 * Sorter::<WIDTH>::RUN as u32 + 10;
        // Twins stand in runs of their own, and the last ones in memory.
        for number in (0..numbers).chain(0..numbers).chain([5, 5]) {
            let digest = *blake3::hash(&number.to_be_bytes()).as_bytes();
            distinct
                .add(Asked {
                    digest,
                    lane: 7,
                    bytes: number,
                    cap: 3,
                })
                .expect("added");
        }
        assert_eq!(distinct.added, 2 * u64::from(numbers) + 2);
        let (mut count, mut sum, mut last) = (0, 0, None);
        distinct
            .each(|asked| {
                assert!(last < Some(asked.digest) && asked.lane == 7 && asked.cap == 3);
                last = Some(asked.digest);
                count += 1;
                sum += u64::from(asked.bytes);
            })
            .expect("read");
        assert_eq!(
            (count, sum),
            (u64::from(numbers), (0..u64::from(numbers)).sum())
        );
    }
}
