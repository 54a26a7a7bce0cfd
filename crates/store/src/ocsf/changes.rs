//! What an operator or the door itself changed: Entity Management (3004) and
//! Application Lifecycle (6002); and what the schema has no class for.

use serde::Serialize;
use serde_json::{Value, json};
use surgewall_core::clock::Timestamp;
use surgewall_core::decision::{Changed, Erased};

use super::event::{Activity, Class, Head, Rank, status};

/// The last word of an action and the schema's activity. Others are `Other`.
const ACTIVITIES: [(&str, Activity); 11] = [
    ("create", Activity(1, "Create")),
    ("import", Activity(1, "Create")),
    ("ensure", Activity(3, "Update")),
    ("set", Activity(3, "Update")),
    ("limit", Activity(3, "Update")),
    ("class", Activity(3, "Update")),
    ("reload", Activity(3, "Update")),
    ("rotate", Activity(3, "Update")),
    ("revoke", Activity(4, "Delete")),
    ("erase", Activity(4, "Delete")),
    ("remove", Activity(4, "Delete")),
];

/// Something was changed, or is about to be: an operator's change has a record
/// before it and one after it, and only the later one has a status.
pub(super) fn changed(sequence: u64, record: &Changed) -> Value {
    let (action, done) = match record.action.rsplit_once('.') {
        Some((action, "done")) => (action, Some(true)),
        Some((action, "failed")) => (action, Some(false)),
        _ => (record.action.as_str(), None),
    };
    match action {
        "door.start" => lifecycle(sequence, record, Activity(3, "Start")),
        "door.stop" => lifecycle(sequence, record, Activity(4, "Stop")),
        action => managed(sequence, record, action, done),
    }
}

fn managed(sequence: u64, record: &Changed, action: &str, done: Option<bool>) -> Value {
    let (entity, verb) = action.split_once('.').unwrap_or((action, action));
    let known = ACTIVITIES.into_iter().find(|(word, _)| *word == verb);
    let head = head(
        Class::ENTITY_MANAGEMENT,
        known.map_or(Activity(99, "Other"), |(_, activity)| activity),
        record.at,
        "changed",
        Some(sequence),
    );
    let status = done.map(status);
    let mut fields = json!({
        "status_id": status.map(|(id, _)| id),
        "status": status.map(|(_, caption)| caption),
        "entity": {
            "type": entity,
            // An entity has a name or an id.
            "name": record.subject.is_none().then_some(entity),
            "uid": record.subject,
        },
        "comment": record.detail,
        "unmapped": { "action": record.action },
    });
    if known.is_none() {
        // Of what the schema has no number for, it wants the source's own word.
        fields["activity_name"] = json!(verb);
    }
    head.with(fields)
}

fn lifecycle(sequence: u64, record: &Changed, activity: Activity) -> Value {
    let class = Class::APPLICATION_LIFECYCLE;
    head(class, activity, record.at, "changed", Some(sequence)).with(json!({
        "app": { "name": "Surgewall", "vendor_name": "Surgewall", "version": env!("CARGO_PKG_VERSION") },
        "unmapped": { "action": record.action },
    }))
}

/// The keys of one subject's content were destroyed.
pub(super) fn erased(sequence: u64, record: &Erased) -> Value {
    let activity = Activity(4, "Delete");
    let head = head(Class::ENTITY_MANAGEMENT, activity, record.at, "erased", Some(sequence));
    let (status_id, status) = status(true);
    head.with(json!({
        "status_id": status_id,
        "status": status,
        "entity": { "type": "data keys", "uid": record.subject },
        "unmapped": { "keys": record.keys, "signature": record.signature },
    }))
}

/// A record that the schema has no class for: a Base Event with all of it.
pub(super) fn other<T: Serialize>(
    sequence: u64,
    code: &'static str,
    at: Timestamp,
    record: &T,
) -> Value {
    let head = head(Class::BASE, Activity(99, "Other"), at, code, Some(sequence));
    head.with(json!({ "message": code, "unmapped": record }))
}

/// Events were lost before this one.
pub(super) fn lost(events: u64, at: Timestamp) -> Value {
    let head = Head {
        rank: Rank::Medium,
        ..head(Class::BASE, Activity(99, "Other"), at, "events_lost", None)
    };
    head.with(json!({
        "message": format!("{events} events were lost before this one; the ledger has them"),
        "unmapped": { "events": events },
    }))
}

const fn head(
    class: Class,
    activity: Activity,
    at: Timestamp,
    code: &'static str,
    sequence: Option<u64>,
) -> Head {
    Head {
        class,
        activity,
        rank: Rank::Informational,
        at,
        code,
        sequence,
        correlation: None,
        profiles: &[],
    }
}
