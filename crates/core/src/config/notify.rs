//! `[notify]`: whom the door tells of what happens to it.

use serde::Deserialize;

use super::schema::Credential;

/// Webhooks at most.
pub const WEBHOOKS_MAX: usize = 8;
/// E-mail addresses at most.
pub const NOTIFY_EMAILS_MAX: usize = 16;

/// `[notify]`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notify {
    /// Addresses that are told by signed requests.
    pub webhook: Vec<Webhook>,
    /// Operators who are told by e-mail of incidents and critical findings.
    pub email: Vec<String>,
}

/// `[[notify.webhook]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where the requests go. No redirect is followed.
    pub url: String,
    /// What they are signed with.
    pub secret: Credential,
    /// What is told; absent, everything but `ocsf`.
    #[serde(default = "told_by_default")]
    pub events: Vec<NotifyEvent>,
}

/// What may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotifyEvent {
    /// An incident opened, has another cause, or closed.
    Incident,
    /// A finding opened or is fixed.
    Finding,
    /// A budget is used by half, by four fifths, or whole.
    Budget,
    /// Every decision and finding, as OCSF events.
    Ocsf,
}

fn told_by_default() -> Vec<NotifyEvent> {
    vec![NotifyEvent::Incident, NotifyEvent::Finding, NotifyEvent::Budget]
}
