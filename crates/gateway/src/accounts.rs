//! Accounts that come by a token of another system: made at first sight, and
//! held to what their token's claims say at every request.
//!
//! The claims are compared in memory. What changed is written, but for one
//! account at most once a minute: whoever holds two tokens that say different
//! things must not write with every request. Each request runs under the
//! claims of its own token, written or not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use surgewall_core::clock::Timestamp;
use surgewall_core::id::AccountId;
use surgewall_core::principal::{AccountRecord, Class, ClassReason, GroupRecord};
use surgewall_core::refusal::CredentialFault;
use surgewall_shield::class;
use surgewall_store::admin::{Judged, given};
use surgewall_store::people::AccountRow;

use crate::door::Door;
use crate::jwt::Bearer;
use crate::sync::lock;

/// Between two writes of one account's claims.
const WRITE_INTERVAL: Duration = Duration::from_secs(60);
/// Accounts whose last write is remembered: past it claims hold unwritten.
const WRITES_REMEMBERED_MAX: usize = 65_536;

/// When the claims of which account were last written.
#[derive(Debug, Default)]
pub(crate) struct Written(Mutex<HashMap<AccountId, Timestamp>>);

impl Written {
    /// Whether the claims of `account` may be written now; notes that they are.
    fn may_write(&self, account: AccountId, now: Timestamp) -> bool {
        let mut written = lock(&self.0);
        let lately = |at: &Timestamp| now.since(*at) < WRITE_INTERVAL;
        if written.get(&account).is_some_and(lately) {
            return false;
        }
        if written.len() >= WRITES_REMEMBERED_MAX {
            written.retain(|_, at| lately(at));
        }
        let room = written.len() < WRITES_REMEMBERED_MAX;
        if room {
            written.insert(account, now);
        }
        room
    }
}

/// What a token claims about its account; `None` is nothing.
struct Claimed {
    group: Option<Arc<GroupRecord>>,
    class: Option<Class>,
}

impl Claimed {
    /// The claims of `bearer`, in the door's terms.
    fn read(door: &Door, bearer: &Bearer) -> Result<Self, CredentialFault> {
        let group = |name: &str| door.directory.group(name).ok_or(CredentialFault::Claim);
        let class = |word: &str| {
            let class = word.parse().ok().filter(|class| *class != Class::Anonymous);
            class.ok_or(CredentialFault::Claim)
        };
        Ok(Self {
            group: bearer.group.as_deref().map(group).transpose()?,
            class: bearer.claimed.as_deref().map(class).transpose()?,
        })
    }

    fn holds_for(&self, account: &AccountRecord) -> bool {
        let id = |group: &Option<Arc<GroupRecord>>| group.as_ref().map(|group| group.id);
        (self.group.is_none() || id(&self.group) == id(&account.group))
            && self.class.is_none_or(|class| class == account.class)
    }

    /// `account` as the token says.
    fn apply(self, account: &AccountRecord) -> AccountRecord {
        AccountRecord {
            class: self.class.unwrap_or(account.class),
            class_why: self.class.map_or(account.class_why, |_| ClassReason::Claim),
            group: self.group.or_else(|| account.group.clone()),
            ..account.clone()
        }
    }
}

/// The account of `bearer`, in the group and class that its token claims: from
/// memory, or made now and recorded.
///
/// # Errors
/// It claims what the door does not have, or it cannot be made now.
pub(crate) async fn of_bearer(
    door: &Door,
    bearer: &Bearer,
) -> Result<Arc<AccountRecord>, CredentialFault> {
    let claimed = Claimed::read(door, bearer)?;
    let Some(known) = door.directory.account_by_external(&bearer.issuer, &bearer.subject) else {
        let made = crate::operate::ensure_account(door, bearer, claimed.class).await;
        return made.map_err(|error| {
            tracing::error!(%error, "an account of a configured issuer cannot be made");
            CredentialFault::Unknown
        });
    };
    if claimed.holds_for(&known) {
        return Ok(known);
    }
    if door.policy().issuers.written.may_write(known.id, door.clock.now()) {
        match crate::operate::ensure_account(door, bearer, claimed.class).await {
            Ok(account) if claimed.holds_for(&account) => return Ok(account),
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, "a token's claims cannot be written; they hold for its request")
            }
        }
    }
    Ok(Arc::new(claimed.apply(&known)))
}

/// Holds `accounts`, for each of which a day of good use was counted now,
/// against the rule of classes. A change holds for the next request.
pub(crate) async fn judge(door: &Door, accounts: &[AccountId]) {
    let classes = door.policy().config.classes.clone();
    let terms = class::Terms {
        established_days: classes.established_days,
        established_active_days: classes.established_active_days,
    };
    let now = door.clock.now();
    let rule = |row: &AccountRow| judge_one(row, &terms, now);
    if let Err(error) = crate::operate::judge_accounts(door, accounts, rule).await {
        tracing::error!(%error, "classes could not be judged; the next day of good use is");
    }
}

/// What `terms` say of an account, where its class is to change.
fn judge_one(row: &AccountRow, terms: &class::Terms, now: Timestamp) -> Option<Judged> {
    let history = class::History {
        class: (row.class, row.class_why),
        given: given(row),
        known_since: row.known_since,
        good_days: row.good_days(),
    };
    let judged = class::judge(&history, terms, now);
    (judged != history.class).then(|| Judged {
        class: judged,
        detail: format!(
            "{} -> {}: {} days old, good use on {} days",
            row.class,
            judged.0,
            history.age_days(now),
            history.good_days
        ),
    })
}

#[cfg(test)]
mod tests {
    use surgewall_core::id::PublicId;
    use surgewall_core::role::Role;

    use super::*;

    #[test]
    fn claims_of_one_account_are_written_once_a_minute() {
        let claims = Written::default();
        let (ann, bob) = (AccountId::from_u128(1), AccountId::from_u128(2));
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
        let may = [(ann, 100), (ann, 159), (bob, 159), (ann, 160), (ann, 161)];
        let may = may.map(|(account, seconds)| claims.may_write(account, at(seconds)));
        assert_eq!(may, [true, false, true, true, false]);
    }

    #[test]
    fn past_its_bound_the_memory_forgets_what_is_over_and_else_writes_nothing() {
        let claims = Written::default();
        let account = |n: usize| AccountId::from_u128(n as u128);
        for n in 0..WRITES_REMEMBERED_MAX {
            assert!(claims.may_write(account(n), Timestamp::from_millis(0)));
        }
        let one_more = account(WRITES_REMEMBERED_MAX);
        assert!(!claims.may_write(one_more, Timestamp::from_millis(59_999)));
        assert!(claims.may_write(one_more, Timestamp::from_millis(60_000)));
        assert_eq!(lock(&claims.0).len(), 1);
    }

    #[test]
    fn a_claim_holds_for_its_request_and_what_is_not_claimed_stays() {
        let group = |n| {
            let id = surgewall_core::id::GroupId::from_u128(n);
            Arc::new(GroupRecord { id, name: format!("g{n}"), limits: Vec::new() })
        };
        let account = AccountRecord {
            id: AccountId::from_u128(1),
            public_id: PublicId::random("user"),
            role: Role::User,
            class: Class::New,
            class_why: ClassReason::Default,
            group: Some(group(1)),
            limits: Vec::new(),
            suspended: false,
            known_since: Timestamp::default(),
        };
        let check = |group: Option<_>, class, holds: bool, expected: (u128, Class)| {
            let claimed = Claimed { group, class };
            assert_eq!(claimed.holds_for(&account), holds);
            let applied = claimed.apply(&account);
            assert_eq!((applied.group.unwrap().id.as_u128(), applied.class), expected);
        };
        check(None, None, true, (1, Class::New));
        check(Some(group(1)), Some(Class::New), true, (1, Class::New));
        check(Some(group(2)), None, false, (2, Class::New));
        check(None, Some(Class::Verified), false, (1, Class::Verified));
    }
}
