//! Findings of the inbox as Detection Finding (2004), incidents as Incident
//! Finding (2005).

use serde_json::{Value, json};
use surgewall_core::finding::{Confidence, Finding, Severity, State};
use surgewall_core::incident::{IncidentEvent, Step, Verdict};

use super::event::{Activity, Class, Head, Rank};
use crate::findings::FindingView;

const CREATE: Activity = Activity(1, "Create");
const UPDATE: Activity = Activity(2, "Update");
const CLOSE: Activity = Activity(3, "Close");

/// A finding that has another state than before.
pub(super) fn finding(view: &FindingView) -> Value {
    let Finding { rule, subject, evidence, advice, severity, confidence, state } = &view.finding;
    let (status_id, status) = match state {
        State::Open => (1, "New"),
        State::Acknowledged | State::Rule => (3, "Suppressed"),
        State::Fixed => (4, "Resolved"),
    };
    let activity = match state {
        State::Open if view.seen == 1 => CREATE,
        State::Fixed => CLOSE,
        _ => UPDATE,
    };
    let (confidence_id, confidence) = match confidence {
        Confidence::Certain => (3, "High"),
        Confidence::Likely => (2, "Medium"),
        Confidence::Possible => (1, "Low"),
    };
    let head = Head {
        class: Class::DETECTION_FINDING,
        activity,
        rank: match severity {
            Severity::Note => Rank::Informational,
            Severity::Warning => Rank::Medium,
            Severity::Critical => Rank::Critical,
        },
        at: view.changed_at,
        code: "finding",
        sequence: None,
        correlation: Some(view.id.to_string()),
        profiles: &[],
    };
    head.with(json!({
        "status_id": status_id,
        "status": status,
        "confidence_id": confidence_id,
        "confidence": confidence,
        "count": view.seen,
        "comment": view.note,
        "finding_info": {
            "uid": view.id,
            "title": format!("{rule}: {subject}"),
            "desc": evidence,
            "types": [rule],
            "analytic": { "type_id": 1, "type": "Rule", "name": rule, "uid": rule },
            "first_seen_time": view.first_seen,
            "last_seen_time": view.last_seen,
        },
        "remediation": (!advice.is_empty()).then(|| json!({ "desc": advice })),
        "resources": [{ "name": subject }],
        "unmapped": { "state": state, "by": view.changed_by, "producer": view.producer },
    }))
}

/// An incident began, changed, went on or ended.
pub(super) fn incident(sequence: u64, event: &IncidentEvent) -> Value {
    let (activity, status_id, status) = match &event.step {
        Step::Opened => (CREATE, 1, "New"),
        Step::Changed { .. } | Step::Measured => (UPDATE, 2, "In Progress"),
        Step::Closed { .. } => (CLOSE, 5, "Closed"),
    };
    let head = Head {
        class: Class::INCIDENT_FINDING,
        activity,
        rank: match (&event.step, event.verdict) {
            (Step::Closed { .. }, _) => Rank::Informational,
            (_, Verdict::UnknownDemand | Verdict::UpstreamSlow) => Rank::High,
            _ => Rank::Medium,
        },
        at: event.at,
        code: "incident",
        sequence: Some(sequence),
        correlation: Some(event.id.to_string()),
        profiles: &[],
    };
    head.with(json!({
        "status_id": status_id,
        "status": status,
        "desc": event.verdict.to_string(),
        "finding_info_list": [{
            "uid": event.id,
            "title": format!("{} at {}", event.verdict, event.pool),
            "types": event.reasons,
        }],
        "unmapped": event,
    }))
}
