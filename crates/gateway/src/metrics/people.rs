//! Metrics of what people touch: passwords, letters, answers of the chat, and
//! what operators are told.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use surgewall_identity::hasher::{HasherCounts, Purpose};
use surgewall_identity::mail::MailCounts;

use crate::notify::Fates;

/// A level that a door reads off.
type Level = Gauge<u64, AtomicU64>;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PurposeLabel {
    purpose: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FateLabel {
    fate: &'static str,
}

/// What people's part of a door has of metrics.
#[derive(Default)]
pub struct PeopleMetrics {
    hashes: Counter,
    hashes_refused: Counter,
    hashes_running: Level,
    hashes_waiting: Family<PurposeLabel, Level>,
    letters: Family<FateLabel, Counter>,
    letters_waiting: Level,
    answers: Level,
    answers_unwatched: Level,
    resumed: Counter,
    kept: Counter,
    notifications: Family<FateLabel, Counter>,
    subscribers: Family<FateLabel, Counter>,
}

impl PeopleMetrics {
    /// Puts them into `registry`.
    pub(super) fn register(&self, registry: &mut Registry) {
        self.register_passwords(registry);
        registry.register("letters", "Letters, by what became of them", self.letters.clone());
        registry.register("letters_waiting", "Letters in the queue", self.letters_waiting.clone());
        registry.register(
            "chat_answers_running",
            "Answers of the chat that wait for their turn or run",
            self.answers.clone(),
        );
        registry.register(
            "chat_answers_unwatched",
            "Of these, answers that nobody watches",
            self.answers_unwatched.clone(),
        );
        registry.register(
            "chat_answers_resumed",
            "Pages that came back to an answer and went on where they were",
            self.resumed.clone(),
        );
        registry.register(
            "chat_answers_kept",
            "Answers that a crash broke off and that were kept as far as they came",
            self.kept.clone(),
        );
        registry.register(
            "notifications",
            "What operators were told by requests, by what became of it",
            self.notifications.clone(),
        );
        registry.register(
            "status_updates",
            "Subscribers of the status page that were to be told, by what became of it",
            self.subscribers.clone(),
        );
    }

    fn register_passwords(&self, registry: &mut Registry) {
        registry.register(
            "password_hashes",
            "Passwords that were hashed or compared with a hash",
            self.hashes.clone(),
        );
        registry.register(
            "password_hashes_refused",
            "Passwords that were not, because too many were before them",
            self.hashes_refused.clone(),
        );
        registry.register(
            "password_hashes_running",
            "Passwords that are hashed now",
            self.hashes_running.clone(),
        );
        registry.register(
            "password_hashes_waiting",
            "Passwords that wait to be hashed, by purpose",
            self.hashes_waiting.clone(),
        );
    }

    /// How the one place that hashes passwords does.
    pub(super) fn passwords(&self, counts: HasherCounts) {
        self.hashes.inner().store(counts.calls, Ordering::Relaxed);
        self.hashes_refused.inner().store(counts.refused, Ordering::Relaxed);
        self.hashes_running.set(counts.running as u64);
        for purpose in [Purpose::SignIn, Purpose::Reset, Purpose::SignUp] {
            let waiting = counts.waiting[purpose as usize] as u64;
            let label = PurposeLabel { purpose: word(purpose) };
            self.hashes_waiting.get_or_create(&label).set(waiting);
        }
    }

    /// What became of letters since the start.
    pub(super) fn letters(&self, counts: MailCounts) {
        let MailCounts { sent, failed, refused, waiting } = counts;
        store(&self.letters, [("sent", sent), ("failed", failed), ("refused", refused)]);
        self.letters_waiting.set(waiting as u64);
    }

    /// Answers that are under way, and how many of these nobody watches.
    pub(super) fn answers(&self, (all, unwatched): (u64, u64)) {
        self.answers.set(all);
        self.answers_unwatched.set(unwatched);
    }

    /// A page came back to an answer that it had watched before.
    pub fn answer_resumed(&self) {
        self.resumed.inc();
    }

    /// So many answers were kept that a crash broke off.
    pub fn answers_kept(&self, answers: usize) {
        self.kept.inc_by(answers as u64);
    }

    /// Subscribers of the status page were told; whether it went well.
    pub fn subscribers_told(&self, told: &[(u128, bool)]) {
        for (_, well) in told {
            let fate = if *well { "delivered" } else { "failed" };
            self.subscribers.get_or_create(&FateLabel { fate }).inc();
        }
    }

    /// What became of what operators are told, since the start.
    pub(super) fn notifications(&self, fates: Fates) {
        let Fates { delivered, retried, queue_full, undelivered } = fates;
        let all = [
            ("delivered", delivered),
            ("retried", retried),
            ("queue_full", queue_full),
            ("undelivered", undelivered),
        ];
        store(&self.notifications, all);
    }
}

const fn word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::SignIn => "sign_in",
        Purpose::Reset => "reset",
        Purpose::SignUp => "sign_up",
    }
}

/// Takes over counts that are kept elsewhere.
fn store<const N: usize>(family: &Family<FateLabel, Counter>, counts: [(&'static str, u64); N]) {
    for (fate, count) in counts {
        family.get_or_create(&FateLabel { fate }).inner().store(count, Ordering::Relaxed);
    }
}
