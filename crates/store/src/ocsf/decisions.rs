//! What the door decided about requests: API Activity (6003) with the security
//! control profile.

use serde_json::{Value, json};
use surgewall_core::decision::{Admitted, Outcome, Refused, Settled, Who};

use super::event::{Activity, Class, Head, Rank, status};
use super::names::Names;

const CREATE: Activity = Activity(1, "Create");
const PROFILES: &[&str] = &["security_control"];

/// A request was let in.
pub(super) fn admitted(sequence: u64, record: &Admitted, names: &mut dyn Names) -> Value {
    let head = Head {
        class: Class::API_ACTIVITY,
        activity: CREATE,
        rank: Rank::Informational,
        at: record.at,
        code: "admitted",
        sequence: Some(sequence),
        correlation: Some(record.request_id.to_string()),
        profiles: PROFILES,
    };
    head.with(json!({
        "action_id": 1,
        "action": "Allowed",
        "disposition_id": 1,
        "disposition": "Allowed",
        "actor": actor(&record.who, names),
        "src_endpoint": { "name": record.who.network },
        "api": api(record),
        "resources": [{ "type": "model", "name": record.model }],
        "unmapped": {
            "class": record.who.class,
            "config": record.config,
            "reserved": record.reserved,
        },
    }))
}

/// A request ended.
pub(super) fn settled(
    sequence: u64,
    record: &Settled,
    admitted: Option<&Admitted>,
    names: &mut dyn Names,
) -> Value {
    let (succeeded, rank) = judged(record.outcome);
    let (status_id, status) = status(succeeded);
    let head = Head {
        class: Class::API_ACTIVITY,
        activity: Activity(99, "Settle"),
        rank,
        at: record.at,
        code: "settled",
        sequence: Some(sequence),
        correlation: Some(record.request_id.to_string()),
        profiles: PROFILES,
    };
    let mut api = admitted.map_or_else(|| json!({ "operation": "unknown" }), api);
    api["response"] = json!({ "code": record.status });
    if !succeeded {
        api["response"]["error"] = json!(record.outcome.as_str());
    }
    let unknown = || json!({ "user": { "name": "unknown" } });
    head.with(json!({
        "action_id": 1,
        "action": "Allowed",
        "status_id": status_id,
        "status": status,
        "status_detail": record.outcome.as_str(),
        "start_time": admitted.map(|admitted| admitted.at),
        "end_time": record.at,
        "duration": record.duration_ms,
        "actor": admitted.map_or_else(unknown, |admitted| actor(&admitted.who, names)),
        "src_endpoint": {
            "name": admitted.map_or("unknown".into(), |admitted| json!(admitted.who.network)),
        },
        "dst_endpoint": record.upstream.as_ref().map(|upstream| json!({ "svc_name": upstream })),
        "api": api,
        "http_response": { "code": record.status },
        "resources": admitted.map(|admitted| json!([{ "type": "model", "name": admitted.model }])),
        "unmapped": unmapped(record, admitted),
    }))
}

fn unmapped(record: &Settled, admitted: Option<&Admitted>) -> Value {
    json!({
        "class": admitted.map(|admitted| admitted.who.class),
        "usage": record.usage,
        "source": record.source,
        "cost": record.cost,
        "reserved": record.reserved,
        "topped_up": record.topped_up,
        "settled": record.settled,
        "refunded": record.refunded,
        "attempts": record.attempts,
        "first_byte_ms": record.first_byte_ms,
        "why": record.why,
    })
}

/// Whether the caller got what was asked for, and how bad it is where not.
const fn judged(outcome: Outcome) -> (bool, Rank) {
    match outcome {
        Outcome::Completed => (true, Rank::Informational),
        Outcome::ClientGone | Outcome::Drained | Outcome::Revoked | Outcome::SlowReader => {
            (false, Rank::Informational)
        }
        Outcome::UpstreamFailed | Outcome::UpstreamBroke | Outcome::Shed => (false, Rank::Low),
        Outcome::Failed | Outcome::Crash => (false, Rank::Medium),
    }
}

/// One or more requests were refused.
pub(super) fn refused(sequence: u64, record: &Refused, names: &mut dyn Names) -> Value {
    let (status_id, status) = status(false);
    let head = Head {
        class: Class::API_ACTIVITY,
        activity: CREATE,
        rank: Rank::Informational,
        at: record.at,
        code: "refused",
        sequence: Some(sequence),
        correlation: record.request_id.map(|id| id.to_string()),
        profiles: PROFILES,
    };
    let anonymous = || json!({ "user": { "name": "anonymous", "type_id": 0, "type": "Unknown" } });
    head.with(json!({
        "action_id": 2,
        "action": "Denied",
        "disposition_id": 2,
        "disposition": "Blocked",
        "status_id": status_id,
        "status": status,
        "status_code": record.code,
        "count": record.count,
        "actor": record.who.as_ref().map_or_else(anonymous, |who| actor(who, names)),
        "src_endpoint": { "name": record.network.map_or("many".into(), |network| json!(network)) },
        "api": {
            "operation": "request",
            "request": record.request_id.map(|id| json!({ "uid": id })),
        },
        "unmapped": { "class": record.who.as_ref().map(|who| who.class) },
    }))
}

fn api(record: &Admitted) -> Value {
    json!({
        "operation": record.route,
        "service": { "name": record.dialect },
        "request": { "uid": record.request_id },
    })
}

/// Who asked, by public ids.
fn actor(who: &Who, names: &mut dyn Names) -> Value {
    let mut user = serde_json::Map::new();
    let key = who.key.map(|key| names.key(key).map_or("unknown".into(), |id| json!(id)));
    let (uid, type_id, kind) = match (who.account, &key) {
        (Some(account), _) => {
            let uid = names.account(account).map_or("unknown".into(), |id| json!(id));
            (Some(uid), 1, "User")
        }
        (None, Some(key)) => (Some(key.clone()), 99, "Operator's key"),
        (None, None) => (None, 0, "Unknown"),
    };
    match uid {
        Some(uid) => user.insert("uid".to_owned(), uid),
        None => user.insert("name".to_owned(), "anonymous".into()),
    };
    user.insert("type_id".to_owned(), type_id.into());
    user.insert("type".to_owned(), kind.into());
    if let Some(key) = key {
        user.insert("credential_uid".to_owned(), key);
    }
    if let Some(delegated) = who.user {
        user.insert("uid_alt".to_owned(), json!(delegated));
    }
    if let Some(group) = who.group.and_then(|group| names.group(group)) {
        user.insert("groups".to_owned(), json!([{ "uid": group }]));
    }
    json!({ "user": user })
}
