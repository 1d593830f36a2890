//! The bytes of a record. Format 1, little-endian:
//!
//! ```text
//!  offset  size  field
//!       0     1  format: 1
//!       1     1  codec of the body: 0 as it is, 1 zstd, 2 zstd with a dictionary
//!       2     2  HTTP status
//!       4     4  dictionary: 0 for none
//!       8     4  length of the body, decompressed
//!      12     4  length of the meta part
//!      16     8  created, milliseconds since 1970-01-01 UTC
//!      24     4  latency in milliseconds
//!      28     4  flags: 0
//!      32    32  request digest
//!      64    32  bind: blake3 over everything above, the meta part and the decompressed body
//!      96     -  meta: postcard of (api, model, headers); then the body
//! ```
//!
//! `bind` covers the request digest, so a record that is served under another key is found out as surely as one with a
//! flipped bit. It covers the decompressed body and not the codec's choices, so a record can be compressed anew.

use crate::{Answer, Digest};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The version that is written. Older ones are read.
pub(crate) const FORMAT: u8 = 1;

const HEADER: usize = 96;
const LEVEL: i32 = 3;

/// No answer is larger; what says so is damaged, or an attack on memory.
const BODY_LIMIT: usize = 256 << 20;

/// A record that cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer version.
    #[error("it has format {found}, and this version reads up to {FORMAT}: get a newer xhost")]
    Newer {
        /// Its format.
        found: u8,
    },
    /// Its bytes changed, or it is another request's.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

#[derive(Serialize, Deserialize)]
struct Meta<'a> {
    api: &'a str,
    model: &'a str,
    #[serde(borrow)]
    headers: Vec<(&'a str, &'a str)>,
}

/// Turns an answer into a record.
pub(crate) fn encode(key: &Digest, answer: &Answer) -> Vec<u8> {
    let headers = answer
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let meta = Meta {
        api: &answer.api,
        model: &answer.model,
        headers,
    };
    // Strings and their lengths into memory: there is nothing that could fail.
    let meta = postcard::to_stdvec(&meta).unwrap_or_default();
    let packed = zstd::bulk::compress(&answer.body, LEVEL)
        .ok()
        .filter(|packed| packed.len() < answer.body.len());
    let (codec, body) = match &packed {
        Some(packed) => (1, packed.as_slice()),
        None => (0, answer.body.as_ref()),
    };
    let mut record = Vec::with_capacity(HEADER + meta.len() + body.len());
    record.extend([FORMAT, codec]);
    record.extend(answer.status.to_le_bytes());
    record.extend(0_u32.to_le_bytes());
    record.extend((answer.body.len() as u32).to_le_bytes());
    record.extend((meta.len() as u32).to_le_bytes());
    record.extend(answer.created_ms.to_le_bytes());
    record.extend(answer.latency_ms.to_le_bytes());
    record.extend(0_u32.to_le_bytes());
    record.extend(key.as_bytes());
    let bound = bind(&record, &meta, &answer.body);
    record.extend(bound);
    record.extend(meta);
    record.extend(body);
    record
}

/// Reads a record, and verifies that it answers this request.
pub(crate) fn decode(key: &Digest, record: &[u8]) -> Result<Answer, RecordError> {
    let format = *record.first().ok_or(RecordError::Damaged("it is empty"))?;
    if format > FORMAT {
        return Err(RecordError::Newer { found: format });
    }
    let (header, rest) = record
        .split_at_checked(HEADER)
        .ok_or(RecordError::Damaged("it is too short"))?;
    let meta_length = number(header, 12) as usize;
    let (meta, packed) = rest
        .split_at_checked(meta_length)
        .ok_or(RecordError::Damaged("it is too short"))?;
    let body_length = number(header, 8) as usize;
    if body_length > BODY_LIMIT {
        return Err(RecordError::Damaged(
            "it says that its answer is larger than any",
        ));
    }
    let body = unpack(header[1], packed, body_length)?;
    if header[32..64] != *key.as_bytes() {
        return Err(RecordError::Damaged("it answers another request"));
    }
    if header[64..96] != bind(&header[..64], meta, &body) {
        return Err(RecordError::Damaged("its digest does not fit"));
    }
    let meta: Meta<'_> =
        postcard::from_bytes(meta).map_err(|_| RecordError::Damaged("its description is none"))?;
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Ok(Answer {
        body: Bytes::from(body),
        status: u16::from_le_bytes([header[2], header[3]]),
        api: meta.api.to_owned(),
        model: meta.model.to_owned(),
        headers: meta.headers.into_iter().map(owned).collect(),
        created_ms: u64::from(number(header, 16)) | u64::from(number(header, 20)) << 32,
        latency_ms: number(header, 24),
    })
}

fn unpack(codec: u8, packed: &[u8], length: usize) -> Result<Vec<u8>, RecordError> {
    let body = match codec {
        0 => packed.to_vec(),
        // Takes no more memory than the header says, whatever the frame says.
        1 => zstd::bulk::decompress(packed, length)
            .map_err(|_| RecordError::Damaged("its answer does not decompress"))?,
        _ => return Err(RecordError::Damaged("its codec is unknown")),
    };
    if body.len() == length {
        Ok(body)
    } else {
        Err(RecordError::Damaged("its answer has another length"))
    }
}

/// The codec, the dictionary and thus the second and the fifth to eighth byte are left out: compressing anew keeps it.
fn bind(header: &[u8], meta: &[u8], body: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("xhost 2026-11 record v1");
    hasher
        .update(&header[..1])
        .update(&header[2..4])
        .update(&header[8..64]);
    hasher.update(meta).update(body);
    *hasher.finalize().as_bytes()
}

fn number(bytes: &[u8], from: usize) -> u32 {
    u32::from_le_bytes([
        bytes[from],
        bytes[from + 1],
        bytes[from + 2],
        bytes[from + 3],
    ])
}
