//! From configuration and request to what a gate is told.

use std::hash::{BuildHasher as _, Hash as _, RandomState};
use std::sync::LazyLock;
use std::time::Duration;

use surgewall_core::clock::Timestamp;
use surgewall_core::config::Config;
use surgewall_core::config::admission::AdmissionMode;
use surgewall_core::principal::{AccountRecord, Caller, Class, ClassReason, Principal};
use surgewall_core::quota::Subject;
use surgewall_shield::admission::fair::{Lineage, Shares};
use surgewall_shield::admission::gate::Terms;
use surgewall_shield::affinity::Prefix;

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

/// A hash of a server's address for the choice of servers.
#[must_use]
pub fn server(url: &str) -> u64 {
    HASHER.hash_one(url)
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
    let young = principal.young_user
        || account.is_some_and(|a| unvouched(a) && a.is_young(young_days, now));
    let last = levels[depth.saturating_sub(1)];
    (Lineage::new(principal.class, young, &levels[..depth]), last)
}

/// Among whom it is no secret that somebody asked the same before: an account's
/// own requests, or those of the group, key or network where there is none.
fn tenant(principal: &Principal) -> Subject {
    match (principal.account(), principal.group(), principal.key()) {
        (Some(account), _, _) => Subject::Account(account.id),
        (None, Some(group), _) => Subject::Group(group.id),
        (None, None, Some(key)) => Subject::Key(key.id),
        (None, None, None) => Subject::Network(principal.network),
    }
}

/// The marks of what `principal` asks of `model`, in `tokens` as estimated: the
/// same for nobody else.
#[must_use]
pub fn prefix<'a>(
    principal: &Principal,
    model: &str,
    prompt: impl Iterator<Item = &'a [u8]>,
    tokens: u64,
) -> Prefix {
    let mut hasher = HASHER.build_hasher();
    tenant(principal).hash(&mut hasher);
    model.hash(&mut hasher);
    Prefix::of(hasher, prompt, tokens)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use surgewall_core::id::{AccountId, KeyId, PublicId};
    use surgewall_core::principal::{DelegatedUser, KeyRecord, Network, Scopes};
    use surgewall_core::role::Role;

    use super::*;

    const MADE: Timestamp = Timestamp::from_millis(1_760_000_000_000);
    const YOUNG_S: u64 = 7 * 86_400;

    fn principal(account: Option<(Class, ClassReason)>, young_user: bool) -> Principal {
        let account = account.map(|(class, class_why)| {
            Arc::new(AccountRecord {
                id: AccountId::from_u128(1),
                public_id: PublicId::random("user"),
                role: Role::User,
                class,
                class_why,
                group: None,
                limits: Vec::new(),
                suspended: false,
                known_since: MADE,
            })
        });
        let key = KeyRecord {
            id: KeyId::from_u128(2),
            name: String::new(),
            account,
            group: None,
            delegates: true,
            scopes: Scopes::default(),
            limits: Vec::new(),
            users: None,
            expires_at: None,
            revoked_at: None,
        };
        Principal {
            class: key.class(),
            network: Network::from_u128(0),
            caller: Caller::Key(Arc::new(key)),
            delegated: young_user.then_some(DelegatedUser(3)),
            young_user,
        }
    }

    #[test]
    fn the_young_for_whom_nobody_vouches_share_one_counter() {
        let check = |account, young_user, age_s: u64, expected| {
            let now = MADE.plus(Duration::from_secs(age_s));
            let young = lineage(&principal(account, young_user), 7, now).0.is_young();
            assert_eq!(young, expected, "{account:?} {young_user} {age_s}");
        };
        let earned = Some((Class::Established, ClassReason::Earned));
        for account in [Some((Class::New, ClassReason::Default)), earned] {
            check(account, false, YOUNG_S - 1, true);
            check(account, false, YOUNG_S, false);
            check(account, true, 2 * YOUNG_S, true);
        }
        for why in [ClassReason::Operator, ClassReason::Issuer, ClassReason::Claim] {
            check(Some((Class::Verified, why)), false, 0, false);
        }
        check(None, false, 0, false);
    }

    #[test]
    fn nobody_shares_marks_with_another_tenant_or_model() {
        let text = "x".repeat(1_000);
        let prefix = |principal: &Principal, model| {
            super::prefix(principal, model, [text.as_bytes()].into_iter(), 250)
        };
        let young = Some((Class::New, ClassReason::Default));
        let one = principal(young, false);
        assert_eq!(prefix(&one, "a"), prefix(&one, "a"));
        assert_ne!(prefix(&one, "a"), prefix(&one, "b"));
        // The end users of one account's keys are its own; of other keys and networks, not.
        assert_eq!(prefix(&one, "a"), prefix(&principal(young, true), "a"));
        let key = principal(None, false);
        let network = |number: u128| Principal {
            network: Network::from_u128(number << 96),
            caller: Caller::Anonymous,
            delegated: None,
            ..principal(None, false)
        };
        let all = [
            prefix(&one, "a"),
            prefix(&key, "a"),
            prefix(&network(1), "a"),
            prefix(&network(2), "a"),
        ];
        for (nth, one) in all.iter().enumerate() {
            assert!(!all[nth + 1..].contains(one), "{nth}");
        }
    }
}
