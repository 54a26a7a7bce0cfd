//! The store's own signature: Ed25519 (RFC 8032), over texts whose first line
//! says what they are.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use surgewall_core::secret::Secret;

use super::Vault;

/// The key pair of `seed`.
pub(super) fn key_pair(seed: &Secret<[u8; 32]>) -> Ed25519KeyPair {
    // It fails for a wrong length only, and the type has the right one.
    let Ok(pair) = Ed25519KeyPair::from_seed_unchecked(seed.expose()) else {
        std::process::abort()
    };
    pair
}

impl Vault {
    /// The store's signature of the text `purpose`, newline, `message`: a
    /// signature for one purpose is none for another. `purpose` is one line.
    ///
    /// With the origin of a log as purpose, and size and root as message, this
    /// is the signature of a C2SP checkpoint.
    #[must_use]
    pub fn sign(&self, purpose: &str, message: &[u8]) -> [u8; 64] {
        debug_assert!(!purpose.contains('\n'), "a purpose is one line");
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.inner.signing.sign(&text(purpose, message)).as_ref());
        bytes
    }

    /// The public half of the signing key, as RFC 8032 writes it.
    #[must_use]
    pub fn verifying_key(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.inner.signing.public_key().as_ref());
        bytes
    }
}

/// Whether `signature` is that of [`Vault::sign`] by the store with `key`.
#[must_use]
pub fn is_signed(key: &[u8; 32], purpose: &str, message: &[u8], signature: &[u8; 64]) -> bool {
    UnparsedPublicKey::new(&ED25519, key).verify(&text(purpose, message), signature).is_ok()
}

fn text(purpose: &str, message: &[u8]) -> Vec<u8> {
    [purpose.as_bytes(), b"\n", message].concat()
}
