//! Operators are told: of incidents, findings and budgets, by signed requests to
//! addresses of theirs and by e-mail. Whoever has something to tell never waits;
//! what does not fit into a full queue is lost, and the log says so.

mod budget;
mod hook;
mod sign;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::{Value, json};
use surgewall_core::clock::Timestamp;
use surgewall_core::config::notify::{self as section, NotifyEvent};
use surgewall_core::finding::Severity;
use surgewall_core::incident::{IncidentEvent, Step};
use surgewall_core::random;
use surgewall_identity::mail::Letter;
use surgewall_store::findings::FindingView;
use surgewall_store::ocsf::Taker;

use self::budget::Budgets;
use self::hook::{Hook, Worker};
pub use self::sign::{SIGNATURE_VERSION, signature};
use crate::credential::{self, CredentialError};
use crate::door::Door;
use crate::policy::Held;
use crate::sync::lock;

/// Messages that wait for one address; further ones are lost.
pub const MESSAGES_WAITING_MAX: usize = 256;

/// What is told to whom.
#[derive(Default)]
pub struct Notify {
    hooks: Vec<Hook>,
    workers: Mutex<Vec<Worker>>,
    email: Vec<String>,
    budgets: Mutex<Budgets>,
}

/// One thing that is told.
#[derive(Clone, Debug)]
struct Message {
    /// The same at each attempt: who gets it twice can tell.
    id: String,
    body: Bytes,
}

impl Message {
    fn new(kind: &str, at: Timestamp, data: &Value) -> Self {
        let body = json!({"type": kind, "timestamp": at.to_string(), "data": data});
        Self { id: format!("msg_{}", random::base62(22)), body: Bytes::from(body.to_string()) }
    }
}

/// An address of `[notify]` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// Its secret cannot be read.
    #[error("[[notify.webhook]] {url}: {source}")]
    Secret {
        /// The address.
        url: String,
        /// What is wrong.
        source: CredentialError,
    },
    /// It cannot be connected to by any means.
    #[error("[[notify.webhook]] {url}: {why}")]
    Address {
        /// The address.
        url: String,
        /// Why not.
        why: String,
    },
}

impl Notify {
    /// Whom `section` names. Nothing is connected to yet.
    ///
    /// # Errors
    /// A secret or an address that cannot be used.
    pub fn new(section: &section::Notify) -> Result<Self, NotifyError> {
        let (mut hooks, mut workers) = (Vec::new(), Vec::new());
        for webhook in &section.webhook {
            let secret = credential::read(&webhook.secret)
                .map_err(|source| NotifyError::Secret { url: webhook.url.clone(), source })?;
            let (hook, worker) = hook::open(webhook, secret)?;
            hooks.push(hook);
            workers.push(worker);
        }
        let email = section.email.clone();
        Ok(Self { hooks, workers: Mutex::new(workers), email, budgets: Mutex::default() })
    }

    /// Whether anybody wants to hear of `event`.
    #[must_use]
    pub fn wants(&self, event: NotifyEvent) -> bool {
        self.hooks.iter().any(|hook| hook.wants(event))
    }

    fn tell(&self, event: NotifyEvent, message: &Message) {
        self.hooks.iter().filter(|hook| hook.wants(event)).for_each(|hook| hook.push(message));
    }

    /// An incident began, has another cause, or ended.
    pub fn incident(&self, door: &Door, event: &IncidentEvent) {
        let kind = match event.step {
            Step::Opened => "incident.opened",
            Step::Changed { .. } => "incident.changed",
            Step::Closed { .. } => "incident.closed",
            Step::Measured => return,
        };
        let data = serde_json::to_value(event).unwrap_or_default();
        self.tell(NotifyEvent::Incident, &Message::new(kind, event.at, &data));
        let (id, verdict) = (&event.id, event.verdict);
        let what = kind.trim_start_matches("incident.");
        self.mail(door, &format!("Incident {what}: {verdict}"), &format!(
            "Incident {id} {what} at {}.\nVerdict: {verdict}.\n\nOn the door's machine `surgewall report incident {id}` tells all of it.",
            event.at
        ));
    }

    /// A finding has another state.
    pub fn finding(&self, door: &Door, view: &FindingView) {
        let kind = format!("finding.{}", view.finding.state.as_str());
        let data = serde_json::to_value(view).unwrap_or_default();
        self.tell(NotifyEvent::Finding, &Message::new(&kind, view.changed_at, &data));
        if view.finding.severity == Severity::Critical {
            let (id, rule, state) = (&view.id, &view.finding.rule, view.finding.state.as_str());
            self.mail(door, &format!("Critical finding {state}: {rule}"), &format!(
                "Finding {id} ({rule}) is {state} since {}.\n\nOn the door's machine `surgewall admin finding show {id}` tells all of it.",
                view.changed_at
            ));
        }
    }

    /// Somebody with these limits asks for something: are budgets used by half, by
    /// four fifths, whole?
    pub fn budgets(&self, door: &Door, held: &[Held], who: &budget::Names<'_>, now: Timestamp) {
        if !self.wants(NotifyEvent::Budget) {
            return;
        }
        let quota = lock(&door.quota);
        let mut budgets = lock(&self.budgets);
        let reached = budgets.reached(held, |held| quota.remaining(now, &held.subject, &held.spec));
        drop(quota);
        for (held, percent, remaining) in reached {
            let data = budget::told(held, percent, &remaining, who);
            self.tell(NotifyEvent::Budget, &Message::new("budget.reached", now, &data));
        }
    }

    /// Takes OCSF events for those who want them: lines of JSON, a batch at a time.
    /// It waits where a queue is full, so it is for a thread of its own.
    #[must_use]
    pub fn ocsf_taker(&self, now: impl Fn() -> Timestamp + Send + 'static) -> Option<Taker> {
        let hooks: Vec<_> =
            self.hooks.iter().filter(|hook| hook.wants(NotifyEvent::Ocsf)).cloned().collect();
        if hooks.is_empty() {
            return None;
        }
        Some(Box::new(move |lines| {
            let events = lines.iter().map(|line| serde_json::from_slice::<Value>(line));
            let events: Vec<_> = events.collect::<Result<_, _>>()?;
            let message = Message::new("ocsf", now(), &Value::from(events));
            hooks.iter().try_for_each(|hook| hook.push_and_wait(&message))
        }))
    }

    fn mail(&self, door: &Door, subject: &str, text: &str) {
        let policy = door.policy();
        let Some(mailer) = &policy.outside.mailer else { return };
        for address in &self.email {
            let letter = Letter::Notice { subject, text };
            if let Err(error) = mailer.send(address, &letter, door.clock.now()) {
                tracing::warn!(%error, "an operator could not be told by e-mail");
            }
        }
    }
}

/// Begins to tell: once, when the door listens.
pub fn start(door: &Arc<Door>) {
    let Some(notify) = door.notify.get() else { return };
    for worker in lock(&notify.workers).drain(..) {
        door.tasks.background(worker.run(door.clock.clone()));
    }
}

pub use budget::Names;
