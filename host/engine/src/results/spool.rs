//! Trials whose turn has not come, on disk: `pending.jsonl` holds their lines in the order of completion, `pending.idx`
//! says under each ordinal where the line is. The index is a sparse file, so memory does not grow however far ahead some
//! trials are. A killed run leaves both; the lines are whole JSON and can be read.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Where a waiting line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    offset: u64,
    /// In bytes; 0 for none.
    length: u64,
    /// The trial's digest.
    pub digest: [u8; 32],
}

impl Slot {
    pub const BYTES: usize = 48;

    fn to_bytes(self) -> [u8; Slot::BYTES] {
        let mut bytes = [0; Slot::BYTES];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.length.to_le_bytes());
        bytes[16..].copy_from_slice(&self.digest);
        bytes
    }

    fn from_bytes(bytes: &[u8; Slot::BYTES]) -> Slot {
        let number =
            |from: usize| u64::from_le_bytes(std::array::from_fn(|index| bytes[from + index]));
        Slot {
            offset: number(0),
            length: number(8),
            digest: std::array::from_fn(|index| bytes[16 + index]),
        }
    }
}

/// The two files. They are made when the first trial has to wait.
pub(super) struct Spool {
    lines_path: PathBuf,
    index_path: PathBuf,
    files: Option<Files>,
}

struct Files {
    lines: File,
    index: File,
    end: u64,
    waiting: u64,
    /// No ordinal from here on waits.
    limit: u64,
}

impl Spool {
    /// A spool without trials: those of an earlier run are found again through the store.
    pub(super) fn open(folder: &Path) -> io::Result<Spool> {
        let spool = Spool {
            lines_path: folder.join("pending.jsonl"),
            index_path: folder.join("pending.idx"),
            files: None,
        };
        spool.delete_files()?;
        Ok(spool)
    }

    pub(super) fn put(&mut self, ordinal: u64, line: &[u8], digest: [u8; 32]) -> io::Result<()> {
        let files = self.files()?;
        files.lines.write_all_at(line, files.end)?;
        files
            .lines
            .write_all_at(b"\n", files.end + line.len() as u64)?;
        let slot = Slot {
            offset: files.end,
            length: line.len() as u64,
            digest,
        };
        files
            .index
            .write_all_at(&slot.to_bytes(), position(ordinal))?;
        files.end += slot.length + 1;
        files.waiting += 1;
        files.limit = files.limit.max(ordinal + 1);
        Ok(())
    }

    /// The line that waits under this ordinal; it waits no longer.
    pub(super) fn take(&mut self, ordinal: u64) -> io::Result<Option<(Slot, Vec<u8>)>> {
        let Some(files) = &mut self.files else {
            return Ok(None);
        };
        let Some(slot) = files.slot(ordinal)? else {
            return Ok(None);
        };
        let mut line = vec![0; slot.length as usize];
        files.lines.read_exact_at(&mut line, slot.offset)?;
        files
            .index
            .write_all_at(&[0; Slot::BYTES], position(ordinal))?;
        files.waiting -= 1;
        if files.waiting == 0 {
            files.lines.set_len(0)?;
            files.end = 0;
        }
        Ok(Some((slot, line)))
    }

    /// The first ordinal from `from` on under which a line waits.
    pub(super) fn first_from(&self, from: u64) -> io::Result<Option<u64>> {
        let Some(files) = self.files.as_ref().filter(|files| files.waiting > 0) else {
            return Ok(None);
        };
        for ordinal in from..files.limit {
            if files.slot(ordinal)?.is_some() {
                return Ok(Some(ordinal));
            }
        }
        Ok(None)
    }

    pub(super) fn remove(self) -> io::Result<()> {
        self.delete_files()
    }

    fn files(&mut self) -> io::Result<&mut Files> {
        if self.files.is_none() {
            let open = |path: &Path| {
                OpenOptions::new()
                    .read(true)
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .open(path)
            };
            let (lines, index) = (open(&self.lines_path)?, open(&self.index_path)?);
            self.files = Some(Files {
                lines,
                index,
                end: 0,
                waiting: 0,
                limit: 0,
            });
        }
        self.files
            .as_mut()
            .ok_or_else(|| io::Error::other("the files were just opened"))
    }

    fn delete_files(&self) -> io::Result<()> {
        for path in [&self.lines_path, &self.index_path] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Files {
    fn slot(&self, ordinal: u64) -> io::Result<Option<Slot>> {
        if ordinal >= self.limit {
            return Ok(None);
        }
        let mut bytes = [0; Slot::BYTES];
        self.index.read_exact_at(&mut bytes, position(ordinal))?;
        Ok(Some(Slot::from_bytes(&bytes)).filter(|slot| slot.length > 0))
    }
}

fn position(ordinal: u64) -> u64 {
    ordinal * Slot::BYTES as u64
}
