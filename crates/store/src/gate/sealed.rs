//! What of the gate is sealed, and by which keyed hashes it is found.

use surgewall_core::clock::Timestamp;
use surgewall_core::principal::Network;

use crate::people::StoreError;
use crate::people::sealed::{open_text, purpose, seal};
use crate::vault::Vault;

const REASON: &str = "gate_state.reason";
const NOTE: &str = "gate_invites.note";
const EMAIL: &str = "gate_places.email";
/// Purposes of the keyed hashes.
const TOKEN: &str = "gate_invites.token";
const NETWORK: &str = "gate_places.network";
const DOMAIN: &str = "gate.domain";
const PLACE: &str = "gate_places.ticket";
/// There is one state.
const STATE_ROW: u128 = 0;

pub(super) fn seal_reason(vault: &Vault, reason: &str) -> Vec<u8> {
    seal(vault, REASON, STATE_ROW, reason.as_bytes())
}

pub(super) fn open_reason(vault: &Vault, sealed: &[u8]) -> Result<String, StoreError> {
    open_text(vault, REASON, STATE_ROW, sealed)
}

pub(super) fn seal_note(vault: &Vault, id: u128, note: &str) -> Vec<u8> {
    seal(vault, NOTE, id, note.as_bytes())
}

pub(super) fn open_note(vault: &Vault, id: u128, sealed: &[u8]) -> Result<String, StoreError> {
    open_text(vault, NOTE, id, sealed)
}

pub(super) fn seal_email(vault: &Vault, number: u64, email: &str) -> Vec<u8> {
    seal(vault, EMAIL, u128::from(number), email.as_bytes())
}

pub(super) fn open_email(vault: &Vault, number: u64, sealed: &[u8]) -> Result<String, StoreError> {
    open_text(vault, EMAIL, u128::from(number), sealed)
}

/// The hash by which accounts are found, too: of the address in lower case.
pub(super) fn email_hash(vault: &Vault, normal: &str) -> [u8; 32] {
    vault.keyed_hash(purpose::EMAIL, normal.as_bytes())
}

pub(super) fn token_hash(vault: &Vault, token: &str) -> [u8; 32] {
    vault.keyed_hash(TOKEN, token.as_bytes())
}

pub(super) fn network_hash(vault: &Vault, network: Network) -> [u8; 32] {
    vault.keyed_hash(NETWORK, network.to_string().as_bytes())
}

/// What proves that a place's ticket is ours. Numbers may come again when a list was
/// empty: the time tells their places apart.
pub(super) fn place_proof(vault: &Vault, number: u64, joined_at: Timestamp) -> u128 {
    short(vault.keyed_hash(PLACE, format!("{number} {}", joined_at.millis()).as_bytes()))
}

/// What sign-ups with addresses of one domain are counted by.
pub(super) fn domain_key(vault: &Vault, domain: &str) -> u128 {
    short(vault.keyed_hash(DOMAIN, domain.as_bytes()))
}

/// The first half of a hash: enough to tell the rows of one door apart.
pub(super) fn short(hash: [u8; 32]) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    u128::from_be_bytes(half)
}
