//! That no two rows have the same id, without holding all ids: hashes are sorted in runs, the runs lie in temporary files,
//! and a merge finds equal neighbours.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

/// A run in memory: 1 MiB.
const RUN: usize = 65_536;

/// 16 bytes of blake3: among a thousand million ids, two that differ meet by chance once in 10^20 datasets.
pub(super) fn hash(id: &str) -> u128 {
    let hash = blake3::hash(id.as_bytes());
    u128::from_be_bytes(std::array::from_fn(|index| hash.as_bytes()[index]))
}

/// The ids so far.
#[derive(Default)]
pub(super) struct Unique {
    run: Vec<u128>,
    sorted: Vec<File>,
}

impl Unique {
    pub(super) fn add(&mut self, id: &str) -> io::Result<()> {
        self.run.push(hash(id));
        if self.run.len() == RUN {
            self.put_away()
        } else {
            Ok(())
        }
    }

    fn put_away(&mut self) -> io::Result<()> {
        self.run.sort_unstable();
        let mut file = BufWriter::new(tempfile::tempfile()?);
        for hash in self.run.drain(..) {
            file.write_all(&hash.to_be_bytes())?;
        }
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.sorted.push(file);
        Ok(())
    }

    /// A hash that is there twice.
    pub(super) fn duplicate(mut self) -> io::Result<Option<u128>> {
        self.run.sort_unstable();
        let in_memory = self.run.into_iter().map(Ok);
        let mut runs: Vec<Box<dyn Iterator<Item = io::Result<u128>>>> = vec![Box::new(in_memory)];
        for file in self.sorted {
            runs.push(Box::new(hashes(file)));
        }
        let mut heads = BinaryHeap::new();
        for (index, run) in runs.iter_mut().enumerate() {
            if let Some(hash) = run.next().transpose()? {
                heads.push(Reverse((hash, index)));
            }
        }
        let mut last = None;
        while let Some(Reverse((hash, index))) = heads.pop() {
            if last == Some(hash) {
                return Ok(Some(hash));
            }
            last = Some(hash);
            if let Some(next) = runs[index].next().transpose()? {
                heads.push(Reverse((next, index)));
            }
        }
        Ok(None)
    }
}

fn hashes(file: File) -> impl Iterator<Item = io::Result<u128>> {
    let mut reader = BufReader::with_capacity(16 << 10, file);
    std::iter::from_fn(move || {
        let mut bytes = [0; 16];
        match reader.read_exact(&mut bytes) {
            Ok(()) => Some(Ok(u128::from_be_bytes(bytes))),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(e) => Some(Err(e)),
        }
    })
}
