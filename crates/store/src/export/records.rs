//! What the operator recorded of a person's requests: redacted, as it is kept.

use serde::Serialize;
use surgewall_core::clock::Timestamp;
use surgewall_core::decision::Outcome;
use surgewall_core::id::RequestId;

use super::person::Person;
use super::{ExportError, Item, Sink, Summary};
use crate::datadir::DataDir;
use crate::records::{BlockFault, Cursor, Event, RecordsError, RecordsReader, Said};
use crate::vault::{Vault, VaultError};

/// One recorded call of a model.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct RecordView {
    /// The request, as in the ledger.
    pub request_id: RequestId,
    /// When it arrived.
    pub at: Timestamp,
    /// Where the data may be; empty where that is unknown.
    pub region: String,
    /// The model.
    pub model: String,
    /// The dialect that was spoken.
    pub dialect: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Tokens of the input.
    pub input_tokens: u64,
    /// Tokens of the output.
    pub output_tokens: u64,
    /// What was asked, redacted.
    pub request: String,
    /// What was answered, redacted.
    pub answer: String,
    /// Whether there was more of either than is kept.
    pub cut: bool,
}

impl From<Event> for RecordView {
    fn from(event: Event) -> Self {
        let (Said { text: request, cut: asked }, Said { text: answer, cut: answered }) =
            (event.request, event.answer);
        Self {
            request_id: event.request_id,
            at: event.at,
            region: event.region,
            model: event.model,
            dialect: event.dialect,
            outcome: event.outcome,
            input_tokens: event.input_tokens,
            output_tokens: event.output_tokens,
            request,
            answer,
            cut: asked || answered,
        }
    }
}

pub(super) async fn records(
    directory: &DataDir,
    vault: &Vault,
    person: &Person,
    sink: &mut dyn Sink,
    summary: &mut Summary,
) -> Result<(), ExportError> {
    let Some(mut reader) = RecordsReader::open(directory, vault).await? else { return Ok(()) };
    let (mut cursor, mut erased) = (Cursor::default(), 0_u64);
    while let Some(found) = reader.next(person.subject, &mut cursor).await? {
        match found.events {
            Ok(events) => {
                for event in events {
                    summary.counts.records += 1;
                    sink.take(&Item::Record(Box::new(event.into())))?;
                }
            }
            Err(RecordsError::Block { fault: BlockFault::Vault(VaultError::Erased), .. }) => {
                erased += 1;
            }
            Err(error) => note(summary, format!("some records cannot be read: {error}")),
        }
    }
    if erased > 0 {
        note(summary, format!("{erased} blocks of records were erased: their keys were destroyed"));
    }
    Ok(())
}

/// A damaged file has as many notes as blocks: the first ones tell it.
fn note(summary: &mut Summary, text: String) {
    const NOTES_MAX: usize = 100;
    if summary.notes.len() < NOTES_MAX {
        summary.notes.push(text);
    }
}
