//! Entry points for fuzzers: any bytes as what stands in a store file or comes from another one. Each fails by a panic where
//! a promise is broken; what is taken is written again to the same meaning. The host's `fuzzing` calls them.

use crate::codec::NoDictionaries;
use crate::{Answer, Digest, Stored, StoredRequest, parse_line, record, write_line};

/// A record, after the 32 bytes of the digest that it is asked for.
pub fn record(bytes: &[u8]) {
    let Some((key, bytes)) = bytes.split_first_chunk() else {
        return;
    };
    let key = Digest::from_bytes(*key);
    if let Ok(answer) = record::decode(&key, bytes, &NoDictionaries) {
        let again = record::encode(&key, &answer, None).expect("it was a record");
        let again = record::decode(&key, &again, &NoDictionaries);
        assert_eq!(again.ok(), Some(answer));
    }
}

/// The record of an answer, to begin with.
#[must_use]
pub fn record_of(key: &Digest, answer: &Answer) -> Vec<u8> {
    record::encode(key, answer, None).unwrap_or_default()
}

/// A stored request, after the 32 bytes of its digest.
pub fn request(bytes: &[u8]) {
    let Some((key, bytes)) = bytes.split_first_chunk() else {
        return;
    };
    let key = Digest::from_bytes(*key);
    if let Ok(request) = StoredRequest::from_bytes(&key, bytes) {
        assert_eq!(request.sent().digest(), key);
        assert_eq!(request.sent().to_bytes(), bytes);
    }
}

/// A line of an export.
pub fn line(bytes: &[u8]) {
    if let Ok(entry) = parse_line(bytes) {
        let stored = Stored {
            digest: entry.digest,
            answer: entry.answer.clone(),
            request: entry.request.clone(),
        };
        let again = parse_line(&write_line(&stored)).expect("what is written is read");
        assert_eq!((again.digest, again.answer), (entry.digest, entry.answer));
    }
}
