//! Requests, each once: they are sorted in runs, runs lie in temporary files, and a merge finds equal neighbours. Exact
//! whatever their number, in a few MiB of memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use xhost_store::Digest;

/// A run in memory: 1.5 MiB.
const RUN: usize = 32_768;

/// A request as far as a forecast cares. The order is the digest's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    run: Vec<Asked>,
    sorted: Vec<File>,
    /// How many were added, equal ones counted each.
    pub(super) added: u64,
}

impl Distinct {
    pub(super) fn add(&mut self, asked: Asked) -> io::Result<()> {
        self.added += 1;
        self.run.push(asked);
        if self.run.len() == RUN {
            self.put_away()
        } else {
            Ok(())
        }
    }

    fn put_away(&mut self) -> io::Result<()> {
        self.run.sort_unstable();
        let mut file = BufWriter::new(tempfile::tempfile()?);
        for asked in self.run.drain(..) {
            file.write_all(&asked.to_bytes())?;
        }
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.sorted.push(file);
        Ok(())
    }

    /// Each request once, in the order of the digests.
    pub(super) fn each(mut self, mut take: impl FnMut(&Asked)) -> io::Result<()> {
        self.run.sort_unstable();
        let in_memory = self.run.into_iter().map(Ok);
        let mut runs: Vec<Box<dyn Iterator<Item = io::Result<Asked>>>> = vec![Box::new(in_memory)];
        runs.extend(
            self.sorted
                .into_iter()
                .map(|file| Box::new(read(file)) as Box<_>),
        );
        let mut heads = BinaryHeap::new();
        for (index, run) in runs.iter_mut().enumerate() {
            if let Some(asked) = run.next().transpose()? {
                heads.push(Reverse((asked, index)));
            }
        }
        let mut last = None;
        while let Some(Reverse((asked, index))) = heads.pop() {
            if last != Some(asked.digest) {
                take(&asked);
            }
            last = Some(asked.digest);
            if let Some(next) = runs[index].next().transpose()? {
                heads.push(Reverse((next, index)));
            }
        }
        Ok(())
    }
}

fn read(file: File) -> impl Iterator<Item = io::Result<Asked>> {
    let mut reader = BufReader::with_capacity(WIDTH * 256, file);
    std::iter::from_fn(move || {
        let mut bytes = [0; WIDTH];
        match reader.read_exact(&mut bytes) {
            Ok(()) => Some(Ok(Asked::from_bytes(&bytes))),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(e) => Some(Err(e)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{Asked, Distinct, RUN};

    #[test]
    fn each_request_is_counted_once_wherever_its_twins_lie() {
        let mut distinct = Distinct::default();
        let numbers = 2 * RUN as u32 + 10;
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
