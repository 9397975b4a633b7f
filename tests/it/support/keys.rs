//! Keys for secrets, as tests give them to what they open and start.

use std::sync::Arc;

use webhook_dispatcher::secrets::{Keyring, SecretKey};

/// What every process and store of the tests has, unless a test says otherwise.
pub(crate) const KEY: &str = "Tq7mWx2ZrLd9VbKy4NfHs8JcPgE3uAoR";

/// Another one.
pub(crate) const NEW_KEY: &str = "Nb4Xv8Kd2QzRw7LmHy3TcJf9GsPe6uAo";

/// A ring of these keys, the newest first.
pub(crate) fn ring(keys: &[&str]) -> Arc<Keyring> {
    let mut keys = keys.iter().map(|text| SecretKey::from_text(text).unwrap());
    Arc::new(Keyring::new(keys.next().unwrap(), keys.collect()))
}

/// What a key is called.
pub(crate) fn id(key: &str) -> String {
    SecretKey::from_text(key).unwrap().id().to_string()
}
