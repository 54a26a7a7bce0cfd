//! Everything that the page shows, as data: made once a second from what the door
//! measured, rendered into every form, and shipped in the signed copy.

use serde::{Deserialize, Serialize};
use surgewall_core::clock::Timestamp;

use super::component::State;
use super::history::{Day, uptime};
use super::stories::{Impact, Progress, Stories};

/// How the whole page stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Indicator {
    /// All is well.
    None,
    /// Something is announced and goes on.
    Maintenance,
    /// Something is slow, fails now and then, or is not known.
    Minor,
    /// A good part of something fails.
    Major,
    /// Most of something fails.
    Critical,
}

impl Indicator {
    /// The word of the Statuspage API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Maintenance => "maintenance",
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Critical => "critical",
        }
    }

    /// The sentence of the Statuspage API.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::None => "All Systems Operational",
            Self::Maintenance => "Service Under Maintenance",
            Self::Minor => "Minor Service Outage",
            Self::Major => "Partial System Outage",
            Self::Critical => "Major Service Outage",
        }
    }

    const fn of_state(state: State) -> Self {
        match state {
            State::Operational => Self::None,
            State::Maintenance => Self::Maintenance,
            State::Degraded => Self::Minor,
            State::Partial => Self::Major,
            State::Major => Self::Critical,
        }
    }

    const fn of_impact(impact: Impact) -> Self {
        match impact {
            Impact::None => Self::None,
            Impact::Minor => Self::Minor,
            Impact::Major => Self::Major,
            Impact::Critical => Self::Critical,
        }
    }
}

/// Numbers of the last five minutes behind a component's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Thousandths of requests that were answered; `None` where nobody asked.
    pub answered_milli: Option<u32>,
    /// Milliseconds within which half of the answers began.
    pub first_p50_ms: Option<u64>,
    /// The same of nineteen in twenty.
    pub first_p95_ms: Option<u64>,
}

/// One component, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentView {
    /// Its id.
    pub id: String,
    /// What the page calls it.
    pub name: String,
    /// What it is.
    pub description: String,
    /// How it is; `None` before anything is known.
    pub state: Option<State>,
    /// Since when.
    pub since: Timestamp,
    /// The numbers behind it.
    pub figures: Figures,
    /// The last ninety days, oldest first.
    pub days: Vec<Day>,
}

impl ComponentView {
    /// Hundred-thousandths of the minutes of all days that were up.
    #[must_use]
    pub fn uptime(&self) -> Option<u32> {
        let sum = |minutes: fn(&Day) -> u32| self.days.iter().map(minutes).sum();
        uptime(sum(|day| day.up), sum(|day| day.expected))
    }
}

/// The page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// An id that stays: a hash of the store's public key.
    pub id: String,
    /// What the page calls the service.
    pub name: String,
    /// Where strangers read the page, without a slash at its end.
    pub url: String,
    /// When something on it last changed.
    pub updated_at: Timestamp,
    /// When it was last looked whether anything did.
    pub made_at: Timestamp,
    /// The components, in their order.
    pub components: Vec<ComponentView>,
    /// What is told.
    pub stories: Stories,
    /// Further sentences on top, such as that sign-up is limited.
    #[serde(default)]
    pub notices: Vec<String>,
    /// Where to subscribe, if one can.
    #[serde(default)]
    pub subscribe: Option<String>,
    /// The days of which minutes can be had.
    pub recorded_days: Vec<u32>,
    /// The public key that signs copies, in hex.
    pub key: String,
    /// Of a copy whose source has not been heard of: since when.
    #[serde(skip)]
    pub stale_since: Option<Timestamp>,
}

impl View {
    /// How the whole page stands.
    #[must_use]
    pub fn indicator(&self) -> Indicator {
        if self.stale_since.is_some() {
            return Indicator::Major;
        }
        self.confirmed()
    }

    /// How it stood when its source was last heard of.
    #[must_use]
    pub fn confirmed(&self) -> Indicator {
        let unknown = Indicator::Minor;
        let states = self.components.iter();
        let states = states.map(|one| one.state.map_or(unknown, Indicator::of_state));
        let impacts = self.stories.unresolved().map(|one| Indicator::of_impact(one.impact));
        states.chain(impacts).max().unwrap_or(unknown)
    }

    /// The sentence that says it.
    #[must_use]
    pub fn description(&self) -> String {
        let confirmed = if self.is_unknown() {
            "No data yet".to_owned()
        } else {
            self.confirmed().description().to_owned()
        };
        match self.stale_since {
            Some(since) => {
                format!("Source unreachable since {since} (last confirmed: {confirmed})")
            }
            None => confirmed,
        }
    }

    /// Whether nothing is known of some component, and nothing bad of any.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        let unknown = self.components.iter().any(|one| one.state.is_none());
        let bad = self.components.iter().filter_map(|one| one.state).any(|state| !state.is_up());
        unknown && !bad && self.stories.unresolved().next().is_none()
    }

    /// Maintenances that are to come or go on, the next one first.
    #[must_use]
    pub fn planned(&self, progress: &[Progress]) -> Vec<&super::stories::Maintenance> {
        let all = self.stories.maintenances.iter();
        let mut planned: Vec<_> =
            all.filter(|one| progress.contains(&one.progress(self.made_at))).collect();
        planned.sort_by_key(|one| one.from);
        planned
    }

    /// Where an incident or maintenance is told.
    #[must_use]
    pub fn link(&self, id: &surgewall_core::id::PublicId) -> String {
        format!("{}/history#{id}", self.url)
    }

    /// The same page, but for when it was looked at.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let timeless = |view: &Self| Self {
            made_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            ..view.clone()
        };
        timeless(self) == timeless(other)
    }
}

#[cfg(test)]
pub(super) mod samples {
    //! Pages for tests.

    use surgewall_core::id::PublicId;

    use super::*;
    use crate::status::stories::{Incident, Maintenance, Stage, Update};

    /// A component in `state` with ninety days, of which the last was not whole.
    pub(crate) fn component(name: &str, state: Option<State>) -> ComponentView {
        let day = |day| Day { day, expected: 1_440, recorded: 1_440, up: 1_440, ..Day::default() };
        let mut days: Vec<_> = (20_000..20_089).map(day).collect();
        days.push(Day { expected: 600, recorded: 590, up: 580, partial: 10, ..day(20_089) });
        ComponentView {
            id: crate::status::component::ComponentId::of(name).text(),
            name: name.to_owned(),
            description: "What <it> is.".to_owned(),
            state,
            since: Timestamp::from_millis(1_000),
            figures: Figures::default(),
            days,
        }
    }

    /// A page with these components and nothing to tell.
    pub(crate) fn view(components: Vec<ComponentView>) -> View {
        View {
            id: "abcdef012345".to_owned(),
            name: "Example & Sons".to_owned(),
            url: "https://status.example.org".to_owned(),
            updated_at: Timestamp::from_millis(1_735_000_000_000),
            made_at: Timestamp::from_millis(1_735_000_060_000),
            components,
            stories: Stories::default(),
            notices: Vec::new(),
            subscribe: None,
            recorded_days: vec![20_088, 20_089],
            key: "00".repeat(32),
            stale_since: None,
        }
    }

    /// An incident with two updates, the newest of them marked up.
    pub(crate) fn incident(stage: Stage) -> Incident {
        let update = |at: u64, stage: Stage, body: &str| Update {
            id: PublicId::from_stored(format!("upd_{at}")),
            at: Timestamp::from_millis(1_735_000_000_000 + at),
            stage: stage.as_str().to_owned(),
            body: body.to_owned(),
        };
        Incident {
            id: PublicId::from_stored("inc_a".to_owned()),
            title: "Demand <above> capacity".to_owned(),
            impact: Impact::Major,
            stage,
            components: vec!["API".to_owned()],
            by_door: true,
            started_at: Timestamp::from_millis(1_735_000_000_000),
            monitoring_at: None,
            resolved_at: (stage == Stage::Resolved)
                .then(|| Timestamp::from_millis(1_735_000_009_000)),
            updates: vec![
                update(9_000, stage, "A <b>new</b> word & more, \"quoted\"; ]]>."),
                update(0, Stage::Investigating, "The first word."),
            ],
        }
    }

    /// A maintenance from so many seconds after the page was made on.
    pub(crate) fn maintenance(from_s: i64) -> Maintenance {
        let base = 1_735_000_060_i64;
        let at = |seconds: i64| Timestamp::from_millis(u64::try_from(seconds * 1_000).unwrap());
        Maintenance {
            id: PublicId::from_stored(format!("mnt_{from_s}")),
            title: "New servers, all; of them".to_owned(),
            components: Vec::new(),
            announced_at: at(base - 90_000),
            from: at(base + from_s),
            until: at(base + from_s + 3_600),
            cancelled: false,
            updates: vec![Update {
                id: PublicId::from_stored("upd_m".to_owned()),
                at: at(base - 90_000),
                stage: "scheduled".to_owned(),
                body: "Short breaks,\nfor a while.".to_owned(),
            }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{component, incident, view};
    use super::*;
    use crate::status::stories::Stage;

    fn check(states: &[Option<State>], stage: Option<Stage>, expected: (&str, &str)) {
        let mut page = view(states.iter().map(|state| component("API", *state)).collect());
        page.stories.incidents.extend(stage.map(incident));
        assert_eq!(
            (page.indicator().as_str(), page.description().as_str()),
            expected,
            "{states:?}"
        );
    }

    #[test]
    fn the_page_is_as_bad_as_its_worst_part_and_never_green_by_default() {
        let up = Some(State::Operational);
        check(&[], None, ("minor", "Minor Service Outage"));
        check(&[None], None, ("minor", "No data yet"));
        check(&[up, None], None, ("minor", "No data yet"));
        check(&[up, up], None, ("none", "All Systems Operational"));
        check(&[up, Some(State::Maintenance)], None, ("maintenance", "Service Under Maintenance"));
        check(&[up, Some(State::Degraded)], None, ("minor", "Minor Service Outage"));
        check(&[None, Some(State::Partial)], None, ("major", "Partial System Outage"));
        check(&[up, Some(State::Major)], None, ("critical", "Major Service Outage"));
        check(&[up], Some(Stage::Monitoring), ("major", "Partial System Outage"));
        check(&[up], Some(Stage::Resolved), ("none", "All Systems Operational"));
    }

    #[test]
    fn a_copy_without_its_source_is_not_green() {
        let mut page = view(vec![component("API", Some(State::Operational))]);
        page.stale_since = Some(Timestamp::from_millis(1_735_000_000_000));
        assert_eq!(page.indicator(), Indicator::Major);
        assert_eq!(
            page.description(),
            "Source unreachable since 2024-12-24T00:26:40.000Z (last confirmed: All Systems Operational)"
        );
    }

    #[test]
    fn looking_again_is_no_change() {
        let page = view(vec![component("API", Some(State::Operational))]);
        let later = View { made_at: Timestamp::from_millis(9), ..page.clone() };
        assert!(page.is_like(&later));
        let other = View { components: vec![component("API", Some(State::Degraded))], ..later };
        assert!(!page.is_like(&other));
    }
}
