//! The fixed first bytes of a record, little-endian, in every version of the table `rec-1`:
//!
//! ```text
//!  offset  size  field
//!       0     1  version: 2; 1 is read
//!       1     1  codec: 0 as it is, 1 zstd, 2 zstd with a dictionary
//!       2     4  dictionary: 0 for none
//!       6     4  length of the body, unpacked
//!      10     2  HTTP status
//!      12     2  flags: none is defined yet
//!      14     4  length of the meta part, unpacked
//!      18     8  created, milliseconds since 1970-01-01 UTC
//!      26     4  latency in milliseconds
//!      30    32  key: the request digest
//!      62    32  bind: see `record`
//!      94     4  check: the first four bytes of blake3 derive_key("xhost 2026-11 record header v1") over the 94 above
//! ```
//!
//! `check` tells a flipped bit from a newer version or an unknown dictionary, which `bind` cannot do without the body.

use crate::Digest;
use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};
use std::sync::LazyLock;

pub(crate) const LENGTH: usize = 98;
const CHECKED: usize = 94;

static CHECK: LazyLock<ContextKey> =
    LazyLock::new(|| hash_derive_key_context("xhost 2026-11 record header v1"));

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) version: u8,
    pub(crate) codec: u8,
    pub(crate) dictionary: u32,
    pub(crate) body_length: u32,
    pub(crate) status: u16,
    pub(crate) flags: u16,
    pub(crate) meta_length: u32,
    pub(crate) created_ms: u64,
    pub(crate) latency_ms: u32,
    pub(crate) key: Digest,
    pub(crate) bind: [u8; 32],
}

impl Header {
    pub(crate) fn to_bytes(&self) -> [u8; LENGTH] {
        // Without `..`: a new field cannot be forgotten here.
        let Header {
            version,
            codec,
            dictionary,
            body_length,
            status,
            flags,
            meta_length,
            created_ms,
            latency_ms,
            key,
            bind,
        } = self;
        let mut bytes = [0; LENGTH];
        bytes[0] = *version;
        bytes[1] = *codec;
        bytes[2..6].copy_from_slice(&dictionary.to_le_bytes());
        bytes[6..10].copy_from_slice(&body_length.to_le_bytes());
        bytes[10..12].copy_from_slice(&status.to_le_bytes());
        bytes[12..14].copy_from_slice(&flags.to_le_bytes());
        bytes[14..18].copy_from_slice(&meta_length.to_le_bytes());
        bytes[18..26].copy_from_slice(&created_ms.to_le_bytes());
        bytes[26..30].copy_from_slice(&latency_ms.to_le_bytes());
        bytes[30..62].copy_from_slice(key.as_bytes());
        bytes[62..94].copy_from_slice(bind);
        let check = check(&bytes);
        bytes[CHECKED..].copy_from_slice(&check);
        bytes
    }

    /// Nothing where the bytes are not what was written.
    pub(crate) fn read(bytes: &[u8; LENGTH]) -> Option<Header> {
        (bytes[CHECKED..] == check(bytes)).then(|| Header {
            version: bytes[0],
            codec: bytes[1],
            dictionary: u32::from_le_bytes(part(bytes, 2)),
            body_length: u32::from_le_bytes(part(bytes, 6)),
            status: u16::from_le_bytes(part(bytes, 10)),
            flags: u16::from_le_bytes(part(bytes, 12)),
            meta_length: u32::from_le_bytes(part(bytes, 14)),
            created_ms: u64::from_le_bytes(part(bytes, 18)),
            latency_ms: u32::from_le_bytes(part(bytes, 26)),
            key: Digest::from_bytes(part(bytes, 30)),
            bind: part(bytes, 62),
        })
    }
}

fn check(bytes: &[u8; LENGTH]) -> [u8; 4] {
    let mut hasher = blake3::Hasher::new_from_context_key(&CHECK);
    hasher.update(&bytes[..CHECKED]);
    part(hasher.finalize().as_bytes(), 0)
}

/// The `N` bytes from an offset that is a constant of the layout.
fn part<const N: usize>(bytes: &[u8], from: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[from..from + N]);
    part
}
