//! One AES-256-GCM key and the form of what it seals: a head that says how to
//! open it, nonce (12 random bytes), ciphertext, tag (16).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use surgewall_core::random;

/// The head of what a key of the vault itself sealed.
const SEAL_VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// What [`SealKey::seal`] adds, in bytes.
pub(super) const SEAL_BYTES: usize = 1 + NONCE_BYTES + TAG_BYTES;

/// A key that seals with random nonces.
pub(super) struct SealKey(LessSafeKey);

impl SealKey {
    /// The key with these bytes.
    pub(super) fn new(key: &[u8; 32]) -> Self {
        // It fails for a wrong length only, and the type has the right one: with
        // no key there is nothing to go on with.
        let Ok(key) = UnboundKey::new(&AES_256_GCM, key) else { std::process::abort() };
        Self(LessSafeKey::new(key))
    }

    /// `plain` under this key, bound to `aad`.
    pub(super) fn seal(&self, aad: &[u8], plain: &[u8]) -> Vec<u8> {
        self.seal_after(&[SEAL_VERSION], aad, plain)
    }

    /// What [`SealKey::seal`] sealed for `aad`, or `None`.
    pub(super) fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (version, rest) = sealed.split_first()?;
        if *version == SEAL_VERSION { self.open_after(aad, rest) } else { None }
    }

    /// `head`, and after it `plain` under this key, bound to `aad`.
    pub(super) fn seal_after(&self, head: &[u8], aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_BYTES] = random::bytes();
        let begin = head.len() + NONCE_BYTES;
        let mut sealed = Vec::with_capacity(begin + plain.len() + TAG_BYTES);
        sealed.extend_from_slice(head);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let aad = Aad::from(aad);
        let nonce = Nonce::assume_unique_for_key(nonce);
        // It fails past 64 GiB only; a value that cannot be sealed must not go on in clear.
        let Ok(tag) = self.0.seal_in_place_separate_tag(nonce, aad, &mut sealed[begin..]) else {
            std::process::abort()
        };
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// What stands after the head of [`SealKey::seal_after`], opened for `aad`.
    pub(super) fn open_after(&self, aad: &[u8], rest: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let mut plain = rest.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let len = self.0.open_in_place(nonce, Aad::from(aad), &mut plain).ok()?.len();
        plain.truncate(len);
        Some(plain)
    }
}
