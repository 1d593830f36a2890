//! What a run has spent, on disk, in a file whose size follows the calls in flight: a head, a sum for each config, and a slot
//! for each call that left and whose cost is not known yet. A slot is written before its call leaves, so whatever ends this
//! process, the next one finds every call that may have been paid for. What is in a slot then counts as spent.
//!
//! What a run spent is the sum over its configs, and what no config asked for: one number, which cannot contradict itself.
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
const MAGIC: &[u8; 16] = b"xhost spend v2\0\0";
/// The version before: no sums of configs, its slots where they begin here.
const MAGIC_1: &[u8; 16] = b"xhost spend v1\0\0";
/// Magic, the machine's start, what no config asked for, the bound, how many configs there are: 16 bytes, 16, 24, 24, 4.
const HEAD: usize = 84;
/// Sums begin here; the head may grow.
const SUMS_AT: usize = 128;
/// An amount.
const SUM: usize = 24;
/// Whether it is taken, whose it is, and an amount: 4 bytes, 4, 24.
const SLOT: usize = 32;
/// More calls than this are never in flight.
const MOST_SLOTS: u64 = 1 << 20;
/// More configs than this are no sweep, but a damaged file.
const MOST_CONFIGS: u32 = 1 << 24;

/// The file of a run.
#[derive(Debug)]
pub(super) struct SpendFile {
    file: File,
    boot: [u8; 16],
    /// What no config asked for: what a version before did not tell apart, and what a power cut may have taken back.
    rest: Amount,
    /// What the calls of each config cost.
    configs: Vec<Amount>,
    /// Of all, `rest` and `configs`.
    sum: Amount,
    bound: Amount,
    /// The config and the amount in each slot that is taken.
    slots: Vec<Option<(usize, Amount)>>,
}

impl SpendFile {
    /// Opens the file, and counts as spent what earlier processes left open. `boot` tells starts of the machine apart;
    /// `configs` is how many the run has at least.
    pub(super) fn open(path: &Path, boot: [u8; 16], configs: usize) -> io::Result<SpendFile> {
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(path)?;
        let mut spend = SpendFile {
            file,
            boot,
            rest: Amount::default(),
            configs: vec![Amount::default(); configs],
            sum: Amount::default(),
            bound: Amount::default(),
            slots: Vec::new(),
        };
        spend.read()?;
        spend.bound = spend.sum;
        // The sums first: between the two writes a call counts twice, which is too much rather than too little.
        spend.write_sums()?;
        spend.file.sync_data()?;
        spend.file.set_len(spend.place(0))?;
        spend.file.sync_data()?;
        Ok(spend)
    }

    fn read(&mut self) -> io::Result<()> {
        let mut head = [0; HEAD];
        let length = self.file.metadata()?.len();
        if length >= HEAD as u64 - 4 {
            let known = HEAD.min(length as usize);
            self.file.read_exact_at(&mut head[..known], 0)?;
        } else if length > 0 {
            // Made, and then the power was cut: nothing had left.
            self.file.set_len(0)?;
        }
        if head == [0; HEAD] {
            return Ok(());
        }
        self.add(None, amount(&head[32..56]));
        let configs = match &head[..16] {
            magic if magic == MAGIC => u32::from_be_bytes(std::array::from_fn(|at| head[80 + at])),
            magic if magic == MAGIC_1 => 0,
            _ => return Err(io::Error::other(NONE)),
        };
        if configs > MOST_CONFIGS {
            return Err(io::Error::other(NONE));
        }
        // Whoever does not know how many there are keeps what is there.
        let written = length.saturating_sub(SUMS_AT as u64).div_ceil(SUM as u64);
        let there = (configs as usize).min(written as usize);
        let most = there.max(self.configs.len());
        self.configs.resize(most, Amount::default());
        // Beyond the file's end there is nothing, whatever a damaged head says.
        for config in 0..there {
            let mut bytes = [0; SUM];
            read_at_most(&self.file, &mut bytes, (SUMS_AT + config * SUM) as u64)?;
            self.add(Some(config), amount(&bytes));
        }
        if head[16..32] != self.boot {
            let cut = amount(&head[56..80]).minus(self.sum);
            self.add(None, cut);
        }
        self.read_slots(length, slots_at(configs as usize))?;
        if head[..16] == *MAGIC_1 {
            self.leave_version_1(&mut head)?;
        }
        Ok(())
    }

    /// What earlier processes left open.
    fn read_slots(&mut self, length: u64, from: u64) -> io::Result<()> {
        let count = length.saturating_sub(from) / SLOT as u64;
        for slot in 0..count.min(MOST_SLOTS) {
            let mut bytes = [0; SLOT];
            self.file
                .read_exact_at(&mut bytes, from + slot * SLOT as u64)?;
            if bytes[0] == 1 {
                let config = u32::from_be_bytes(std::array::from_fn(|at| bytes[4 + at]));
                self.add(Some(config as usize), amount(&bytes[8..]));
            }
        }
        Ok(())
    }

    /// In its own form first, without slots: sums will stand where they stood.
    fn leave_version_1(&mut self, head: &mut [u8; HEAD]) -> io::Result<()> {
        self.rest = self.sum;
        self.configs.fill(Amount::default());
        head[16..32].copy_from_slice(&self.boot);
        head[32..56].copy_from_slice(&amount_bytes(self.sum));
        head[56..80].copy_from_slice(&amount_bytes(self.sum));
        self.file.write_all_at(&head[..HEAD - 4], 0)?;
        self.file.sync_data()?;
        self.file.set_len(slots_at(0))?;
        self.file.sync_data()
    }

    fn add(&mut self, config: Option<usize>, cost: Amount) {
        let known = config.and_then(|config| self.configs.get_mut(config));
        let part = known.unwrap_or(&mut self.rest);
        *part = part.plus(cost);
        self.sum = self.sum.plus(cost);
    }

    /// What was spent.
    pub(super) fn sum(&self) -> Amount {
        self.sum
    }

    /// What the calls of each config cost.
    pub(super) fn configs(&self) -> &[Amount] {
        &self.configs
    }

    /// Makes certain that what is committed, `more` and a further `slack` are within the bound on the disk. What has no
    /// slack has no limit, and no bound. Whether the disk had to be waited for.
    pub(super) fn bound(&mut self, more: Amount, slack: Amount) -> io::Result<bool> {
        if slack == Amount::default() {
            return Ok(false);
        }
        let needed = self.committed().plus(more).only_where(slack);
        if needed.max(self.bound) == self.bound {
            return Ok(false);
        }
        self.bound = needed.plus(slack).max(self.bound);
        self.write_head()?;
        self.file.sync_data()?;
        Ok(true)
    }

    fn committed(&self) -> Amount {
        let open = self.slots.iter().flatten();
        open.fold(self.sum, |sum, (_, amount)| sum.plus(*amount))
    }

    /// Notes a call of a config that is about to leave.
    pub(super) fn take(&mut self, config: usize, most: Amount) -> io::Result<usize> {
        let free = self.slots.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let mut bytes = [0; SLOT];
        bytes[0] = 1;
        bytes[4..8].copy_from_slice(&u32::try_from(config).unwrap_or(u32::MAX).to_be_bytes());
        bytes[8..].copy_from_slice(&amount_bytes(most));
        self.file.write_all_at(&bytes, self.place(slot))?;
        self.slots[slot] = Some((config, most));
        Ok(slot)
    }

    /// Notes what the call of a slot cost. The sum first, as in `open`.
    pub(super) fn settle(&mut self, slot: usize, cost: Amount) -> io::Result<()> {
        let Some((config, _)) = self.slots[slot].take() else {
            return Ok(());
        };
        self.add(Some(config), cost);
        if cost != Amount::default() {
            self.write_sum(config)?;
        }
        self.file.write_all_at(&[0; SLOT], self.place(slot))
    }

    /// Puts everything on the disk, and takes the bound back to what is committed.
    pub(super) fn close(&mut self) -> io::Result<()> {
        self.bound = self.committed();
        self.write_head()?;
        self.file.sync_data()
    }

    fn write_head(&self) -> io::Result<()> {
        self.file.write_all_at(&self.head(), 0)
    }

    /// The config's, or the head's.
    fn write_sum(&self, config: usize) -> io::Result<()> {
        match self.configs.get(config) {
            Some(sum) => self
                .file
                .write_all_at(&amount_bytes(*sum), (SUMS_AT + config * SUM) as u64),
            None => self.write_head(),
        }
    }

    /// All of them in one write.
    fn write_sums(&self) -> io::Result<()> {
        let mut bytes = self.head().to_vec();
        bytes.resize(SUMS_AT, 0);
        bytes.extend(self.configs.iter().flat_map(|sum| amount_bytes(*sum)));
        self.file.write_all_at(&bytes, 0)
    }

    fn head(&self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[..16].copy_from_slice(MAGIC);
        head[16..32].copy_from_slice(&self.boot);
        head[32..56].copy_from_slice(&amount_bytes(self.rest));
        head[56..80].copy_from_slice(&amount_bytes(self.bound));
        head[80..].copy_from_slice(&(self.configs.len() as u32).to_be_bytes());
        head
    }

    fn place(&self, slot: usize) -> u64 {
        slots_at(self.configs.len()) + (slot * SLOT) as u64
    }
}

const NONE: &str = "it is not a file of what a run spent, or one of a newer version";

fn slots_at(configs: usize) -> u64 {
    (SUMS_AT + configs * SUM) as u64
}

/// What lies behind the end was never written, and is nothing.
fn read_at_most(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    match file.read_exact_at(bytes, at) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            bytes.fill(0);
            Ok(())
        }
        other => other,
    }
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
