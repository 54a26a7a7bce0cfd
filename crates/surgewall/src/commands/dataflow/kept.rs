//! The configurations that decisions ran under, and how many people are known.

use std::collections::HashMap;

use surgewall_core::config::{self, Config};
use surgewall_core::digest::config_hash;
use surgewall_store::datadir::DataDir;
use surgewall_store::people::sealed::open_config;
use surgewall_store::people::{PAGE_ROWS_MAX, People as _, Pick};
use surgewall_store::sqlite::Sqlite;
use surgewall_store::vault::Vault;

use crate::fault::Fault;
use crate::place::Loaded;

/// What is kept beside the ledger.
#[derive(Default)]
pub(super) struct Kept {
    /// By hash; `None` where the text cannot be read any more.
    pub(super) configs: HashMap<String, Option<Config>>,
    /// The one that was in force last, and its hash; before a first start the one on disk.
    pub(super) last: (String, Config),
    /// Whether a door ever ran under it.
    pub(super) was_in_force: bool,
    /// Accounts.
    pub(super) accounts: u64,
    /// Keys.
    pub(super) keys: u64,
}

/// Reads what is kept in `data`; `loaded` is the configuration on disk.
pub(super) async fn read(data: &DataDir, vault: &Vault, loaded: Loaded) -> Result<Kept, Fault> {
    let on_disk = (config_hash(&loaded.text), loaded.config);
    let mut kept = Kept { last: on_disk, ..Kept::default() };
    if !data.database().exists() {
        return Ok(kept);
    }
    let people = Sqlite::open(&data.database()).await?;
    // The newest first.
    for row in people.configs().await? {
        let read = open_config(vault, &row).ok();
        let read = read.and_then(|text| config::parse("(kept)", &text).ok());
        if let (Some(config), false) = (&read, kept.was_in_force) {
            kept.last = (row.hash.clone(), config.clone());
            kept.was_in_force = true;
        }
        kept.configs.insert(row.hash, read);
    }
    let after = |id| Pick::After { id, rows_max: PAGE_ROWS_MAX };
    let (mut account, mut key) = (0, 0);
    loop {
        let rows = people.accounts(&after(account)).await?;
        let Some(last) = rows.last() else { break };
        account = last.id.as_u128();
        kept.accounts += rows.len() as u64;
    }
    loop {
        let rows = people.keys(&after(key)).await?;
        let Some(last) = rows.last() else { break };
        key = last.id.as_u128();
        kept.keys += rows.len() as u64;
    }
    people.close().await;
    Ok(kept)
}
