//! A request as it was sent, as bytes. These bytes are what its digest is the hash of, so a stored request verifies itself,
//! and nothing about it can be shown that was not hashed.
//!
//! ```text
//! digest = blake3 derive_key("xhost request v1") over these fields, each after its length as u64, little-endian:
//!   key version "1" | endpoint | method | target | number of headers u64 | each header's name | and value | body
//!   | epoch u32 | repeat u32 | salt
//! ```

use crate::Digest;
use crate::fault::RecordError;
use crate::tables::KEY_SCHEMA;
use bytes::Bytes;
use serde::{Serialize, Serializer};

/// The version of the digest's fields.
const KEY_VERSION: &str = "1";

/// The fields of a request, borrowed from whoever sends it.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// What stands for the server.
    pub endpoint: &'a str,
    /// The HTTP method.
    pub method: &'a str,
    /// The path, and the query where there is one.
    pub target: &'a str,
    /// Headers that mean something to the model, sorted.
    pub headers: &'a [(String, String)],
    /// The body's bytes.
    pub body: &'a [u8],
    /// The epoch, from 1.
    pub epoch: u32,
    /// Which of a trial's equal requests it is, from 0.
    pub repeat: u32,
    /// The experiment's salt.
    pub salt: &'a str,
}

impl Sent<'_> {
    /// The request's name in the store.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key(KEY_SCHEMA);
        self.fields(|bytes| {
            hasher.update(bytes);
        });
        Digest::from_bytes(*hasher.finalize().as_bytes())
    }

    /// The bytes that the digest is the hash of.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.body.len() + 256);
        self.fields(|bytes| all.extend_from_slice(bytes));
        all
    }

    /// Every field is taken by name, so that a new one cannot be forgotten; every field is preceded by its length, so
    /// that nothing can move from one field to the next.
    fn fields(&self, mut take: impl FnMut(&[u8])) {
        let Sent {
            endpoint,
            method,
            target,
            headers,
            body,
            epoch,
            repeat,
            salt,
        } = self;
        let mut field = |bytes: &[u8]| {
            take(&(bytes.len() as u64).to_le_bytes());
            take(bytes);
        };
        field(KEY_VERSION.as_bytes());
        field(endpoint.as_bytes());
        field(method.as_bytes());
        field(target.as_bytes());
        field(&(headers.len() as u64).to_le_bytes());
        for (name, value) in *headers {
            field(name.as_bytes());
            field(value.as_bytes());
        }
        field(body);
        field(&epoch.to_le_bytes());
        field(&repeat.to_le_bytes());
        field(salt.as_bytes());
    }
}

/// A request, read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredRequest {
    /// What stands for the server.
    pub endpoint: String,
    /// The HTTP method.
    pub method: String,
    /// The path, and the query where there is one.
    pub target: String,
    /// Headers that mean something to the model, sorted.
    pub headers: Vec<(String, String)>,
    /// The body's bytes; as JSON a text, with U+FFFD for what is not UTF-8.
    #[serde(serialize_with = "text")]
    pub body: Bytes,
    /// The epoch, from 1.
    pub epoch: u32,
    /// Which of a trial's equal requests it is, from 0.
    pub repeat: u32,
    /// The experiment's salt.
    pub salt: String,
}

impl StoredRequest {
    /// Reads what [`Sent::to_bytes`] wrote, and verifies that it has this digest.
    ///
    /// # Errors
    /// [`RecordError::Damaged`] where it has another, or is no request.
    pub fn from_bytes(digest: &Digest, bytes: &[u8]) -> Result<StoredRequest, RecordError> {
        StoredRequest::verify(digest, bytes)?;
        let mut fields = Fields(bytes);
        let read = fields.request();
        read.filter(|_| fields.0.is_empty())
            .ok_or(RecordError::Damaged("its request is none"))
    }

    /// Whether a request's bytes have this digest.
    pub(crate) fn verify(digest: &Digest, bytes: &[u8]) -> Result<(), RecordError> {
        if blake3::derive_key(KEY_SCHEMA, bytes) == *digest.as_bytes() {
            Ok(())
        } else {
            Err(RecordError::Damaged("its request is another one"))
        }
    }

    /// Its fields.
    #[must_use]
    pub fn sent(&self) -> Sent<'_> {
        let StoredRequest {
            endpoint,
            method,
            target,
            headers,
            body,
            epoch,
            repeat,
            salt,
        } = self;
        Sent {
            endpoint,
            method,
            target,
            headers,
            body,
            epoch: *epoch,
            repeat: *repeat,
            salt,
        }
    }
}

/// The rest of a request's bytes.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn request(&mut self) -> Option<StoredRequest> {
        if self.field()? != KEY_VERSION.as_bytes() {
            return None;
        }
        let (endpoint, method, target) = (self.text()?, self.text()?, self.text()?);
        let count = u64::from_le_bytes(self.field()?.try_into().ok()?);
        let mut headers = Vec::new();
        for _ in 0..count {
            headers.push((self.text()?, self.text()?));
        }
        Some(StoredRequest {
            endpoint,
            method,
            target,
            headers,
            body: Bytes::copy_from_slice(self.field()?),
            epoch: u32::from_le_bytes(self.field()?.try_into().ok()?),
            repeat: u32::from_le_bytes(self.field()?.try_into().ok()?),
            salt: self.text()?,
        })
    }

    fn field(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (field, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.field()?.to_vec()).ok()
    }
}

fn text<S: Serializer>(body: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&String::from_utf8_lossy(body))
}

#[cfg(test)]
mod tests {
    use super::{Sent, StoredRequest};
    use crate::Digest;

    fn headers() -> Vec<(String, String)> {
        vec![("anthropic-version".into(), "2023-06-01".into())]
    }

    fn sent(headers: &[(String, String)]) -> Sent<'_> {
        Sent {
            endpoint: "https://api.example",
            method: "POST",
            target: "/v1/chat",
            headers,
            body: b"{\"seed\":9007199254740993}",
            epoch: 1,
            repeat: 0,
            salt: "s",
        }
    }

    #[test]
    fn a_request_is_read_back_and_has_its_digest() {
        let headers = headers();
        let sent = sent(&headers);
        let bytes = sent.to_bytes();
        let read = StoredRequest::from_bytes(&sent.digest(), &bytes).expect("a request");
        assert_eq!(read.sent().to_bytes(), bytes);
        assert_eq!(read.sent().digest(), sent.digest());
        assert_eq!(read.body, sent.body);
    }

    #[test]
    fn bytes_that_are_another_request_or_none_are_refused() {
        let headers = headers();
        let bytes = sent(&headers).to_bytes();
        let digest = sent(&headers).digest();
        for length in 0..bytes.len() {
            assert!(StoredRequest::from_bytes(&digest, &bytes[..length]).is_err());
            // Cut short and hashed anew: the digest fits, the fields do not.
            let own = blake3::derive_key("xhost request v1", &bytes[..length]);
            let own = Digest::from_bytes(own);
            assert!(StoredRequest::from_bytes(&own, &bytes[..length]).is_err());
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        let own = Digest::from_bytes(blake3::derive_key("xhost request v1", &longer));
        assert!(StoredRequest::from_bytes(&own, &longer).is_err());
    }
}
