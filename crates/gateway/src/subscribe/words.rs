//! What subscribers are sent: what the status page tells, and nothing else.

use serde_json::json;
use surgewall_core::clock::Timestamp;
use surgewall_core::config::Config;
use surgewall_core::digest::{hex, sha256};
use surgewall_core::figures::minute;
use surgewall_store::subscribers::Subscriber;

use super::Links;
use crate::notify::Message;
use crate::status::stories::{Stories, Update};

/// Updates that one letter or request tells; the newest.
pub(super) const UPDATES_TOLD_MAX: usize = 20;

/// One thing that was said, and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said<'a> {
    kind: &'static str,
    id: &'a str,
    title: &'a str,
    update: &'a Update,
}

/// Everything that was said.
fn all(stories: &Stories) -> impl Iterator<Item = Said<'_>> {
    let incidents = stories.incidents.iter();
    let incidents = incidents.map(|one| ("incident", &one.id, &one.title, &one.updates));
    let maintenances = stories.maintenances.iter();
    let maintenances = maintenances.map(|one| ("maintenance", &one.id, &one.title, &one.updates));
    incidents.chain(maintenances).flat_map(|(kind, id, title, updates)| {
        updates.iter().map(move |update| Said { kind, id: id.as_str(), title, update })
    })
}

/// What was said after `told_at`, up to `until`; the oldest first.
pub(super) fn since(stories: &Stories, told_at: Timestamp, until: Timestamp) -> Vec<Said<'_>> {
    let is_new = |said: &Said<'_>| said.update.at > told_at && said.update.at <= until;
    let mut said: Vec<_> = all(stories).filter(is_new).collect();
    said.sort_by_key(|one| one.update.at);
    let old = said.len().saturating_sub(UPDATES_TOLD_MAX);
    said.split_off(old)
}

/// When something was last said.
pub(super) fn newest(stories: &Stories) -> Option<Timestamp> {
    all(stories).map(|said| said.update.at).max()
}

/// A letter's subject and text.
pub(super) fn letter(page: &str, url: &str, said: &[Said<'_>]) -> (String, String) {
    let last = said.last();
    let subject = last.map_or_else(
        || page.to_owned(),
        |one| format!("{page}: {} ({})", one.title, stage(one.update)),
    );
    let paragraphs: Vec<_> = said
        .iter()
        .map(|one| {
            let (at, stage) = (minute(one.update.at), stage(one.update));
            format!("{} ({stage}, {at} UTC)\n{}", one.title, one.update.body.trim())
        })
        .collect();
    (subject, format!("{}\n\n{url}", paragraphs.join("\n\n")))
}

fn stage(update: &Update) -> String {
    update.stage.replace('_', " ")
}

/// A request that tells `said`. Sent again, it has the same id.
pub(super) fn update(
    url: &str,
    subscriber: &Subscriber,
    said: &[Said<'_>],
    now: Timestamp,
) -> Message {
    let updates: Vec<_> = said
        .iter()
        .map(|one| {
            json!({
                "id": one.update.id, "at": one.update.at.to_string(), "status": one.update.stage,
                "body": one.update.body, "of": one.kind, "of_id": one.id, "title": one.title,
                "shortlink": format!("{url}/history#{}", one.id),
            })
        })
        .collect();
    let ids: Vec<_> = said.iter().map(|one| one.update.id.as_str()).collect();
    let named = format!("{:032x} {}", subscriber.id, ids.join(" "));
    let id = format!("msg_{}", &hex(&sha256(named.as_bytes()))[..32]);
    Message::with_id(id, "status.updated", now, &json!({"page": url, "updates": updates}))
}

/// A request that asks its address to confirm.
pub(super) fn confirm(config: &Config, links: &Links, now: Timestamp) -> Message {
    let data = json!({
        "page": config.status.name, "confirm_url": links.confirm.expose(),
        "unsubscribe_url": links.end.expose(),
    });
    Message::new("subscription.confirm", now, &data)
}

#[cfg(test)]
mod tests {
    use surgewall_core::id::PublicId;

    use super::*;
    use crate::status::stories::{Impact, Incident, Stage};

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000)
    }

    fn stories(updates: u64) -> Stories {
        let update = |nth: u64| Update {
            id: PublicId::from_stored(format!("upd_{nth}")),
            at: at(nth),
            stage: "investigating".to_owned(),
            body: format!("Word {nth}."),
        };
        let incident = Incident {
            id: PublicId::from_stored("inc_a".to_owned()),
            title: "Demand above capacity".to_owned(),
            impact: Impact::Minor,
            stage: Stage::Investigating,
            components: Vec::new(),
            by_door: true,
            started_at: at(0),
            monitoring_at: None,
            resolved_at: None,
            updates: (1..=updates).rev().map(update).collect(),
        };
        Stories { incidents: vec![incident], ..Stories::default() }
    }

    #[test]
    fn what_is_new_is_told_oldest_first_and_at_most_so_much() {
        let all = stories(30);
        assert_eq!(newest(&all), Some(at(30)));
        let ids = |told: u64, until: u64| -> Vec<u64> {
            let said = since(&all, at(told), at(until));
            said.iter().map(|one| one.update.at.since(at(0)).as_secs()).collect()
        };
        assert_eq!(ids(27, 30), [28, 29, 30]);
        assert_eq!(ids(27, 29), [28, 29]);
        assert_eq!(ids(30, 30), Vec::<u64>::new());
        assert_eq!(ids(0, 30).len(), UPDATES_TOLD_MAX);
        assert_eq!(ids(0, 30)[0], 11, "the newest");
        assert_eq!(newest(&Stories::default()), None);
    }

    #[test]
    fn a_letter_says_what_the_page_says() {
        let all = stories(2);
        let said = since(&all, at(0), at(2));
        let (subject, text) = letter("Example", "https://status.example.org", &said);
        assert_eq!(subject, "Example: Demand above capacity (investigating)");
        assert_eq!(
            text,
            "Demand above capacity (investigating, 2023-11-14 22:13 UTC)\nWord 1.\n\n\
             Demand above capacity (investigating, 2023-11-14 22:13 UTC)\nWord 2.\n\n\
             https://status.example.org"
        );
    }
}
