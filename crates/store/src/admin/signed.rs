//! Who asks for a change, beside the ledger that is told of it.

use std::fmt;

use surgewall_core::id::PublicId;

use crate::ledger::Ledger;

/// The ledger, and who asks for what it is told.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The ledger.
    pub(crate) ledger: &'a Ledger,
    account: Option<&'a PublicId>,
}

impl<'a> Signed<'a> {
    /// Asked for on the machine itself: by an operator.
    #[must_use]
    pub const fn machine(ledger: &'a Ledger) -> Self {
        Self { ledger, account: None }
    }

    /// Asked for by an account that is signed in.
    #[must_use]
    pub const fn account(ledger: &'a Ledger, account: &'a PublicId) -> Self {
        Self { ledger, account: Some(account) }
    }

    /// The account, if it was one.
    pub(crate) fn by_account(&self) -> Option<&'a PublicId> {
        self.account
    }
}

/// Who it is, in the ledger's words.
impl fmt::Display for Signed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.account {
            Some(account) => write!(f, "{account}"),
            None => f.write_str("operator"),
        }
    }
}
