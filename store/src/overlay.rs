//! A storage that keeps what is written to it in memory, over one that is only read: a damaged file can be looked at with
//! redb's own repairs, and stays what it is.

use redb::{BackendError, StorageBackend};
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

/// What is kept at once. redb writes whole pages, and few of them while it only looks.
const CHUNK: u64 = 4_096;

#[derive(Debug)]
pub(crate) struct Overlay<B> {
    below: B,
    over: Mutex<Over>,
}

#[derive(Debug)]
struct Over {
    length: u64,
    /// What of the storage below still counts: a storage that was shortened and grows again has zeros there.
    below: u64,
    chunks: BTreeMap<u64, Box<[u8]>>,
}

impl<B: StorageBackend> Overlay<B> {
    pub(crate) fn new(below: B) -> io::Result<Overlay<B>> {
        let length = below.len()?;
        let over = Over {
            length,
            below: length,
            chunks: BTreeMap::new(),
        };
        Ok(Overlay {
            below,
            over: Mutex::new(over),
        })
    }

    fn chunk(&self, over: &Over, number: u64) -> io::Result<Box<[u8]>> {
        if let Some(chunk) = over.chunks.get(&number) {
            return Ok(chunk.clone());
        }
        let mut chunk = vec![0; CHUNK as usize].into_boxed_slice();
        let there = over.below.saturating_sub(number * CHUNK).min(CHUNK) as usize;
        if there > 0 {
            self.below.read(number * CHUNK, &mut chunk[..there])?;
        }
        Ok(chunk)
    }

    /// The parts of a range that lie in one chunk each: its number, where in it, and where in the range.
    fn parts(
        offset: u64,
        length: usize,
    ) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
        let mut done = 0;
        std::iter::from_fn(move || {
            let at = offset + done as u64;
            let within = (at % CHUNK) as usize;
            let size = (CHUNK as usize - within).min(length - done);
            let part = done..done + size;
            done += size;
            (size > 0).then_some((at / CHUNK, within, part))
        })
    }
}

impl<B: StorageBackend> StorageBackend for Overlay<B> {
    fn len(&self) -> io::Result<u64> {
        Ok(self
            .over
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        if offset.saturating_add(out.len() as u64) > over.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (number, within, part) in Self::parts(offset, out.len()) {
            let size = part.len();
            out[part].copy_from_slice(&self.chunk(&over, number)?[within..within + size]);
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        if length < over.length {
            over.below = over.below.min(length);
            let last = length / CHUNK;
            if let Some(chunk) = over.chunks.get_mut(&last) {
                chunk[(length % CHUNK) as usize..].fill(0);
            }
            let _ = over.chunks.split_off(&(length.div_ceil(CHUNK)));
        }
        over.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, within, part) in Self::parts(offset, data.len()) {
            let mut chunk = self.chunk(&over, number)?;
            chunk[within..within + part.len()].copy_from_slice(&data[part]);
            over.chunks.insert(number, chunk);
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.below.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.below.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.query_lock_range(start, end)
    }
}
