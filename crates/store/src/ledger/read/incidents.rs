//! `report incident`: incidents as the ledger tells them.
//!
//! What belongs to an incident is what stands between its beginning and its
//! end, by the order of the records: clocks jump, the order does not.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use serde::Serialize;
use surgewall_core::clock::Timestamp;
use surgewall_core::decision::Record;
use surgewall_core::finding::Finding;
use surgewall_core::id::PublicId;
use surgewall_core::incident::{CapacityChanged, IncidentEvent, Step};

use super::ReadError;
use super::walk::{Event, walk};
use crate::vault::Vault;

/// Incidents that a list holds: the newest.
pub const INCIDENTS_MAX: usize = 1_000;
/// Events and moves of a capacity that are told of one incident, each; the rest is counted.
pub const INCIDENT_LINES_MAX: usize = 4_000;
/// Codes and pools that are told apart; more share nothing and are left out.
const NAMES_MAX: usize = 256;

/// How an incident stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Its end is not in the ledger: it goes on, or the ledger ends here.
    Open,
    /// Its end is in the ledger.
    Closed,
    /// The door stopped or died before its end.
    CutOff,
}

/// One incident.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Incident {
    /// Its id.
    pub id: PublicId,
    /// How it stands.
    pub standing: Standing,
    /// When it began.
    pub began: Timestamp,
    /// What was written of it last; of a closed one, its end.
    pub last: IncidentEvent,
}

/// All of one incident.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Story {
    /// The incident.
    #[serde(flatten)]
    pub incident: Incident,
    /// Its events, in order.
    pub events: Vec<IncidentEvent>,
    /// Each pool's last move before it.
    pub before: Vec<CapacityChanged>,
    /// Moves of the learnt capacities while it lasted.
    pub capacity: Vec<CapacityChanged>,
    /// Refusals by code while it lasted, whatever their cause.
    pub refusals: BTreeMap<String, u64>,
    /// What the operator or the door changed while it lasted: when and what.
    pub changes: Vec<(Timestamp, String)>,
    /// Events, moves and changes that were too many to tell.
    pub left_out: u64,
}

/// The incidents in `directory`, oldest first, and what is wrong with the ledger.
///
/// # Errors
/// A file cannot be read, or another Surgewall wrote it.
pub fn incidents(
    directory: &Path,
    vault: &Vault,
) -> Result<(Vec<Incident>, Vec<Finding>), ReadError> {
    let mut found = VecDeque::new();
    let mut each = |record: Record| match record {
        Record::Incident(event) => note(&mut found, *event),
        Record::Changed(changed) if is_start(&changed.action) => cut_off(&mut found),
        _ => {}
    };
    let findings = read(directory, vault, &mut each)?;
    Ok((found.into(), findings))
}

fn note(found: &mut VecDeque<Incident>, event: IncidentEvent) {
    let known = found.back_mut().filter(|incident| incident.id == event.id);
    let standing = standing(&event);
    if let Some(incident) = known {
        incident.standing = standing;
        incident.last = event;
        return;
    }
    cut_off(found);
    if found.len() == INCIDENTS_MAX {
        found.pop_front();
    }
    found.push_back(Incident { id: event.id.clone(), standing, began: began(&event), last: event });
}

/// Whatever was open did not end: the door did.
fn cut_off(found: &mut VecDeque<Incident>) {
    if let Some(last) = found.back_mut().filter(|last| last.standing == Standing::Open) {
        last.standing = Standing::CutOff;
    }
}

const fn standing(event: &IncidentEvent) -> Standing {
    match event.step {
        Step::Closed { .. } => Standing::Closed,
        Step::Opened | Step::Changed { .. } | Step::Measured => Standing::Open,
    }
}

/// When an incident began, also where retention removed its first events.
fn began(event: &IncidentEvent) -> Timestamp {
    let elapsed_ms = event.elapsed_s.saturating_mul(1_000);
    Timestamp::from_millis(event.at.millis().saturating_sub(elapsed_ms))
}

fn is_start(action: &str) -> bool {
    action == "door.start"
}

/// All that the ledger in `directory` tells of the incident `id`, and what is
/// wrong with the ledger.
///
/// # Errors
/// A file cannot be read, or another Surgewall wrote it.
pub fn incident(
    directory: &Path,
    vault: &Vault,
    id: &PublicId,
) -> Result<(Option<Story>, Vec<Finding>), ReadError> {
    let mut teller = Teller { id, story: None, before: BTreeMap::new() };
    let findings = read(directory, vault, &mut |record| teller.record(record))?;
    Ok((teller.story, findings))
}

struct Teller<'a> {
    id: &'a PublicId,
    story: Option<Story>,
    /// Each pool's last move.
    before: BTreeMap<String, CapacityChanged>,
}

impl Teller<'_> {
    fn record(&mut self, record: Record) {
        match record {
            Record::Incident(event) if event.id == *self.id => self.event(*event),
            Record::Incident(_) => self.cut_off(),
            Record::Capacity(moved) => self.moved(moved),
            Record::Changed(changed) if is_start(&changed.action) => self.cut_off(),
            Record::Changed(changed) => {
                if let Some(story) = self.going_on() {
                    let line = (changed.at, changed.action);
                    push(&mut story.changes, &mut story.left_out, line);
                }
            }
            Record::Refused(refused) => {
                if let Some(story) = self.going_on()
                    && (story.refusals.len() < NAMES_MAX
                        || story.refusals.contains_key(&refused.code))
                {
                    let sum = story.refusals.entry(refused.code).or_default();
                    *sum = sum.saturating_add(refused.count);
                }
            }
            _ => {}
        }
    }

    fn event(&mut self, event: IncidentEvent) {
        let standing = standing(&event);
        let story = self.story.get_or_insert_with(|| Story {
            incident: Incident {
                id: event.id.clone(),
                standing,
                began: began(&event),
                last: event.clone(),
            },
            events: Vec::new(),
            before: std::mem::take(&mut self.before).into_values().collect(),
            capacity: Vec::new(),
            refusals: BTreeMap::new(),
            changes: Vec::new(),
            left_out: 0,
        });
        story.incident.standing = standing;
        story.incident.last = event.clone();
        push(&mut story.events, &mut story.left_out, event);
    }

    fn moved(&mut self, moved: CapacityChanged) {
        if let Some(story) = self.going_on() {
            push(&mut story.capacity, &mut story.left_out, moved);
        } else if self.story.is_none()
            && (self.before.len() < NAMES_MAX || self.before.contains_key(&moved.pool))
        {
            self.before.insert(moved.pool.clone(), moved);
        }
    }

    fn cut_off(&mut self) {
        if let Some(story) = self.going_on() {
            story.incident.standing = Standing::CutOff;
        }
    }

    /// The story, while the incident lasts.
    fn going_on(&mut self) -> Option<&mut Story> {
        self.story.as_mut().filter(|story| story.incident.standing == Standing::Open)
    }
}

fn push<T>(lines: &mut Vec<T>, left_out: &mut u64, line: T) {
    if lines.len() < INCIDENT_LINES_MAX {
        lines.push(line);
    } else {
        *left_out += 1;
    }
}

fn read(
    directory: &Path,
    vault: &Vault,
    each: &mut dyn FnMut(Record),
) -> Result<Vec<Finding>, ReadError> {
    let mut visit = |event: Event| {
        if let Event::Record { record, .. } = event {
            each(record);
        }
    };
    walk(directory, vault, &mut visit)
}
