//! The names of requests and of answers: 32 bytes of blake3, 64 hexadecimal characters.

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Not the text of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a digest: write its 64 hexadecimal characters")]
pub struct DigestError;

macro_rules! digest {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The digest with these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> $name {
                $name(bytes)
            }

            /// Its bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<$name, DigestError> {
                let hash = blake3::Hash::from_hex(text).map_err(|_| DigestError)?;
                Ok($name(*hash.as_bytes()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

digest! {
    /// Names a request: the key of the store.
    Digest
}

digest! {
    /// Names an answer: the blake3 of the provider's bytes.
    ResponseDigest
}

#[cfg(test)]
mod tests {
    use super::{Digest, DigestError};

    #[test]
    fn a_digest_is_read_back_from_its_text() {
        let digest = Digest::from_bytes([0xa7; 32]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(digest.to_string().len(), 64);
        for wrong in ["", "a7", &"g".repeat(64), &"a".repeat(65)] {
            assert_eq!(wrong.parse::<Digest>(), Err(DigestError), "{wrong}");
        }
    }
}
