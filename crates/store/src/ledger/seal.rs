//! Sealing and opening of record bodies under a segment's data key.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::format::{Kind, LedgerId, RECORD_VERSION, TAG_BYTES};

const AAD_BYTES: usize = 16 + 8 + 1 + 1;

/// Where a record stands: what its seal is bound to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The ledger.
    pub(crate) ledger: LedgerId,
    /// The record's sequence.
    pub(crate) sequence: u64,
    /// The record's kind.
    pub(crate) kind: Kind,
}

impl Place {
    fn aad(&self) -> Aad<[u8; AAD_BYTES]> {
        let mut aad = [0; AAD_BYTES];
        aad[..16].copy_from_slice(&self.ledger);
        aad[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        aad[24] = RECORD_VERSION;
        aad[25] = self.kind.byte();
        Aad::from(aad)
    }

    /// Unique under one data key: a segment has one key, and writes no sequence twice.
    fn nonce(&self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.sequence.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }
}

/// The data key of one segment.
pub(crate) struct BodyKey(LessSafeKey);

impl BodyKey {
    /// The key with these bytes.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        // It fails for a wrong length only, and the type has the right one.
        let Ok(key) = UnboundKey::new(&AES_256_GCM, key) else { std::process::abort() };
        Self(LessSafeKey::new(key))
    }

    /// Seals `body` where it lies; the tag belongs after it.
    pub(crate) fn seal(&self, place: &Place, body: &mut [u8]) -> [u8; TAG_BYTES] {
        // It fails past 64 GiB only; a body that cannot be sealed must not be written in clear.
        let Ok(tag) = self.0.seal_in_place_separate_tag(place.nonce(), place.aad(), body) else {
            std::process::abort()
        };
        let mut bytes = [0; TAG_BYTES];
        bytes.copy_from_slice(tag.as_ref());
        bytes
    }

    /// Opens `sealed` (body and tag) where it lies; `None` where it was changed.
    pub(crate) fn open<'a>(&self, place: &Place, sealed: &'a mut [u8]) -> Option<&'a [u8]> {
        self.0.open_in_place(place.nonce(), place.aad(), sealed).ok().map(|body| &*body)
    }
}

/// What the data key of a segment is wrapped for.
pub(crate) fn key_purpose(ledger: &LedgerId, first: u64) -> String {
    format!("ledger {:032x} {first}", u128::from_be_bytes(*ledger))
}
