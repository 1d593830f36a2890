//! The log: a file beside the store that makes small commits durable with one write and one sync, where redb needs two syncs
//! and several pages. Its rows are in redb's memory meanwhile, so that reads know nothing of it; redb makes them durable
//! when the log is full, before a large commit, and when the store is closed, which removes the file.
//!
//! ```text
//! block 0    "xhostlog" | version: u32 | id: 16 bytes, which meta-1 has too while the log is in use | zeros
//! then       frames, each from the start of a block, so that writing one never touches the bytes of another:
//!            number: u64 | length of the rows: u32 | check: 16 bytes | rows, see `rows` | zeros to the end of the block
//! then       a block of zeros, unless the file ends; what stands after it is left from before
//! check is the start of blake3, keyed by derive_key("xhost 2026-11 log v1") of the id, over number, length and rows
//! ```
//!
//! Frames are numbered on for ever. meta-1 says up to which number the tables have them (`logged`), and the next one stands
//! in block 1: so after a crash exactly those that are missing are found. A frame is written when the one before it is
//! durable; so one that does not fit its check is a crash's if it is the last, and damage if whole ones come after it.
//! The key keeps a provider, who knows no id, from sending an answer that could be taken for a frame.

use redb::StorageBackend;
use std::io;
use std::sync::Arc;

/// What a page of memory, a sector and a write to the file system all divide.
const BLOCK: usize = 4_096;

/// With the header. What is in the log is put into the tables at the next start, so it bounds how long that takes: 256 KiB
/// hold some 500 short answers.
const BLOCKS: u64 = 64;

/// A commit with more rows goes into the tables at once, where so many share the two syncs.
pub(crate) const ROWS_LIMIT: usize = 16 << 10;

const MAGIC: [u8; 8] = *b"xhostlog";
const VERSION: u32 = 1;
const HEADER: usize = 28;

/// Tells a log from every other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogId(pub(crate) [u8; 16]);

impl LogId {
    /// An id from words that no other log was made from.
    pub(crate) fn derive(words: &[u8]) -> LogId {
        let id = blake3::derive_key("xhost 2026-11 log id v1", words);
        LogId(std::array::from_fn(|n| id[n]))
    }
}

/// A log that is written to.
pub(crate) struct Log {
    storage: Arc<dyn StorageBackend>,
    id: LogId,
    /// The number of the last frame.
    last: u64,
    /// The block of the next frame.
    at: u64,
}

/// What stands in a log after what the tables have.
pub(crate) struct Contents {
    /// The rows of each frame, in their order.
    pub(crate) frames: Vec<Vec<u8>>,
    /// Frames are missing that whole ones follow.
    pub(crate) damaged: bool,
    /// Something that is no whole frame comes last.
    pub(crate) torn: bool,
    /// To write on.
    pub(crate) log: Log,
}

impl Log {
    /// Makes the storage a log, durably, after frames up to number `last`.
    pub(crate) fn begin(storage: Arc<dyn StorageBackend>, id: LogId, last: u64) -> io::Result<Log> {
        // Zeros are written, and not left to the file system, so that no frame needs more than its own bytes to be synced.
        let mut bytes = vec![0; BLOCK * BLOCKS as usize];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..28].copy_from_slice(&id.0);
        storage.set_len(bytes.len() as u64)?;
        storage.write(0, &bytes)?;
        storage.sync_data()?;
        Ok(Log {
            storage,
            id,
            last,
            at: 1,
        })
    }

    /// Adds a frame and waits until it is on disk; whether it had room. After an error nothing more may be added.
    pub(crate) fn append(&mut self, rows: &[u8]) -> io::Result<bool> {
        let blocks = (HEADER + rows.len()).div_ceil(BLOCK) as u64;
        if self.at + blocks > BLOCKS {
            return Ok(false);
        }
        let end = (self.at + blocks + 1).min(BLOCKS);
        let mut bytes = Vec::with_capacity((end - self.at) as usize * BLOCK);
        let number = self.last + 1;
        bytes.extend(number.to_le_bytes());
        bytes.extend((rows.len() as u32).to_le_bytes());
        bytes.extend(check(self.id, number, rows));
        bytes.extend(rows);
        bytes.resize((end - self.at) as usize * BLOCK, 0);
        self.storage.write(self.at * BLOCK as u64, &bytes)?;
        self.storage.sync_data()?;
        self.last = number;
        self.at += blocks;
        Ok(true)
    }

    /// The tables have all of it, durably.
    pub(crate) fn emptied(&mut self) {
        self.at = 1;
    }

    pub(crate) fn id(&self) -> LogId {
        self.id
    }

    pub(crate) fn last(&self) -> u64 {
        self.last
    }
}

/// Reads the log with this id, from the frame after number `logged`; nothing where the storage is no such log.
pub(crate) fn read(
    storage: Arc<dyn StorageBackend>,
    id: LogId,
    logged: u64,
) -> io::Result<Option<Contents>> {
    let mut bytes = vec![0; BLOCK * BLOCKS as usize];
    if storage.len()? < bytes.len() as u64 {
        return Ok(None);
    }
    storage.read(0, &mut bytes)?;
    if bytes[..8] != MAGIC || bytes[8..12] != VERSION.to_le_bytes() || bytes[12..28] != id.0 {
        return Ok(None);
    }
    let mut contents = Contents {
        frames: Vec::new(),
        damaged: false,
        torn: false,
        log: Log {
            storage,
            id,
            last: logged,
            at: 1,
        },
    };
    contents.find(&bytes);
    Ok(Some(contents))
}

impl Contents {
    fn find(&mut self, bytes: &[u8]) {
        let mut block = 1;
        while block < BLOCKS {
            let rest = &bytes[block as usize * BLOCK..];
            match frame(self.log.id, rest) {
                Some((number, rows)) if number > self.log.last => {
                    self.damaged |= number != self.log.last + 1;
                    self.frames.push(rows.to_vec());
                    block += (HEADER + rows.len()).div_ceil(BLOCK) as u64;
                    self.log.last = number;
                    self.log.at = block;
                    self.torn = false;
                }
                // What follows is left from before, and looked at only for what is newer than that.
                found => {
                    let here = block == self.log.at;
                    self.torn |=
                        here && found.is_none() && rest[..HEADER].iter().any(|byte| *byte != 0);
                    block += 1;
                }
            }
        }
    }
}

/// The frame that begins here, if one does.
fn frame(id: LogId, bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
    let number = u64::from_le_bytes(std::array::from_fn(|n| header[n]));
    let length = u32::from_le_bytes(std::array::from_fn(|n| header[8 + n]));
    let rows = rest.get(..usize::try_from(length).ok()?)?;
    (number > 0 && header[12..] == check(id, number, rows)).then_some((number, rows))
}

fn check(id: LogId, number: u64, rows: &[u8]) -> [u8; 16] {
    let key = blake3::derive_key("xhost 2026-11 log v1", &id.0);
    let mut hasher = blake3::Hasher::new_keyed(&key);
    hasher
        .update(&number.to_le_bytes())
        .update(&(rows.len() as u32).to_le_bytes())
        .update(rows);
    let hash = hasher.finalize();
    std::array::from_fn(|n| hash.as_bytes()[n])
}
