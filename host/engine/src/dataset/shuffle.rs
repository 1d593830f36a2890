//! Selected rows in another order. The rows lie in a temporary file, their places in a second one, and the order is a
//! permutation that is computed and not stored: a Feistel network of four rounds over the next power of four, numbers
//! outside the range being put through it again. Seed and count decide it, on every machine and in every version.

use super::{DatasetError, Sample};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

/// A sample as it lies in the file.
#[derive(Serialize, Deserialize)]
struct Stored {
    id: String,
    input: String,
    targets: Vec<String>,
    fields: String,
}

/// Rows on their way into the file.
pub(super) struct Spool {
    seed: u64,
    rows: BufWriter<File>,
    ends: BufWriter<File>,
    end: u64,
    count: u64,
}

impl Spool {
    pub(super) fn new(seed: u64) -> io::Result<Spool> {
        let (rows, ends) = (
            BufWriter::new(tempfile::tempfile()?),
            BufWriter::new(tempfile::tempfile()?),
        );
        Ok(Spool {
            seed,
            rows,
            ends,
            end: 0,
            count: 0,
        })
    }

    pub(super) fn add(&mut self, sample: &Sample) -> io::Result<()> {
        let Sample {
            id,
            input,
            targets,
            fields,
        } = sample.clone();
        let row = serde_json::to_vec(&Stored {
            id,
            input,
            targets,
            fields,
        })?;
        self.rows.write_all(&row)?;
        self.end += row.len() as u64;
        self.count += 1;
        self.ends.write_all(&self.end.to_le_bytes())
    }

    pub(super) fn finish(self) -> io::Result<Shuffled> {
        let rows = self
            .rows
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        let ends = self
            .ends
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        Ok(Shuffled {
            rows,
            ends,
            order: Order::new(self.seed, self.count),
        })
    }
}

/// Rows in their new order.
pub(super) struct Shuffled {
    rows: File,
    ends: File,
    order: Order,
}

impl Shuffled {
    /// The row at this place of the new order.
    pub(super) fn sample(&self, place: u64) -> Result<Sample, DatasetError> {
        let row = self.order.at(place);
        let start = if row == 0 { 0 } else { self.end(row - 1)? };
        let mut bytes = vec![0; (self.end(row)? - start) as usize];
        self.rows.read_exact_at(&mut bytes, start)?;
        let Stored {
            id,
            input,
            targets,
            fields,
        } = serde_json::from_slice(&bytes).map_err(io::Error::from)?;
        Ok(Sample {
            id,
            input,
            targets,
            fields,
        })
    }

    fn end(&self, row: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.ends.read_exact_at(&mut bytes, row * 8)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// A permutation of `0..count`.
struct Order {
    count: u64,
    half_bits: u32,
    keys: [[u8; 32]; 4],
}

impl Order {
    fn new(seed: u64, count: u64) -> Order {
        let bits = u64::BITS - count.saturating_sub(1).leading_zeros();
        let key = |round: u8| {
            let mut hasher = blake3::Hasher::new_derive_key("xhost shuffle v1");
            *hasher
                .update(&seed.to_le_bytes())
                .update(&[round])
                .finalize()
                .as_bytes()
        };
        Order {
            count,
            half_bits: bits.div_ceil(2).max(1),
            keys: [key(0), key(1), key(2), key(3)],
        }
    }

    fn at(&self, place: u64) -> u64 {
        let mut number = place;
        loop {
            number = self.feistel(number);
            if number < self.count {
                return number;
            }
        }
    }

    fn feistel(&self, number: u64) -> u64 {
        let mask = (1_u64 << self.half_bits) - 1;
        let (mut left, mut right) = (number >> self.half_bits, number & mask);
        for key in &self.keys {
            let mixed = blake3::keyed_hash(key, &right.to_le_bytes());
            let mixed =
                u64::from_le_bytes(std::array::from_fn(|index| mixed.as_bytes()[index])) & mask;
            (left, right) = (right, left ^ mixed);
        }
        left << self.half_bits | right
    }
}

#[cfg(test)]
mod tests {
    use super::Order;

    #[test]
    fn every_row_comes_exactly_once() {
        for count in [1, 2, 3, 5, 64, 65, 1_000] {
            let order = Order::new(7, count);
            let mut seen: Vec<u64> = (0..count).map(|place| order.at(place)).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..count).collect::<Vec<u64>>());
        }
    }

    #[test]
    fn the_order_of_a_seed_never_changes() {
        let first = |seed| {
            (0..10)
                .map(|place| Order::new(seed, 1_000).at(place))
                .collect::<Vec<u64>>()
        };
        assert_eq!(first(42), GOLDEN);
        assert_ne!(first(43), GOLDEN);
    }

    const GOLDEN: [u64; 10] = [926, 419, 90, 449, 555, 479, 689, 732, 566, 326];
}
