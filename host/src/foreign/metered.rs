//! A reader for documents that are read piece by piece: no piece may be longer than what memory has room for, whatever the
//! document's length.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Tells the reader that a new piece begins.
pub(super) struct Meter {
    left: Rc<Cell<usize>>,
    limit: usize,
}

impl Meter {
    /// A new piece begins.
    pub(super) fn begin(&self) {
        self.left.set(self.limit);
    }
}

/// Reads no more than a piece's limit until the next one begins.
pub(super) struct Metered<R> {
    inner: R,
    left: Rc<Cell<usize>>,
}

impl<R: Read> Metered<R> {
    /// A reader, and what it is told by.
    pub(super) fn new(inner: R, limit: usize) -> (Metered<R>, Meter) {
        let left = Rc::new(Cell::new(limit));
        let meter = Meter {
            left: Rc::clone(&left),
            limit,
        };
        (Metered { inner, left }, meter)
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.left.get());
        if most == 0 && !buffer.is_empty() {
            let what = "a part of it is larger than any that is taken";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let read = self.inner.read(&mut buffer[..most])?;
        self.left.set(self.left.get() - read);
        Ok(read)
    }
}

/// The disk's error, else that the document is none.
pub(super) fn failed(error: serde_json::Error) -> io::Error {
    match error.io_error_kind() {
        Some(kind) if kind != io::ErrorKind::InvalidData => error.into(),
        _ => io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::Metered;
    use std::io::Read;

    #[test]
    fn a_piece_has_its_limit_and_the_whole_has_none() {
        let (mut reader, meter) = Metered::new(std::io::repeat(7), 10);
        let mut piece = [0; 10];
        for _ in 0..5 {
            meter.begin();
            reader.read_exact(&mut piece).expect("within the limit");
        }
        let error = reader.read(&mut piece).expect_err("it is too long");
        assert!(error.to_string().contains("larger"));
        assert_eq!(reader.read(&mut []).ok(), Some(0));
    }
}
