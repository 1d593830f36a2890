//! A file that is compared before it is written: as long as what is appended equals what is there, nothing changes; at the
//! first difference the rest is cut off and replaced. So the same run again rewrites nothing, and a run that is resumed
//! never holds less than the one before.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

pub(super) struct Extend {
    file: File,
    state: State,
}

enum State {
    /// Everything so far equals what was there, up to this position.
    Comparing { old: BufReader<File>, position: u64 },
    /// From here on it is new.
    Writing(BufWriter<File>),
}

impl Extend {
    pub(super) fn open(path: &Path) -> io::Result<Extend> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let old = BufReader::with_capacity(64 << 10, File::open(path)?);
        Ok(Extend {
            file,
            state: State::Comparing { old, position: 0 },
        })
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let State::Comparing { old, position } = &mut self.state {
            if continues_with(old, bytes)? {
                *position += bytes.len() as u64;
                return Ok(());
            }
            let position = *position;
            self.write_from(position)?;
        }
        match &mut self.state {
            State::Writing(new) => new.write_all(bytes),
            State::Comparing { .. } => {
                Err(io::Error::other("the file was just opened for writing"))
            }
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Writing(new) => new.flush(),
            State::Comparing { .. } => Ok(()),
        }
    }

    /// Cuts off what an earlier, longer run left, and waits for the disk.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if let State::Comparing { position, .. } = self.state {
            self.file.set_len(position)?;
        }
        self.flush()?;
        self.file.sync_data()
    }

    fn write_from(&mut self, position: u64) -> io::Result<()> {
        use std::io::Seek;
        self.file.set_len(position)?;
        let mut new = self.file.try_clone()?;
        new.seek(io::SeekFrom::Start(position))?;
        self.state = State::Writing(BufWriter::with_capacity(64 << 10, new));
        Ok(())
    }
}

/// Whether the next bytes of the old file are these.
fn continues_with(old: &mut BufReader<File>, mut bytes: &[u8]) -> io::Result<bool> {
    let mut chunk = [0; 4_096];
    while !bytes.is_empty() {
        let length = bytes.len().min(chunk.len());
        match old.read_exact(&mut chunk[..length]) {
            Ok(()) if chunk[..length] == bytes[..length] => bytes = &bytes[length..],
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
