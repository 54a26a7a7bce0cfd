//! One report held against what is stored: which rows are written, and which
//! findings changed. It decides and writes nothing.

use std::collections::{HashMap, HashSet};

use surgewall_core::clock::Timestamp;
use surgewall_core::finding::{ChangedBy, Confidence, Finding, Severity, State};
use surgewall_core::id::{FindingId, PublicId};

use super::sealed::{self, Body};
use super::state::{Event, after};
use super::{FINDINGS_MAX, FindingCounts, FindingRow, FindingView};
use crate::people::StoreError;
use crate::vault::Vault;

/// One thing that a producer sees, under its keyed hashes.
pub(super) struct Sight {
    pub(super) hash: [u8; 32],
    subject: [u8; 32],
    severity: Severity,
    confidence: Confidence,
    body: Body,
}

/// What a producer sees: each rule and subject once, the worst first. Of two
/// sights of one thing the worse severity counts, and the evidence of both.
pub(super) fn sights(vault: &Vault, producer: &str, mut findings: Vec<Finding>) -> Vec<Sight> {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut places: HashMap<[u8; 32], usize> = HashMap::new();
    let mut together: Vec<([u8; 32], Finding)> = Vec::with_capacity(findings.len());
    for finding in findings {
        let hash = sealed::identity(vault, &finding.rule, &finding.subject);
        match places.get(&hash).and_then(|at| together.get_mut(*at)) {
            None => {
                places.insert(hash, together.len());
                together.push((hash, finding));
            }
            Some((_, first)) if !first.evidence.contains(&finding.evidence) => {
                let both = format!("{} {}", first.evidence, finding.evidence);
                both.trim().clone_into(&mut first.evidence);
            }
            Some(_) => {}
        }
    }
    let sight = |(hash, finding): ([u8; 32], Finding)| Sight {
        hash,
        subject: sealed::subject(vault, &finding.subject),
        severity: finding.severity,
        confidence: finding.confidence,
        body: Body::of(producer, &finding),
    };
    together.into_iter().map(sight).collect()
}

/// What a report is held against.
pub(super) struct Known {
    /// The producer.
    pub(super) producer: [u8; 32],
    /// Every stored finding of it that is not fixed, and every one that it sees now.
    pub(super) rows: Vec<FindingRow>,
    /// How many there are of all producers.
    pub(super) counts: FindingCounts,
    /// Subjects that it could not tell about.
    pub(super) unsure: HashSet<[u8; 32]>,
    /// Set where what the producer does not name is not fixed: at most so many of it
    /// stand at once.
    pub(super) standing_max: Option<u32>,
}

/// What is to be written.
#[derive(Default)]
pub(super) struct Plan {
    /// The rows.
    pub(super) rows: Vec<FindingRow>,
    /// Those that have another state than before, as they will be, with the
    /// state that they had.
    pub(super) changes: Vec<(Option<State>, FindingView)>,
    /// New findings for which there is no room.
    pub(super) left_out: usize,
}

impl Plan {
    /// A row that is to be written, and whether its state changes.
    pub(super) fn push(
        &mut self,
        vault: &Vault,
        row: FindingRow,
        before: Option<State>,
    ) -> Result<(), StoreError> {
        if before != Some(row.state) {
            self.changes.push((before, sealed::view(vault, &row)?));
        }
        self.rows.push(row);
        Ok(())
    }
}

/// What `sights` mean for what is `known`.
pub(super) fn plan(
    vault: &Vault,
    known: Known,
    sights: Vec<Sight>,
    now: Timestamp,
) -> Result<Plan, StoreError> {
    let mut plan = Plan::default();
    let mut standing = known.counts.standing();
    let mut rows: HashMap<[u8; 32], FindingRow> =
        known.rows.into_iter().map(|row| (row.hash, row)).collect();
    let mut new = Vec::new();
    for sight in sights {
        let Some(row) = rows.remove(&sight.hash) else {
            new.push(sight);
            continue;
        };
        standing += u64::from(row.state == State::Fixed);
        let before = row.state;
        plan.push(vault, again(vault, row, known.producer, &sight, now)?, Some(before))?;
    }
    // In the order in which they came, so that one report always means the same.
    let mut gone: Vec<_> = rows.into_values().collect();
    gone.retain(|row| row.state != State::Fixed && !known.unsure.contains(&row.subject));
    let mut room = u64::from(FINDINGS_MAX);
    if let Some(most) = known.standing_max {
        let own = u64::try_from(gone.len()).unwrap_or(u64::MAX);
        room = room.min(standing.saturating_sub(own).saturating_add(u64::from(most)));
        gone.clear();
    }
    gone.sort_by_key(|row| row.id);
    for row in gone {
        standing = standing.saturating_sub(1);
        let before = row.state;
        plan.push(vault, step(row, Event::Gone, now), Some(before))?;
    }
    let room = room.saturating_sub(standing);
    let room = usize::try_from(room).unwrap_or(usize::MAX).min(new.len());
    plan.left_out = new.len() - room;
    for sight in new.iter().take(room) {
        plan.push(vault, first(vault, known.producer, sight, now)?, None)?;
    }
    plan.changes.sort_by_key(|(_, view)| std::cmp::Reverse(view.finding.severity));
    Ok(plan)
}

/// `row` after an event that a producer brings, which is possible in every state.
fn step(row: FindingRow, event: Event, now: Timestamp) -> FindingRow {
    let state = after(row.state, event).unwrap_or(row.state);
    if state == row.state {
        return row;
    }
    FindingRow { state, changed_at: now, changed_by: ChangedBy::Producer, ..row }
}

/// A finding that is seen again.
fn again(
    vault: &Vault,
    row: FindingRow,
    producer: [u8; 32],
    sight: &Sight,
    now: Timestamp,
) -> Result<FindingRow, StoreError> {
    let event = if sight.severity > row.severity { Event::Worse } else { Event::Seen };
    let mut row = step(row, event, now);
    if sealed::open(vault, &row)? != sight.body {
        row.body = sight.body.seal(vault, row.id.as_u128())?;
    }
    row.producer = producer;
    row.severity = sight.severity;
    row.confidence = sight.confidence;
    // A clock that was set back does not make it older.
    row.last_seen = row.last_seen.max(now);
    row.seen = row.seen.saturating_add(1);
    Ok(row)
}

/// A finding that nobody has seen.
fn first(
    vault: &Vault,
    producer: [u8; 32],
    sight: &Sight,
    now: Timestamp,
) -> Result<FindingRow, StoreError> {
    let id = FindingId::new(now);
    Ok(FindingRow {
        id,
        public_id: PublicId::random("fnd"),
        hash: sight.hash,
        subject: sight.subject,
        producer,
        state: State::Open,
        severity: sight.severity,
        confidence: sight.confidence,
        body: sight.body.seal(vault, id.as_u128())?,
        note: None,
        first_seen: now,
        last_seen: now,
        seen: 1,
        changed_at: now,
        changed_by: ChangedBy::Producer,
    })
}
