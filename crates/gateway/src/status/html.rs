//! The page for people: made by the server, no script, one stylesheet of its own.

use askama::Template;
use surgewall_core::clock::Timestamp;
use surgewall_core::figures::minute;

use super::component::State;
use super::history::{DAYS, Day};
use super::stories::{Incident, Maintenance, Progress, Stage, Update};
use super::table::{date, percent};
use super::view::{ComponentView, Indicator, View};

/// Days of incidents that the first page tells in full.
const RECENT_DAYS: u64 = 14;
/// A bar and the gap after it, in the picture's units.
const BAR_STEP: u32 = 6;

#[derive(Template)]
#[template(path = "status/page.html")]
struct Front<'a> {
    name: &'a str,
    tone: &'static str,
    headline: String,
    stale: Option<String>,
    notices: &'a [String],
    subscribe: Option<&'a str>,
    unresolved: Vec<Story>,
    planned: Vec<Story>,
    components: Vec<Part<'a>>,
    recent: Vec<Story>,
    made_at: Clock,
    width: u32,
    days: u32,
    key: &'a str,
}

#[derive(Template)]
#[template(path = "status/history.html")]
struct Past<'a> {
    name: &'a str,
    stale: Option<String>,
    incidents: Vec<Story>,
    maintenances: Vec<Story>,
    days: Vec<String>,
    made_at: Clock,
}

/// An instant, for people and for machines.
struct Clock {
    machine: String,
    people: String,
}

impl Clock {
    fn new(at: Timestamp) -> Self {
        Self { machine: at.to_string(), people: format!("{} UTC", minute(at)) }
    }
}

/// An incident or a maintenance.
struct Story {
    id: String,
    title: String,
    tone: &'static str,
    word: String,
    span: String,
    components: String,
    updates: Vec<Said>,
}

struct Said {
    stage: String,
    at: Clock,
    paragraphs: Vec<String>,
}

/// A component and its bars.
struct Part<'a> {
    name: &'a str,
    description: &'a str,
    tone: &'static str,
    word: &'static str,
    figures: Vec<String>,
    uptime: Option<String>,
    label: String,
    bars: Vec<Bar>,
    bad_days: Vec<String>,
}

struct Bar {
    x: u32,
    tone: &'static str,
    title: String,
}

/// The first page.
#[must_use]
pub(super) fn front(view: &View) -> String {
    let recent_from = view.made_at.millis().saturating_sub(RECENT_DAYS * 86_400_000);
    let recent = view
        .stories
        .incidents
        .iter()
        .filter(|one| one.stage == Stage::Resolved && one.updated_at().millis() >= recent_from);
    let indicator = view.indicator();
    let page = Front {
        name: &view.name,
        tone: tone(view, indicator),
        headline: headline(view, indicator),
        stale: stale(view),
        notices: &view.notices,
        subscribe: view.subscribe.as_deref(),
        unresolved: view.stories.unresolved().map(incident).collect(),
        planned: planned(view, &[Progress::InProgress, Progress::Scheduled]),
        components: view.components.iter().map(part).collect(),
        recent: recent.map(incident).collect(),
        made_at: Clock::new(view.made_at),
        width: DAYS * BAR_STEP,
        days: DAYS,
        key: &view.key,
    };
    page.render().unwrap_or_default()
}

/// Everything that was told, and where the numbers are.
#[must_use]
pub(super) fn history(view: &View) -> String {
    let page = Past {
        name: &view.name,
        stale: stale(view),
        incidents: view.stories.incidents.iter().map(incident).collect(),
        maintenances: planned(
            view,
            &[Progress::InProgress, Progress::Scheduled, Progress::Completed],
        ),
        days: view.recorded_days.iter().rev().map(|day| date(*day)).collect(),
        made_at: Clock::new(view.made_at),
    };
    page.render().unwrap_or_default()
}

/// The colour of the whole page: nothing is green that is not known to be well.
fn tone(view: &View, indicator: Indicator) -> &'static str {
    if view.stale_since.is_some() || view.is_unknown() {
        return "unknown";
    }
    match indicator {
        Indicator::None => "good",
        Indicator::Maintenance => "planned",
        Indicator::Minor => "fair",
        Indicator::Major => "poor",
        Indicator::Critical => "bad",
    }
}

fn headline(view: &View, indicator: Indicator) -> String {
    if view.stale_since.is_some() {
        return "We do not know how the service is right now".to_owned();
    }
    if view.is_unknown() {
        return "No data yet".to_owned();
    }
    let text = match indicator {
        Indicator::None => "All systems are operational",
        Indicator::Maintenance => "Maintenance is under way",
        Indicator::Minor => "Some requests are slow or have to wait",
        Indicator::Major => "Part of the service is not working",
        Indicator::Critical => "The service is not working",
    };
    text.to_owned()
}

fn stale(view: &View) -> Option<String> {
    let since = Clock::new(view.stale_since?);
    let confirmed = view.confirmed().description();
    Some(format!(
        "Source unreachable since {}. This is a copy; what it shows below was last confirmed then (\u{201c}{confirmed}\u{201d}).",
        since.people
    ))
}

fn state_tone(state: Option<State>) -> &'static str {
    match state {
        None => "unknown",
        Some(State::Operational) => "good",
        Some(State::Maintenance) => "planned",
        Some(State::Degraded) => "fair",
        Some(State::Partial) => "poor",
        Some(State::Major) => "bad",
    }
}

fn part(component: &ComponentView) -> Part<'_> {
    let figures = &component.figures;
    let seconds = |ms: u64| format!("{}.{} s", ms / 1_000, ms % 1_000 / 100);
    let mut told = Vec::new();
    if let Some(milli) = figures.answered_milli {
        told.push(format!("{}.{} % answered", milli / 10, milli % 10));
    }
    if let Some((half, most)) = figures.first_p50_ms.zip(figures.first_p95_ms) {
        told.push(format!(
            "first byte within {} for half, {} for 95 %",
            seconds(half),
            seconds(most)
        ));
    }
    let whole = component.uptime().map(|share| percent(Some(share)));
    let bad: Vec<_> = component.days.iter().filter(|day| day.expected > day.up).collect();
    let label = match &whole {
        None => format!("{}: no data yet", component.name),
        Some(whole) => format!(
            "{}: up {whole} % of the last {DAYS} days as far as recorded; {} of them were not up throughout",
            component.name,
            bad.len()
        ),
    };
    let bars = (0..).step_by(BAR_STEP as usize).zip(&component.days);
    Part {
        name: &component.name,
        description: &component.description,
        tone: state_tone(component.state),
        word: component.state.map_or("No data yet", State::words),
        figures: told,
        uptime: whole,
        label,
        bars: bars.map(|(x, day)| Bar { x, tone: day_tone(day), title: sentence(day) }).collect(),
        bad_days: bad.into_iter().rev().map(sentence).collect(),
    }
}

/// The colour of a day: by the share of its minutes that were up.
fn day_tone(day: &Day) -> &'static str {
    match day.uptime() {
        None if day.maintenance > 0 => "planned",
        None => "unknown",
        Some(share) if share < 95_000 => "bad",
        Some(share) if share < 99_000 => "poor",
        Some(share) if share < 99_900 => "fair",
        Some(_) if day.degraded * 10 > day.expected => "fair",
        Some(_) => "good",
    }
}

/// What happened on a day, in words.
fn sentence(day: &Day) -> String {
    let Some(share) = day.uptime() else {
        let nothing = if day.maintenance > 0 { "maintenance" } else { "no data" };
        return format!("{}: {nothing}", date(day.day));
    };
    let mut told = vec![format!("up {} %", percent(Some(share)))];
    for (minutes, what) in [
        (day.major, "major outage"),
        (day.partial, "partial outage"),
        (day.degraded, "degraded"),
        (day.expected.saturating_sub(day.recorded), "without a record"),
        (day.maintenance, "maintenance"),
    ] {
        if minutes > 0 {
            told.push(format!("{minutes} min {what}"));
        }
    }
    format!("{}: {}", date(day.day), told.join(", "))
}

fn said(updates: &[Update]) -> Vec<Said> {
    let one = |update: &Update| Said {
        stage: capitalised(&update.stage),
        at: Clock::new(update.at),
        paragraphs: update
            .body
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(str::to_owned)
            .collect(),
    };
    updates.iter().map(one).collect()
}

fn capitalised(word: &str) -> String {
    let word = word.replace('_', " ");
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn incident(incident: &Incident) -> Story {
    use super::stories::Impact;
    let started = Clock::new(incident.started_at).people;
    let span = match incident.resolved_at {
        Some(end) => format!("{started} to {}", Clock::new(end).people),
        None => format!("since {started}"),
    };
    let tone = match (incident.stage, incident.impact) {
        (Stage::Resolved, _) => "good",
        (_, Impact::Critical) => "bad",
        (_, Impact::Major) => "poor",
        (_, Impact::Minor | Impact::None) => "fair",
    };
    Story {
        id: incident.id.to_string(),
        title: incident.title.clone(),
        tone,
        word: capitalised(incident.stage.as_str()),
        span,
        components: incident.components.join(", "),
        updates: said(&incident.updates),
    }
}

fn planned(view: &View, progress: &[Progress]) -> Vec<Story> {
    let one = |one: &Maintenance| Story {
        id: one.id.to_string(),
        title: one.title.clone(),
        tone: "planned",
        word: if one.cancelled {
            "Called off".to_owned()
        } else {
            capitalised(one.progress(view.made_at).as_str())
        },
        span: format!("{} to {}", Clock::new(one.from).people, Clock::new(one.until).people),
        components: one.components.join(", "),
        updates: said(&one.updates),
    };
    view.planned(progress).into_iter().map(one).collect()
}

/// A badge: the service's name and its state, as a picture.
#[must_use]
pub(super) fn badge(view: &View) -> String {
    let word = if view.stale_since.is_some() {
        "unreachable"
    } else if view.is_unknown() {
        "no data yet"
    } else {
        match view.indicator() {
            Indicator::None => "operational",
            Indicator::Maintenance => "maintenance",
            Indicator::Minor => "degraded",
            Indicator::Major => "partial outage",
            Indicator::Critical => "major outage",
        }
    };
    let colour = match tone(view, view.indicator()) {
        "good" => "#1a7f37",
        "planned" => "#0969da",
        "fair" => "#9a6700",
        "poor" => "#bc4c00",
        "bad" => "#cf222e",
        _ => "#59636e",
    };
    // About seven units a letter of this size, and a margin on both sides.
    let width = 16 + 7 * word.chars().count();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{all}\" height=\"20\" role=\"img\" aria-label=\"status: {word}\">\
         <title>status: {word}</title><rect width=\"54\" height=\"20\" rx=\"3\" fill=\"#32383f\"/>\
         <rect x=\"50\" width=\"{width}\" height=\"20\" rx=\"3\" fill=\"{colour}\"/>\
         <g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\" text-anchor=\"middle\">\
         <text x=\"25\" y=\"14\">status</text><text x=\"{middle}\" y=\"14\">{word}</text></g></svg>\n",
        all = 50 + width,
        middle = 50 + width / 2,
    )
}

#[cfg(test)]
mod tests;
