//! Whose content something is: what the vault has keys for, and what is erased.

use crate::id::{AccountId, KeyId};
use crate::principal::{Caller, DelegatedUser, Principal};

/// The one whose content something is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Subject {
    /// An account, by whichever key or session it came.
    Account(AccountId),
    /// A key of the operator's, which no account owns.
    Key(KeyId),
    /// The end user that a delegating key named. The same person under another
    /// key is another subject.
    Delegated(DelegatedUser),
    /// Strangers: nobody can be told apart, so they share one.
    Strangers,
}

/// The length of [`Subject::to_bytes`].
pub const SUBJECT_BYTES: usize = 17;

impl Subject {
    /// Whose content the requests of `principal` are.
    #[must_use]
    pub fn of(principal: &Principal) -> Self {
        if let Some(user) = principal.delegated {
            return Self::Delegated(user);
        }
        match (principal.account(), &principal.caller) {
            (Some(account), _) => Self::Account(account.id),
            (None, Caller::Key(key)) => Self::Key(key.id),
            (None, Caller::Account(account)) => Self::Account(account.id),
            (None, Caller::Anonymous) => Self::Strangers,
        }
    }

    /// A byte for the kind, then the id, big-endian; as it is stored.
    #[must_use]
    pub fn to_bytes(self) -> [u8; SUBJECT_BYTES] {
        let (kind, id) = match self {
            Self::Account(id) => (1, id.as_u128()),
            Self::Key(id) => (2, id.as_u128()),
            Self::Delegated(DelegatedUser(id)) => (3, id),
            Self::Strangers => (4, 0),
        };
        let mut bytes = [0; SUBJECT_BYTES];
        bytes[0] = kind;
        bytes[1..].copy_from_slice(&id.to_be_bytes());
        bytes
    }

    /// What [`Subject::to_bytes`] wrote; `None` for anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, id) = bytes.split_first()?;
        let id = u128::from_be_bytes(id.try_into().ok()?);
        Some(match kind {
            1 => Self::Account(AccountId::from_u128(id)),
            2 => Self::Key(KeyId::from_u128(id)),
            3 => Self::Delegated(DelegatedUser(id)),
            4 if id == 0 => Self::Strangers,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_survives_its_bytes_and_no_two_share_them() {
        let all = [
            Subject::Account(AccountId::from_u128(7)),
            Subject::Key(KeyId::from_u128(7)),
            Subject::Delegated(DelegatedUser(7)),
            Subject::Strangers,
        ];
        for (at, subject) in all.into_iter().enumerate() {
            assert_eq!(Subject::from_bytes(&subject.to_bytes()), Some(subject));
            for other in &all[at + 1..] {
                assert_ne!(subject.to_bytes(), other.to_bytes());
            }
        }
        for bad in [&[][..], &[1; 16], &[1; 18], &[0; 17], &[5; 17], &[4; 17]] {
            assert_eq!(Subject::from_bytes(bad), None, "{bad:?}");
        }
    }
}
