//! Sorting what may not fit into memory: records of one width are sorted in runs, the runs lie in temporary files, and a
//! merge gives all of them in order. Whoever counts, joins or compares rows, requests or answers whose number nobody knows
//! uses it. Memory stays below three MiB and few files are open, whatever the number of records.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

/// Bytes of a run in memory.
const RUN_BYTES: usize = 2 << 20;

/// Runs that are merged into one before there are more, so that open files do not grow with the records.
const FILES: usize = 48;

/// What is read ahead of each run.
const BUFFER: usize = 8 << 10;

/// Records so far, in any order.
pub struct Sorter<const WIDTH: usize> {
    run: Vec<[u8; WIDTH]>,
    files: Vec<File>,
}

impl<const WIDTH: usize> Default for Sorter<WIDTH> {
    fn default() -> Sorter<WIDTH> {
        Sorter {
            run: Vec::new(),
            files: Vec::new(),
        }
    }
}

impl<const WIDTH: usize> Sorter<WIDTH> {
    /// Records of a run in memory.
    pub const RUN: usize = RUN_BYTES / WIDTH;

    /// One more.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn add(&mut self, record: [u8; WIDTH]) -> io::Result<()> {
        self.run.push(record);
        if self.run.len() == Sorter::<WIDTH>::RUN {
            self.put_away()
        } else {
            Ok(())
        }
    }

    fn put_away(&mut self) -> io::Result<()> {
        self.run.sort_unstable();
        self.files.push(written(self.run.drain(..).map(Ok))?);
        if self.files.len() == FILES {
            let files = std::mem::take(&mut self.files);
            self.files
                .push(written(Sorted::<WIDTH>::new(Vec::new(), files)?)?);
        }
        Ok(())
    }

    /// All records in order, equal ones beside each other.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn sorted(mut self) -> io::Result<Sorted<WIDTH>> {
        self.run.sort_unstable();
        Sorted::new(self.run, self.files)
    }
}

fn written<const WIDTH: usize>(
    records: impl Iterator<Item = io::Result<[u8; WIDTH]>>,
) -> io::Result<File> {
    let mut file = BufWriter::with_capacity(64 << 10, tempfile::tempfile()?);
    for record in records {
        file.write_all(&record?)?;
    }
    let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}

type Run<const WIDTH: usize> = Box<dyn Iterator<Item = io::Result<[u8; WIDTH]>> + Send>;

/// The records in order; after an error, none.
pub struct Sorted<const WIDTH: usize> {
    runs: Vec<Run<WIDTH>>,
    heads: BinaryHeap<Reverse<([u8; WIDTH], usize)>>,
}

impl<const WIDTH: usize> Sorted<WIDTH> {
    fn new(in_memory: Vec<[u8; WIDTH]>, files: Vec<File>) -> io::Result<Sorted<WIDTH>> {
        let mut runs: Vec<Run<WIDTH>> = vec![Box::new(in_memory.into_iter().map(Ok))];
        runs.extend(files.into_iter().map(|file| Box::new(read(file)) as Run<_>));
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (index, run) in runs.iter_mut().enumerate() {
            if let Some(record) = run.next().transpose()? {
                heads.push(Reverse((record, index)));
            }
        }
        Ok(Sorted { runs, heads })
    }
}

impl<const WIDTH: usize> Iterator for Sorted<WIDTH> {
    type Item = io::Result<[u8; WIDTH]>;

    fn next(&mut self) -> Option<io::Result<[u8; WIDTH]>> {
        let Reverse((record, index)) = self.heads.pop()?;
        match self.runs[index].next() {
            Some(Ok(next)) => self.heads.push(Reverse((next, index))),
            Some(Err(error)) => {
                self.heads.clear();
                return Some(Err(error));
            }
            None => {}
        }
        Some(Ok(record))
    }
}

fn read<const WIDTH: usize>(file: File) -> impl Iterator<Item = io::Result<[u8; WIDTH]>> {
    let mut reader = BufReader::with_capacity(BUFFER, file);
    std::iter::from_fn(move || {
        let mut record = [0; WIDTH];
        match reader.read_exact(&mut record) {
            Ok(()) => Some(Ok(record)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => Some(Err(error)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{FILES, Sorter};

    /// Wide records make runs short; they pass over the stack.
    const WIDTH: usize = 4 << 10;

    fn record(number: u64) -> [u8; WIDTH] {
        let mut record = [0; WIDTH];
        record[..8].copy_from_slice(&number.to_be_bytes());
        record
    }

    #[test]
    fn records_come_in_order_with_their_twins_beside_them_however_many_runs_there_are() {
        // More runs than are open at once, a part of one in memory.
        let count = (Sorter::<WIDTH>::RUN * (FILES + 3) + 5) as u64;
        let mut sorter = Sorter::<WIDTH>::default();
        for number in 0..count {
            // 7 is prime to the half: each of the half comes twice, in no order.
            let shuffled = number * 7 % (count / 2);
            sorter.add(record(shuffled)).expect("room");
            assert!(sorter.files.len() < FILES);
        }
        let sorted = sorter.sorted().expect("they are merged");
        let mut numbers = Vec::new();
        for record in sorted {
            let record = record.expect("it is read");
            numbers.push(u64::from_be_bytes(std::array::from_fn(|at| record[at])));
        }
        assert!(numbers.is_sorted());
        assert_eq!(numbers.len() as u64, count);
        numbers.dedup();
        assert_eq!(numbers.len() as u64, count / 2);
    }
}
