//! Standard Webhooks: a signature over id, timestamp and body, of which the header carries one for each key.

use super::key::{BASE64, Scheme, SigningSecret, VerifyingKey};
use base64::Engine as _;

/// The header that carries the signatures, parted by spaces.
pub const HEADER: &str = "webhook-signature";

/// The value of the header for a message with this id, sent at `timestamp` (seconds): a signature by each key.
#[must_use]
pub fn header_value<'k>(keys: impl Iterator<Item = &'k SigningSecret>, id: &str, timestamp: i64, body: &[u8]) -> String {
    let start = start(id, &timestamp.to_string());
    let signatures: Vec<String> =
        keys.map(|key| format!("{},{}", version(key.scheme()), BASE64.encode(key.sign(&[start.as_bytes(), body])))).collect();
    signatures.join(" ")
}

/// Whether any signature in the header is by `key`, over exactly this id, timestamp (as it was sent) and body.
#[must_use]
pub fn verify(header: &str, id: &str, timestamp: &str, body: &[u8], key: &VerifyingKey) -> bool {
    let start = start(id, timestamp);
    header.split_ascii_whitespace().filter_map(|entry| entry.split_once(',')).any(|(found, signature)| {
        let signature = BASE64.decode(signature).unwrap_or_default();
        found == version(key.scheme()) && key.verifies(&[start.as_bytes(), body], &signature)
    })
}

const fn version(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::HmacSha256 => "v1",
        Scheme::Ed25519 => "v1a",
    }
}

fn start(id: &str, timestamp: &str) -> String {
    format!("{id}.{timestamp}.")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shared(text: &str) -> SigningSecret {
        SigningSecret::new(Scheme::HmacSha256, &BASE64.decode(text).unwrap()).unwrap()
    }

    fn private(seed: u8) -> SigningSecret {
        SigningSecret::new(Scheme::Ed25519, &[seed; 32]).unwrap()
    }

    #[test]
    fn the_published_vectors_come_out() {
        for (secret, id, timestamp, body, signature) in [
            (
                "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
            (
                "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
        ] {
            let value = header_value([shared(secret)].iter(), id, timestamp, body.as_bytes());

            assert_eq!(value, signature);
            assert!(verify(&value, id, &timestamp.to_string(), body.as_bytes(), &format!("whsec_{secret}").parse().unwrap()));
        }
    }

    #[test]
    fn a_signature_is_over_exactly_the_bytes_of_id_timestamp_and_body() {
        let secret = shared("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = b"{\"a\": 1.0,\r\n \"\xFF\": \"\\u00e9\"}";
        let value = header_value([secret.clone()].iter(), "evt", 7, body);
        let verifies = |id: &str, timestamp: &str, body: &[u8]| verify(&value, id, timestamp, body, &VerifyingKey::Shared(secret.clone()));

        assert!(verifies("evt", "7", body));
        for (id, timestamp, body) in [
            ("evt", "8", &body[..]),
            ("evt2", "7", body),
            ("evt.7", "", body),
            ("evt", "07", body),
            ("evt", "7", b""),
            ("evt", "7", &body[1..]),
        ] {
            assert!(!verifies(id, timestamp, body), "{id} {timestamp}");
        }
    }

    #[test]
    fn each_key_signs_and_a_receiver_needs_to_know_one() {
        let (old, new) = (shared("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), private(7));
        let value = header_value([new.clone(), old.clone()].iter(), "evt", 7, b"");

        let versions: Vec<_> = value.split(' ').map(|entry| entry.split_once(',').unwrap().0).collect();
        assert_eq!(versions, ["v1a", "v1"]);
        for key in [VerifyingKey::Shared(old), VerifyingKey::Public(new.public_key().unwrap()), VerifyingKey::Shared(new)] {
            assert!(verify(&value, "evt", "7", b"", &key));
        }
        assert!(!verify(&value, "evt", "7", b"", &VerifyingKey::Shared(private(8))));
        // A signature of one kind is none of the other.
        assert!(!verify(&value.replace("v1a,", "v1,"), "evt", "7", b"", &VerifyingKey::Shared(private(7))));
    }

    proptest! {
        #[test]
        fn whatever_a_header_holds_is_read_without_harm(header: String, id: String, timestamp: String, body: Vec<u8>) {
            prop_assert!(!verify(&header, &id, &timestamp, &body, &VerifyingKey::Shared(private(7))));
        }
    }
}
