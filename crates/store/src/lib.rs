//! What the door keeps: its data directory, the vault, and the ledger.

pub mod datadir;
pub mod vault;
