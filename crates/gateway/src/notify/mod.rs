//! Operators are told: of incidents, findings and budgets, by signed requests to
//! addresses of theirs and by e-mail. Whoever has something to tell never waits;
//! what does not fit into a full queue is lost, and the log says so.

mod budget;
mod hook;
mod message;
mod sign;
mod tally;

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use serde_json::Value;
use surgewall_core::clock::Timestamp;
use surgewall_core::config::notify::{self as section, NotifyEvent};
use surgewall_core::finding::Severity;
use surgewall_core::incident::{IncidentEvent, Step};
use surgewall_identity::mail::Letter;
use surgewall_store::findings::FindingView;
use surgewall_store::ocsf::Taker;

use self::budget::Budgets;
pub(crate) use self::hook::{ATTEMPT_TIMEOUT, connector};
use self::hook::{Hook, Worker};
pub(crate) use self::message::Message;
pub use self::sign::{SIGNATURE_VERSION, signature};
pub use self::tally::Fates;
use self::tally::Tally;
use crate::credential::{self, CredentialError};
use crate::door::Door;
use crate::policy::Held;
use crate::sync::lock;

/// Messages that wait for one address; further ones are lost.
pub const MESSAGES_WAITING_MAX: usize = 256;

/// What is told to whom.
#[derive(Default)]
pub struct Notify {
    addresses: Arc<ArcSwap<Addresses>>,
    budgets: Mutex<Budgets>,
    tally: Arc<Tally>,
}

/// Whom one configuration names.
#[derive(Default)]
pub struct Addresses {
    hooks: Vec<Hook>,
    workers: Mutex<Vec<Worker>>,
    email: Vec<String>,
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
        let notify = Self::default();
        let addresses = notify.addresses(section)?;
        notify.addresses.store(Arc::new(addresses));
        Ok(notify)
    }

    /// Whom `section` names, to be told from [`replace`] on. An address that stays
    /// as it is keeps what waits for it.
    ///
    /// # Errors
    /// As [`Notify::new`].
    pub fn addresses(&self, section: &section::Notify) -> Result<Addresses, NotifyError> {
        let before = self.addresses.load();
        let (mut hooks, mut workers) = (Vec::new(), Vec::new());
        for webhook in &section.webhook {
            let secret = credential::read(&webhook.secret)
                .map_err(|source| NotifyError::Secret { url: webhook.url.clone(), source })?;
            if let Some(hook) = before.hooks.iter().find(|hook| hook.is_of(webhook, &secret)) {
                hooks.push(hook.clone());
                continue;
            }
            let (hook, worker) = hook::open(webhook, secret, self.tally.clone())?;
            hooks.push(hook);
            workers.push(worker);
        }
        Ok(Addresses { hooks, workers: Mutex::new(workers), email: section.email.clone() })
    }

    /// Whether anybody wants to hear of `event`.
    #[must_use]
    pub fn wants(&self, event: NotifyEvent) -> bool {
        self.addresses.load().wanting(event).next().is_some()
    }

    /// What became of messages since the start.
    #[must_use]
    pub fn fates(&self) -> Fates {
        self.tally.fates()
    }

    fn tell(&self, event: NotifyEvent, message: &Message) {
        self.addresses.load().wanting(event).for_each(|hook| hook.push(message));
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
        if !self.wants(NotifyEvent::Ocsf) {
            return None;
        }
        let addresses = self.addresses.clone();
        Some(Box::new(move |lines| {
            let events = lines.iter().map(|line| serde_json::from_slice::<Value>(line));
            let events: Vec<_> = events.collect::<Result<_, _>>()?;
            let message = Message::new("ocsf", now(), &Value::from(events));
            let addresses = addresses.load_full();
            addresses.wanting(NotifyEvent::Ocsf).try_for_each(|hook| hook.push_and_wait(&message))
        }))
    }

    fn mail(&self, door: &Door, subject: &str, text: &str) {
        let policy = door.policy();
        let Some(mailer) = &policy.outside.mailer else { return };
        for address in &self.addresses.load().email {
            let letter = Letter::Notice { subject, text };
            if let Err(error) = mailer.send(address, &letter, door.clock.now()) {
                tracing::warn!(%error, "an operator could not be told by e-mail");
            }
        }
    }
}

impl Addresses {
    fn wanting(&self, event: NotifyEvent) -> impl Iterator<Item = &Hook> {
        self.hooks.iter().filter(move |hook| hook.wants(event))
    }
}

/// Begins to tell: once, when the door listens.
pub fn start(door: &Door) {
    let Some(notify) = door.notify.get() else { return };
    for worker in lock(&notify.addresses.load().workers).drain(..) {
        door.tasks.background(worker.run(door.clock.clone()));
    }
}

/// Tells `addresses` from now on, and nobody else any more.
pub fn replace(door: &Door, addresses: Addresses) {
    let Some(notify) = door.notify.get() else { return };
    notify.addresses.store(Arc::new(addresses));
    start(door);
}

pub use budget::Names;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use surgewall_core::config::notify::{Notify as Section, Webhook};
    use surgewall_core::config::schema::Credential;

    use super::*;

    fn section(secret: &Path, url: &str) -> Section {
        let webhook = Webhook {
            url: url.to_owned(),
            secret: Credential::File(secret.to_owned()),
            events: vec![NotifyEvent::Incident],
        };
        Section { webhook: vec![webhook], email: vec!["ops@example.org".to_owned()] }
    }

    fn write(secret: &Path, text: &str) {
        std::fs::write(secret, text).unwrap();
        std::fs::set_permissions(secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn an_address_that_stays_keeps_its_queue_and_another_is_sent_nothing_more() {
        const URL: &str = "http://127.0.0.1:1/";
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        write(&secret, "a-secret-of-some-length");
        let notify = Notify::new(&section(&secret, URL)).unwrap();
        let message = Message::new("a", Timestamp::default(), &Value::Null);
        notify.tell(NotifyEvent::Incident, &message);
        let ended = lock(&notify.addresses.load().workers)[0].ended();
        let take = |section: &Section| {
            let addresses = notify.addresses(section).unwrap();
            let made = lock(&addresses.workers).len();
            notify.addresses.store(Arc::new(addresses));
            made
        };
        assert_eq!(take(&section(&secret, URL)), 0, "the worker is there already");
        assert!(!ended.is_cancelled() && notify.wants(NotifyEvent::Incident));
        write(&secret, "another-secret-of-some-length");
        assert_eq!(take(&section(&secret, URL)), 1);
        assert!(ended.is_cancelled(), "nothing more is signed with the secret of before");
        let ended = lock(&notify.addresses.load().workers)[0].ended();
        assert_eq!(take(&Section::default()), 0);
        assert!(ended.is_cancelled() && !notify.wants(NotifyEvent::Incident));
        std::fs::remove_file(&secret).unwrap();
        assert!(matches!(
            notify.addresses(&section(&secret, URL)),
            Err(NotifyError::Secret { .. })
        ));
    }
}
