//! Pairs of a request digest and a response digest, sorted on disk and each once; and what covers them all.

use crate::sort::Sorter;
use std::io;
use xhost_store::{Digest, ResponseDigest};

type Pair = [u8; 64];

/// Pairs so far.
#[derive(Default)]
pub(super) struct Pairs(Sorter<64>);

impl Pairs {
    pub(super) fn add(&mut self, request: Digest, response: ResponseDigest) -> io::Result<()> {
        let mut pair = [0; 64];
        pair[..32].copy_from_slice(request.as_bytes());
        pair[32..].copy_from_slice(response.as_bytes());
        self.0.add(pair)
    }

    /// All pairs, sorted, each once.
    pub(super) fn sorted(
        self,
    ) -> io::Result<impl Iterator<Item = io::Result<(Digest, ResponseDigest)>>> {
        let mut last = None;
        let once = move |pair: io::Result<Pair>| match pair {
            Ok(pair) if last.replace(pair) == Some(pair) => None,
            other => Some(other.map(|pair| split(&pair))),
        };
        Ok(self.0.sorted()?.filter_map(once))
    }
}

fn split(pair: &Pair) -> (Digest, ResponseDigest) {
    let half = |from: usize| std::array::from_fn(|at| pair[from + at]);
    (
        Digest::from_bytes(half(0)),
        ResponseDigest::from_bytes(half(32)),
    )
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
    use super::Pairs;
    use crate::sort::Sorter;
    use xhost_store::{Digest, ResponseDigest};

    #[test]
    fn pairs_of_several_runs_come_sorted_and_each_once() {
        let mut pairs = Pairs::default();
        let run = Sorter::<64>::RUN;
        let count = run * 2 + 77;
        for number in 0..count {
            let hash = blake3::hash(&(number % (run + 5)).to_le_bytes());
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
        assert_eq!(sorted.len(), run + 5);
        assert!(sorted.is_sorted());
    }
}
