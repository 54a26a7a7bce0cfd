//! From configuration and request to what a gate is told.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::time::Duration;

use surgewall_core::clock::Timestamp;
use surgewall_core::config::Config;
use surgewall_core::config::admission::AdmissionMode;
use surgewall_core::principal::{AccountRecord, Caller, Class, ClassReason, Principal};
use surgewall_core::quota::Subject;
use surgewall_shield::admission::fair::{Lineage, Shares};
use surgewall_shield::admission::gate::Terms;

/// The terms of a pool whose operator allows `sequences_max` requests at once.
#[must_use]
pub fn terms(config: &Config, sequences_max: Option<u32>) -> Terms {
    let seconds = |class| u64::from(config.classes.of(class).longest_wait_s);
    Terms {
        shares: Shares::new(Class::ALL.map(|class| permille(config.classes.of(class).share))),
        longest_wait: Class::ALL.map(|class| Duration::from_secs(seconds(class))),
        headroom_permille: permille(config.admission.headroom_share),
        queue_bytes_max: config.queue.bytes_max,
        sequences_max,
        observe: config.admission.mode == AdmissionMode::Observe,
    }
}

/// Thousandths, of a share that was held to be between 0 and 1.
fn permille(share: f64) -> u32 {
    (0..=1_000u32).find(|n| f64::from(*n) >= share.mul_add(1_000.0, -0.5)).unwrap_or(1_000)
}

/// Hashes are the gate's own: random for each start, so that nobody can aim at another's counter.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A hash of `subject` for the gate.
fn name(subject: Subject) -> u64 {
    HASHER.hash_one(subject)
}

/// A hash of a model's name for the gate.
#[must_use]
pub fn model(name: &str) -> u64 {
    HASHER.hash_one(name)
}

/// From the class to the end user, and a hash of the last of them.
#[must_use]
pub fn lineage(principal: &Principal, young_days: u32, now: Timestamp) -> (Lineage, u64) {
    let mut levels = [0; 4];
    let mut depth = 0;
    let mut push = |subject| {
        levels[depth] = name(subject);
        depth += 1;
    };
    if let Some(group) = principal.group() {
        push(Subject::Group(group.id));
    }
    if let Some(account) = principal.account() {
        push(Subject::Account(account.id));
    }
    if let Caller::Key(key) = &principal.caller {
        push(Subject::Key(key.id));
        if let Some(user) = principal.delegated {
            push(Subject::User(key.id, user));
        }
    }
    if principal.is_anonymous() {
        push(Subject::Network(principal.network));
    }
    // The young for whom nobody vouches may all be one person.
    let unvouched = |account: &AccountRecord| {
        principal.class == Class::New || account.class_why == ClassReason::Earned
    };
    let account = principal.account();
    let young = account.is_some_and(|a| unvouched(a) && a.is_young(young_days, now));
    let last = levels[depth.saturating_sub(1)];
    (Lineage::new(principal.class, young, &levels[..depth]), last)
}

/// Bytes of a body's beginning and of its end that its sketch reads.
const SKETCH_BYTES: usize = 2 << 10;

/// A hash of who sends what: the same request sent again has the same one. The
/// middle of a long body is not read: a conversation grows at its end.
#[must_use]
pub fn sketch(principal: u64, body: &[u8]) -> u64 {
    let head = &body[..body.len().min(SKETCH_BYTES)];
    let tail = &body[body.len().saturating_sub(SKETCH_BYTES)..];
    HASHER.hash_one((principal, body.len(), head, tail))
}
