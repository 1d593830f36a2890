//! How a body is packed: as it is, or by zstd, and later by zstd with a dictionary. Knows nothing of records.

use crate::fault::RecordError;
use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};
use zstd::bulk::{Compressor, Decompressor};

pub(crate) const AS_IT_IS: u8 = 0;
pub(crate) const ZSTD: u8 = 1;
pub(crate) const ZSTD_WITH_DICTIONARY: u8 = 2;

/// zstd's default: level 9 costs seven times the time for 8 % less (STORE.md 4).
const LEVEL: i32 = 3;

/// One for all, as there is one writer: it keeps megabytes, which would be lost on every thread that ever wrote.
static COMPRESSOR: Mutex<Option<Compressor<'static>>> = Mutex::new(None);

thread_local! {
    /// Making one costs more than what it then does for an answer.
    static DECOMPRESSOR: RefCell<Decompressor<'static>> = RefCell::default();
}

/// The codec and the body by it, where that is smaller.
pub(crate) fn pack(body: &[u8]) -> Option<(u8, Vec<u8>)> {
    let mut compressor = COMPRESSOR.lock().unwrap_or_else(PoisonError::into_inner);
    if compressor.is_none() {
        *compressor = Compressor::new(LEVEL).ok();
    }
    let packed = compressor.as_mut()?.compress(body).ok()?;
    (packed.len() < body.len()).then_some((ZSTD, packed))
}

/// The body, of this length or an error: it takes no more memory, whatever the frame says.
pub(crate) fn unpack(
    codec: u8,
    dictionary: u32,
    packed: &[u8],
    length: usize,
) -> Result<Vec<u8>, RecordError> {
    let body = match codec {
        AS_IT_IS if packed.len() == length => packed.to_vec(),
        AS_IT_IS => return Err(RecordError::Damaged("its body has another length")),
        ZSTD => DECOMPRESSOR
            .with_borrow_mut(|decompressor| decompressor.decompress(packed, length))
            .map_err(|_| RecordError::Damaged("its body does not unpack"))?,
        ZSTD_WITH_DICTIONARY => return Err(RecordError::UnknownDictionary { id: dictionary }),
        codec => return Err(RecordError::UnknownCodec { codec }),
    };
    if body.len() == length {
        Ok(body)
    } else {
        Err(RecordError::Damaged("its body has another length"))
    }
}
