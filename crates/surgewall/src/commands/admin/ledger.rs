//! `surgewall admin ledger`: every record as one JSON object a line, and proofs.

use std::io::{BufWriter, Write as _};

use surgewall_core::decision::Record;
use surgewall_store::datadir::DataDir;
use surgewall_store::ledger::read::{
    Names, Which, consistency, export_watched, names, prove, shown,
};
use surgewall_store::sqlite::Sqlite;
use surgewall_store::vault::Vault;

use crate::cli::admin::Ledger;
use crate::fault::{Fault, Verdict};
use crate::place::{Place, vault};
use crate::show;
use crate::show::progress::Progress;

/// Exports the ledger, or proves what is in it.
///
/// # Errors
/// The master key is not here, or a file cannot be read.
pub(crate) async fn ledger(place: &Place, asked: &Ledger) -> Result<Verdict, Fault> {
    let data = place.data()?;
    let config = place.load()?.config;
    let vault = vault(&data, &config)
        .map_err(|fault| fault.during("the ledger cannot be opened without the master key"))?;
    match asked {
        Ledger::Export { format: _ } => return export(&data, &vault).await,
        Ledger::Prove { request, record } => {
            let which = request.map_or(Which::Record(record.unwrap_or(0)), Which::Request);
            show::json(&prove(&data, &vault, which)?)?;
        }
        Ledger::Consistency { from } => show::json(&consistency(&data, &vault, *from)?)?,
    }
    Ok(Verdict::Clean)
}

async fn export(data: &DataDir, vault: &Vault) -> Result<Verdict, Fault> {
    let names = known(data).await?;
    if !data.ledger().exists() {
        return Ok(Verdict::Clean);
    }
    let mut lines = BufWriter::new(std::io::stdout().lock());
    let mut written = Ok(());
    let each = |sequence, record: Record| {
        if written.is_ok() {
            written = shown(sequence, &record, &names)
                .map_err(std::io::Error::from)
                .and_then(|record| writeln!(lines, "{record}"));
        }
    };
    // Where the records themselves pass by on the terminal, they say how far it is.
    let mut progress = Progress::new("exporting the ledger", !show::is_terminal());
    let mut watch = |reading| progress.step(reading);
    let findings = export_watched(&data.ledger(), vault, each, &mut watch)?;
    drop(progress);
    match written.and_then(|()| lines.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        other => other?,
    }
    show::err(&show::findings::text(&findings, false));
    Ok(Verdict::over(&findings))
}

/// The public id of everybody in the database.
async fn known(data: &DataDir) -> Result<Names, Fault> {
    if !data.database().exists() {
        return Ok(Names::new());
    }
    let people = Sqlite::open(&data.database()).await?;
    let found = names(&people).await?;
    people.close().await;
    Ok(found)
}
