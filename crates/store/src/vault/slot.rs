//! One slot of the accounts file, to bytes and back. All numbers are
//! little-endian.
//!
//! ```text
//! slot: CRC-32C u32 (of all after it) | kind u8 | content u8 | 0 u16 | epoch u32
//!       | generation u32 | subject 17 | wrapped key 61 | zeros to 128 bytes
//! ```
//! A slot of zeros is free. A slot lies within one sector of any disk, so it is
//! overwritten whole or not at all where the disk keeps its word; the checksum
//! notices where it does not.

use surgewall_core::subject::SUBJECT_BYTES;

use super::data::Content;
use super::seal::SEAL_BYTES;

/// A slot, in bytes.
pub(super) const SLOT_BYTES: usize = 128;
/// A wrapped data key, in bytes.
pub(super) const WRAPPED_BYTES: usize = 32 + SEAL_BYTES;
const SUBJECT: usize = 16;
const WRAPPED: usize = SUBJECT + SUBJECT_BYTES;

/// A subject, as it is stored.
pub(super) type SubjectBytes = [u8; SUBJECT_BYTES];

/// Which data key: the subject's first, so that a subject's keys lie together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct KeyId {
    /// Whose.
    pub(super) subject: SubjectBytes,
    /// For what.
    pub(super) content: Content,
    /// For when.
    pub(super) epoch: u32,
}

/// What a slot holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Slot {
    /// Nothing: it was never used, or it was overwritten.
    Free,
    /// A data key.
    Key {
        /// Which.
        id: KeyId,
        /// How often the subject had been erased when it was made.
        generation: u32,
        /// The key under the master key.
        wrapped: [u8; WRAPPED_BYTES],
    },
    /// The subject's keys up to this generation were destroyed.
    Erased {
        /// Whose.
        subject: SubjectBytes,
        /// The last generation that is gone.
        generation: u32,
    },
    /// The keys of this content before this epoch were destroyed.
    Expired {
        /// Of what.
        content: Content,
        /// The first epoch that stayed.
        epoch: u32,
    },
}

impl Slot {
    /// The bytes on disk.
    pub(super) fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        match self {
            Self::Free => return bytes,
            Self::Key { id, generation, wrapped } => {
                bytes[4] = 1;
                bytes[5] = id.content.byte();
                bytes[8..12].copy_from_slice(&id.epoch.to_le_bytes());
                bytes[12..SUBJECT].copy_from_slice(&generation.to_le_bytes());
                bytes[SUBJECT..WRAPPED].copy_from_slice(&id.subject);
                bytes[WRAPPED..WRAPPED + WRAPPED_BYTES].copy_from_slice(wrapped);
            }
            Self::Erased { subject, generation } => {
                bytes[4] = 2;
                bytes[12..SUBJECT].copy_from_slice(&generation.to_le_bytes());
                bytes[SUBJECT..WRAPPED].copy_from_slice(subject);
            }
            Self::Expired { content, epoch } => {
                bytes[4] = 3;
                bytes[5] = content.byte();
                bytes[8..12].copy_from_slice(&epoch.to_le_bytes());
            }
        }
        let crc = crc32c::crc32c(&bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// What [`Slot::encode`] wrote; `None` where it was torn or changed.
    pub(super) fn decode(bytes: &[u8; SLOT_BYTES]) -> Option<Self> {
        if bytes.iter().all(|byte| *byte == 0) {
            return Some(Self::Free);
        }
        if bytes[..4] != crc32c::crc32c(&bytes[4..]).to_le_bytes() {
            return None;
        }
        let epoch = u32::from_le_bytes(bytes[8..12].try_into().ok()?);
        let generation = u32::from_le_bytes(bytes[12..SUBJECT].try_into().ok()?);
        let subject = bytes[SUBJECT..WRAPPED].try_into().ok()?;
        let slot = match bytes[4] {
            1 => {
                let id = KeyId { subject, content: Content::from_byte(bytes[5])?, epoch };
                let wrapped = bytes[WRAPPED..WRAPPED + WRAPPED_BYTES].try_into().ok()?;
                Self::Key { id, generation, wrapped }
            }
            2 => Self::Erased { subject, generation },
            3 => Self::Expired { content: Content::from_byte(bytes[5])?, epoch },
            _ => return None,
        };
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slots() -> impl Strategy<Value = Slot> {
        let content = prop_oneof![Just(Content::Conversation), Just(Content::Record)];
        let key = (any::<SubjectBytes>(), content, any::<u32>(), any::<u32>(), any::<u8>());
        (key, 0..4u8).prop_map(|((subject, content, epoch, generation, fill), kind)| match kind {
            0 => Slot::Free,
            1 => Slot::Key {
                id: KeyId { subject, content, epoch },
                generation,
                wrapped: [fill; WRAPPED_BYTES],
            },
            2 => Slot::Erased { subject, generation },
            _ => Slot::Expired { content, epoch },
        })
    }

    proptest! {
        #[test]
        fn a_slot_is_read_as_it_is_written_and_no_flipped_bit_is_missed(
            slot in slots(), at in 0..SLOT_BYTES, bit in 0..8u32, noise: [u8; 32],
        ) {
            let bytes = slot.encode();
            prop_assert_eq!(Slot::decode(&bytes), Some(slot));
            let mut bad = bytes;
            bad[at] ^= 1 << bit;
            prop_assert_eq!(Slot::decode(&bad), None);
            bad.copy_from_slice(&noise.repeat(4));
            prop_assert!(noise == [0; 32] || Slot::decode(&bad).is_none());
        }
    }
}
