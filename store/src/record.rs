//! The bytes of a record: the header; the meta part (postcard of a version and its fields) and the body. In version 2 both
//! are packed, as one: what names an API and a model is the same in thousands of records. In version 1 the meta part stands
//! before the packed body as it is. Called by reads, commits and spill files; never touches a file.
//!
//! `bind` is blake3 derive_key("xhost 2026-11 record v1") over four parts, each after its length as u64: the key; a byte 1,
//! the header's body length, status, flags, meta length, creation time and latency; the meta part; the body, both unpacked.
//! It covers the key, so that a record under another key is found out as surely as one with a flipped bit. It leaves out
//! how the record is packed, so that it can be packed anew without another bind.

use crate::codec::{self, Dictionaries, Dictionary, Packed};
use crate::fault::{RecordError, VERSION};
use crate::header::{self, Header};
use crate::{Answer, Digest};
use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// No answer is larger; what says so is damaged, or an attack on memory.
const BODY_LIMIT: usize = 256 << 20;

/// Names and headers of an answer: four times what HTTP clients accept in headers.
const META_LIMIT: usize = 1 << 20;

/// A record is never longer: a body that grows when compressed is kept as it is.
pub(crate) const RECORD_LIMIT: usize = header::LENGTH + META_LIMIT + BODY_LIMIT;

/// What is bound, and in which order. Another one would make each answer of an old export another answer.
const BIND_VERSION: u8 = 1;

static BIND: LazyLock<ContextKey> =
    LazyLock::new(|| hash_derive_key_context("xhost 2026-11 record v1"));

/// Postcard writes the variant's number first: a later meta part is a later variant.
#[derive(Serialize, Deserialize)]
enum Meta<'a> {
    V1 {
        api: &'a str,
        model: &'a str,
        #[serde(borrow)]
        headers: Vec<(&'a str, &'a str)>,
    },
}

/// Turns an answer into a record.
pub(crate) fn encode(
    key: &Digest,
    answer: &Answer,
    dictionary: Option<&Dictionary>,
) -> Result<Vec<u8>, RecordError> {
    let packed = codec::pack(&plain(answer)?, dictionary);
    let header = describe(key, answer, &packed)?;
    Ok([header.to_bytes().as_slice(), &packed.bytes].concat())
}

/// What is packed: the meta part and the body.
pub(crate) fn plain(answer: &Answer) -> Result<Vec<u8>, RecordError> {
    let mut plain = encode_meta(answer)?;
    plain.extend_from_slice(&answer.body);
    Ok(plain)
}

/// What ties an answer to its request, whatever it is packed with.
pub(crate) fn bind_of(key: &Digest, answer: &Answer) -> Result<[u8; 32], RecordError> {
    let as_it_is = Packed {
        codec: codec::AS_IT_IS,
        dictionary: 0,
        bytes: Vec::new(),
    };
    describe(key, answer, &as_it_is).map(|header| header.bind)
}

fn describe(key: &Digest, answer: &Answer, packed: &Packed) -> Result<Header, RecordError> {
    let meta = encode_meta(answer)?;
    let mut header = Header {
        version: VERSION,
        codec: packed.codec,
        dictionary: packed.dictionary,
        body_length: length("body", answer.body.len(), BODY_LIMIT)?,
        status: answer.status,
        flags: 0,
        meta_length: length("description", meta.len(), META_LIMIT)?,
        created_ms: answer.created_ms,
        latency_ms: answer.latency_ms,
        key: *key,
        bind: [0; 32],
    };
    header.bind = bind(&header, &meta, &answer.body);
    Ok(header)
}

/// Whether an answer can become a record; cheap.
pub(crate) fn check_size(answer: &Answer) -> Result<(), RecordError> {
    length("body", answer.body.len(), BODY_LIMIT)?;
    length("description", encode_meta(answer)?.len(), META_LIMIT).map(|_| ())
}

/// Reads a record, and verifies that it answers this request.
pub(crate) fn decode(
    key: &Digest,
    record: &[u8],
    dictionaries: &impl Dictionaries,
) -> Result<Answer, RecordError> {
    let (header, rest) = record
        .split_first_chunk()
        .ok_or(RecordError::Damaged("it is too short"))?;
    let header =
        Header::read(header).ok_or(RecordError::Damaged("its header does not fit its check"))?;
    if header.key != *key {
        return Err(RecordError::Damaged("it answers another request"));
    }
    let (meta, body) = match header.version {
        1 => first_version(&header, rest, dictionaries)?,
        2 => unpacked(&header, rest, dictionaries)?,
        found => return Err(RecordError::Newer { found }),
    };
    if header.bind != bind(&header, &meta, &body) {
        return Err(RecordError::Damaged("its bind does not fit"));
    }
    let Meta::V1 {
        api,
        model,
        headers,
    } = postcard::from_bytes(&meta).map_err(|_| RecordError::Damaged("its description is none"))?;
    Ok(Answer {
        body,
        status: header.status,
        api: api.to_owned(),
        model: model.to_owned(),
        headers: headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        created_ms: header.created_ms,
        latency_ms: header.latency_ms,
    })
}

/// The meta part and the body.
fn unpacked(
    header: &Header,
    packed: &[u8],
    dictionaries: &impl Dictionaries,
) -> Result<(Bytes, Bytes), RecordError> {
    let (meta_length, body_length) = lengths(header)?;
    let length = meta_length + body_length;
    let plain = codec::unpack(
        header.codec,
        header.dictionary,
        packed,
        length,
        dictionaries,
    )?;
    let mut meta = Bytes::from(plain);
    let body = meta.split_off(meta_length);
    Ok((meta, body))
}

fn first_version(
    header: &Header,
    rest: &[u8],
    dictionaries: &impl Dictionaries,
) -> Result<(Bytes, Bytes), RecordError> {
    let (meta_length, body_length) = lengths(header)?;
    let (meta, packed) = rest
        .split_at_checked(meta_length)
        .ok_or(RecordError::Damaged("it is too short"))?;
    let Header {
        codec, dictionary, ..
    } = *header;
    let body = codec::unpack(codec, dictionary, packed, body_length, dictionaries)?;
    Ok((Bytes::copy_from_slice(meta), Bytes::from(body)))
}

/// The lengths of the meta part and of the body, unpacked, where they are not larger than any.
fn lengths(header: &Header) -> Result<(usize, usize), RecordError> {
    let (meta, body) = (header.meta_length as usize, header.body_length as usize);
    if meta > META_LIMIT || body > BODY_LIMIT {
        return Err(RecordError::Damaged(
            "it says that its body is larger than any",
        ));
    }
    Ok((meta, body))
}

/// The request that a record says it answers, where its header is whole.
pub(crate) fn key(record: &[u8]) -> Option<Digest> {
    record
        .first_chunk()
        .and_then(Header::read)
        .map(|header| header.key)
}

fn encode_meta(answer: &Answer) -> Result<Vec<u8>, RecordError> {
    let headers = answer
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let meta = Meta::V1 {
        api: &answer.api,
        model: &answer.model,
        headers,
    };
    // Strings and their lengths into memory: nothing of it fails, and if it did, the answer would not be acknowledged.
    postcard::to_stdvec(&meta)
        .map_err(|_| RecordError::Damaged("its description cannot be written"))
}

fn length(part: &'static str, bytes: usize, limit: usize) -> Result<u32, RecordError> {
    match u32::try_from(bytes) {
        Ok(length) if bytes <= limit => Ok(length),
        _ => Err(RecordError::TooLarge { part, bytes, limit }),
    }
}

fn bind(header: &Header, meta: &[u8], body: &[u8]) -> [u8; 32] {
    // Without `..`: whoever adds a field decides whether it is bound.
    let Header {
        version: _,
        codec: _,
        dictionary: _,
        body_length,
        status,
        flags,
        meta_length,
        created_ms,
        latency_ms,
        key,
        bind: _,
    } = header;
    let mut fields = Vec::with_capacity(25);
    fields.push(BIND_VERSION);
    fields.extend(body_length.to_le_bytes());
    fields.extend(status.to_le_bytes());
    fields.extend(flags.to_le_bytes());
    fields.extend(meta_length.to_le_bytes());
    fields.extend(created_ms.to_le_bytes());
    fields.extend(latency_ms.to_le_bytes());
    let mut hasher = blake3::Hasher::new_from_context_key(&BIND);
    for part in [key.as_bytes().as_slice(), &fields, meta, body] {
        hasher
            .update(&(part.len() as u64).to_le_bytes())
            .update(part);
    }
    *hasher.finalize().as_bytes()
}
