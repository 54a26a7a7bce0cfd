//! Roles: what an account may do besides using the door.
//!
//! Nothing is allowed that [`allows`] does not name. No role may read what
//! another person wrote: that is an action too, so that the table says so.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an account is to the operator, least first.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Uses the door; everybody is this at least.
    #[default]
    User,
    /// Sees how the door is run, and changes nothing.
    Auditor,
    /// Runs the door: the gate, rules, findings, notes.
    Operator,
    /// Manages people, groups and keys.
    Admin,
    /// Gives roles. The first account of the set-up link.
    Owner,
}

impl Role {
    /// All roles, least first.
    pub const ALL: [Self; 5] =
        [Self::User, Self::Auditor, Self::Operator, Self::Admin, Self::Owner];

    /// The word in the store, on pages and in listings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is no role.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a role: one of user, auditor, operator, admin, owner")]
pub struct RoleError;

impl FromStr for Role {
    type Err = RoleError;
    fn from_str(text: &str) -> Result<Self, RoleError> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(RoleError)
    }
}

/// What somebody may want to do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// See and change the own account, its keys and sessions.
    OwnAccount,
    /// Sign in at the admin listener.
    SignInAdmin,
    /// See how the door does: load, verdicts, upstreams, the gate.
    SeeDoor,
    /// See accounts, groups and keys, without what anybody wrote.
    SeePeople,
    /// See the ledger and export it.
    SeeLedger,
    /// See the findings and the configuration.
    SeeFindings,
    /// Move the gate; make invites; admit from the waiting list.
    MoveGate,
    /// Change rules and acknowledge findings.
    ChangeRules,
    /// Write words on the status page.
    WriteNotes,
    /// Make and change accounts, groups and keys; end sessions.
    ManagePeople,
    /// Put an earlier configuration in force.
    ChangeConfiguration,
    /// Erase what a person wrote.
    EraseContent,
    /// Give roles up to admin.
    GiveRoles,
    /// Make or unmake an owner.
    MakeOwner,
    /// Read what another person wrote.
    ReadOthersContent,
}

impl Action {
    /// Whether it needs a proof of who one is that is fresh: what gives power to
    /// others, or takes it, and not what has to be done quickly in a flood.
    #[must_use]
    pub const fn needs_fresh_proof(self) -> bool {
        matches!(
            self,
            Self::ManagePeople
                | Self::ChangeConfiguration
                | Self::EraseContent
                | Self::GiveRoles
                | Self::MakeOwner
        )
    }

    /// All actions.
    pub const ALL: [Self; 15] = [
        Self::OwnAccount,
        Self::SignInAdmin,
        Self::SeeDoor,
        Self::SeePeople,
        Self::SeeLedger,
        Self::SeeFindings,
        Self::MoveGate,
        Self::ChangeRules,
        Self::WriteNotes,
        Self::ManagePeople,
        Self::ChangeConfiguration,
        Self::EraseContent,
        Self::GiveRoles,
        Self::MakeOwner,
        Self::ReadOthersContent,
    ];

    /// The least role that may do it; `None` is nobody.
    const fn least(self) -> Option<Role> {
        match self {
            Self::OwnAccount => Some(Role::User),
            Self::SignInAdmin
            | Self::SeeDoor
            | Self::SeePeople
            | Self::SeeLedger
            | Self::SeeFindings => Some(Role::Auditor),
            Self::MoveGate | Self::ChangeRules | Self::WriteNotes => Some(Role::Operator),
            Self::ManagePeople | Self::ChangeConfiguration | Self::EraseContent => {
                Some(Role::Admin)
            }
            Self::GiveRoles | Self::MakeOwner => Some(Role::Owner),
            Self::ReadOthersContent => None,
        }
    }
}

/// Whether `role` may do `action`.
#[must_use]
pub fn allows(role: Role, action: Action) -> bool {
    action.least().is_some_and(|least| role >= least)
}

/// Whether somebody with the role `actor` may change an account with the role
/// `of`: one below their own. Only owners change their like.
#[must_use]
pub fn outranks(actor: Role, of: Role) -> bool {
    of < actor || allows(actor, Action::MakeOwner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_but_an_owner_changes_their_like() {
        for (at, actor) in Role::ALL.into_iter().enumerate() {
            let below = Role::ALL.map(|of| outranks(actor, of));
            let expected = [0, 1, 2, 3, 4].map(|of| of < at || actor == Role::Owner);
            assert_eq!(below, expected, "{actor}");
        }
    }

    #[test]
    fn the_table_of_roles_and_actions() {
        let mut table = String::new();
        for action in Action::ALL {
            let may = Role::ALL.map(|role| if allows(role, action) { role.as_str() } else { "-" });
            table.push_str(&format!("{:20} {}\n", format!("{action:?}"), may.join(" ")));
        }
        assert_eq!(
            table,
            "\
OwnAccount           user auditor operator admin owner
SignInAdmin          - auditor operator admin owner
SeeDoor              - auditor operator admin owner
SeePeople            - auditor operator admin owner
SeeLedger            - auditor operator admin owner
SeeFindings          - auditor operator admin owner
MoveGate             - - operator admin owner
ChangeRules          - - operator admin owner
WriteNotes           - - operator admin owner
ManagePeople         - - - admin owner
ChangeConfiguration  - - - admin owner
EraseContent         - - - admin owner
GiveRoles            - - - - owner
MakeOwner            - - - - owner
ReadOthersContent    - - - - -
"
        );
    }

    #[test]
    fn a_role_survives_its_word() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert_eq!("root".parse::<Role>(), Err(RoleError));
        assert_eq!(Role::default(), Role::User);
    }
}
