//! What became of a crowd.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde::Serialize;

use super::answer::{Eta, Outcome};
use super::measure::Spread;
use crate::engine::Settings;
use crate::traffic::{Arrival, Class, Population};

/// Kinds of refusals and breaks that are told apart, for each population.
const KINDS_MAX: usize = 32;

/// One request, when it has ended.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was asked.
    pub arrival: Arrival,
    /// How it ended.
    pub outcome: Outcome,
    /// From when it was due to its first token.
    pub first: Option<Duration>,
    /// From when it was due to its end.
    pub total: Duration,
    /// Tokens that came.
    pub tokens: u64,
    /// What was said while it waited.
    pub etas: Vec<Eta>,
    /// When to try again, as the answer's head said it.
    pub retry_after: Option<Duration>,
}

impl Row {
    /// All of it came, and the first token within the class's longest wait.
    #[must_use]
    pub fn is_useful(&self) -> bool {
        let first = self.first.unwrap_or(self.total);
        self.outcome == Outcome::Whole && first <= self.arrival.class.longest_wait()
    }
}

/// How right the door was about the queue.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Etas {
    /// Comments whose request had its turn afterwards.
    pub said: u64,
    /// Comments whose request left or was refused.
    pub unanswered: u64,
    /// Of those said with a range, how many.
    pub with_range: u64,
    /// Of them, those whose turn came within it.
    pub within_range: u64,
    /// How far the time said was off, in milliseconds.
    pub error_ms: Spread,
    #[serde(skip)]
    errors_ms: Vec<u64>,
}

/// What became of one population.
#[derive(Clone, Debug, Serialize)]
pub struct PopulationReport {
    /// Its name.
    pub name: &'static str,
    /// Its class.
    pub class: Class,
    /// Requests sent, retries included.
    pub sent: u64,
    /// Of them, retries.
    pub retried: u64,
    /// Requests that were due while too many were under way: the load's own limit.
    pub unsent: u64,
    /// Answered whole.
    pub whole: u64,
    /// Refused before the first token, by status and code.
    pub refused: BTreeMap<String, u64>,
    /// Clients whose patience was over.
    pub left: u64,
    /// Broken off.
    pub broken: BTreeMap<String, u64>,
    /// Under way when the time was over.
    pub unfinished: u64,
    /// To the first token of those that had one, in milliseconds.
    pub first_ms: Spread,
    /// Whole answers whose first token came within the class's longest wait.
    pub useful: u64,
    /// Tokens of their prompts.
    pub useful_input_tokens: u64,
    /// Tokens of their answers.
    pub useful_output_tokens: u64,
    /// Seconds of a full engine that they take ([`Settings::work_s`]).
    pub useful_work_s: f64,
    /// The same for all that was sent for the first time.
    pub offered_work_s: f64,
    /// Of the useful work, what was done within the measured time, whenever it was asked for.
    pub done_work_s: f64,
    /// Requests that were told their place.
    pub queued: u64,
    /// How right that was.
    pub etas: Etas,
    #[serde(skip)]
    firsts_ms: Vec<u64>,
}

/// What became of a crowd.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Seconds over which it was measured: from the end of the warm-up to the last arrival.
    pub measured_s: f64,
    /// By population.
    pub populations: Vec<PopulationReport>,
    /// How late requests were sent, in milliseconds: the load's own weakness.
    pub late_ms: Spread,
}

impl Report {
    /// The part of a full engine's time that went into useful answers, 0 to
    /// about 1: an answer counts where it ends.
    #[must_use]
    pub fn goodput(&self) -> f64 {
        let done: f64 = self.populations.iter().map(|one| one.done_work_s).sum();
        done / self.measured_s
    }
}

/// A report in the making.
pub(super) struct Tally {
    settings: Settings,
    measured: Range<Duration>,
    pub(super) populations: Vec<PopulationReport>,
    pub(super) late_ms: Vec<u64>,
}

impl Tally {
    pub(super) fn new(
        settings: Settings,
        measured: Range<Duration>,
        populations: &[Population],
    ) -> Self {
        let populations = populations.iter().map(|population| PopulationReport {
            name: population.name,
            class: population.class,
            sent: 0,
            retried: 0,
            unsent: 0,
            whole: 0,
            refused: BTreeMap::new(),
            left: 0,
            broken: BTreeMap::new(),
            unfinished: 0,
            first_ms: Spread::default(),
            useful: 0,
            useful_input_tokens: 0,
            useful_output_tokens: 0,
            useful_work_s: 0.0,
            offered_work_s: 0.0,
            done_work_s: 0.0,
            queued: 0,
            etas: Etas::default(),
            firsts_ms: Vec::new(),
        });
        Self { settings, measured, populations: populations.collect(), late_ms: Vec::new() }
    }

    fn work_s(&self, arrival: &Arrival) -> f64 {
        self.settings.work_s(f64::from(arrival.input_tokens), f64::from(arrival.output_tokens))
    }

    /// What was due; sent, or not because too many were under way.
    pub(super) fn due(&mut self, arrival: &Arrival, is_sent: bool) {
        if arrival.at < self.measured.start {
            return;
        }
        let work_s = self.work_s(arrival);
        let one = &mut self.populations[arrival.population];
        if is_sent {
            one.sent += 1;
            one.unfinished += 1;
        } else {
            one.unsent += 1;
        }
        if arrival.attempt == 0 {
            one.offered_work_s += work_s;
        } else {
            one.retried += 1;
        }
    }

    /// What has ended; `false` where it was due before the measured time.
    pub(super) fn ended(&mut self, row: &Row) -> bool {
        let work_s = self.work_s(&row.arrival);
        let one = &mut self.populations[row.arrival.population];
        if row.is_useful() && self.measured.contains(&(row.arrival.at + row.total)) {
            one.done_work_s += work_s;
        }
        if row.arrival.at < self.measured.start {
            return false;
        }
        one.unfinished -= 1;
        one.firsts_ms.extend(row.first.map(millis));
        one.etas.add(&row.etas);
        one.queued += u64::from(!row.etas.is_empty());
        match &row.outcome {
            Outcome::Whole => one.whole += 1,
            Outcome::Left => one.left += 1,
            Outcome::Refused(why) => count(&mut one.refused, why),
            Outcome::Broken(why) => count(&mut one.broken, why),
        }
        if row.is_useful() {
            one.useful += 1;
            one.useful_input_tokens += u64::from(row.arrival.input_tokens);
            one.useful_output_tokens += u64::from(row.arrival.output_tokens);
            one.useful_work_s += work_s;
        }
        true
    }

    pub(super) fn report(mut self) -> Report {
        let measured = self.measured.end.saturating_sub(self.measured.start);
        for one in &mut self.populations {
            one.first_ms = Spread::of(&one.firsts_ms);
            one.etas.error_ms = Spread::of(&one.etas.errors_ms);
        }
        Report {
            measured_s: measured.as_secs_f64(),
            populations: self.populations,
            late_ms: Spread::of(&self.late_ms),
        }
    }
}

impl Etas {
    fn add(&mut self, etas: &[Eta]) {
        for eta in etas {
            let Some(actual_s) = eta.actual_s else {
                self.unanswered += 1;
                continue;
            };
            self.said += 1;
            if let Ok(error) = Duration::try_from_secs_f64((eta.said_s - actual_s).abs()) {
                self.errors_ms.push(millis(error));
            }
            if let Some((low, high)) = eta.between_s {
                self.with_range += 1;
                let is_within = (low..=high).contains(&actual_s);
                self.within_range += u64::from(is_within);
            }
        }
    }
}

fn count(kinds: &mut BTreeMap<String, u64>, why: &str) {
    let known = kinds.len() < KINDS_MAX || kinds.contains_key(why);
    *kinds.entry(if known { why } else { "other" }.to_owned()).or_default() += 1;
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
