//! Once a second: how every component is, the minute that is over, what changed,
//! and the page anew. It runs on the status listener's own thread, so that a door
//! that has all hands full still tells how it does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use surgewall_core::clock::Timestamp;
use surgewall_core::figures::day;
use surgewall_core::gate::GateStep;
use surgewall_core::incident::Verdict;
use surgewall_store::status::Probe;

use super::board::{Board, first_kept, pages};
use super::bundle::Writer;
use super::component::{Component, ComponentId, Measured, State};
use super::document::{Minutes, Snapshot};
use super::history::minute_of;
use super::judge::{Judge, LONG};
use super::measure::Sums;
use super::table;
use super::view::{ComponentView, Figures, View};
use crate::door::Door;
use crate::sync::{lock, read};
use crate::ticks::every;

/// Between two looks.
const TICK: Duration = Duration::from_secs(1);
/// The page is made anew at least so often: it says when it was looked at.
const RENDER_AT_LEAST: Duration = Duration::from_secs(10);
/// Without any answer or probe for so long, a component counts as failing.
const QUIET_MAX: Duration = Duration::from_secs(45);
/// How long an open incident must be calm before the page says that it is watched.
const CALM: Duration = Duration::from_secs(15);
/// Between two copies.
pub const COPY_INTERVAL: Duration = Duration::from_secs(15);

/// What is known of one component.
#[derive(Default)]
struct Known {
    judge: Judge,
    seen: Sums,
    /// The sums when the minute began.
    minute_began: Sums,
    worst: Option<State>,
    shown: Option<(State, Timestamp)>,
    quiet: Duration,
}

/// Makes the page, second by second.
pub(super) struct Watcher {
    known: BTreeMap<ComponentId, Known>,
    minute: Option<u32>,
    calm: Duration,
    since_render: Duration,
    changed_at: Timestamp,
}

/// Watches until the door closes.
pub(super) async fn watch(door: Arc<Door>) {
    let mut watcher = Watcher::new(door.clock.now());
    let mut copies = Copies::default();
    let mut last = door.clock.monotonic();
    let mut ticks = every(TICK);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = door.status.changed() => {}
        }
        let now = door.clock.monotonic();
        let due = watcher.tick(&door, now.saturating_duration_since(last));
        last = now;
        if !due.is_empty() || door.status.has_unkept() {
            let kept = door.clone();
            let written = tokio::task::spawn_blocking(move || keep(&kept, &due));
            let _ = written.await;
        }
        copies.copy(&door, now).await;
    }
}

/// Writes what is to be kept.
fn keep(door: &Door, probes: &[Probe]) {
    let from = first_kept(door.policy().config.status.retention_days, door.clock.now());
    if !probes.is_empty()
        && let Err(error) = door.status.keep_probes(probes, from)
    {
        tracing::warn!(%error, "the status page's probes could not be written; they are tried again");
    }
    if let Err(error) = door.status.keep_words() {
        tracing::warn!(%error, "what the status page tells could not be written; it is tried again");
    }
}

impl Watcher {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            known: BTreeMap::new(),
            minute: None,
            calm: Duration::ZERO,
            since_render: RENDER_AT_LEAST,
            changed_at: now,
        }
    }

    /// One look, `elapsed` after the last; the records of a minute that is over.
    pub(super) fn tick(&mut self, door: &Door, elapsed: Duration) -> Vec<Probe> {
        let (policy, now) = (door.policy(), door.clock.now());
        let listed = door.status.components(&policy.config);
        self.known.retain(|id, _| listed.iter().any(|one| one.id == *id));
        for component in &listed {
            let sums = sums(&door.status, component);
            self.known.entry(component.id).or_default().tick(elapsed, sums);
        }
        self.calm(door, elapsed, now);
        let view = self.look(door, &listed, now);
        let probes = self.minute(&listed, now);
        self.since_render += elapsed;
        let before = door.status.current();
        let is_like = before.view().is_like(&view);
        if !is_like || self.since_render >= RENDER_AT_LEAST {
            self.since_render = Duration::ZERO;
            let minutes = minutes(&door.status, listed);
            door.status.show(Snapshot::new(view, minutes));
        }
        probes
    }

    /// Whether an incident that is open has been calm for a while.
    fn calm(&mut self, door: &Door, elapsed: Duration, now: Timestamp) {
        let judged = lock(&door.recent).judged().clone();
        let Some(incident) = judged.incident.filter(|_| judged.verdict == Verdict::Normal) else {
            self.calm = Duration::ZERO;
            return;
        };
        self.calm += elapsed;
        if self.calm >= CALM {
            door.status.calm(&incident, now);
        }
    }

    /// The page of now.
    fn look(&mut self, door: &Door, listed: &[Component], now: Timestamp) -> View {
        let policy = door.policy();
        let mut view = door.status.view(&policy.config, now, Vec::new());
        let mut changed = door.status.current().view().stories != view.stories;
        for component in listed {
            let Some(known) = self.known.get_mut(&component.id) else { continue };
            let planned = view.stories.maintenances.iter();
            let planned = planned.into_iter().any(|one| one.touches(&component.name, now));
            changed |= known.show(planned, now);
            let days = read(&door.status.history).days(component.id);
            view.components.push(ComponentView {
                id: component.id.text(),
                name: component.name.clone(),
                description: component.description.clone(),
                state: known.shown.map(|(state, _)| state),
                since: known.shown.map_or(self.changed_at, |(_, since)| since),
                figures: known.figures(),
                days,
            });
        }
        view.notices.extend(sign_up(door));
        if door.tasks.is_draining() {
            view.notices.push("The service is being restarted.".to_owned());
        }
        if changed {
            self.changed_at = now;
        }
        view.updated_at = self.changed_at;
        view
    }

    /// The records of the minute before, if it is over. Where the clock goes back,
    /// nothing is recorded until it has caught up.
    fn minute(&mut self, listed: &[Component], now: Timestamp) -> Vec<Probe> {
        let minute = minute_of(now);
        let before = *self.minute.get_or_insert(minute);
        if minute <= before {
            return Vec::new();
        }
        self.minute = Some(minute);
        let records = listed.iter().filter_map(|component| {
            self.known.get_mut(&component.id)?.record(component.id, before)
        });
        records.collect()
    }
}

impl Known {
    fn tick(&mut self, elapsed: Duration, sums: Sums) {
        let mut came = sums.since(&self.seen);
        self.seen = sums;
        if came.all() > 0 {
            self.quiet = Duration::ZERO;
        } else {
            self.quiet += elapsed;
            // The door asks itself every few seconds: silence means that it cannot.
            came.failed = u64::from(self.quiet > QUIET_MAX);
        }
        self.judge.tick(elapsed, came);
    }

    /// Shows what was judged, or a maintenance that was announced; whether that is new.
    fn show(&mut self, planned: bool, now: Timestamp) -> bool {
        let judged = self.judge.state();
        let state = if planned { Some(State::Maintenance) } else { judged };
        let Some(state) = state else { return false };
        self.worst = Some(self.worst.map_or(state, |worst| worst.max(state)));
        let is_new = self.shown.is_none_or(|(shown, _)| shown != state);
        if is_new {
            self.shown = Some((state, now));
        }
        is_new
    }

    fn figures(&self) -> Figures {
        let sums = self.judge.sums(LONG);
        let known = sums.ok + sums.slow + sums.failed;
        let answered = ((sums.ok + sums.slow) * 1_000).checked_div(known);
        Figures {
            answered_milli: answered.and_then(|milli| u32::try_from(milli).ok()),
            first_p50_ms: sums.first_ms(50),
            first_p95_ms: sums.first_ms(95),
        }
    }

    fn record(&mut self, id: ComponentId, minute: u32) -> Option<Probe> {
        let came = self.seen.since(&self.minute_began);
        self.minute_began = self.seen;
        let state = self.worst.take()?;
        let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Some(Probe {
            minute,
            component: id.0,
            state: state.number(),
            ok: number(came.ok + came.strangers_ok),
            failed: number(came.failed + came.strangers_failed),
            slow: number(came.slow),
            first_p50_ms: number(came.first_ms(50).unwrap_or(0)),
            first_p95_ms: number(came.first_ms(95).unwrap_or(0)),
        })
    }
}

/// What strangers should know who want an account, where not anybody can make one.
fn sign_up(door: &Door) -> Option<String> {
    let gate = crate::gate::view(door);
    if gate.step == GateStep::Open || !pages().sign_in {
        return None;
    }
    let since = day(gate.since);
    let reason = gate.reason.trim();
    let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    let words = gate.step.public_words();
    Some(format!("{words} So it is since {since}{why}. Existing accounts are not touched by it."))
}

fn sums(board: &Board, component: &Component) -> Sums {
    match &component.measured {
        Measured::Api => board.meters.api.sums(),
        Measured::Chat => board.meters.chat.sums(),
        Measured::SignIn => board.meters.sign_in.sums(),
        Measured::Upstream(name) => {
            board.meters.upstream(name).map(|meter| meter.sums()).unwrap_or_default()
        }
    }
}

/// The minutes of these components, rendered when somebody asks for a day.
fn minutes(board: &Board, listed: Vec<Component>) -> Minutes {
    let history = board.history.clone();
    Arc::new(move |day| {
        let named: Vec<_> = listed.iter().map(|one| (one.id, one.name.as_str())).collect();
        Some(Bytes::from(table::minutes(&read(&history), &named, day)))
    })
}

/// The signed copies, if they are wanted.
#[derive(Default)]
struct Copies {
    writer: Option<Writer>,
    last: Option<Instant>,
}

impl Copies {
    /// Writes a copy if it is time for one.
    async fn copy(&mut self, door: &Arc<Door>, now: Instant) {
        let Some(dir) = door.policy().config.status.bundle_dir.clone() else { return };
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < COPY_INTERVAL) {
            return;
        }
        self.last = Some(now);
        let writer = self.writer.take().filter(|writer| writer.dir() == dir);
        let (snapshot, vault, at) = (door.status.current(), door.vault.clone(), door.clock.now());
        let written = tokio::task::spawn_blocking(move || {
            let mut writer = writer.map_or_else(|| Writer::open(&dir), Ok)?;
            let sign = |purpose: &str, message: &[u8]| vault.sign(purpose, message);
            writer.write(&snapshot, at, sign).map(|()| writer)
        });
        match written.await {
            Ok(Ok(writer)) => self.writer = Some(writer),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the signed copy of the status page could not be written");
            }
            Err(_) => tracing::error!("writing the copy of the status page panicked"),
        }
    }
}
