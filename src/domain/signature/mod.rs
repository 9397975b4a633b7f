//! Signatures by which a receiver knows that a request comes from here and was not changed on its way.
//!
//! - [`standard`]: Standard Webhooks, the header `webhook-signature`;
//! - [`http_message`]: RFC 9421, with the body bound by the `Content-Digest` of RFC 9530 ([`digest`]);
//! - [`captured`]: both, as a receiver judges them;
//! - [`RsaSecret`]: RSA over a text, for systems whose receivers verify so.
//!
//! Pure: times and keys are arguments. Both are made over the very bytes that are sent, by every key that is valid at the
//! moment ([`SigningKeys`]), so that a receiver can change over from one key to the next.

pub mod captured;
pub mod digest;
pub mod http_message;
mod key;
mod keys;
mod rsa;
pub mod standard;
mod structured;

pub use key::{NotAKey, Scheme, SigningSecret, VerifyingKey};
pub use keys::{SigningKey, SigningKeys, TooManyKeys};
pub use rsa::{NotAnRsaKey, RsaAlgorithm, RsaSecret, UnknownRsaAlgorithm, in_lines, verifies_rsa};
