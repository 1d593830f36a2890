//! The bytes of a stored request (table `req-1`): a fixed header, little-endian, and the request, packed.
//!
//! ```text
//!  offset  size  field
//!       0     1  version: 1
//!       1     1  codec: 0 as it is, 1 zstd, 2 zstd with a dictionary
//!       2     4  dictionary: 0 for none
//!       6     4  length of the request, unpacked
//! ```
//!
//! It has no check of its own: a request's digest is the hash of its bytes.

use crate::Digest;
use crate::codec::{self, Dictionaries, Dictionary};
use crate::fault::RecordError;
use crate::request::StoredRequest;

const VERSION: u8 = 1;
const HEADER: usize = 10;

/// No request is larger; what says so is damaged, or an attack on memory.
pub(crate) const REQUEST_LIMIT: usize = 256 << 20;

pub(crate) fn encode(request: &[u8], dictionary: Option<&Dictionary>) -> Vec<u8> {
    let packed = codec::pack(request, dictionary);
    let mut bytes = Vec::with_capacity(HEADER + packed.bytes.len());
    bytes.extend([VERSION, packed.codec]);
    bytes.extend(packed.dictionary.to_le_bytes());
    bytes.extend((request.len() as u32).to_le_bytes());
    bytes.extend(packed.bytes);
    bytes
}

/// The request's bytes, verified.
pub(crate) fn decode(
    digest: &Digest,
    bytes: &[u8],
    dictionaries: &impl Dictionaries,
) -> Result<Vec<u8>, RecordError> {
    let (header, packed) = bytes
        .split_first_chunk::<HEADER>()
        .ok_or(RecordError::Damaged("its request is too short"))?;
    let [version, codec, d0, d1, d2, d3, l0, l1, l2, l3] = *header;
    if version != VERSION {
        return Err(RecordError::Newer { found: version });
    }
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length > REQUEST_LIMIT {
        return Err(RecordError::Damaged("its request is larger than any"));
    }
    let dictionary = u32::from_le_bytes([d0, d1, d2, d3]);
    let request = codec::unpack(codec, dictionary, packed, length, dictionaries)?;
    StoredRequest::verify(digest, &request)?;
    Ok(request)
}
