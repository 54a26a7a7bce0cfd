//! Opening a record's body: AES-256-GCM under the segment's data key, which
//! only the vault can unwrap.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use surgewall_store::vault::Vault;

use super::segment::{Head, RECORD_VERSION};

/// Opens the bodies of one segment.
pub(super) struct Opener {
    key: LessSafeKey,
    ledger: [u8; 16],
}

impl Opener {
    /// For the segment with this header; `None` where its data key does not open.
    pub(super) fn new(vault: &Vault, head: &Head) -> Option<Self> {
        let purpose = format!("ledger {:032x} {}", u128::from_be_bytes(head.ledger), head.first);
        let key = vault.unwrap_key(&purpose, &head.wrapped).ok()?;
        let key = UnboundKey::new(&AES_256_GCM, key.expose()).ok()?;
        Some(Self { key: LessSafeKey::new(key), ledger: head.ledger })
    }

    /// The body of record number `sequence`, where it lies.
    pub(super) fn open<'a>(
        &self,
        sequence: u64,
        kind: u8,
        sealed: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&sequence.to_be_bytes());
        let mut place = [0; 26];
        place[..16].copy_from_slice(&self.ledger);
        place[16..24].copy_from_slice(&sequence.to_le_bytes());
        place[24..].copy_from_slice(&[RECORD_VERSION, kind]);
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.open_in_place(nonce, Aad::from(place), sealed).ok().map(|body| &*body)
    }
}
