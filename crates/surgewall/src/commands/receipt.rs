//! `surgewall report receipt`: what became of one request, for whoever wants to
//! keep it or show it to others.

use surgewall_core::clock::Clock;
use surgewall_store::receipt::{Wanted, of};
use surgewall_store::sqlite::Sqlite;

use crate::cli::report::Receipt;
use crate::fault::{Fault, Verdict};
use crate::place::{Place, vault};
use crate::show;

/// Prints the receipt: the operator may have anybody's.
///
/// # Errors
/// The master key is not here, there is no such request, or it is not signed yet.
pub(crate) async fn receipt(place: &Place, asked: &Receipt) -> Result<Verdict, Fault> {
    let data = place.data()?;
    let vault = vault(&data, &place.load()?.config)?;
    let people = Sqlite::open(&data.database()).await?;
    let wanted = Wanted { request: asked.request, by: None, now: Clock::System.now() };
    let receipt = of(&people, &vault, &data, wanted).await;
    people.close().await;
    show::json(&receipt?)?;
    Ok(Verdict::Clean)
}
