//! What the ledger says about one person.

use std::collections::HashSet;
use std::io;

use surgewall_core::decision::{Changed, Record};
use surgewall_core::id::RequestId;

use super::person::Person;
use super::{ExportError, Item, Sink, Summary};
use crate::datadir::DataDir;
use crate::ledger::read::{export_watched, shown};
use crate::vault::Vault;

/// Actions by which somebody looked at what is held about a person.
pub const ACCESSES: [&str; 1] = ["user.export"];
/// Entries of each list of a [`Summary`]; the rest is among the decisions.
pub const HIGHLIGHTS_MAX: usize = 10_000;

pub(super) fn decisions(
    directory: &DataDir,
    vault: &Vault,
    person: &Person,
    sink: &mut dyn Sink,
    summary: &mut Summary,
) -> Result<(), ExportError> {
    if !directory.ledger().exists() {
        return Ok(());
    }
    let mut read = Read { person, open: HashSet::new(), summary, written: Ok(()) };
    let each = |sequence, record: Record| read.record(sequence, &record, sink);
    let findings = export_watched(&directory.ledger(), vault, each, &mut |_| {})?;
    read.written?;
    summary.findings = findings;
    if let Some(erased) = summary.erasures.last() {
        summary.notes.push(format!(
            "what was written before {} was erased: its keys were destroyed, and nobody can read it any more",
            erased.at
        ));
    }
    Ok(())
}

struct Read<'a> {
    person: &'a Person,
    /// Requests of this person that are open.
    open: HashSet<RequestId>,
    summary: &'a mut Summary,
    written: io::Result<()>,
}

impl Read<'_> {
    fn record(&mut self, sequence: u64, record: &Record, sink: &mut dyn Sink) {
        if self.written.is_err() || !self.is_ours(record) {
            return;
        }
        self.count(record);
        let value = shown(sequence, record, &self.person.names).map_err(io::Error::from);
        self.written = value.and_then(|value| sink.take(&Item::Decision(value)));
    }

    /// Whether a record names this person, and nobody else.
    fn is_ours(&mut self, record: &Record) -> bool {
        match record {
            Record::Admitted(admitted) => {
                let ours = self.person.is(&admitted.who);
                ours && self.open.insert(admitted.request_id)
            }
            // What retention took the admission of is still settled later. The
            // record itself is about many.
            Record::Reservations { reservations } => {
                let ours = reservations.iter().filter(|open| self.person.is(&open.admitted.who));
                self.open.extend(ours.map(|open| open.admitted.request_id));
                false
            }
            Record::Settled(settled) => self.open.remove(&settled.request_id),
            Record::Refused(refused) => refused.who.as_ref().is_some_and(|who| self.person.is(who)),
            Record::Changed(changed) => self.is_changed(changed),
            Record::Erased(erased) => erased.subject == self.person.shown,
            _ => false,
        }
    }

    fn is_changed(&self, changed: &Changed) -> bool {
        let Some(subject) = &changed.subject else { return false };
        if *subject == self.person.shown || self.person.public_ids.contains(subject) {
            return true;
        }
        // A change of one end user's limits names the key, and then the user.
        let Some(user) = self.person.user else { return false };
        let key = self.person.key.map(|key| format!("{key:?}"));
        let named = key.and_then(|key| self.person.names.get(&key)) == Some(subject);
        let word = format!("user={user}");
        named && changed.detail.iter().any(|text| text.split(' ').any(|found| found == word))
    }

    fn count(&mut self, record: &Record) {
        let Summary { counts, accesses, class_history, erasures, .. } = &mut *self.summary;
        match record {
            Record::Admitted(_) => counts.admitted += 1,
            Record::Settled(settled) => {
                counts.settled += 1;
                counts.input_tokens = counts.input_tokens.saturating_add(settled.usage.input);
                counts.output_tokens = counts.output_tokens.saturating_add(settled.usage.output);
                counts.cost = counts.cost.saturating_add(settled.cost);
            }
            Record::Refused(refused) => {
                counts.refused = counts.refused.saturating_add(refused.count);
            }
            Record::Changed(changed) => {
                counts.changes += 1;
                if ACCESSES.contains(&changed.action.as_str()) {
                    keep(accesses, changed);
                }
                let words = changed.detail.as_deref().unwrap_or_default();
                let about_class = changed.subject.as_ref() == Some(&self.person.shown)
                    && words.split(' ').any(|word| word.starts_with("class="));
                if about_class || changed.action == "user.class" {
                    keep(class_history, changed);
                }
            }
            Record::Erased(erased) if erasures.len() < HIGHLIGHTS_MAX => {
                erasures.push(erased.clone());
            }
            _ => {}
        }
    }
}

fn keep(list: &mut Vec<Changed>, changed: &Changed) {
    if list.len() < HIGHLIGHTS_MAX {
        list.push(changed.clone());
    }
}
