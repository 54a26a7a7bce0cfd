//! What the check of the configuration finds in the data directory.

use std::os::unix::fs::PermissionsExt as _;

use surgewall_core::clock::Clock;
use surgewall_core::config::Config;
use surgewall_core::finding::{Finding, Severity};
use surgewall_store::admin::Office;
use surgewall_store::datadir::DataDir;
use surgewall_store::directory::{Bounds, Directory};
use surgewall_store::sqlite::Sqlite;
use surgewall_store::vault::Vault;

use super::config::Said;
use crate::commands::stored::first_unpriced;
use crate::fault::Fault;
use crate::place::{Place, vault};

/// Looks at the data directory, if there is one.
pub(super) async fn read(place: &Place, config: &Config, said: &mut Said) {
    let shown = place.data_dir.display();
    let is_empty = |mut entries: std::fs::ReadDir| entries.next().is_none();
    if !place.data_dir.exists() || std::fs::read_dir(&place.data_dir).is_ok_and(is_empty) {
        let statement = format!("data    {shown} holds nothing yet: `surgewall serve` makes it.");
        said.statements.push(statement);
        return;
    }
    let problem = |fault: &Fault| {
        Finding::new(Severity::Critical, "config.data", shown.to_string())
            .evidence(format!("{}.", fault.message()))
            .advice("`surgewall serve` refuses to start until this is repaired.")
    };
    let data = match place.data() {
        Ok(data) => data,
        Err(fault) => return said.findings.push(problem(&fault)),
    };
    said.statements.push(format!("data    Everything is kept in {}.", data.path().display()));
    said.findings.extend(exposed(&data));
    let vault = match vault(&data, config) {
        Ok(vault) => vault,
        // A directory that was never started has no keys yet.
        Err(_) if !data.keys().exists() && !data.database().exists() => return,
        Err(fault) => return said.findings.push(problem(&fault)),
    };
    if let Err(error) = vault.status() {
        said.findings.push(problem(&Fault::from(error)));
    }
    match unpriced(&data, &vault, config).await {
        Ok(None) => {}
        Ok(Some(fault)) | Err(fault) => said.findings.push(problem(&fault)),
    }
}

/// A data directory that other users can enter.
pub(super) fn exposed(data: &DataDir) -> Option<Finding> {
    let mode = std::fs::metadata(data.path()).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        Finding::new(Severity::Warning, "config.data.mode", data.path().display().to_string())
            .evidence(format!(
                "Other users of this machine may look into the data directory (mode {mode:04o})."
            ))
            .advice(format!("Run: chmod 700 {}", data.path().display()))
    })
}

/// A stored money limit without a price.
async fn unpriced(data: &DataDir, vault: &Vault, config: &Config) -> Result<Option<Fault>, Fault> {
    if !data.database().exists() {
        return Ok(None);
    }
    let people = Sqlite::open(&data.database()).await?;
    let directory = Directory::new(vault.clone(), Bounds::default());
    let office =
        Office { people: &people, directory: &directory, vault, clock: &Clock::System, config };
    let found = first_unpriced(&office).await?;
    people.close().await;
    Ok(found.map(|unpriced| unpriced.fault()))
}
