//! How bytes are packed: as they are, by zstd, or by zstd with a dictionary. Knows neither records nor requests.

use crate::fault::RecordError;
use std::cell::RefCell;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use zstd::zstd_safe::{CCtx, CDict, DCtx, DDict, compress_bound};

pub(crate) const AS_IT_IS: u8 = 0;
pub(crate) const ZSTD: u8 = 1;
pub(crate) const ZSTD_WITH_DICTIONARY: u8 = 2;

/// zstd's default: level 9 costs seven times the time for 8 % less (STORE.md 4).
const LEVEL: i32 = 3;

/// One for all, as there is one writer: it keeps megabytes, which would be lost on every thread that ever wrote.
static COMPRESSOR: Mutex<Option<CCtx<'static>>> = Mutex::new(None);

thread_local! {
    /// Making one costs more than what it then does for an answer.
    static DECOMPRESSOR: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
}

/// What similar bytes have in common, so that it need not stand in each.
pub(crate) struct Dictionary {
    id: u32,
    bytes: Vec<u8>,
    /// Made at the first use: a store that is only read needs none.
    packs: OnceLock<Option<CDict<'static>>>,
    unpacks: DDict<'static>,
}

/// Where a reader finds dictionaries by their number.
pub(crate) trait Dictionaries {
    /// Nothing where this store has none of the number.
    fn find(&self, id: u32) -> Option<Arc<Dictionary>>;
}

/// For what needs no dictionary, such as a spilled record.
pub(crate) struct NoDictionaries;

impl Dictionaries for NoDictionaries {
    fn find(&self, _: u32) -> Option<Arc<Dictionary>> {
        None
    }
}

impl Dictionary {
    /// A dictionary under its number; nothing where the bytes are none.
    pub(crate) fn new(id: u32, bytes: Vec<u8>) -> Option<Dictionary> {
        Some(Dictionary {
            id,
            packs: OnceLock::new(),
            unpacks: DDict::try_create(&bytes)?,
            bytes,
        })
    }
}

/// Bytes, packed.
pub(crate) struct Packed {
    pub(crate) codec: u8,
    /// 0 for none.
    pub(crate) dictionary: u32,
    pub(crate) bytes: Vec<u8>,
}

/// The bytes as they are smallest.
pub(crate) fn pack(bytes: &[u8], dictionary: Option<&Dictionary>) -> Packed {
    let packed = compress(bytes, dictionary).filter(|packed| packed.bytes.len() < bytes.len());
    packed.unwrap_or_else(|| Packed {
        codec: AS_IT_IS,
        dictionary: 0,
        bytes: bytes.to_vec(),
    })
}

fn compress(bytes: &[u8], dictionary: Option<&Dictionary>) -> Option<Packed> {
    let mut compressor = COMPRESSOR.lock().unwrap_or_else(PoisonError::into_inner);
    if compressor.is_none() {
        *compressor = CCtx::try_create();
    }
    let compressor = compressor.as_mut()?;
    let mut packed = Vec::with_capacity(compress_bound(bytes.len()));
    let prepared = dictionary.and_then(|dictionary| {
        let made = dictionary
            .packs
            .get_or_init(|| CDict::try_create(&dictionary.bytes, LEVEL));
        made.as_ref().map(|made| (dictionary.id, made))
    });
    let (codec, id) = match prepared {
        Some((id, prepared)) => {
            compressor
                .compress_using_cdict(&mut packed, bytes, prepared)
                .ok()?;
            (ZSTD_WITH_DICTIONARY, id)
        }
        None => {
            compressor.compress(&mut packed, bytes, LEVEL).ok()?;
            (ZSTD, 0)
        }
    };
    packed.shrink_to_fit();
    Some(Packed {
        codec,
        dictionary: id,
        bytes: packed,
    })
}

/// The bytes, of this length or an error: it takes no more memory, whatever the frame says.
pub(crate) fn unpack(
    codec: u8,
    dictionary: u32,
    packed: &[u8],
    length: usize,
    dictionaries: &impl Dictionaries,
) -> Result<Vec<u8>, RecordError> {
    const OTHER_LENGTH: RecordError = RecordError::Damaged("its body has another length");
    let dictionary = match codec {
        AS_IT_IS if packed.len() == length => return Ok(packed.to_vec()),
        AS_IT_IS => return Err(OTHER_LENGTH),
        ZSTD => None,
        ZSTD_WITH_DICTIONARY => Some(
            dictionaries
                .find(dictionary)
                .ok_or(RecordError::UnknownDictionary { id: dictionary })?,
        ),
        codec => return Err(RecordError::UnknownCodec { codec }),
    };
    let mut bytes = Vec::with_capacity(length);
    let unpacked = DECOMPRESSOR.with_borrow_mut(|decompressor| {
        if decompressor.is_none() {
            *decompressor = DCtx::try_create();
        }
        let decompressor = decompressor.as_mut()?;
        match &dictionary {
            Some(dictionary) => {
                decompressor.decompress_using_ddict(&mut bytes, packed, &dictionary.unpacks)
            }
            None => decompressor.decompress(&mut bytes, packed),
        }
        .ok()
    });
    match unpacked {
        None => Err(RecordError::Damaged("its body does not unpack")),
        Some(_) if bytes.len() != length => Err(OTHER_LENGTH),
        Some(_) => Ok(bytes),
    }
}
