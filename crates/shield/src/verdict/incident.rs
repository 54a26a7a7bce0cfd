//! The incident that is open: what it counts, when it changes and when it ends.

use std::sync::Arc;

use surgewall_core::clock::Timestamp;
use surgewall_core::id::PublicId;
use surgewall_core::incident::{
    ClassTotals, Counterfactual, IncidentEvent, Numbers, Step, Verdict,
};

use super::reading::Reading;
use super::tick::{PoolTick, Tick};

/// Ticks in a row with another verdict or pool before the incident has it.
const CHANGE_TICKS: u32 = 3;
/// Ticks in a row of doubt before a verdict is given up for `unclear`.
const DOUBT_TICKS: u32 = 10;
/// How long it must be calm before an incident ends, in milliseconds.
pub(super) const CALM_MS: u64 = 60_000;
/// Between two measurements that are written down, in milliseconds.
const MEASURED_MS: u64 = 10_000;
/// The same, of an incident that is older than [`YOUNG_MS`].
const MEASURED_LATER_MS: u64 = 60_000;
/// How long an incident is young, in milliseconds.
const YOUNG_MS: u64 = 600_000;

/// What was judged of one pool.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) pool: Arc<str>,
    pub(super) numbers: Numbers,
    pub(super) reading: Reading,
}

impl Finding {
    /// By how much the demand exceeds the capacity, in work per second.
    pub(super) fn shortfall(&self) -> u64 {
        shortfall(&self.numbers)
    }
}

/// By how much the demand of `numbers` exceeds their capacity, in work per second.
pub(super) fn shortfall(numbers: &Numbers) -> u64 {
    numbers.demand.work.saturating_sub(numbers.capacity.unwrap_or(0))
}

/// An incident that is open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) id: PublicId,
    /// What it is now.
    pub(super) finding: Finding,
    elapsed_ms: u64,
    calm_ms: u64,
    measured_ms: u64,
    /// What was read instead lately, and how often in a row.
    other: Option<(Verdict, Arc<str>, u32)>,
    /// For how long each verdict held, in milliseconds, and its worst second.
    held: [(u64, Option<Finding>); Verdict::ALL.len()],
    totals: [ClassTotals; 4],
    observed: bool,
}

impl Open {
    /// An incident that begins with `finding`.
    pub(super) fn new(id: PublicId, finding: Finding, tick: &Tick) -> Self {
        let mut open = Self {
            id,
            finding: finding.clone(),
            elapsed_ms: 0,
            calm_ms: 0,
            measured_ms: 0,
            other: None,
            held: Default::default(),
            totals: [ClassTotals::default(); 4],
            observed: tick.observe,
        };
        open.count(tick);
        open.hold(finding, 0);
        open
    }

    /// Adds what happened in a tick.
    pub(super) fn count(&mut self, tick: &Tick) {
        self.observed = tick.observe;
        for pool in &tick.pools {
            add(&mut self.totals, pool);
        }
    }

    /// A tick in which somebody was refused or waited long; `None`: what
    /// arrives would fit by now.
    pub(super) fn pressed(&mut self, found: Option<Finding>, millis: u64) -> Option<Step> {
        self.elapsed_ms = self.elapsed_ms.saturating_add(millis);
        self.measured_ms = self.measured_ms.saturating_add(millis);
        self.calm_ms = 0;
        let Some(found) = found else { return self.measure() };
        let same = (found.reading.verdict, &found.pool)
            == (self.finding.reading.verdict, &self.finding.pool);
        if same {
            self.other = None;
            self.hold(found.clone(), millis);
            self.finding = found;
            return self.measure();
        }
        let verdict = found.reading.verdict;
        let times = match &self.other {
            Some((other, pool, times)) if (*other, pool) == (verdict, &found.pool) => times + 1,
            _ => 1,
        };
        let needed = if verdict == Verdict::Unclear { DOUBT_TICKS } else { CHANGE_TICKS };
        if times < needed {
            self.other = Some((verdict, Arc::clone(&found.pool), times));
            self.hold(self.finding.clone(), millis);
            return self.measure();
        }
        let from = self.finding.reading.verdict;
        self.other = None;
        self.measured_ms = 0;
        self.hold(found.clone(), millis);
        self.finding = found;
        Some(Step::Changed { from })
    }

    /// A calm tick.
    pub(super) fn calm(&mut self, millis: u64) -> Option<Step> {
        self.elapsed_ms = self.elapsed_ms.saturating_add(millis);
        self.calm_ms = self.calm_ms.saturating_add(millis);
        self.other = None;
        (self.calm_ms >= CALM_MS)
            .then(|| Step::Closed { calm_s: self.calm_ms / 1_000, held: self.held_longest_first() })
    }

    fn measure(&mut self) -> Option<Step> {
        let every = if self.elapsed_ms < YOUNG_MS { MEASURED_MS } else { MEASURED_LATER_MS };
        if self.measured_ms < every {
            return None;
        }
        self.measured_ms = 0;
        Some(Step::Measured)
    }

    fn hold(&mut self, finding: Finding, millis: u64) {
        let held = &mut self.held[finding.reading.verdict as usize];
        held.0 = held.0.saturating_add(millis);
        if held.1.as_ref().is_none_or(|worst| worst.shortfall() <= finding.shortfall()) {
            held.1 = Some(finding);
        }
    }

    fn held_longest_first(&self) -> Vec<(Verdict, u64)> {
        let held = Verdict::ALL.into_iter().zip(&self.held);
        let mut held: Vec<_> = held
            .filter(|(_, (_, worst))| worst.is_some())
            .map(|(verdict, (millis, _))| (verdict, millis / 1_000))
            .collect();
        held.sort_by_key(|(_, seconds)| std::cmp::Reverse(*seconds));
        held
    }

    /// `step` as the ledger has it.
    pub(super) fn event(&self, at: Timestamp, step: Step) -> IncidentEvent {
        let finding = match &step {
            Step::Closed { held, .. } => held
                .first()
                .and_then(|(verdict, _)| self.held[*verdict as usize].1.as_ref())
                .unwrap_or(&self.finding),
            _ => &self.finding,
        };
        IncidentEvent {
            id: self.id.clone(),
            at,
            elapsed_s: self.elapsed_ms / 1_000,
            step,
            verdict: finding.reading.verdict,
            also: finding.reading.also.clone(),
            reasons: finding.reading.reasons.clone(),
            pool: finding.pool.to_string(),
            observed: self.observed,
            numbers: finding.numbers.clone(),
            counterfactual: Counterfactual::of(&finding.numbers),
            totals: self.totals,
        }
    }
}

fn add(totals: &mut [ClassTotals; 4], pool: &PoolTick) {
    for (total, counts) in totals.iter_mut().zip(&pool.classes) {
        total.offered = total.offered.saturating_add(counts.offered.requests);
        let repeated = counts.repeated.requests.min(counts.offered.requests);
        total.repeated = total.repeated.saturating_add(repeated);
        total.admitted = total.admitted.saturating_add(counts.admitted);
        total.queued = total.queued.saturating_add(counts.queued);
        total.left = total.left.saturating_add(counts.left);
        total.refused = total.refused.saturating_add(counts.refused);
        total.longest_wait_ms = total.longest_wait_ms.max(counts.longest_wait_ms);
    }
}
