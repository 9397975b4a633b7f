//! `Content-Digest` (RFC 9530): what binds a body to a signature that covers headers alone.

use base64::Engine as _;
use sha2::{Digest, Sha256, Sha512};

use super::key::BASE64;
use super::structured::{Bare, dictionary_of_items};

/// The header.
pub const HEADER: &str = "content-digest";

/// The value of the header for `body`.
#[must_use]
pub fn header_value(body: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64.encode(Sha256::digest(body)))
}

/// Whether the header holds a digest by SHA-256 or SHA-512, and every such one is that of `body`. Other algorithms prove
/// nothing.
#[must_use]
pub fn verify(header: &str, body: &[u8]) -> bool {
    let Some(digests) = dictionary_of_items(header) else { return false };
    let known: Vec<bool> = digests
        .iter()
        .filter_map(|(algorithm, value)| {
            let expected = match algorithm.as_str() {
                "sha-256" => Sha256::digest(body).to_vec(),
                "sha-512" => Sha512::digest(body).to_vec(),
                _ => return None,
            };
            Some(matches!(value, Bare::Bytes(found) if *found == expected))
        })
        .collect();
    !known.is_empty() && known.into_iter().all(|is_right| is_right)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of RFC 9421, B.2, and of RFC 9530, whose example ends with a line break.
    const BODY: &[u8] = b"{\"hello\": \"world\"}";
    const SHA_512: &str = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";

    #[test]
    fn the_published_digests_come_out() {
        assert_eq!(header_value(BODY), "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:");
        assert_eq!(header_value(&[BODY, b"\n"].concat()), "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
        assert!(verify(SHA_512, BODY));
        assert!(verify(
            "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:",
            &[BODY, b"\n"].concat()
        ));
    }

    #[test]
    fn every_digest_must_be_right_and_one_must_be_known() {
        let right = header_value(BODY);

        assert!(verify(&format!("md5=:AAAA:, {right}, {SHA_512}"), BODY));
        for (header, body) in [
            (right.as_str(), &b""[..]),
            ("md5=:AAAA:", BODY),
            ("", BODY),
            ("sha-256=X48E9q", BODY),
            ("sha-256=:AAAA:", BODY),
            (&format!("{right}, sha-512=:AAAA:"), BODY),
            (&right[..right.len() - 1], BODY),
        ] {
            assert!(!verify(header, body), "{header}");
        }
    }
}
