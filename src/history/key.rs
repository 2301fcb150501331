//! From a `user_id`, which may be a card number, and from a merchant's name to the only form in which each is stored.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::{MerchantKey, UserKey};

/// What stands before a merchant's name. A `user_id` holds no control character, so no user has a merchant's key.
const MERCHANT: &[u8] = b"\0merchant\0";

/// Makes [`UserKey`]s and [`MerchantKey`]s: the first 128 bits of HMAC-SHA256 under one key. Tasks that share histories
/// or logs share it.
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
        UserKey(first_half(self.0.clone().chain_update(user_id)))
    }

    /// The key under which this merchant's history is kept.
    #[must_use]
    pub fn merchant_key(&self, merchant: &str) -> MerchantKey {
        MerchantKey(first_half(self.0.clone().chain_update(MERCHANT).chain_update(merchant)))
    }
}

fn first_half(hash: Hmac<Sha256>) -> [u8; 16] {
    let digest: [u8; 32] = hash.finalize().into_bytes().into();
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    key
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
        assert_ne!(one.merchant_key("u").0, other.merchant_key("u").0);
        assert_ne!(one.merchant_key("u").0, one.user_key("u").0);
        assert_eq!(format!("{one:?}"), "KeyHasher(..)");
    }
}
