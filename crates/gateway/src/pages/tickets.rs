//! Tickets: what the door has to remember between two requests of somebody who
//! is not signed in yet, sealed and given to their browser. A flood of begun
//! sign-ins so takes no memory; that a ticket was used is remembered until it
//! is over, and only those who proved something get that far.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use surgewall_core::clock::Timestamp;
use surgewall_core::digest::sha256;

use crate::door::Door;
use crate::sync::lock;

/// How long a ticket is good.
pub const TICKET_LASTS: Duration = Duration::from_secs(300);
/// A ticket as text, in bytes.
pub const TICKET_BYTES_MAX: usize = 32 << 10;
/// Used tickets that are remembered: past it none is taken until some are over.
pub const USED_MAX: usize = 200_000;

/// What a ticket is for: one for something else does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketKind {
    /// The password was right; a second factor is missing.
    Second,
    /// A passkey is asked for, to sign in.
    PasskeySignIn,
    /// A passkey is being made for the account that is signed in.
    PasskeyAdd,
    /// A passkey is being made for a new account.
    PasskeySignUp,
    /// An authenticator app is being set up.
    Totp,
    /// The browser is away at another provider.
    Elsewhere,
    /// A code was sent by mail.
    Mail,
}

impl TicketKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "ticket.second",
            Self::PasskeySignIn => "ticket.passkey.sign_in",
            Self::PasskeyAdd => "ticket.passkey.add",
            Self::PasskeySignUp => "ticket.passkey.sign_up",
            Self::Totp => "ticket.totp",
            Self::Elsewhere => "ticket.elsewhere",
            Self::Mail => "ticket.mail",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Sealed<T> {
    until: Timestamp,
    body: T,
}

/// Seals `body` into a ticket.
#[must_use]
pub fn issue<T: Serialize>(door: &Door, kind: TicketKind, body: &T) -> Option<String> {
    let until = door.clock.now().plus(TICKET_LASTS);
    let json = serde_json::to_vec(&Sealed { until, body }).ok()?;
    Some(URL_SAFE_NO_PAD.encode(door.vault.seal(kind.as_str(), &json)))
}

/// What was sealed into `ticket`; `None` for anything else, or when it is over.
#[must_use]
pub fn open<T: DeserializeOwned>(door: &Door, kind: TicketKind, ticket: &str) -> Option<T> {
    if ticket.len() > TICKET_BYTES_MAX {
        return None;
    }
    let sealed = URL_SAFE_NO_PAD.decode(ticket).ok()?;
    let json = door.vault.open_sealed(kind.as_str(), &sealed).ok()?;
    let Sealed { until, body } = serde_json::from_slice(&json).ok()?;
    (door.clock.now() < until).then_some(body)
}

/// Uses `ticket` up: true once.
#[must_use]
pub fn use_up(door: &Door, ticket: &str) -> bool {
    lock(&door.identity.used).add(ticket, door.clock.now())
}

/// Tickets that were used, by a hash, until they are over.
#[derive(Debug, Default)]
pub struct Used(HashMap<[u8; 32], Timestamp>);

impl Used {
    fn add(&mut self, ticket: &str, now: Timestamp) -> bool {
        if self.0.len() >= USED_MAX {
            self.0.retain(|_, until| *until > now);
        }
        if self.0.len() >= USED_MAX {
            return false;
        }
        let before = self.0.insert(sha256(ticket.as_bytes()), now.plus(TICKET_LASTS));
        before.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_used_once() {
        let mut used = Used::default();
        let at = Timestamp::from_millis;
        assert!(used.add("a", at(1)) && used.add("b", at(1)) && !used.add("a", at(2)));
    }

    #[test]
    fn past_its_bound_the_memory_takes_no_more_until_some_are_over() {
        let mut used = Used::default();
        let start = Timestamp::from_millis(1_000);
        for n in 0..USED_MAX {
            assert!(used.add(&n.to_string(), start));
        }
        assert!(!used.add("one more", start));
        assert!(used.add("one more", start.plus(TICKET_LASTS)));
        assert_eq!(used.0.len(), 1);
    }
}
