//! What the gate holds somebody back by, in words for them.

use std::time::Duration;

use super::work::WorkAsked;

/// Why no account can be made now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Held {
    /// The browser has to work, or to wait.
    Work(WorkAsked),
    /// A verified identity is needed.
    NeedsVerified,
    /// An invite is needed; there is a waiting list.
    NeedsInvite,
    /// The invite is not known, used up, too old or revoked.
    InviteBad,
    /// They are on the waiting list.
    Waiting {
        /// How many are before them, and they themselves.
        position: u64,
    },
    /// They do not come from a chosen region.
    Region,
    /// The service is not offered where they are.
    NotOffered {
        /// The rule's words.
        words: String,
    },
    /// Nobody can make an account.
    Closed,
    /// Too many of their network, or with their e-mail domain.
    TooMany {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// Too many sign-ups at this moment.
    Busy,
    /// The waiting list, or their network's part of it, is full.
    ListFull,
    /// That is no e-mail address.
    NoAddress,
    /// There is nothing to wait for.
    NoNeed,
    /// A fault of ours.
    Failed,
}

/// Seconds until trying again is worth it, where nothing better is known.
const RETRY_S: u64 = 5;

impl Held {
    /// The word in metrics and in JSON.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Work(_) => "work",
            Self::NeedsVerified => "needs_verified",
            Self::NeedsInvite => "needs_invite",
            Self::InviteBad => "invite_bad",
            Self::Waiting { .. } => "waiting",
            Self::Region => "region",
            Self::NotOffered { .. } => "not_offered_here",
            Self::Closed => "closed",
            Self::TooMany { .. } => "too_many",
            Self::Busy => "busy",
            Self::ListFull => "list_full",
            Self::NoAddress => "no_address",
            Self::NoNeed => "no_need",
            Self::Failed => "failed",
        }
    }

    /// The status of a page or an answer that says it.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Work(_)
            | Self::NeedsVerified
            | Self::NeedsInvite
            | Self::InviteBad
            | Self::Waiting { .. }
            | Self::Region
            | Self::NotOffered { .. }
            | Self::Closed => 403,
            Self::TooMany { .. } => 429,
            Self::NoAddress => 400,
            Self::NoNeed => 409,
            Self::Busy | Self::ListFull | Self::Failed => 503,
        }
    }

    /// How long to wait before trying again, where that helps.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMany { retry_after } => Some(*retry_after),
            Self::Busy | Self::Failed => Some(Duration::from_secs(RETRY_S)),
            _ => None,
        }
    }

    /// What the person reads.
    #[must_use]
    pub fn public_words(&self) -> String {
        match self {
            Self::Work(asked) => return asked.public_words(),
            Self::NeedsVerified => {
                "New accounts need a verified identity at the moment. Please sign up with another service, or confirm your e-mail address."
            }
            Self::NeedsInvite => {
                "New accounts need an invite at the moment. If you have none, you can join the waiting list."
            }
            Self::InviteBad => {
                "This invite does not work: it is mistyped, used up or too old. Please ask whoever gave it to you, or join the waiting list."
            }
            Self::Waiting { position: 1 } => "You are next on the waiting list.",
            Self::Waiting { position } => {
                return format!(
                    "You are on the waiting list, at place {position}. Nobody who came later goes first."
                );
            }
            Self::Region => {
                "New accounts are open in some regions only at the moment, and yours is not among them."
            }
            Self::NotOffered { words } => return words.clone(),
            Self::Closed => {
                "No new accounts can be made at the moment. Accounts that exist work as always."
            }
            Self::TooMany { retry_after } => {
                return format!(
                    "Many accounts were made from your network or e-mail provider lately. Please try again in {}.",
                    minutes(*retry_after)
                );
            }
            Self::Busy => {
                "Very many people are signing up right now. Please try again in a few seconds."
            }
            Self::ListFull => {
                "The waiting list is full at the moment. Please try again tomorrow."
            }
            Self::NoAddress => "That is not an e-mail address. Write it like ann@example.org.",
            Self::NoNeed => "You can make an account now: there is no need to wait.",
            Self::Failed => "This did not work because of a fault of ours. Please try again.",
        }
        .to_owned()
    }
}

/// `about 12 minutes`.
fn minutes(time: Duration) -> String {
    match time.as_secs().div_ceil(60) {
        0 | 1 => "about a minute".to_owned(),
        minutes => format!("about {minutes} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_said_in_minutes() {
        for (seconds, said) in
            [(0, "a minute"), (60, "a minute"), (61, "2 minutes"), (3_600, "60 minutes")]
        {
            let held = Held::TooMany { retry_after: Duration::from_secs(seconds) };
            assert!(held.public_words().ends_with(&format!("about {said}.")), "{seconds}");
        }
    }

    #[test]
    fn a_place_is_said_as_it_is() {
        assert!(Held::Waiting { position: 1 }.public_words().contains("next"));
        assert!(Held::Waiting { position: 812 }.public_words().contains("place 812"));
    }
}
