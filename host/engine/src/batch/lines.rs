//! Results are cut into lines, and lines into portions for the plugin: wherever the pieces of the stream end, and however
//! long a line is.

/// The longest line that is taken; a longer one counts as missing.
const LINE: usize = 6 << 20;

/// A portion for one call of the plugin.
const PORTION: usize = 128;
const PORTION_BYTES: usize = 512 << 10;

/// Cuts a stream into lines, and lines into portions.
#[derive(Default)]
pub(super) struct Splitter {
    line: Vec<u8>,
    too_long: bool,
    portion: Vec<String>,
    bytes: usize,
}

impl Splitter {
    /// How many lines were too long.
    pub fn push(&mut self, mut piece: &[u8], portions: &mut Vec<Vec<String>>) -> u64 {
        let mut dropped = 0;
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            self.extend(&piece[..end]);
            piece = &piece[end + 1..];
            dropped += self.end(portions);
        }
        self.extend(piece);
        dropped
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.line.len() + bytes.len() > LINE {
            self.too_long = true;
            self.line = Vec::new();
        }
        if !self.too_long {
            self.line.extend_from_slice(bytes);
        }
    }

    fn end(&mut self, portions: &mut Vec<Vec<String>>) -> u64 {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.too_long) {
            return 1;
        }
        let text = String::from_utf8_lossy(&line);
        if !text.trim().is_empty() {
            self.bytes += text.len();
            self.portion.push(text.into_owned());
            if self.portion.len() >= PORTION || self.bytes >= PORTION_BYTES {
                portions.push(std::mem::take(&mut self.portion));
                self.bytes = 0;
            }
        }
        0
    }

    pub fn finish(&mut self, portions: &mut Vec<Vec<String>>) {
        self.end(portions);
        if !self.portion.is_empty() {
            portions.push(std::mem::take(&mut self.portion));
        }
    }
}

/// The lines of a download that comes in these pieces, and how many were too long.
#[cfg(any(test, feature = "fuzzing"))]
pub fn lines_of<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> (Vec<String>, u64) {
    let (mut splitter, mut portions) = (Splitter::default(), Vec::new());
    let dropped = pieces
        .into_iter()
        .map(|piece| splitter.push(piece, &mut portions))
        .sum();
    splitter.finish(&mut portions);
    (portions.concat(), dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_wherever_the_pieces_end_and_endless_ones_are_dropped() {
        let (mut splitter, mut portions) = (Splitter::default(), Vec::new());
        let mut dropped = 0;
        for piece in [&b"on"[..], b"e\r\ntwo\n\n \nth", b"ree"] {
            dropped += splitter.push(piece, &mut portions);
        }
        splitter.finish(&mut portions);
        assert_eq!(portions.concat(), ["one\r", "two", "three"]);
        let endless = vec![b'x'; LINE / 2 + 1];
        for piece in [&endless[..], &endless, b"\nfour\n"] {
            dropped += splitter.push(piece, &mut portions);
        }
        splitter.finish(&mut portions);
        assert_eq!((portions.concat().len(), dropped), (4, 1));
    }
}
