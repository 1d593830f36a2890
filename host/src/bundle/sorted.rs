//! Pairs of a request digest and a response digest, sorted and each once, without holding all of them: runs are sorted in
//! memory, lie in temporary files, and are merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use xhost_store::{Digest, ResponseDigest};

/// Pairs in memory: 4 MiB.
const RUN: usize = 65_536;

type Pair = [u8; 64];

/// Pairs so far.
#[derive(Default)]
pub(super) struct Pairs {
    run: Vec<Pair>,
    files: Vec<File>,
}

impl Pairs {
    pub(super) fn add(&mut self, request: Digest, response: ResponseDigest) -> io::Result<()> {
        let mut pair = [0; 64];
        pair[..32].copy_from_slice(request.as_bytes());
        pair[32..].copy_from_slice(response.as_bytes());
        self.run.push(pair);
        if self.run.len() == RUN {
            self.put_away()
        } else {
            Ok(())
        }
    }

    fn put_away(&mut self) -> io::Result<()> {
        self.run.sort_unstable();
        self.run.dedup();
        let mut file = BufWriter::new(tempfile::tempfile()?);
        for pair in self.run.drain(..) {
            file.write_all(&pair)?;
        }
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.files.push(file);
        Ok(())
    }

    /// All pairs, sorted, each once.
    pub(super) fn sorted(
        mut self,
    ) -> io::Result<impl Iterator<Item = io::Result<(Digest, ResponseDigest)>>> {
        self.run.sort_unstable();
        let mut runs: Vec<Box<dyn Iterator<Item = io::Result<Pair>>>> =
            vec![Box::new(self.run.into_iter().map(Ok))];
        for file in self.files {
            runs.push(Box::new(pairs(file)));
        }
        let mut heads = BinaryHeap::new();
        for (index, run) in runs.iter_mut().enumerate() {
            if let Some(pair) = run.next().transpose()? {
                heads.push(Reverse((pair, index)));
            }
        }
        let mut last = None;
        Ok(std::iter::from_fn(move || {
            loop {
                let Reverse((pair, index)) = heads.pop()?;
                match runs[index].next() {
                    Some(Ok(next)) => heads.push(Reverse((next, index))),
                    Some(Err(error)) => return Some(Err(error)),
                    None => {}
                }
                if last.replace(pair) != Some(pair) {
                    return Some(Ok(split(&pair)));
                }
            }
        }))
    }
}

fn split(pair: &Pair) -> (Digest, ResponseDigest) {
    let half = |from: usize| std::array::from_fn(|at| pair[from + at]);
    (
        Digest::from_bytes(half(0)),
        ResponseDigest::from_bytes(half(32)),
    )
}

fn pairs(file: File) -> impl Iterator<Item = io::Result<Pair>> {
    let mut reader = BufReader::with_capacity(16 << 10, file);
    std::iter::from_fn(move || {
        let mut pair = [0; 64];
        match reader.read_exact(&mut pair) {
            Ok(()) => Some(Ok(pair)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => Some(Err(error)),
        }
    })
}

/// What covers all answers of a bundle, however they are packed.
pub(super) struct Root(blake3::Hasher);

impl Default for Root {
    fn default() -> Root {
        Root(blake3::Hasher::new_derive_key("xhost bundle entries v1"))
    }
}

impl Root {
    pub(super) fn add(&mut self, request: &Digest, response: &ResponseDigest) {
        self.0
            .update(request.as_bytes())
            .update(response.as_bytes());
    }

    pub(super) fn finish(&self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{Pairs, RUN};
    use xhost_store::{Digest, ResponseDigest};

    #[test]
    fn pairs_of_several_runs_come_sorted_and_each_once() {
        let mut pairs = Pairs::default();
        let count = RUN * 2 + 77;
        for number in 0..count {
            let hash = blake3::hash(&(number % (RUN + 5)).to_le_bytes());
            let (request, response) = (*hash.as_bytes(), [7; 32]);
            pairs
                .add(
                    Digest::from_bytes(request),
                    ResponseDigest::from_bytes(response),
                )
                .expect("it is taken");
        }
        let sorted: Vec<_> = pairs
            .sorted()
            .expect("they are sorted")
            .map(|pair| pair.expect("it is read").0)
            .collect();
        assert_eq!(sorted.len(), RUN + 5);
        assert!(sorted.is_sorted());
    }
}
