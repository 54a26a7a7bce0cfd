//! What the door keeps: its data directory, the vault, the ledger, people and conversations.

pub mod admin;
pub mod conversations;
pub mod datadir;
pub mod directory;
pub mod export;
pub mod findings;
pub mod gate;
pub mod identity;
pub mod kept;
pub mod ledger;
pub mod notices;
pub mod ocsf;
pub mod people;
pub mod receipt;
pub mod records;
pub mod rules;
pub mod sqlite;
pub mod status;
pub mod subscribers;
pub mod vault;
