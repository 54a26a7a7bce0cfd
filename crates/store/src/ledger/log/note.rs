//! The checkpoint: the size and root of the tree, signed by the store.
//!
//! <https://c2sp.org/tlog-checkpoint> for the text, <https://c2sp.org/signed-note>
//! for the signature (type 1, Ed25519 over the text as it stands):
//! ```text
//! surgewall/STORE_ID
//! SIZE
//! BASE64(root)
//!
//! — surgewall/STORE_ID BASE64(key id 4 | signature 64)
//! ```

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::ledger::format::Hash;
use crate::vault::Vault;

/// A checkpoint, in bytes: ours has about 250, signatures of witnesses make it longer.
pub(crate) const CHECKPOINT_BYTES_MAX: u64 = 64 << 10;
/// Ed25519, as a signed note counts its kinds of signatures.
const ED25519_TYPE: u8 = 1;

/// A size and root that the store signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Whose tree it is.
    pub(crate) origin: String,
    /// How many leaves the tree has.
    pub(crate) size: u64,
    /// Its root.
    pub(crate) root: Hash,
}

impl Checkpoint {
    /// The note, signed by `vault`.
    pub(super) fn sign(&self, vault: &Vault) -> String {
        let Self { origin, size, root } = self;
        let tree = format!("{size}\n{}\n", STANDARD.encode(root));
        let id = key_id(origin, &vault.verifying_key());
        // What is signed is the purpose, a newline, and the rest: the whole text.
        let signature = vault.sign(origin, tree.as_bytes());
        let signature = STANDARD.encode([id.as_slice(), &signature].concat());
        format!("{origin}\n{tree}\n\u{2014} {origin} {signature}\n")
    }

    /// The checkpoint that `note` is, if `key` signed it for `origin`.
    pub(crate) fn open(note: &str, origin: &str, key: &[u8; 32]) -> Option<Self> {
        let (text, signatures) = note.rsplit_once("\n\n")?;
        let signed = format!("{text}\n");
        let ours = key_id(origin, key);
        let is_signed = signatures.lines().any(|line| {
            signature_of(line, origin, ours).is_some_and(|signature| {
                UnparsedPublicKey::new(&ED25519, key).verify(signed.as_bytes(), &signature).is_ok()
            })
        });
        let mut lines = text.lines();
        let (named, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let root = STANDARD.decode(root).ok()?.try_into().ok()?;
        let checkpoint = Self { origin: named.to_owned(), size: size.parse().ok()?, root };
        (is_signed && named == origin).then_some(checkpoint)
    }
}

/// What follows the key's id in a signature line, if it is of this name and key.
pub(crate) fn signature_of(line: &str, name: &str, id: [u8; 4]) -> Option<Vec<u8>> {
    let (named, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = STANDARD.decode(encoded).ok().filter(|_| named == name)?;
    Some(bytes.strip_prefix(&id)?.to_vec())
}

/// The verifier key as tools for signed notes take it: `NAME+KEY_ID+BASE64(type | key)`
/// (golang.org/x/mod/sumdb/note, `NewVerifier`).
pub(crate) fn verifier_key(origin: &str, key: &[u8; 32]) -> String {
    let id = u32::from_be_bytes(key_id(origin, key));
    format!("{origin}+{id:08x}+{}", STANDARD.encode([&[ED25519_TYPE], key.as_slice()].concat()))
}

/// SHA-256(name | newline | type | key), its first four bytes.
fn key_id(origin: &str, key: &[u8; 32]) -> [u8; 4] {
    let named = [origin.as_bytes(), b"\n", &[ED25519_TYPE], key].concat();
    let mut id = [0; 4];
    id.copy_from_slice(&digest(&SHA256, &named).as_ref()[..4]);
    id
}
