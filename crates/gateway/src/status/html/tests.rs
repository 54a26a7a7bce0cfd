//! The pages: what is on them, and what never is.

use super::*;
use crate::status::view::samples;

fn page(state: Option<State>) -> View {
    let mut page = samples::view(vec![samples::component("API", state)]);
    page.stories.incidents = vec![samples::incident(Stage::Resolved)];
    page
}

#[test]
fn a_page_holds_no_script_no_style_and_nothing_from_elsewhere() {
    let mut page = page(Some(State::Partial));
    page.stories.incidents.push(samples::incident(Stage::Identified));
    page.stories.maintenances = vec![samples::maintenance(60)];
    for html in [front(&page), history(&page)] {
        assert!(html.len() > 500 && html.len() < 64 << 10, "{} bytes", html.len());
        for never in ["<script", " style=", "<style", "src=\"http", "<img", "onclick", "<b>new"] {
            assert!(!html.contains(never), "{never}");
        }
        assert!(html.contains("Demand &#60;above&#62; capacity"), "{html}");
        assert!(html.contains("Example &#38; Sons"));
        assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"));
    }
}

#[test]
fn a_page_says_what_it_does_not_know() {
    let html = front(&page(None));
    assert!(html.contains("No data yet") && !html.contains("operational</"), "{html}");
    assert!(badge(&page(None)).contains("no data yet"));
    let mut copy = page(Some(State::Operational));
    assert!(front(&copy).contains("All systems are operational"));
    assert!(badge(&copy).contains(">operational<"));
    copy.stale_since = Some(copy.made_at);
    for html in [front(&copy), history(&copy)] {
        assert!(html.contains("Source unreachable since 2024-12-24 00:27 UTC"), "{html}");
        assert!(!html.contains("All systems are operational"));
    }
    assert!(badge(&copy).contains("unreachable"));
}

#[test]
fn bars_have_words_beside_their_colours() {
    let html = front(&page(Some(State::Operational)));
    assert_eq!(html.matches("<rect").count(), 90);
    assert!(
        html.contains("2025-01-01: up 96.666 %, 10 min partial outage, 10 min without a record"),
        "{html}"
    );
    assert!(html.contains("role=\"img\""));
    for (day, tone) in [
        (Day::default(), "unknown"),
        (Day { maintenance: 9, ..Day::default() }, "planned"),
        (Day { expected: 1_440, up: 1_440, ..Day::default() }, "good"),
        (Day { expected: 1_440, up: 1_440, degraded: 145, ..Day::default() }, "fair"),
        (Day { expected: 1_440, up: 1_438, ..Day::default() }, "fair"),
        (Day { expected: 1_440, up: 1_420, ..Day::default() }, "poor"),
        (Day { expected: 1_440, up: 1_300, ..Day::default() }, "bad"),
    ] {
        assert_eq!(day_tone(&day), tone, "{day:?}");
    }
}
