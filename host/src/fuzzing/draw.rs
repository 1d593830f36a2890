//! Values out of bytes: whatever the bytes are, there is a value, and a change of one byte changes little of it.

/// Bytes that are left to draw from. When none are left, everything is nothing.
pub(super) struct Draw<'a>(pub(super) &'a [u8]);

impl<'a> Draw<'a> {
    pub(super) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    pub(super) fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        bytes.fill_with(|| self.byte());
        // Small numbers and the largest ones matter most.
        u64::from_le_bytes(bytes) >> (u32::from(self.byte()) % 64)
    }

    pub(super) fn chance(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Up to a zero byte.
    pub(super) fn bytes(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0);
        let (own, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest.get(1..).unwrap_or_default();
        own
    }

    pub(super) fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    pub(super) fn some<T>(&mut self, of: impl Fn(&mut Draw<'a>) -> T) -> Option<T> {
        self.chance().then(|| of(self))
    }

    pub(super) fn list<T>(&mut self, of: impl Fn(&mut Draw<'a>) -> T) -> Vec<T> {
        let count = self.byte() % 5;
        (0..count).map(|_| of(self)).collect()
    }
}
