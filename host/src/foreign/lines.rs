//! The lines of a file, each with its number and place. A line that is longer than any that is taken costs no memory.

use std::io::{self, BufRead, BufReader, Read};

/// A request, its answer and a little around them, each escaped.
pub(super) const LINE_BYTES: usize = 2 * super::BODY_BYTES + (1 << 20);

/// Some programs put it before the first line.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A line without its end.
pub(super) struct Line<'b> {
    /// From 1.
    pub(super) number: u64,
    /// Where its text begins in the file.
    pub(super) offset: u64,
    /// Nothing where it is too long.
    pub(super) text: Option<&'b [u8]>,
}

/// Walks through lines; what holds nothing but white space is not shown.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    buffer: Vec<u8>,
    number: u64,
    offset: u64,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(reader: R) -> Lines<R> {
        Lines {
            reader: BufReader::with_capacity(64 << 10, reader),
            buffer: Vec::new(),
            number: 0,
            offset: 0,
        }
    }

    /// The next line.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            self.buffer.clear();
            let limit = LINE_BYTES as u64 + 1;
            let read = self
                .reader
                .by_ref()
                .take(limit)
                .read_until(b'\n', &mut self.buffer)?;
            if read == 0 {
                return Ok(None);
            }
            let offset = self.offset;
            self.offset += read as u64;
            self.number += 1;
            let is_whole = self.buffer.last() == Some(&b'\n') || read as u64 != limit;
            if !is_whole {
                self.buffer = Vec::new();
                self.skip()?;
            }
            let number = self.number;
            let mark = if number == 1 && self.buffer.starts_with(BYTE_ORDER_MARK) {
                BYTE_ORDER_MARK.len()
            } else {
                0
            };
            if is_whole && self.buffer[mark..].trim_ascii().is_empty() {
                continue;
            }
            return Ok(Some(Line {
                number,
                offset: offset + mark as u64,
                text: is_whole.then_some(self.buffer[mark..].trim_ascii_end()),
            }));
        }
    }

    fn skip(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.reader.fill_buf()?;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(buffer.len(), |end| end + 1);
            self.reader.consume(used);
            self.offset += used as u64;
            if end.is_some() || used == 0 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE_BYTES, Lines};
    use std::io::{self, Read};

    #[test]
    fn lines_have_their_numbers_and_places_and_an_endless_one_is_passed_over() {
        let endless = io::repeat(b'x').take(LINE_BYTES as u64 * 2);
        let text = b"\xef\xbb\xbfone\r\n\n  \ntwo\n".as_slice();
        let mut lines = Lines::new(text.chain(endless).chain(b"\nthree".as_slice()));
        let mut seen = Vec::new();
        while let Some(line) = lines.next().expect("readable") {
            let text = line
                .text
                .map(|text| String::from_utf8_lossy(text).into_owned());
            seen.push((line.number, line.offset, text));
        }
        let after = 17 + LINE_BYTES as u64 * 2;
        let expected = [
            (1, 3, Some("one".into())),
            (4, 12, Some("two".into())),
            (5, 16, None),
            (6, after, Some("three".into())),
        ];
        assert_eq!(seen, expected);
        assert!(lines.buffer.capacity() < 1 << 20);
    }
}
