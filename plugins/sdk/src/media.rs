//! Media as providers want them: in text.

use crate::Media;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

impl Media {
    /// The bytes in base64 (RFC 4648, section 4).
    #[must_use]
    pub fn base64(&self) -> String {
        BASE64_STANDARD.encode(&self.data)
    }

    /// A `data:` URL (RFC 2397).
    #[must_use]
    pub fn data_url(&self) -> String {
        format!("data:{};base64,{}", self.mime, self.base64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_become_text() {
        let media = Media {
            mime: "image/png".into(),
            data: vec![0, 255, 1],
        };
        assert_eq!(media.data_url(), "data:image/png;base64,AP8B");
    }
}
