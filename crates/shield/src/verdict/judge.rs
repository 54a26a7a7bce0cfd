//! One verdict for the door, a second at a time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use surgewall_core::id::PublicId;
use surgewall_core::incident::{Counterfactual, IncidentEvent, Numbers, Reason, Step, Verdict};

use super::incident::{Finding, Open, shortfall};
use super::reading::{Context, FELL_PERCENT, Reading, read};
use super::tick::Tick;
use super::usual::Learnt;
use super::window::Window;

/// Ticks that are looked at before an incident opens.
const LOOKED_AT_TICKS: usize = 5;
/// Bad ones among them that open it.
const BAD_TICKS: usize = 3;
/// The longest time that one tick stands for, in milliseconds: a machine that
/// slept did not serve in its sleep.
const TICK_MS_MAX: u64 = 5_000;

/// What the judge says after a tick.
#[must_use]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// The verdict; `Normal` whenever nobody was refused and nobody waits long.
    pub verdict: Verdict,
    /// With `Unclear`: what it may be; else what adds to it.
    pub also: Vec<Verdict>,
    /// What it rests on.
    pub reasons: Vec<Reason>,
    /// The pool that is worst off; `None` where there is no pool.
    pub pool: Option<Arc<str>>,
    /// That pool's numbers.
    pub numbers: Numbers,
    /// What would have been otherwise, where the pool's capacity is known.
    pub counterfactual: Option<Counterfactual>,
    /// The incident that is open.
    pub incident: Option<PublicId>,
}

/// Judges, tick by tick; opens and closes the incident.
#[derive(Debug, Default)]
pub struct Judge {
    pools: BTreeMap<Arc<str>, Pool>,
    /// Whether each of the last ticks was bad, newest last.
    bad: VecDeque<bool>,
    open: Option<Open>,
}

#[derive(Debug, Default)]
struct Pool {
    window: Window,
    learnt: Learnt,
    was_slow: bool,
    /// Whether it was ever seen full before this incident.
    was_full: bool,
}

impl Pool {
    /// What its numbers alone do not tell.
    fn context(&self, observe: bool) -> Context {
        let both = self.window.power().zip(self.learnt.power());
        let least = |usual: u64| usual / 100 * FELL_PERCENT;
        // Where the pool was never full, it could do more than was asked of it.
        let enough = |usual| if self.learnt.was_full() { least(usual) } else { usual };
        Context {
            nothing_ended: self.window.nothing_ended(),
            was_slow: self.was_slow,
            observe,
            fell: both.is_some_and(|(now, usual)| now < least(usual)),
            does_as_usual: both.is_some_and(|(now, usual)| now >= enough(usual)),
            was_full: self.was_full,
        }
    }
}

/// A pool as it stands after a tick.
struct Look {
    pool: Arc<str>,
    numbers: Numbers,
    pressed: bool,
    reading: Option<Reading>,
}

impl Judge {
    /// A judge that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges the last second. At most one event comes of it, to be written to
    /// the ledger; `fresh` names an incident that begins.
    pub fn tick(
        &mut self,
        tick: &Tick,
        fresh: impl FnOnce() -> PublicId,
    ) -> (Judged, Option<IncidentEvent>) {
        let millis = u64::try_from(tick.elapsed.as_millis()).unwrap_or(u64::MAX);
        let millis = millis.clamp(1, TICK_MS_MAX);
        self.pools.retain(|name, _| tick.pools.iter().any(|pool| pool.pool == *name));
        let looks: Vec<_> =
            tick.pools.iter().map(|pool| self.look(pool, millis, tick.observe)).collect();
        let worst = self.worst(looks);
        let pressed = worst.as_ref().is_some_and(|look| look.pressed);
        let finding = worst.as_ref().and_then(Look::finding);
        let event = self.step(tick, millis, pressed, finding, fresh);
        let judged = self.judged(worst, pressed);
        if matches!(event, Some(IncidentEvent { step: Step::Closed { .. }, .. })) {
            self.close();
        }
        (judged, event)
    }

    fn look(&mut self, tick: &super::tick::PoolTick, millis: u64, observe: bool) -> Look {
        let is_open = self.open.is_some();
        let pool = self.pools.entry(Arc::clone(&tick.pool)).or_default();
        pool.window.push(tick, millis);
        let numbers = pool.window.numbers(pool.learnt.usual());
        let pressed = pool.window.pressed();
        let reading = if pressed {
            pool.learnt.disturbed();
            read(&numbers, pool.context(observe))
        } else {
            if !is_open {
                pool.was_full = pool.learnt.was_full();
                pool.learnt.calm(&numbers, pool.window.done());
            }
            None
        };
        if pressed {
            let verdict = reading.as_ref().map(|reading| reading.verdict);
            let named = reading.as_ref().is_some_and(Reading::names_slowness);
            // Beside another cause it may be the onset's, when many prompts are read at once.
            let may_be = matches!(verdict, Some(Verdict::UpstreamSlow | Verdict::Unclear));
            pool.was_slow |= named && may_be;
            if let Some(capacity) = numbers.capacity.filter(|_| !pool.was_slow && !named) {
                let (_, done) = pool.window.done();
                pool.learnt.full(capacity, done);
            }
        }
        Look { pool: Arc::clone(&tick.pool), numbers, pressed, reading }
    }

    /// The pool that is worst off; the open incident's own stays the one until
    /// another is twice as badly off.
    fn worst(&self, looks: Vec<Look>) -> Option<Look> {
        let current = self.open.as_ref().map(|open| &open.finding.pool);
        looks.into_iter().max_by_key(|look| {
            let weight = if current == Some(&look.pool) { 2 } else { 1 };
            let shortfall = shortfall(&look.numbers).saturating_mul(weight);
            (look.pressed, shortfall, look.numbers.refused, look.numbers.demand.work)
        })
    }

    fn step(
        &mut self,
        tick: &Tick,
        millis: u64,
        pressed: bool,
        finding: Option<Finding>,
        fresh: impl FnOnce() -> PublicId,
    ) -> Option<IncidentEvent> {
        if let Some(open) = &mut self.open {
            open.count(tick);
            let step = if pressed { open.pressed(finding, millis) } else { open.calm(millis) }?;
            return Some(open.event(tick.at, step));
        }
        self.bad.push_back(finding.is_some());
        if self.bad.len() > LOOKED_AT_TICKS {
            self.bad.pop_front();
        }
        let finding = finding?;
        if self.bad.iter().filter(|bad| **bad).count() < BAD_TICKS {
            return None;
        }
        let open = self.open.insert(Open::new(fresh(), finding, tick));
        Some(open.event(tick.at, Step::Opened))
    }

    fn judged(&self, worst: Option<Look>, pressed: bool) -> Judged {
        let mut judged = Judged {
            incident: self.open.as_ref().map(|open| open.id.clone()),
            ..Judged::default()
        };
        if let Some(open) = self.open.as_ref().filter(|_| pressed) {
            judged.verdict = open.finding.reading.verdict;
            judged.also.clone_from(&open.finding.reading.also);
            judged.reasons.clone_from(&open.finding.reading.reasons);
        }
        if let Some(look) = worst {
            judged.counterfactual = Counterfactual::of(&look.numbers);
            judged.pool = Some(look.pool);
            judged.numbers = look.numbers;
        }
        judged
    }

    /// The incident is over.
    fn close(&mut self) {
        self.open = None;
        self.bad.clear();
        for pool in self.pools.values_mut() {
            pool.was_slow = false;
        }
    }
}

impl Look {
    /// What is to be said of it: a refusal without a cause is `unclear`.
    fn finding(&self) -> Option<Finding> {
        let unexplained = || {
            (self.pressed && self.numbers.refused > 0).then(|| Reading {
                verdict: Verdict::Unclear,
                also: Vec::new(),
                reasons: vec![Reason::DemandFits],
            })
        };
        let reading = self.reading.clone().or_else(unexplained)?;
        Some(Finding { pool: Arc::clone(&self.pool), numbers: self.numbers.clone(), reading })
    }
}

#[cfg(test)]
impl Judge {
    /// Pools that something is kept of.
    pub(super) fn pools_len(&self) -> usize {
        self.pools.len()
    }
}
