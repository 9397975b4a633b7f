//! Somebody's stay in the dashboard: begun with an API key, ended by the clock, by signing out, or with the key.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::ids::ApiKeyId;
use super::time::Timestamp;

/// SHA-256 of the token that a browser holds: all that is ever stored of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionHash(pub [u8; 32]);

impl SessionHash {
    /// The hash of a token as a browser sends it.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

/// Makes the text of a new token: 256 bits of chance.
#[must_use]
pub fn new_session_token(chance: &[u8; 32]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(chance)
}

/// A stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// By which it is found.
    pub hash: SessionHash,
    /// The key that somebody signed in with.
    pub key_id: ApiKeyId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_into_a_cookie_as_it_is_and_its_hash_is_that_of_the_text() {
        let token = new_session_token(&[0xFB; 32]);

        assert_eq!(token, "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s");
        assert_eq!(SessionHash::of("abc").0[..4], [0xBA, 0x78, 0x16, 0xBF]);
        assert_ne!(SessionHash::of(&token), SessionHash::of("abc"));
    }
}
