//! Requests that wait for a batch, on disk: written at the end, read from the front. Private to the process that made it;
//! after a crash its requests are made anew from their trials.
//!
//! ```text
//! record: digest, 32 bytes | length of the path, u32 | length of the body, u32 | most tokens of the answer, u64; all ones
//!         for none | path | body                                                                   (little-endian)
//! ```

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use xhost_store::Digest;

const HEADER: u64 = 48;

/// The file.
pub(super) struct Spool {
    writer: io::BufWriter<File>,
    reader: File,
    written: u64,
    read: u64,
    waiting: u64,
}

/// A request that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub digest: Digest,
    pub path: String,
    pub body: String,
    /// The most tokens of its answer, where the request says so.
    pub most_output: Option<u64>,
}

impl Waiting {
    fn bytes(&self) -> u64 {
        HEADER + (self.path.len() + self.body.len()) as u64
    }
}

impl Spool {
    /// A file without a name: nobody else needs one, and a killed process leaves nothing behind.
    pub fn create(folder: &Path) -> io::Result<Spool> {
        let (file, path) = tempfile::NamedTempFile::new_in(folder)?.into_parts();
        let reader = File::open(&path)?;
        path.close()?;
        Ok(Spool {
            writer: io::BufWriter::new(file),
            reader,
            written: 0,
            read: 0,
            waiting: 0,
        })
    }

    /// How many wait.
    pub fn len(&self) -> u64 {
        self.waiting
    }

    pub fn push(
        &mut self,
        digest: &Digest,
        (path, body): (&str, &[u8]),
        most_output: Option<u64>,
    ) -> io::Result<()> {
        let length = |bytes: usize| {
            u32::try_from(bytes).map_err(|_| io::Error::other("a request over 4 GiB"))
        };
        self.writer.write_all(digest.as_bytes())?;
        self.writer.write_all(&length(path.len())?.to_le_bytes())?;
        self.writer.write_all(&length(body.len())?.to_le_bytes())?;
        self.writer
            .write_all(&most_output.unwrap_or(u64::MAX).to_le_bytes())?;
        self.writer.write_all(path.as_bytes())?;
        self.writer.write_all(body)?;
        self.written += HEADER + (path.len() + body.len()) as u64;
        self.waiting += 1;
        Ok(())
    }

    /// Up to `most` requests from the front, and no more than about `bytes`.
    pub fn take(&mut self, most: usize, bytes: u64) -> io::Result<Vec<Waiting>> {
        self.writer.flush()?;
        self.reader.seek(SeekFrom::Start(self.read))?;
        let mut reader = io::BufReader::with_capacity(64 << 10, &self.reader);
        let (mut taken, mut size) = (Vec::new(), 0);
        while taken.len() < most && size < bytes && self.read + size < self.written {
            let mut header = [0; HEADER as usize];
            reader.read_exact(&mut header)?;
            let number = |at: usize| {
                u32::from_le_bytes(std::array::from_fn(|index| header[at + index])) as usize
            };
            let mut text = |length: usize| {
                let mut bytes = vec![0; length];
                reader.read_exact(&mut bytes)?;
                String::from_utf8(bytes).map_err(io::Error::other)
            };
            let (path, body) = (text(number(32))?, text(number(36))?);
            let digest = Digest::from_bytes(std::array::from_fn(|index| header[index]));
            let most_output = u64::from_le_bytes(std::array::from_fn(|index| header[40 + index]));
            let waiting = Waiting {
                digest,
                path,
                body,
                most_output: Some(most_output).filter(|most| *most != u64::MAX),
            };
            size += waiting.bytes();
            taken.push(waiting);
        }
        self.read += size;
        self.waiting -= taken.len() as u64;
        if self.waiting == 0 {
            self.rewind()?;
        }
        Ok(taken)
    }

    /// Puts back what was taken, at the end.
    pub fn untake(&mut self, taken: &[Waiting]) -> io::Result<()> {
        for waiting in taken {
            let text = (waiting.path.as_str(), waiting.body.as_bytes());
            self.push(&waiting.digest, text, waiting.most_output)?;
        }
        Ok(())
    }

    /// Forgets everything; what was forgotten.
    pub fn clear(&mut self) -> io::Result<Vec<Digest>> {
        let mut digests = Vec::new();
        while self.waiting > 0 {
            let taken = self.take(1_024, 1 << 20)?;
            digests.extend(taken.iter().map(|waiting| waiting.digest));
        }
        Ok(digests)
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.writer.flush()?;
        self.writer.get_ref().set_len(0)?;
        self.writer.seek(SeekFrom::Start(0))?;
        (self.written, self.read) = (0, 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_back_in_their_order_and_an_empty_spool_takes_no_space() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spool = Spool::create(folder.path()).expect("a file");
        let digest = |number: u8| Digest::from_bytes([number; 32]);
        for number in 0..5 {
            let body = format!("body {number}");
            let most_output = (number > 0).then_some(number.into());
            spool
                .push(&digest(number), ("/p", body.as_bytes()), most_output)
                .expect("room");
        }
        let first = spool.take(2, u64::MAX).expect("readable");
        assert_eq!(first[1].body, "body 1");
        assert_eq!(
            (first[0].most_output, first[1].most_output),
            (None, Some(1))
        );
        let second = spool.take(3, 1).expect("readable");
        assert_eq!((second.len(), spool.len()), (1, 2), "a full portion ends");
        spool.untake(&second).expect("room");
        let rest = spool.take(9, u64::MAX).expect("readable");
        let numbers: Vec<_> = rest.iter().map(|one| one.digest.as_bytes()[0]).collect();
        assert_eq!(numbers, [3, 4, 2]);
        assert_eq!((spool.len(), spool.written), (0, 0));
        spool.untake(&rest[1..]).expect("room");
        assert_eq!(spool.clear().expect("readable"), [digest(4), digest(2)]);
    }
}
