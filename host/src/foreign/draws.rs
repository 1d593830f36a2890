//! Equal requests of a file that says nothing of epochs: the k-th of them is draw k, in the order of the file. What was
//! found waits in a spool, its digests are sorted on disk, so that memory does not grow with the file.

use crate::sort::{Sorted, Sorter};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use xhost_store::{Entry, Stored, StoredRequest, parse_line, write_line};

/// digest 32 | order u64 | offset u64 | length u32, big-endian.
const WIDTH: usize = 52;

/// What was found, as first draws.
pub(super) struct Draws {
    spool: BufWriter<File>,
    end: u64,
    sorter: Sorter<WIDTH>,
}

impl Draws {
    /// The spool lies beside the store: there is room for what will be in it.
    pub(super) fn beside(folder: &Path) -> io::Result<Draws> {
        Ok(Draws {
            spool: BufWriter::new(tempfile::tempfile_in(folder)?),
            end: 0,
            sorter: Sorter::default(),
        })
    }

    /// Takes an answer, under its request's first draw.
    pub(super) fn add(&mut self, order: u64, found: &Stored) -> io::Result<()> {
        let line = write_line(found);
        self.spool.write_all(&line)?;
        let mut record = [0; WIDTH];
        record[..32].copy_from_slice(found.digest.as_bytes());
        record[32..40].copy_from_slice(&order.to_be_bytes());
        record[40..48].copy_from_slice(&self.end.to_be_bytes());
        let length = u32::try_from(line.len()).map_err(io::Error::other)?;
        record[48..].copy_from_slice(&length.to_be_bytes());
        self.end += line.len() as u64;
        self.sorter.add(record)
    }

    /// All answers, each under its own draw; the first ones have this epoch.
    pub(super) fn numbered(self, first_epoch: u32) -> io::Result<Numbered> {
        let spool = self.spool.into_inner();
        Ok(Numbered {
            spool: spool.map_err(io::IntoInnerError::into_error)?,
            sorted: self.sorter.sorted()?,
            last: None,
            first_epoch,
            epoch: first_epoch,
        })
    }
}

/// Answers under their draws.
pub(super) struct Numbered {
    spool: File,
    sorted: Sorted<WIDTH>,
    last: Option<[u8; 32]>,
    first_epoch: u32,
    epoch: u32,
}

impl Numbered {
    fn entry(&mut self, record: &[u8; WIDTH]) -> io::Result<Entry> {
        let digest: [u8; 32] = std::array::from_fn(|at| record[at]);
        self.epoch = match self.last.replace(digest) == Some(digest) {
            true => self.epoch.saturating_add(1),
            false => self.first_epoch,
        };
        let offset = u64::from_be_bytes(std::array::from_fn(|at| record[40 + at]));
        let length = u32::from_be_bytes(std::array::from_fn(|at| record[48 + at]));
        let mut line = vec![0; length as usize];
        self.spool.read_exact_at(&mut line, offset)?;
        let entry = parse_line(&line).map_err(io::Error::other)?;
        as_epoch(entry, self.epoch).ok_or_else(|| io::Error::other("a request is none"))
    }
}

impl Iterator for Numbered {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<io::Result<Entry>> {
        let record = self.sorted.next()?;
        Some(record.and_then(|record| self.entry(&record)))
    }
}

/// The same answer to another draw of its request.
fn as_epoch(entry: Entry, epoch: u32) -> Option<Entry> {
    let bytes = entry.request.as_ref()?;
    let mut request = StoredRequest::from_bytes(&entry.digest, bytes).ok()?;
    request.epoch = epoch;
    let sent = request.sent();
    Some(Entry {
        digest: sent.digest(),
        request: Some(sent.to_bytes().into()),
        ..entry
    })
}

#[cfg(test)]
mod tests {
    use super::Draws;
    use bytes::Bytes;
    use xhost_store::{Answer, Sent, Stored, StoredRequest};

    fn sent(body: &[u8], epoch: u32) -> Sent<'_> {
        Sent {
            endpoint: "https://api.example",
            method: "POST",
            target: "/v1",
            headers: &[],
            body,
            epoch,
            repeat: 0,
            salt: "",
        }
    }

    fn stored(body: &[u8], answer: &str) -> Stored {
        let sent = sent(body, 1);
        Stored {
            digest: sent.digest(),
            answer: Answer {
                body: Bytes::copy_from_slice(answer.as_bytes()),
                status: 200,
                api: "a".into(),
                model: "m".into(),
                headers: Vec::new(),
                created_ms: 1,
                latency_ms: 2,
            },
            request: Some(sent.to_bytes().into()),
        }
    }

    #[test]
    fn equal_requests_are_draws_in_the_order_of_the_file_whenever_they_are_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut draws = Draws::beside(folder.path()).expect("a spool");
        for (order, body, answer) in [
            (9, "x", "x9"),
            (2, "y", "y2"),
            (4, "x", "x4"),
            (7, "x", "x7"),
        ] {
            draws
                .add(order, &stored(body.as_bytes(), answer))
                .expect("room");
        }
        let mut found = Vec::new();
        for entry in draws.numbered(3).expect("sorted") {
            let entry = entry.expect("it is read");
            let request = entry.request.expect("a request");
            let request = StoredRequest::from_bytes(&entry.digest, &request).expect("it fits");
            assert_eq!(
                request.sent().digest(),
                sent(&request.body, request.epoch).digest()
            );
            let text = String::from_utf8_lossy(&entry.answer.body).into_owned();
            found.push((request.epoch, text));
        }
        found.sort();
        let expected = [(3, "x4"), (3, "y2"), (4, "x7"), (5, "x9")];
        assert_eq!(
            found,
            expected.map(|(epoch, text)| (epoch, text.to_owned()))
        );
    }
}
