//! Incidents that the door opens and closes by itself, in words that what it
//! measured carries. No network, key, upstream or model is named, and nobody's
//! intention is.

use surgewall_core::clock::Timestamp;
use surgewall_core::figures::duration;
use surgewall_core::id::PublicId;
use surgewall_core::incident::{ClassTotals, IncidentEvent, Step, Verdict};
use surgewall_core::principal::Class;

use super::{Impact, Incident, Stage, Stories, Update};

/// What the public reads as what it concerns.
const COMPONENT: &str = "API";

impl Stories {
    /// Takes what the judge says of an incident. Whether anything was told.
    pub fn of_event(&mut self, event: &IncidentEvent, fresh: impl FnOnce() -> PublicId) -> bool {
        let update = |stage: Stage, body: String| Update {
            id: fresh(),
            at: event.at,
            stage: stage.as_str().to_owned(),
            body,
        };
        let cause = cause(event.verdict);
        let stage = if event.verdict == Verdict::Unclear {
            Stage::Investigating
        } else {
            Stage::Identified
        };
        let is_open = |one: &&mut Incident| one.by_door && one.stage != Stage::Resolved;
        let known = self.incidents.iter_mut().filter(is_open).find(|one| one.id == event.id);
        match (&event.step, known) {
            (Step::Opened, None) => {
                let mut incident = Incident {
                    id: event.id.clone(),
                    title: title(event.verdict).to_owned(),
                    impact: impact(&event.totals),
                    stage,
                    components: vec![COMPONENT.to_owned()],
                    by_door: true,
                    started_at: event.at,
                    monitoring_at: None,
                    resolved_at: None,
                    updates: Vec::new(),
                };
                let body = format!("{cause} {}", served(&event.totals));
                incident.say(update(stage, body), stage);
                self.add(incident);
                true
            }
            (Step::Changed { .. }, Some(incident)) => {
                title(event.verdict).clone_into(&mut incident.title);
                incident.impact = incident.impact.max(impact(&event.totals));
                let body = format!("{cause} {}", served(&event.totals));
                incident.say(update(stage, body), stage);
                true
            }
            (Step::Measured, Some(incident)) => {
                let worse = incident.impact.max(impact(&event.totals));
                let goes_on = incident.stage == Stage::Monitoring;
                if !goes_on && worse == incident.impact {
                    return false;
                }
                incident.impact = worse;
                let again = if goes_on { "It is not over. " } else { "" };
                let body = format!("{again}{cause} {}", served(&event.totals));
                incident.say(update(stage, body), stage);
                true
            }
            (Step::Closed { .. }, Some(incident)) => {
                title(event.verdict).clone_into(&mut incident.title);
                incident.impact = incident.impact.max(impact(&event.totals));
                let body = format!(
                    "It is over after {}: requests are answered without a long wait. {}",
                    duration(event.elapsed_s),
                    served(&event.totals)
                );
                incident.say(update(Stage::Resolved, body), Stage::Resolved);
                true
            }
            _ => false,
        }
    }

    /// The incident that the door has open is calm, but not long enough to be over.
    pub fn calm(&mut self, id: &PublicId, at: Timestamp, fresh: impl FnOnce() -> PublicId) -> bool {
        let open = self.incidents.iter_mut().find(|one| one.id == *id && one.by_door);
        let Some(incident) = open else { return false };
        if !matches!(incident.stage, Stage::Investigating | Stage::Identified) {
            return false;
        }
        let body = "Nobody has had to wait for long lately. We are watching whether it stays so.";
        let stage = Stage::Monitoring;
        let update =
            Update { id: fresh(), at, stage: stage.as_str().to_owned(), body: body.to_owned() };
        incident.say(update, stage);
        true
    }

    /// A new door cannot know how what its predecessor had open went on.
    pub fn restarted(&mut self, at: Timestamp, mut fresh: impl FnMut() -> PublicId) -> bool {
        let mut told = false;
        for incident in &mut self.incidents {
            if incident.by_door && incident.stage != Stage::Resolved {
                let body = "The service was started again, and does not know when this ended. If it goes on, a new entry says so.";
                let stage = Stage::Resolved;
                let update = Update {
                    id: fresh(),
                    at,
                    stage: stage.as_str().to_owned(),
                    body: body.to_owned(),
                };
                incident.say(update, stage);
                told = true;
            }
        }
        told
    }
}

const fn title(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::KnownDemand | Verdict::UnknownDemand => "Demand above capacity",
        Verdict::UpstreamSlow => "Answers are slow",
        Verdict::RetryStorm => "Repeated requests above capacity",
        Verdict::Normal | Verdict::Unclear => "Requests wait or are refused",
    }
}

/// What the numbers say of the cause.
const fn cause(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::KnownDemand => {
            "Our users ask for more than the service can answer at once. Requests wait for their turn, and some are asked to come again later."
        }
        Verdict::UnknownDemand => {
            "Callers that the service does not know yet ask for more than its users leave free. They wait, or are asked to come again later. What they want is not known."
        }
        Verdict::UpstreamSlow => {
            "The model servers do less than usual, at a demand that they carried before. Answers begin late, and some fail."
        }
        Verdict::RetryStorm => {
            "The same requests come again and again; sent once, they would fit. Please wait for as long as an answer's Retry-After says."
        }
        Verdict::Normal | Verdict::Unclear => {
            "Requests wait for long or are refused. The cause is not clear yet."
        }
    }
}

/// How existing users fared, as counted since it began.
fn served(totals: &[ClassTotals; 4]) -> String {
    let users = [Class::Established, Class::Verified].map(|class| totals[class as usize]);
    let sum = |count: fn(&ClassTotals) -> u64| users.iter().map(count).sum::<u64>();
    let (offered, refused) = (sum(|one| one.offered), sum(|one| one.refused));
    let longest_s = users.iter().map(|one| one.longest_wait_ms).max().unwrap_or(0).div_ceil(1_000);
    if offered == 0 {
        return "Existing users have asked for nothing meanwhile.".to_owned();
    }
    if refused == 0 {
        let wait = if longest_s < 2 {
            "without a long wait".to_owned()
        } else {
            format!("after a wait of at most {longest_s} s")
        };
        return format!("Requests of existing users are let in, {wait}.");
    }
    // Rounded up: one in a thousand is not none.
    let percent = (refused * 100).div_ceil(offered).min(100);
    format!("About {percent} % of existing users' requests were refused.")
}

/// How bad it is for existing users.
fn impact(totals: &[ClassTotals; 4]) -> Impact {
    let users = [Class::Established, Class::Verified].map(|class| totals[class as usize]);
    let offered: u64 = users.iter().map(|one| one.offered).sum();
    let refused: u64 = users.iter().map(|one| one.refused).sum();
    if refused * 2 > offered {
        Impact::Critical
    } else if refused * 10 > offered {
        Impact::Major
    } else {
        Impact::Minor
    }
}

#[cfg(test)]
mod tests {
    use surgewall_core::incident::{Numbers, Reason};

    use super::*;

    fn id(text: &str) -> PublicId {
        PublicId::from_stored(text.to_owned())
    }

    fn event(step: Step, verdict: Verdict, at_s: u64, totals: [ClassTotals; 4]) -> IncidentEvent {
        IncidentEvent {
            id: id("inc_a"),
            at: Timestamp::from_millis(at_s * 1_000),
            elapsed_s: at_s,
            step,
            verdict,
            also: Vec::new(),
            reasons: vec![Reason::DemandAboveCapacity],
            pool: "secret-upstream".to_owned(),
            observed: false,
            numbers: Numbers::default(),
            counterfactual: None,
            totals,
        }
    }

    fn users(offered: u64, refused: u64, longest_wait_ms: u64) -> [ClassTotals; 4] {
        let mut totals = [ClassTotals::default(); 4];
        totals[Class::Established as usize] =
            ClassTotals { offered, refused, longest_wait_ms, ..ClassTotals::default() };
        totals[Class::Anonymous as usize] =
            ClassTotals { offered: 1_000, refused: 900, ..ClassTotals::default() };
        totals
    }

    #[test]
    fn an_incident_is_told_from_its_opening_to_its_end() {
        let mut stories = Stories::default();
        let fresh = || id("upd_a");
        let good = users(100, 0, 900);
        let mut told = |step: Step, verdict, at, totals| {
            stories.of_event(&event(step, verdict, at, totals), fresh)
        };
        assert!(told(Step::Opened, Verdict::Unclear, 1, good));
        assert!(!told(Step::Measured, Verdict::Unclear, 11, good), "nothing new");
        let from = Verdict::Unclear;
        assert!(told(Step::Changed { from }, Verdict::UnknownDemand, 21, good));
        assert!(stories.calm(&id("inc_a"), Timestamp::from_millis(40_000), fresh));
        assert!(!stories.calm(&id("inc_a"), Timestamp::from_millis(41_000), fresh));
        let goes_on = event(Step::Measured, Verdict::UnknownDemand, 45, good);
        assert!(stories.of_event(&goes_on, fresh));
        assert_eq!(stories.unresolved().count(), 1);
        let closed = Step::Closed { calm_s: 60, held: Vec::new() };
        let closed = event(closed, Verdict::UnknownDemand, 200, users(400, 4, 3_100));
        assert!(stories.of_event(&closed, fresh));
        let incident = &stories.incidents[0];
        let stages: Vec<_> = incident.updates.iter().map(|one| one.stage.as_str()).collect();
        assert_eq!(stages, ["resolved", "identified", "monitoring", "identified", "investigating"]);
        assert_eq!(incident.resolved_at, Some(Timestamp::from_millis(200_000)));
        assert_eq!(stories.unresolved().count(), 0);
        let late = event(Step::Measured, Verdict::Unclear, 300, users(10, 9, 0));
        assert!(!stories.of_event(&late, fresh), "what is over stays over");
    }

    #[test]
    fn words_say_what_was_counted_and_name_nobody() {
        for (totals, words, expected) in [
            (users(0, 0, 0), "asked for nothing", Impact::Minor),
            (users(10, 0, 1_000), "let in, without a long wait.", Impact::Minor),
            (users(10, 0, 2_400), "let in, after a wait of at most 3 s.", Impact::Minor),
            (
                users(1_000, 1, 0),
                "About 1 % of existing users' requests were refused.",
                Impact::Minor,
            ),
            (users(10, 1, 0), "About 10 %", Impact::Minor),
            (users(100, 11, 0), "About 11 %", Impact::Major),
            (users(100, 50, 0), "About 50 %", Impact::Major),
            (users(100, 51, 0), "About 51 %", Impact::Critical),
        ] {
            for verdict in Verdict::ALL {
                let mut stories = Stories::default();
                stories.of_event(&event(Step::Opened, verdict, 1, totals), || id("upd_a"));
                let incident = &stories.incidents[0];
                assert!(incident.updates[0].body.contains(words), "{}", incident.updates[0].body);
                assert_eq!(incident.impact, expected);
                let text = serde_json::to_string(incident).unwrap().to_lowercase();
                for word in ["secret-upstream", "attack", "upstream", "hostile"] {
                    assert!(!text.contains(word), "{verdict:?}: {word}");
                }
            }
        }
    }

    #[test]
    fn a_new_door_closes_what_its_predecessor_left_open() {
        let mut stories = Stories::default();
        stories.of_event(&event(Step::Opened, Verdict::Unclear, 1, users(1, 0, 0)), || id("u"));
        assert!(stories.restarted(Timestamp::from_millis(9_000), || id("u")));
        assert_eq!(stories.incidents[0].stage, Stage::Resolved);
        assert!(!stories.restarted(Timestamp::from_millis(9_000), || id("u")));
    }

    #[test]
    fn incidents_and_their_updates_are_bounded_and_the_first_words_stay() {
        let mut stories = Stories::default();
        for nth in 0..super::super::INCIDENTS_MAX + 1 {
            let mut opened = event(Step::Opened, Verdict::Unclear, 1, users(1, 0, 0));
            opened.id = id(&format!("inc_{nth}"));
            stories.of_event(&opened, || id("u"));
            stories.restarted(Timestamp::from_millis(9_000), || id("u"));
        }
        assert_eq!(stories.incidents.len(), super::super::INCIDENTS_MAX);
        assert_eq!(stories.incidents.last().unwrap().id, id("inc_1"), "the oldest went");
        stories.of_event(&event(Step::Opened, Verdict::Unclear, 1, users(1, 0, 0)), || id("first"));
        for at in 0..200 {
            let changed = Step::Changed { from: Verdict::Unclear };
            stories.of_event(&event(changed, Verdict::RetryStorm, at, users(1, 0, 0)), || id("u"));
        }
        let updates = &stories.incidents[0].updates;
        assert_eq!(updates.len(), super::super::UPDATES_MAX);
        assert_eq!(updates.last().unwrap().id, id("first"));
    }
}
