//! Invites: a token each, good for some accounts and some days. Whoever came by
//! one may give others, so that invites make a tree, and a branch of it can be
//! taken back whole.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use std::time::Duration;
use surgewall_core::clock::{DAY_S, Timestamp};
use surgewall_core::id::{AccountId, KeyId, PublicId};
use surgewall_core::random;

use super::desk::{Desk, change, guard};
use super::sealed::{email_hash, seal_note, token_hash};
use super::{
    GateStore, INVITE_DAYS_MAX, INVITE_NOTE_CHARS_MAX, INVITE_USES_MAX, INVITES_MAX, InvitePick,
    InviteRow, PLACE_PREFIX, PlacePick, PlaceRow,
};
use crate::admin::{AdminError, Signed};
use crate::people::StoreError;

/// What every token begins with.
pub const INVITE_PREFIX: &str = "sw_invite_";
/// Random characters after it: 131 bits.
const TOKEN_CHARS: usize = 22;
/// Invites and accounts that one revocation of a branch walks over.
const BRANCH_MAX: usize = 10_000;

/// A new token: it is shown once, and kept as a keyed hash.
pub(super) fn token() -> String {
    format!("{INVITE_PREFIX}{}", random::base62(TOKEN_CHARS))
}

/// By what somebody may come in: an invite, or a place whose turn has come. An
/// invite is held for this one sign-up until the entry is used or dropped.
#[derive(Debug)]
pub struct Entry {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Invite(Hold),
    Place(u64),
}

/// One use of an invite, held for a sign-up under way.
#[derive(Debug)]
struct Hold {
    invite: u128,
    held: Arc<Mutex<HashMap<u128, u32>>>,
}

impl Hold {
    /// Holds one use of `invite`, of which `left` are left, if not all are held.
    fn take(held: &Arc<Mutex<HashMap<u128, u32>>>, invite: u128, left: u32) -> Option<Self> {
        let mut counts = guard(held);
        let count = counts.get(&invite).copied().unwrap_or(0);
        if count >= left {
            return None;
        }
        counts.insert(invite, count + 1);
        Some(Self { invite, held: held.clone() })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut counts = guard(&self.held);
        match counts.get_mut(&self.invite) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                counts.remove(&self.invite);
            }
        }
    }
}

/// The entry of `place`, if its turn has come and is not over.
fn turn(place: &PlaceRow, now: Timestamp) -> Option<Entry> {
    let good = place.let_in.is_some_and(|(_, until)| now < until);
    good.then_some(Entry { kind: Kind::Place(place.number) })
}

/// What an invite is to be.
pub(super) struct NewInvite {
    pub(super) uses_max: u32,
    pub(super) days: u32,
    pub(super) note: Option<String>,
    pub(super) made_by: Option<(AccountId, PublicId)>,
}

impl<S: GateStore> Desk<S> {
    /// The entry that `token` gives, if it is that of an invite which is good now, or
    /// the ticket of a place whose turn has come and is not over.
    ///
    /// # Errors
    /// The store failed.
    pub async fn by_invite(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<Entry>, StoreError> {
        let token = token.trim();
        if token.starts_with(PLACE_PREFIX) {
            return Ok(self.place_row(token).await?.and_then(|place| turn(&place, now)));
        }
        let formed = token.strip_prefix(INVITE_PREFIX).is_some_and(|rest| {
            rest.len() == TOKEN_CHARS && rest.bytes().all(|b| b.is_ascii_alphanumeric())
        });
        if !formed {
            return Ok(None);
        }
        let pick = InvitePick::Token(token_hash(&self.vault, token));
        let Some(invite) = self.store.invites(&pick).await?.into_iter().next() else {
            return Ok(None);
        };
        let hold = Hold::take(&self.held, invite.id, invite.left(now));
        Ok(hold.map(|hold| Entry { kind: Kind::Invite(hold) }))
    }

    /// The entry of the e-mail `normal` (in lower case), if its turn on the waiting
    /// list has come and is not over. Only for whoever proved that it is theirs.
    ///
    /// # Errors
    /// The store failed.
    pub async fn by_place(
        &self,
        normal: &str,
        now: Timestamp,
    ) -> Result<Option<Entry>, StoreError> {
        let pick = PlacePick::Email(email_hash(&self.vault, normal));
        let places = self.store.places(&pick).await?;
        Ok(places.iter().find_map(|place| turn(place, now)))
    }

    /// Notes that `account` was made by `entry`: whether it was still good.
    ///
    /// # Errors
    /// The store failed.
    pub async fn used(
        &self,
        entry: Entry,
        account: AccountId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let _turn = self.turn().await;
        match entry.kind {
            Kind::Invite(hold) => self.store.use_invite(hold.invite, account, now).await,
            Kind::Place(number) => self.store.forget_place(number, now).await,
        }
    }

    /// Makes an invite; gives it with its token.
    pub(super) async fn invite(
        &self,
        signed: Signed<'_>,
        asked: NewInvite,
        now: Timestamp,
    ) -> Result<(InviteRow, String), AdminError> {
        for (what, value, most) in
            [("uses", asked.uses_max, INVITE_USES_MAX), ("days", asked.days, INVITE_DAYS_MAX)]
        {
            if !(1..=most).contains(&value) {
                return Err(AdminError::invalid(format!("an invite has 1 to {most} {what}")));
            }
        }
        if asked.note.as_ref().is_some_and(|note| note.chars().count() > INVITE_NOTE_CHARS_MAX) {
            return Err(AdminError::invalid(format!(
                "a note has at most {INVITE_NOTE_CHARS_MAX} characters"
            )));
        }
        let _turn = self.turn().await;
        if self.store.invites_standing().await? >= INVITES_MAX {
            return Err(AdminError::full(format!("there are {INVITES_MAX} invites already"))
                .hint("revoke some: `surgewall admin gate invite list` shows them"));
        }
        let token = token();
        // Any UUIDv7 does: the kind is only a name for the reader.
        let id = KeyId::new(now).as_u128();
        let row = InviteRow {
            id,
            public_id: PublicId::random("invite"),
            token_hash: token_hash(&self.vault, &token),
            made_by: asked.made_by.as_ref().map(|(account, _)| *account),
            note: asked.note.as_deref().map(|note| seal_note(&self.vault, id, note)),
            uses_max: asked.uses_max,
            uses: 0,
            created_at: now,
            expires_at: now.plus(Duration::from_secs(u64::from(asked.days) * DAY_S)),
            revoked_at: None,
        };
        let mut detail = format!("uses={} days={}", asked.uses_max, asked.days);
        if let Some((_, account)) = &asked.made_by {
            detail += &format!(" of={account}");
        }
        detail += &format!(" by={signed}");
        let subject = Some(row.public_id.to_string());
        change(signed.ledger, "gate.invite.create", subject, Some(detail), now).await?;
        self.store.add_invite(&row).await?;
        Ok((row, token))
    }

    /// Revokes an invite, and with `tree` all that those gave who came by it. Gives
    /// the invites that were revoked and the accounts of the branch.
    pub(super) async fn revoke(
        &self,
        signed: Signed<'_>,
        id: &str,
        tree: bool,
        now: Timestamp,
    ) -> Result<(Vec<InviteRow>, Vec<AccountId>), AdminError> {
        let _turn = self.turn().await;
        let pick = InvitePick::PublicId(id.trim().to_owned());
        let root = self.store.invites(&pick).await?.into_iter().next().ok_or_else(|| {
            AdminError::not_found(format!("there is no invite `{}`", id.trim()))
                .hint("`surgewall admin gate invite list` shows them")
        })?;
        let subject = Some(root.public_id.to_string());
        let (invites, accounts) = self.branch(root, tree).await?;
        let detail = format!("invites={} accounts={} by={signed}", invites.len(), accounts.len());
        change(signed.ledger, "gate.invite.revoke", subject, Some(detail), now).await?;
        let ids: Vec<_> = invites.iter().map(|invite| invite.id).collect();
        self.store.revoke_invites(&ids, now).await?;
        Ok((invites, accounts))
    }

    /// `root` and the accounts that came by it; with `tree` what they gave, and so on.
    async fn branch(
        &self,
        root: InviteRow,
        tree: bool,
    ) -> Result<(Vec<InviteRow>, Vec<AccountId>), AdminError> {
        let (mut invites, mut accounts) = (vec![root], Vec::new());
        let mut at = 0;
        while let Some(invite) = invites.get(at) {
            at += 1;
            for account in self.store.guests(invite.id).await? {
                // An account comes by one invite only, so a branch has no circles.
                accounts.push(account);
                if tree {
                    invites.extend(self.store.invites(&InvitePick::MadeBy(account)).await?);
                }
                if invites.len() + accounts.len() > BRANCH_MAX {
                    return Err(AdminError::full(format!(
                        "the branch has more than {BRANCH_MAX} invites and accounts"
                    ))
                    .hint("revoke its invites one by one"));
                }
            }
        }
        Ok((invites, accounts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_held_once_and_given_back() {
        let held = Arc::default();
        let first = Hold::take(&held, 1, 2);
        let second = Hold::take(&held, 1, 2);
        assert!(first.is_some() && second.is_some());
        assert!(Hold::take(&held, 1, 2).is_none(), "both uses are held");
        assert!(Hold::take(&held, 2, 1).is_some(), "another invite");
        drop(first);
        assert!(Hold::take(&held, 1, 2).is_some());
        drop(second);
        assert!(guard(&held).is_empty());
        assert!(Hold::take(&held, 3, 0).is_none(), "nothing is left of it");
    }

    #[test]
    fn tokens_are_of_one_form_and_none_comes_twice() {
        let (one, other) = (token(), token());
        assert_ne!(one, other);
        assert_eq!(one.len(), INVITE_PREFIX.len() + TOKEN_CHARS);
    }
}
