//! From a `user_id`, which may be a card number, to the only form in which it is stored or logged.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::UserKey;

/// Makes [`UserKey`]s: the first 128 bits of HMAC-SHA256 under one key. Tasks that share histories or logs share it.
#[derive(Clone)]
pub struct KeyHasher(Hmac<Sha256>);

impl KeyHasher {
    /// A hasher under `key`, of any length. An empty key still hides nothing from whoever can guess the ids.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of every length"))
    }

    /// The key under which this user's history is kept.
    #[must_use]
    pub fn user_key(&self, user_id: &str) -> UserKey {
        let digest: [u8; 32] = self.0.clone().chain_update(user_id).finalize().into_bytes().into();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        UserKey(key)
    }
}

impl std::fmt::Debug for KeyHasher {
    /// Hides the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyHasher(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_hmac_sha256_cut_to_128_bits() {
        // RFC 4231, test case 2.
        let key = KeyHasher::new(b"Jefe").user_key("what do ya want for nothing?");
        assert_eq!(key.to_string(), "5bdcc146bf60754e6a042426089575c7");
    }

    #[test]
    fn depends_on_the_key_and_the_user_and_shows_neither() {
        let (one, other) = (KeyHasher::new(b"one"), KeyHasher::new(b"other"));
        assert_ne!(one.user_key("u"), other.user_key("u"));
        assert_ne!(one.user_key("u"), one.user_key("v"));
        assert_eq!(format!("{one:?}"), "KeyHasher(..)");
    }
}
