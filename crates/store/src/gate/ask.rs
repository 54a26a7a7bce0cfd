//! What an operator may ask of the gate, as data: the command line and the
//! control socket run the same code.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use surgewall_core::clock::Timestamp;
use surgewall_core::gate::{GateStep, MovedBy};
use surgewall_core::id::{AccountId, PublicId};
use surgewall_core::secret::SecretString;

use super::desk::{Desk, Moved};
use super::invites::NewInvite;
use super::views::{
    GateShown, InviteMade, InviteState, InviteView, LetIn, PlaceView, Revoked, Waits,
};
use super::{GateStore, InvitePick, InviteRow, PlacePick, PlaceRow, REASON_CHARS_MAX, sealed};
use crate::admin::{AdminError, LIST_ROWS_MAX, NewKey, Page, Signed, named_account};
use crate::people::{PAGE_ROWS_MAX, People, Pick};

/// One operation on the gate. Invites are named by their public ids, accounts by
/// e-mail or public id.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum GateRequest {
    /// Tells how it stands. Answers [`GateReply::Shown`].
    Show,
    /// Moves it by hand. Answers [`GateReply::Shown`].
    Move {
        /// Where.
        to: GateStep,
        /// Why, in words for everybody.
        reason: String,
    },
    /// Makes an invite. Answers [`GateReply::Invited`].
    InviteCreate {
        /// Accounts that it is good for.
        uses: u32,
        /// Days that it is.
        days: u32,
        /// What the operator notes.
        note: Option<String>,
        /// The account that gives it; absent, the operator.
        by: Option<String>,
    },
    /// Lists invites. Answers [`GateReply::Invites`].
    InviteList {
        /// The public id before the first row; absent begins.
        after: Option<String>,
    },
    /// Revokes an invite. Answers [`GateReply::Revoked`].
    InviteRevoke {
        /// Its public id.
        id: String,
        /// With all that those gave who came by it.
        tree: bool,
    },
    /// Lists who waits. Answers [`GateReply::Waiting`].
    WaitingList {
        /// The number before the first row; absent begins.
        after: Option<u64>,
    },
    /// Lets the first ones in. Answers [`GateReply::LetIn`].
    WaitingAdmit {
        /// How many.
        count: u32,
        /// Days that they have.
        days: u32,
    },
}

impl GateRequest {
    /// Whether it may change something.
    #[must_use]
    pub const fn changes(&self) -> bool {
        match self {
            Self::Show | Self::InviteList { .. } | Self::WaitingList { .. } => false,
            Self::Move { .. }
            | Self::InviteCreate { .. }
            | Self::InviteRevoke { .. }
            | Self::WaitingAdmit { .. } => true,
        }
    }
}

impl fmt::Debug for GateRequest {
    /// Only what it is called: notes and e-mails are personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Show => "Show",
            Self::Move { .. } => "Move",
            Self::InviteCreate { .. } => "InviteCreate",
            Self::InviteList { .. } => "InviteList",
            Self::InviteRevoke { .. } => "InviteRevoke",
            Self::WaitingList { .. } => "WaitingList",
            Self::WaitingAdmit { .. } => "WaitingAdmit",
        })
    }
}

/// The answer to a [`GateRequest`].
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum GateReply {
    /// How it stands.
    Shown(GateShown),
    /// A new invite.
    Invited(Box<InviteMade>),
    /// Invites, the oldest first.
    Invites(Page<InviteView>),
    /// What was revoked.
    Revoked(Revoked),
    /// Those who wait, the first first.
    Waiting(Waits),
    /// Those who were let in.
    LetIn(LetIn),
}

impl fmt::Debug for GateReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shown(_) => "Shown",
            Self::Invited(_) => "Invited",
            Self::Invites(_) => "Invites",
            Self::Revoked(_) => "Revoked",
            Self::Waiting(_) => "Waiting",
            Self::LetIn(_) => "LetIn",
        })
    }
}

impl<S: GateStore + People> Desk<S> {
    /// Carries out an operator's request. `signed` is where a change is recorded, and
    /// for whom; a request that changes nothing needs none.
    ///
    /// # Errors
    /// Why it was not carried out, in an operator's words.
    pub async fn ask(
        &self,
        signed: Option<Signed<'_>>,
        request: GateRequest,
        now: Timestamp,
    ) -> Result<GateReply, AdminError> {
        let recorded = || signed.ok_or_else(|| AdminError::not_recorded("it is not open"));
        match request {
            GateRequest::Show => Ok(GateReply::Shown(self.shown())),
            GateRequest::Move { to, reason } => {
                let moved = Moved { to, by: MovedBy::Hand, reason: reason_of(&reason)? };
                self.move_by(recorded()?, moved, now).await?;
                Ok(GateReply::Shown(self.shown()))
            }
            GateRequest::InviteCreate { uses, days, note, by } => {
                let made_by = match by {
                    Some(name) => Some(self.account(&name).await?),
                    None => None,
                };
                let asked = NewInvite { uses_max: uses, days, note, made_by };
                let (row, token) = self.invite(recorded()?, asked, now).await?;
                let invite = self.invite_views(vec![row], now).await?.into_iter().next();
                let invite = invite.ok_or_else(|| AdminError::not_found("no invite was made"))?;
                let made = InviteMade { invite, token: NewKey(SecretString::new(token)) };
                Ok(GateReply::Invited(Box::new(made)))
            }
            GateRequest::InviteList { after } => {
                self.list_invites(after, now).await.map(GateReply::Invites)
            }
            GateRequest::InviteRevoke { id, tree } => {
                let (invites, accounts) = self.revoke(recorded()?, &id, tree, now).await?;
                let invites = invites.into_iter().map(|invite| invite.public_id).collect();
                let known = self.public_ids(&accounts).await?;
                let accounts = accounts.iter().filter_map(|id| known.get(id).cloned()).collect();
                Ok(GateReply::Revoked(Revoked { invites, accounts }))
            }
            GateRequest::WaitingList { after } => {
                let after = after.unwrap_or(0);
                let pick = PlacePick::Waiting { after, rows_max: LIST_ROWS_MAX };
                let places = self.place_views(self.store.places(&pick).await?)?;
                let full = u32::try_from(places.len()).is_ok_and(|len| len >= LIST_ROWS_MAX);
                let next = places.last().filter(|_| full).map(|place| place.number);
                Ok(GateReply::Waiting(Waits { places, next }))
            }
            GateRequest::WaitingAdmit { count, days } => {
                let rows = self.admit(recorded()?, count, days, now).await?;
                let places = self.place_views(rows)?;
                Ok(GateReply::LetIn(LetIn { places, waiting: self.waiting() }))
            }
        }
    }

    fn shown(&self) -> GateShown {
        GateShown { view: self.view(), base: self.base(), waiting: self.waiting() }
    }

    async fn list_invites(
        &self,
        after: Option<String>,
        now: Timestamp,
    ) -> Result<Page<InviteView>, AdminError> {
        let id = match after {
            None => 0,
            Some(after) => {
                let first = self.store.invites(&InvitePick::PublicId(after.clone())).await?;
                let first = first.first().map(|row| row.id);
                first
                    .ok_or_else(|| AdminError::not_found(format!("there is no invite `{after}`")))?
            }
        };
        let pick = InvitePick::After { id, rows_max: LIST_ROWS_MAX };
        let rows = self.store.invites(&pick).await?;
        let full = u32::try_from(rows.len()).is_ok_and(|len| len >= LIST_ROWS_MAX);
        let next = rows.last().filter(|_| full).map(|row| row.public_id.clone());
        Ok(Page { rows: self.invite_views(rows, now).await?, next })
    }

    async fn invite_views(
        &self,
        rows: Vec<InviteRow>,
        now: Timestamp,
    ) -> Result<Vec<InviteView>, AdminError> {
        let givers: Vec<_> = rows.iter().filter_map(|row| row.made_by).collect();
        let known = self.public_ids(&givers).await?;
        let view = |row: InviteRow| {
            let open = |note: &Vec<u8>| sealed::open_note(&self.vault, row.id, note);
            Ok(InviteView {
                state: state(&row, now),
                note: row.note.as_ref().map(open).transpose()?,
                made_by: row.made_by.and_then(|account| known.get(&account).cloned()),
                id: row.public_id,
                uses: row.uses,
                uses_max: row.uses_max,
                created_at: row.created_at,
                expires_at: row.expires_at,
            })
        };
        rows.into_iter().map(view).collect()
    }

    fn place_views(&self, rows: Vec<PlaceRow>) -> Result<Vec<PlaceView>, AdminError> {
        let view = |row: PlaceRow| {
            Ok(PlaceView {
                number: row.number,
                email: sealed::open_email(&self.vault, row.number, &row.email)?,
                joined_at: row.joined_at,
                until: row.let_in.map(|(_, until)| until),
            })
        };
        rows.into_iter().map(view).collect()
    }

    async fn public_ids(
        &self,
        accounts: &[AccountId],
    ) -> Result<HashMap<AccountId, PublicId>, AdminError> {
        let mut known = HashMap::new();
        for page in accounts.chunks(usize::try_from(PAGE_ROWS_MAX).unwrap_or(usize::MAX)) {
            let ids = page.iter().map(AccountId::as_u128).collect();
            let rows = self.store.accounts(&Pick::Ids(ids)).await?;
            known.extend(rows.into_iter().map(|row| (row.id, row.public_id)));
        }
        Ok(known)
    }

    async fn account(&self, name: &str) -> Result<(AccountId, PublicId), AdminError> {
        let row = named_account(self.store.as_ref(), &self.vault, name).await?;
        Ok((row.id, row.public_id))
    }
}

fn state(row: &InviteRow, now: Timestamp) -> InviteState {
    if row.revoked_at.is_some() {
        InviteState::Revoked
    } else if row.uses >= row.uses_max {
        InviteState::Used
    } else if now >= row.expires_at {
        InviteState::Expired
    } else {
        InviteState::Good
    }
}

/// Why, in 1 to [`REASON_CHARS_MAX`] characters on one line.
fn reason_of(text: &str) -> Result<String, AdminError> {
    let text = text.trim();
    let chars = text.chars().count();
    if chars == 0 || chars > REASON_CHARS_MAX || text.chars().any(char::is_control) {
        return Err(AdminError::invalid(format!(
            "a reason has 1 to {REASON_CHARS_MAX} characters on one line"
        ))
        .hint("everybody reads it: on the sign-up page and on the status page"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_its_bound() {
        let of = |chars| reason_of(&"é".repeat(chars)).is_ok();
        let expected = [false, true, true, false];
        assert_eq!([0, 1, REASON_CHARS_MAX, REASON_CHARS_MAX + 1].map(of), expected);
        assert_eq!(reason_of(" why \n").unwrap(), "why");
        assert!(reason_of("two\nlines").is_err());
    }
}
