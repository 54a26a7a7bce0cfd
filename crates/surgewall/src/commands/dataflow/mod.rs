//! `surgewall report dataflow`: the five questions that regulators asked,
//! answered from the ledger, the kept configurations and the data directory,
//! each line with its evidence; and what cannot be answered, with what would help.

mod answers;
mod joined;
mod kept;
mod parties;
mod report;
mod stores;
mod unknown;

use surgewall_core::clock::Clock;
use surgewall_store::ledger::read::{DataFlow, dataflow as read_flow};

pub(crate) use parties::{Ruled, Terms};
pub(crate) use report::{Line, Proof, Report, Section};

use crate::cli::report::{Dataflow, Page};
use crate::commands::report::instant;
use crate::fault::{Fault, Verdict};
use crate::place::{Place, vault};
use crate::show::progress::Progress;
use crate::show::{self, dataflow as words};

/// Prints the report.
///
/// # Errors
/// The master key is not here, a file cannot be read, or a time cannot be meant.
pub(crate) async fn dataflow(place: &Place, asked: &Dataflow) -> Result<Verdict, Fault> {
    let now = Clock::System.now();
    let since = asked.since.as_deref().map(|text| instant(text, now)).transpose()?;
    let until = asked.until.as_deref().map(|text| instant(text, now)).transpose()?;
    let data = place.data()?;
    let loaded = place.load()?;
    let vault = vault(&data, &loaded.config)
        .map_err(|fault| fault.during("the ledger cannot be opened without the master key"))?;
    let flow = if data.ledger().exists() {
        let mut progress = Progress::new("reading the ledger", true);
        let mut watch = |reading| progress.step(reading);
        read_flow(&data.ledger(), &vault, since, until, &mut watch)?
    } else {
        DataFlow::default()
    };
    let kept = kept::read(&data, &vault, loaded).await?;
    let stores = stores::read(&data)?;
    let period = (since.map(|at| at.to_string()), until.map(|at| at.to_string()));
    let report = Report::new(data.store_id().to_string(), period, flow, &kept, &stores);
    let verdict = Verdict::over(&report.findings);
    match asked.format {
        Page::Json => show::json(&report)?,
        Page::Text => show::out(&words::text(&report)),
        Page::Html => show::out(&words::html(&report)),
    }
    if asked.format != Page::Json {
        show::err(&show::findings::text(&report.findings, false));
    }
    Ok(verdict)
}
