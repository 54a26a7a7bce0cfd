//! Finding a key, for `benches/instructions.sh`: what is counted is the
//! function `measured`, whose last argument says how often it repeats.

use std::error::Error;
use std::hint::black_box;

use surgewall_core::clock::Clock;
use surgewall_core::config::Config;
use surgewall_core::decision::Record;
use surgewall_core::refusal::CredentialFault;
use surgewall_store::admin::{Audit, AuditError, KeyCreate, Office, Reply, Request, execute};
use surgewall_store::datadir::DataDir;
use surgewall_store::directory::Directory;
use surgewall_store::sqlite::Sqlite;
use surgewall_store::vault::Vault;

/// Nothing is recorded: the ledger has an example of its own.
struct Nowhere;

impl Audit for Nowhere {
    async fn record(&self, _record: Record) -> Result<(), AuditError> {
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args().nth(1).unwrap_or_default().parse()?;
    let base = tempfile::tempdir()?;
    let data = DataDir::open_or_create(&base.path().join("data"))?;
    let vault = Vault::open_or_create(&data, Some(&base.path().join("key")))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (directory, key) = runtime.block_on(async {
        let people = Sqlite::open(&data.database()).await?;
        let directory = Directory::load(&people, vault.clone()).await?;
        let (clock, config) = (Clock::System, Config::default());
        let office = Office {
            people: &people,
            directory: &directory,
            vault: &vault,
            clock: &clock,
            config: &config,
        };
        let asked = KeyCreate { name: "bench".to_owned(), ..KeyCreate::default() };
        let reply = execute(&office, &Nowhere, Request::KeyCreate(asked)).await?;
        let Reply::KeyCreated { key: Some(key), .. } = reply else { return Err("no key".into()) };
        people.close().await;
        Ok::<_, Box<dyn Error>>((directory, key.0.expose().clone()))
    })?;
    measured(&directory, &key, count).map_err(|fault| format!("{fault:?}").into())
}

#[inline(never)]
fn measured(directory: &Directory, key: &str, count: u64) -> Result<(), CredentialFault> {
    let now = Clock::System.now();
    for _ in 0..count {
        black_box(directory.find_key_at_once(black_box(key), now)?);
    }
    Ok(())
}
