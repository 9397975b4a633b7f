//! How secrets are kept at rest: the keys, the ring of those that live, the envelope around each secret, the file of a
//! key that the dispatcher made for itself.
//!
//! A secret is encrypted (AES-256-GCM-SIV) under the newest key and for one place, which is a column of a row: an envelope
//! that was moved to another row does not open. It names its key, so that several can live at once while everything is
//! encrypted anew. Nothing here knows a store; keys and what they open are never shown.
//!
//! The only chance that does not come from `app` is the nonce of an envelope: the cryptographic library draws it itself,
//! so that none can be used twice.

mod key;
mod key_file;
mod keyring;

pub use key::{KeyId, SecretKey, WeakKey, new_key_text};
pub use key_file::{KeyFileError, beside, make, read};
pub use keyring::{Keyring, Place, SealError, UnsealError};
