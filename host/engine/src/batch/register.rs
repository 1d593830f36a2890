//! What is known of each request that the store does not answer, on disk: a million of them take no more memory than ten.
//! Private to the process that made it; after a crash the journal and the trials make it anew.
//!
//! ```text
//! slots: a file of open addressing, never more than half full. A request is in the first free slot from the place on that
//!        its digest says.
//! slot: digest, 32 bytes | kind, u8; 0 where the slot is free | vain batches, u8 | zero, 6 bytes | detail, u64
//! failures: JSON, a line each; `detail` says where one begins         (little-endian)
//! ```

use crate::record::TrialFailure;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use xhost_store::Digest;

const SLOT: usize = 48;

/// Slots of a new file; each larger one has twice as many.
const FIRST_SLOTS: u64 = 1 << 10;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stands {
    /// Nothing of it is under way.
    #[default]
    Closed,
    /// It waits or travels with the account of this number.
    Open(usize),
    /// It is to be sent live.
    Live,
    /// It failed, for a reason that stands at this place.
    Failed(u64),
}

/// What is known of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub stands: Stands,
    /// Batches that it was in without an answer.
    pub attempts: u8,
}

/// The two files.
pub(super) struct Register {
    slots: File,
    capacity: u64,
    used: u64,
    failures: File,
    failures_end: u64,
    folder: std::path::PathBuf,
}

impl Register {
    pub fn create(folder: &Path) -> io::Result<Register> {
        Ok(Register {
            slots: slots(folder, FIRST_SLOTS)?,
            capacity: FIRST_SLOTS,
            used: 0,
            failures: tempfile::tempfile_in(folder)?,
            failures_end: 0,
            folder: folder.into(),
        })
    }

    /// What is known of a request; nothing is known of most.
    pub fn get(&self, digest: &Digest) -> io::Result<Known> {
        let (_, slot) = find(&self.slots, self.capacity, digest)?;
        Ok(slot.map_or_else(Known::default, |slot| decode(&slot)))
    }

    pub fn set(&mut self, digest: &Digest, known: Known) -> io::Result<()> {
        let (place, slot) = find(&self.slots, self.capacity, digest)?;
        self.slots
            .write_all_at(&encode(digest, known), place * SLOT as u64)?;
        self.used += u64::from(slot.is_none());
        if self.used * 2 > self.capacity {
            self.grow()?;
        }
        Ok(())
    }

    /// Writes a failure down, for all requests that it will stand for.
    pub fn failure(&mut self, failure: &TrialFailure) -> io::Result<Stands> {
        let mut line = serde_json::to_vec(failure).map_err(io::Error::other)?;
        line.push(b'\n');
        let place = self.failures_end;
        self.failures.write_all_at(&line, place)?;
        self.failures_end += line.len() as u64;
        Ok(Stands::Failed(place))
    }

    /// The failure that stands at a place.
    pub fn read_failure(&self, place: u64) -> io::Result<TrialFailure> {
        let mut reader = &self.failures;
        reader.seek(SeekFrom::Start(place))?;
        let mut line = Vec::new();
        BufReader::with_capacity(512, reader).read_until(b'\n', &mut line)?;
        serde_json::from_slice(&line).map_err(io::Error::other)
    }

    /// Twice as many slots; those of which nothing is known any more stay behind.
    fn grow(&mut self) -> io::Result<()> {
        let capacity = self.capacity * 2;
        let larger = slots(&self.folder, capacity)?;
        let mut reader = &self.slots;
        reader.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::with_capacity(64 << 10, reader);
        let mut used = 0;
        for _ in 0..self.capacity {
            let mut slot = [0; SLOT];
            reader.read_exact(&mut slot)?;
            if slot[32] == 0 || decode(&slot) == Known::default() {
                continue;
            }
            let digest = Digest::from_bytes(std::array::from_fn(|index| slot[index]));
            let (place, _) = find(&larger, capacity, &digest)?;
            larger.write_all_at(&slot, place * SLOT as u64)?;
            used += 1;
        }
        (self.slots, self.capacity, self.used) = (larger, capacity, used);
        Ok(())
    }
}

/// A sparse file without a name: a killed process leaves nothing behind.
fn slots(folder: &Path, capacity: u64) -> io::Result<File> {
    let file = tempfile::tempfile_in(folder)?;
    file.set_len(capacity * SLOT as u64)?;
    Ok(file)
}

/// Where a request's slot is, or would be.
fn find(slots: &File, capacity: u64, digest: &Digest) -> io::Result<(u64, Option<[u8; SLOT]>)> {
    let bytes = digest.as_bytes();
    let start = u64::from_le_bytes(std::array::from_fn(|index| bytes[index]));
    // Half of the slots are free, so there is an end.
    for step in 0..capacity {
        let place = start.wrapping_add(step) % capacity;
        let mut slot = [0; SLOT];
        slots.read_exact_at(&mut slot, place * SLOT as u64)?;
        if slot[32] == 0 {
            return Ok((place, None));
        }
        if slot[..32] == bytes[..] {
            return Ok((place, Some(slot)));
        }
    }
    Err(io::Error::other("the register is full"))
}

fn encode(digest: &Digest, known: Known) -> [u8; SLOT] {
    let (kind, detail) = match known.stands {
        Stands::Closed => (1, 0),
        Stands::Open(account) => (2, account as u64),
        Stands::Live => (3, 0),
        Stands::Failed(place) => (4, place),
    };
    let mut slot = [0; SLOT];
    slot[..32].copy_from_slice(digest.as_bytes());
    (slot[32], slot[33]) = (kind, known.attempts);
    slot[40..].copy_from_slice(&detail.to_le_bytes());
    slot
}

fn decode(slot: &[u8; SLOT]) -> Known {
    let detail = u64::from_le_bytes(std::array::from_fn(|index| slot[40 + index]));
    let stands = match slot[32] {
        2 => Stands::Open(usize::try_from(detail).unwrap_or(usize::MAX)),
        3 => Stands::Live,
        4 => Stands::Failed(detail),
        _ => Stands::Closed,
    };
    Known {
        stands,
        attempts: slot[33],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Cause;

    fn digest(number: u64) -> Digest {
        Digest::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
    }

    #[test]
    fn what_was_set_last_is_known_however_many_there_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut register = Register::create(folder.path()).expect("a file");
        let known = |number: u64| Known {
            stands: match number % 4 {
                0 => Stands::Closed,
                1 => Stands::Open(number as usize),
                2 => Stands::Live,
                _ => Stands::Failed(number << 30),
            },
            attempts: (number % 3) as u8,
        };
        for number in 0..5_000 {
            let open = Known {
                stands: Stands::Open(7),
                attempts: 0,
            };
            register.set(&digest(number), open).expect("room");
            register.set(&digest(number), known(number)).expect("room");
        }
        for number in 0..5_000 {
            assert_eq!(
                register.get(&digest(number)).expect("readable"),
                known(number)
            );
        }
        assert_eq!(
            register.get(&digest(5_000)).expect("readable"),
            Known::default()
        );
        assert!(register.used < 5_000, "those that are closed stay behind");
    }

    #[test]
    fn digests_that_begin_alike_are_told_apart_round_the_end_of_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut register = Register::create(folder.path()).expect("a file");
        let alike = |number: u8| {
            let mut bytes = [0xff; 32];
            bytes[31] = number;
            Digest::from_bytes(bytes)
        };
        for number in 0..100 {
            let known = Known {
                stands: Stands::Open(number.into()),
                attempts: number,
            };
            register.set(&alike(number), known).expect("room");
        }
        for number in 0..100 {
            let known = register.get(&alike(number)).expect("readable");
            assert_eq!(known.attempts, number);
        }
    }

    #[test]
    fn a_failure_is_read_as_it_was_written_down() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut register = Register::create(folder.path()).expect("a file");
        let failures = ["first", "two\nlines", &"long ".repeat(1_000)]
            .map(|message| TrialFailure::new(Cause::Rejected, message.to_owned()));
        let places = failures
            .each_ref()
            .map(|failure| register.failure(failure).expect("room"));
        for (failure, stands) in failures.iter().zip(places) {
            let Stands::Failed(place) = stands else {
                panic!("{stands:?}")
            };
            assert_eq!(register.read_failure(place).expect("readable"), *failure);
        }
    }
}
