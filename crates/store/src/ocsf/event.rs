//! What every event has: class, activity, time, severity, metadata.

use serde_json::{Map, Value, json};
use surgewall_core::clock::Timestamp;

/// The version of the schema that events are written by.
pub const OCSF_VERSION: &str = "1.3.0";

/// A class of events, as the schema numbers it.
#[derive(Clone, Copy)]
pub(super) struct Class {
    uid: u32,
    name: &'static str,
    category: u32,
    category_name: &'static str,
}

impl Class {
    pub(super) const BASE: Self =
        Self { uid: 0, name: "Base Event", category: 0, category_name: "Uncategorized" };
    pub(super) const DETECTION_FINDING: Self =
        Self { uid: 2004, name: "Detection Finding", category: 2, category_name: "Findings" };
    pub(super) const INCIDENT_FINDING: Self =
        Self { uid: 2005, name: "Incident Finding", category: 2, category_name: "Findings" };
    pub(super) const ENTITY_MANAGEMENT: Self = Self {
        uid: 3004,
        name: "Entity Management",
        category: 3,
        category_name: "Identity & Access Management",
    };
    pub(super) const APPLICATION_LIFECYCLE: Self = Self {
        uid: 6002,
        name: "Application Lifecycle",
        category: 6,
        category_name: "Application Activity",
    };
    pub(super) const API_ACTIVITY: Self = Self {
        uid: 6003,
        name: "API Activity",
        category: 6,
        category_name: "Application Activity",
    };
}

/// An activity within a class: its number and caption. 99 is the schema's `Other`.
#[derive(Clone, Copy)]
pub(super) struct Activity(pub(super) u32, pub(super) &'static str);

/// How an event ranks, as the schema numbers it.
#[derive(Clone, Copy)]
pub(super) enum Rank {
    Informational = 1,
    Low = 2,
    Medium = 3,
    High = 4,
    Critical = 5,
}

impl Rank {
    const fn caption(self) -> &'static str {
        match self {
            Self::Informational => "Informational",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
            Self::Critical => "Critical",
        }
    }
}

/// What an event begins with.
pub(super) struct Head {
    pub(super) class: Class,
    pub(super) activity: Activity,
    pub(super) rank: Rank,
    pub(super) at: Timestamp,
    /// What the door calls it.
    pub(super) code: &'static str,
    /// The ledger's sequence, where it is a record of the ledger.
    pub(super) sequence: Option<u64>,
    /// What it shares with the other events of one request, finding or incident.
    pub(super) correlation: Option<String>,
    /// Profiles of the schema that it uses.
    pub(super) profiles: &'static [&'static str],
}

impl Head {
    /// The event with `fields` after its head.
    pub(super) fn with(self, fields: Value) -> Value {
        let Activity(activity, caption) = self.activity;
        let mut event = json!({
            "class_uid": self.class.uid,
            "class_name": self.class.name,
            "category_uid": self.class.category,
            "category_name": self.class.category_name,
            "activity_id": activity,
            "activity_name": caption,
            "type_uid": self.class.uid * 100 + activity,
            "time": self.at,
            "severity_id": self.rank as u32,
            "severity": self.rank.caption(),
        });
        if let (Value::Object(event), Value::Object(fields)) = (&mut event, fields) {
            event.extend(fields);
            event.insert("metadata".to_owned(), Value::Object(self.metadata()));
        }
        prune(&mut event);
        event
    }

    fn metadata(&self) -> Map<String, Value> {
        let mut metadata = Map::new();
        let product = json!({
            "name": "Surgewall",
            "vendor_name": "Surgewall",
            "version": env!("CARGO_PKG_VERSION"),
        });
        metadata.insert("version".to_owned(), OCSF_VERSION.into());
        metadata.insert("product".to_owned(), product);
        metadata.insert("event_code".to_owned(), self.code.into());
        if let Some(sequence) = self.sequence {
            metadata.insert("sequence".to_owned(), sequence.into());
        }
        if let Some(correlation) = &self.correlation {
            metadata.insert("correlation_uid".to_owned(), correlation.clone().into());
        }
        if !self.profiles.is_empty() {
            metadata.insert("profiles".to_owned(), self.profiles.into());
        }
        metadata
    }
}

/// Takes out what is null: the schema wants absent fields absent.
fn prune(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(prune);
        }
        Value::Array(values) => values.iter_mut().for_each(prune),
        _ => {}
    }
}

/// `status_id` and `status` of what succeeded or failed.
pub(super) const fn status(succeeded: bool) -> (u32, &'static str) {
    if succeeded { (1, "Success") } else { (2, "Failure") }
}
