//! How deep the schema of a Parquet file goes, read from its footer before the crate sees it: that one descends once for each
//! level, so that a file of some hundred kilobytes would end the process. The footer is Thrift's compact protocol
//! (thrift-compact-protocol.md); what is not understood here is refused, so that nobody reads more than this.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Deeper than any row that is taken.
const DEEPEST: usize = 128;

/// What describes millions of columns is no dataset.
const FOOTER_BYTES: u64 = 64 << 20;

/// Says why the file is not read.
pub(super) fn check(file: &File) -> Result<(), String> {
    let Some(footer) = footer(file).map_err(|error| error.to_string())? else {
        // The crate says it better.
        return Ok(());
    };
    match (Footer { rest: &footer }).is_shallow() {
        Some(true) => Ok(()),
        Some(false) => Err(format!("its schema is nested more than {DEEPEST} levels")),
        None => Err("its footer cannot be read".into()),
    }
}

/// The footer; none where the file ends like no Parquet.
fn footer(file: &File) -> io::Result<Option<Vec<u8>>> {
    let length = file.metadata()?.len();
    let Some(tail) = length.checked_sub(8) else {
        return Ok(None);
    };
    let mut end = [0; 8];
    file.read_exact_at(&mut end, tail)?;
    let [a, b, c, d, magic @ ..] = end;
    let size = u64::from(u32::from_le_bytes([a, b, c, d]));
    if &magic != b"PAR1" || size > tail {
        return Ok(None);
    }
    if size > FOOTER_BYTES {
        return Err(io::Error::other("its footer is too large"));
    }
    let mut footer = vec![0; size as usize];
    file.read_exact_at(&mut footer, tail - size)?;
    Ok(Some(footer))
}

struct Footer<'f> {
    rest: &'f [u8],
}

/// Types of the compact protocol.
const I32: u8 = 5;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

impl Footer<'_> {
    /// The schema is field 2 of the footer, a list of elements, parents before their children.
    fn is_shallow(&mut self) -> Option<bool> {
        let mut id = 0;
        while let Some(kind) = self.field(&mut id)? {
            match (id, kind) {
                (2, LIST) if !self.schema()? => return Some(false),
                (2, LIST) => {}
                (2, _) => return None,
                _ => self.skip(kind, 0)?,
            }
        }
        Some(true)
    }

    fn schema(&mut self) -> Option<bool> {
        let (count, kind) = self.list()?;
        if count > 0 && kind != STRUCT {
            return None;
        }
        // How many children of each open group are still to come.
        let mut open: Vec<i32> = Vec::new();
        for _ in 0..count {
            let children = self.children()?;
            if let Some(left) = open.last_mut() {
                *left -= 1;
            }
            if children > 0 {
                open.push(children);
            }
            if open.len() > DEEPEST {
                return Some(false);
            }
            while open.last() == Some(&0) {
                open.pop();
            }
        }
        Some(true)
    }

    /// The number of an element's children, its field 5.
    fn children(&mut self) -> Option<i32> {
        let (mut id, mut children) = (0, 0);
        while let Some(kind) = self.field(&mut id)? {
            match (id, kind) {
                (5, I32) => children = self.signed()? as i32,
                (5, _) => return None,
                _ => self.skip(kind, 0)?,
            }
        }
        Some(children)
    }

    /// The type of a struct's next field, whose number is counted in `id`; `Some(None)` at its end.
    fn field(&mut self, id: &mut i16) -> Option<Option<u8>> {
        let head = self.byte()?;
        let (step, kind) = (head >> 4, head & 15);
        if kind == 0 {
            return Some(None);
        }
        *id = match step {
            0 => i16::try_from(self.signed()?).ok()?,
            _ => id.checked_add(i16::from(step))?,
        };
        Some(Some(kind))
    }

    fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.number()?,
            few => u64::from(few),
        };
        Some((count, head & 15))
    }

    /// Passes over a value.
    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > 64 {
            return None;
        }
        match kind {
            // The type is the value.
            1 | 2 => Some(()),
            3 => self.take(1),
            4..=6 => self.number().map(drop),
            7 => self.take(8),
            8 => {
                let length = self.number()?;
                self.take(length)
            }
            9 | 10 => {
                let (count, kind) = self.list()?;
                (0..count).try_for_each(|_| self.item(kind, depth))
            }
            11 => {
                let count = self.number()?;
                if count == 0 {
                    return Some(());
                }
                let kinds = self.byte()?;
                (0..count).try_for_each(|_| {
                    self.item(kinds >> 4, depth)?;
                    self.item(kinds & 15, depth)
                })
            }
            STRUCT => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip(kind, depth + 1)?;
                }
                Some(())
            }
            13 => self.take(16),
            _ => None,
        }
    }

    /// In a list a truth value takes a byte, so that nothing takes none.
    fn item(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            1 | 2 => self.take(1),
            _ => self.skip(kind, depth + 1),
        }
    }

    fn take(&mut self, length: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(length).ok()?..)?;
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(number);
            }
        }
        None
    }

    /// Zigzag.
    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use std::io::Write;

    /// A file without rows: a schema of one column in so many groups, one within the other.
    fn nested(groups: usize) -> Vec<u8> {
        let mut count = groups + 1;
        let mut footer = vec![0x15, 2, 0x19, 0xfc];
        while count > 127 {
            footer.push(count as u8 | 128);
            count >>= 7;
        }
        footer.push(count as u8);
        for _ in 0..groups {
            footer.extend([0x35, 0, 0x18, 1, b'a', 0x15, 2, 0]);
        }
        footer.extend([
            0x15, 0x0c, 0x25, 0, 0x18, 1, b'x', 0, 0x16, 2, 0x19, 0x0c, 0,
        ]);
        let length = (footer.len() as u32).to_le_bytes();
        [b"PAR1", footer.as_slice(), &length, b"PAR1"].concat()
    }

    /// A schema of 100,000 levels ended the process: the crate's descent left no stack.
    #[test]
    fn a_schema_that_is_nested_without_end_is_refused_before_anybody_descends() {
        for (bytes, refused) in [
            (nested(1), None),
            (nested(128), None),
            (
                nested(129),
                Some("its schema is nested more than 128 levels"),
            ),
            (
                nested(100_000),
                Some("its schema is nested more than 128 levels"),
            ),
            (
                b"PAR1\x09\x01\0\0\0PAR1".to_vec(),
                Some("its footer cannot be read"),
            ),
            (b"no Parquet".to_vec(), None),
            (Vec::new(), None),
        ] {
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(&bytes).expect("it is written");
            assert_eq!(check(&file).err().as_deref(), refused);
        }
    }
}
