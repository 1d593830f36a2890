//! What a program must send as its API key: whoever can reach a port of this machine is not always its user. Tokens are
//! compared by their hashes, in constant time.

use std::fmt;
use std::io;

/// The fewest characters of a token that a person chooses: as many as 128 bits have in base64.
const LEAST: usize = 22;

/// A token. It cannot be printed.
#[derive(Clone)]
pub struct Token(blake3::Hash);

impl Token {
    /// 256 bits from the operating system, and how they are written.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn random() -> io::Result<(Token, String)> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        let text = format!("xhost-{}", blake3::Hash::from_bytes(bytes).to_hex());
        Ok((Token(blake3::hash(text.as_bytes())), text))
    }

    /// A token that the user chose.
    ///
    /// # Errors
    /// Where it could be guessed, or cannot stand in a header.
    pub fn chosen(text: &str) -> Result<Token, String> {
        let text = text.trim();
        if text.len() < LEAST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "the token must have {LEAST} characters or more, all of them visible ASCII: `openssl rand -hex 32` makes one"
            ));
        }
        Ok(Token(blake3::hash(text.as_bytes())))
    }

    /// Whether this is it.
    #[must_use]
    pub(super) fn is(&self, given: &str) -> bool {
        blake3::hash(given.as_bytes()) == self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_taken() {
        let (token, text) = Token::random().expect("random numbers");
        assert!(token.is(&text) && text.len() == 70);
        let (other, _) = Token::random().expect("random numbers");
        assert!(!other.is(&text) && !token.is("") && !token.is(&text[..69]));
        assert_eq!(format!("{token:?}"), "Token");
    }

    #[test]
    fn a_chosen_token_is_long_and_fits_into_a_header() {
        let long = "0123456789abcdef012345";
        assert!(Token::chosen(&format!(" {long}\n")).is_ok_and(|token| token.is(long)));
        for wrong in [
            "",
            "short",
            "0123456789abcdef 12345",
            "0123456789abcdef\u{e9}12345",
        ] {
            assert!(Token::chosen(wrong).is_err(), "{wrong}");
        }
    }
}
