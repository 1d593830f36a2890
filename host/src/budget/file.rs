//! What a run has spent, on disk, in a file whose size follows the calls in flight: a head with the sum, and a slot for
//! each call that left and whose cost is not known yet. A slot is written before its call leaves, so whatever ends this
//! process, the next one finds every call that may have been paid for. What is in a slot then counts as spent.
//!
//! Against a power cut, which may take back what was written last, the head also holds a bound that is on the disk for
//! certain: nothing leaves beyond it. It counts when the machine was started anew since the file was last written.

use super::book::Amount;
use crate::prices::Money;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Names the format and its version.
const MAGIC: &[u8; 16] = b"xhost spend v1\0\0";
/// Magic, the machine's start, the sum, the bound: 16 bytes, 16, 24, 24.
const HEAD: usize = 80;
/// Whether it is taken, and an amount: 8 bytes, 24.
const SLOT: usize = 32;
/// Slots begin here; the head may grow.
const SLOTS_AT: u64 = 128;
/// More calls than this are never in flight.
const MOST_SLOTS: u64 = 1 << 20;

/// The file of a run.
#[derive(Debug)]
pub(super) struct SpendFile {
    file: File,
    boot: [u8; 16],
    sum: Amount,
    bound: Amount,
    /// The amount in each slot that is taken.
    slots: Vec<Option<Amount>>,
}

impl SpendFile {
    /// Opens the file, and counts as spent what earlier processes left open. `boot` tells starts of the machine apart.
    pub(super) fn open(path: &Path, boot: [u8; 16]) -> io::Result<SpendFile> {
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(path)?;
        let length = file.metadata()?.len();
        let mut head = [0; HEAD];
        if length >= HEAD as u64 {
            file.read_exact_at(&mut head, 0)?;
        } else if length > 0 {
            // Made, and then the power was cut: nothing had left.
            file.set_len(0)?;
        }
        let is_new = head == [0; HEAD];
        if !is_new && head[..16] != *MAGIC {
            return Err(io::Error::other(
                "it is not a file of what a run spent, or one of a newer version",
            ));
        }
        let mut sum = amount(&head[32..56]);
        if !is_new && head[16..32] != boot {
            sum = sum.max(amount(&head[56..80]));
        }
        let count = length.saturating_sub(SLOTS_AT) / SLOT as u64;
        for slot in 0..count.min(MOST_SLOTS) {
            let mut bytes = [0; SLOT];
            file.read_exact_at(&mut bytes, place(slot as usize))?;
            if bytes[0] == 1 {
                sum = sum.plus(amount(&bytes[8..]));
            }
        }
        let spend = SpendFile {
            file,
            boot,
            sum,
            bound: sum,
            slots: Vec::new(),
        };
        // The sum first: between the two writes a call counts twice, which is too much rather than too little.
        spend.write_head()?;
        spend.file.sync_data()?;
        spend.file.set_len(SLOTS_AT)?;
        spend.file.sync_data()?;
        Ok(spend)
    }

    /// What was spent.
    pub(super) fn sum(&self) -> Amount {
        self.sum
    }

    /// Makes certain that what is committed, `more` and a further `slack` are within the bound on the disk. What has no
    /// slack has no limit, and no bound. Whether the disk had to be waited for.
    pub(super) fn bound(&mut self, more: Amount, slack: Amount) -> io::Result<bool> {
        let open = self
            .slots
            .iter()
            .flatten()
            .fold(self.sum, |sum, amount| sum.plus(*amount));
        let needed = open.plus(more).only_where(slack);
        if needed.max(self.bound) == self.bound {
            return Ok(false);
        }
        self.bound = needed.plus(slack).max(self.bound);
        self.write_head()?;
        self.file.sync_data()?;
        Ok(true)
    }

    /// Notes a call that is about to leave.
    pub(super) fn take(&mut self, most: Amount) -> io::Result<usize> {
        let free = self.slots.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let mut bytes = [0; SLOT];
        bytes[0] = 1;
        bytes[8..].copy_from_slice(&amount_bytes(most));
        self.file.write_all_at(&bytes, place(slot))?;
        self.slots[slot] = Some(most);
        Ok(slot)
    }

    /// Notes what the call of a slot cost. The sum first, as in `open`.
    pub(super) fn settle(&mut self, slot: usize, cost: Amount) -> io::Result<()> {
        self.sum = self.sum.plus(cost);
        if cost != Amount::default() {
            self.write_head()?;
        }
        self.slots[slot] = None;
        self.file.write_all_at(&[0; SLOT], place(slot))
    }

    /// Puts everything on the disk, and takes the bound back to what is committed.
    pub(super) fn close(&mut self) -> io::Result<()> {
        self.bound = self
            .slots
            .iter()
            .flatten()
            .fold(self.sum, |sum, amount| sum.plus(*amount));
        self.write_head()?;
        self.file.sync_data()
    }

    fn write_head(&self) -> io::Result<()> {
        let mut head = [0; HEAD];
        head[..16].copy_from_slice(MAGIC);
        head[16..32].copy_from_slice(&self.boot);
        head[32..56].copy_from_slice(&amount_bytes(self.sum));
        head[56..80].copy_from_slice(&amount_bytes(self.bound));
        self.file.write_all_at(&head, 0)
    }
}

fn place(slot: usize) -> u64 {
    SLOTS_AT + (slot * SLOT) as u64
}

fn amount_bytes(amount: Amount) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&amount.money.0.to_be_bytes());
    bytes[8..16].copy_from_slice(&amount.tokens.to_be_bytes());
    bytes[16..].copy_from_slice(&amount.unpriced.to_be_bytes());
    bytes
}

fn amount(bytes: &[u8]) -> Amount {
    let number = |at: usize| {
        u64::from_be_bytes(std::array::from_fn(|index| {
            bytes.get(at + index).copied().unwrap_or(0)
        }))
    };
    Amount {
        money: Money(number(0)),
        tokens: number(8),
        unpriced: number(16),
    }
}
