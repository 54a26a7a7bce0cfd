//! People's words: what can be meant, and what changes nothing.

use super::*;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

struct Page {
    stories: Stories,
    ids: u32,
}

impl Page {
    fn ask(&mut self, asked: Asked, seconds: u64) -> Result<Told, AskError> {
        let known = ["API".to_owned(), "Chat".to_owned()];
        let ids = &mut self.ids;
        self.stories.ask(asked, &known, at(seconds), |prefix| {
            *ids += 1;
            PublicId::from_stored(format!("{prefix}_{ids}"))
        })
    }
}

fn page() -> Page {
    Page { stories: Stories::default(), ids: 0 }
}

fn begin(title: &str) -> Note {
    Note { title: Some(title.to_owned()), body: "We look.".to_owned(), ..Note::default() }
}

#[test]
fn an_incident_goes_through_its_stages_in_peoples_words() {
    let mut page = page();
    page.ask(Asked::Note(begin("Slow")), 1).unwrap();
    for (nth, stage) in Stage::ALL.into_iter().enumerate() {
        let note = Note {
            incident: Some("inc_1".to_owned()),
            stage: Some(stage),
            body: format!("words {nth}"),
            ..Note::default()
        };
        page.ask(Asked::Note(note), 10 + nth as u64).unwrap();
    }
    let incident = &page.stories.incidents[0];
    assert_eq!((incident.stage, incident.updates.len()), (Stage::Resolved, 5));
    assert_eq!((incident.monitoring_at, incident.resolved_at), (Some(at(12)), Some(at(13))));
    let again = Note {
        incident: Some("inc_1".to_owned()),
        stage: Some(Stage::Investigating),
        body: "again".to_owned(),
        ..Note::default()
    };
    page.ask(Asked::Note(again), 20).unwrap();
    assert_eq!(page.stories.incidents[0].resolved_at, None);
}

#[test]
fn what_cannot_be_meant_changes_nothing() {
    let mut page = page();
    let long = |chars: usize| "x".repeat(chars);
    let note = |note: Note| Asked::Note(note);
    for (asked, error) in [
        (note(Note { body: " ".into(), ..begin("a") }), AskError::Empty),
        (note(begin("")), AskError::Empty),
        (note(Note { title: None, ..begin("") }), AskError::Untitled),
        (
            note(Note { body: long(BODY_CHARS_MAX + 1), ..begin("a") }),
            AskError::Long { what: "a note", chars_max: BODY_CHARS_MAX },
        ),
        (
            note(begin(&long(TITLE_CHARS_MAX + 1))),
            AskError::Long { what: "a title", chars_max: TITLE_CHARS_MAX },
        ),
        (
            note(Note { incident: Some("inc_9".into()), ..begin("a") }),
            AskError::Unknown { what: "incident", id: "inc_9".into() },
        ),
        (
            note(Note { components: vec!["local".into()], ..begin("a") }),
            AskError::Component { name: "local".into(), known: "API, Chat".into() },
        ),
        (Asked::Plan(plan(10, 10)), AskError::Times),
        (Asked::Plan(plan(1, 5)), AskError::Times),
        (Asked::Plan(Plan { until: None, ..plan(10, 20) }), AskError::Times),
    ] {
        assert_eq!(page.ask(asked.clone(), 5), Err(error), "{asked:?}");
        assert_eq!(page.stories, Stories::default());
    }
    let most = Note { body: long(BODY_CHARS_MAX), ..begin(&long(TITLE_CHARS_MAX)) };
    assert!(page.ask(Asked::Note(most), 5).is_ok());
}

fn plan(from: u64, until: u64) -> Plan {
    Plan {
        title: Some("New servers".into()),
        from: Some(at(from)),
        until: Some(at(until)),
        body: "Short breaks.".into(),
        components: vec!["API".into()],
        ..Plan::default()
    }
}

#[test]
fn a_maintenance_begins_and_ends_by_the_clock_or_is_called_off() {
    let mut page = page();
    page.ask(Asked::Plan(plan(10, 20)), 5).unwrap();
    let known = &page.stories.maintenances[0];
    for (seconds, progress, touches) in [
        (9, Progress::Scheduled, false),
        (10, Progress::InProgress, true),
        (19, Progress::InProgress, true),
        (20, Progress::Completed, false),
    ] {
        assert_eq!(known.progress(at(seconds)), progress);
        assert_eq!(known.touches("API", at(seconds)), touches, "{seconds}");
        assert!(!known.touches("Chat", at(seconds)));
    }
    assert_eq!(known.updated_at(at(30)), at(20));
    let off = Plan { maintenance: Some("mnt_1".into()), cancel: true, ..plan(10, 20) };
    page.ask(Asked::Plan(off), 12).unwrap();
    let known = &page.stories.maintenances[0];
    assert_eq!((known.progress(at(12)), known.updated_at(at(30))), (Progress::Completed, at(12)));
}

#[test]
fn maintenances_are_bounded_and_those_that_are_over_go_first() {
    let mut page = page();
    page.ask(Asked::Plan(plan(1, 6)), 5).unwrap();
    for _ in 1..MAINTENANCES_MAX {
        page.ask(Asked::Plan(plan(10, 20)), 5).unwrap();
    }
    assert_eq!(page.ask(Asked::Plan(plan(10, 20)), 5), Err(AskError::Full));
    page.ask(Asked::Plan(plan(10, 20)), 6).unwrap();
    assert_eq!(page.stories.maintenances.len(), MAINTENANCES_MAX);
    assert_eq!(page.ask(Asked::Plan(plan(10, 20)), 7), Err(AskError::Full));
}
