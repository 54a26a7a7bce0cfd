//! Tickets: what the door has to remember between two requests of somebody who
//! is not signed in yet, sealed and given to their browser. A flood of begun
//! sign-ins so takes no memory. That a ticket was used is remembered until it
//! is over: callers use a ticket up only after what it asks for was shown, so
//! that nobody fills that memory with tickets alone.

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
/// Codes that may be tried with one ticket.
pub const TRIES_MAX: u32 = 10;
/// Between two looks for used tickets that are over.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

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

/// Uses `ticket` up: true once. Only after what it asks for was shown.
#[must_use]
pub fn use_up(door: &Door, ticket: &str) -> bool {
    lock(&door.identity.used).use_up(ticket, door.clock.now())
}

/// Counts a try of a code with `ticket`, before the code is looked at: false
/// after [`TRIES_MAX`], and where the ticket was used up. Only for tickets that
/// somebody proved something for.
#[must_use]
pub fn try_once(door: &Door, ticket: &str) -> bool {
    lock(&door.identity.used).try_once(ticket, door.clock.now())
}

/// Tickets that were used, by a hash, until they are over.
#[derive(Debug, Default)]
pub struct Used {
    tickets: HashMap<[u8; 32], Use>,
    swept_at: Timestamp,
}

/// What became of a ticket.
#[derive(Clone, Copy, Debug)]
struct Use {
    until: Timestamp,
    tries: u32,
    used_up: bool,
}

impl Used {
    fn use_up(&mut self, ticket: &str, now: Timestamp) -> bool {
        let Some(found) = self.find(ticket, now) else { return false };
        !std::mem::replace(&mut found.used_up, true)
    }

    fn try_once(&mut self, ticket: &str, now: Timestamp) -> bool {
        let Some(found) = self.find(ticket, now) else { return false };
        found.tries = found.tries.saturating_add(1);
        !found.used_up && found.tries <= TRIES_MAX
    }

    /// What is known of `ticket`; `None` where no more can be remembered.
    fn find(&mut self, ticket: &str, now: Timestamp) -> Option<&mut Use> {
        let hash = sha256(ticket.as_bytes());
        if self.tickets.len() >= USED_MAX && now.since(self.swept_at) >= SWEEP_INTERVAL {
            self.tickets.retain(|_, ticket| ticket.until > now);
            self.swept_at = now;
        }
        if self.tickets.len() >= USED_MAX && !self.tickets.contains_key(&hash) {
            return None;
        }
        let fresh = Use { until: now.plus(TICKET_LASTS), tries: 0, used_up: false };
        Some(self.tickets.entry(hash).or_insert(fresh))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_used_once() {
        let mut used = Used::default();
        let at = Timestamp::from_millis;
        assert!(used.use_up("a", at(1)) && used.use_up("b", at(1)) && !used.use_up("a", at(2)));
    }

    #[test]
    fn a_ticket_bears_a_few_tries_and_none_once_it_is_used_up() {
        let mut used = Used::default();
        let at = Timestamp::from_millis(1);
        for _ in 0..TRIES_MAX {
            assert!(used.try_once("a", at));
        }
        assert!(!used.try_once("a", at));
        assert!(used.try_once("b", at) && used.use_up("b", at) && !used.try_once("b", at));
    }

    #[test]
    fn past_its_bound_the_memory_takes_no_more_until_some_are_over() {
        let mut used = Used::default();
        let start = Timestamp::from_millis(1_000);
        for n in 0..USED_MAX {
            assert!(used.use_up(&n.to_string(), start));
        }
        assert!(!used.use_up("one more", start));
        assert!(!used.use_up("0", start), "a known one is still known");
        assert!(used.use_up("one more", start.plus(TICKET_LASTS)));
        assert_eq!(used.tickets.len(), 1);
    }

    #[test]
    fn a_full_memory_is_swept_at_most_once_a_second() {
        let mut used = Used::default();
        let start = Timestamp::from_millis(1_000);
        for n in 0..USED_MAX {
            let early = if n == 0 { start } else { start.plus(Duration::from_millis(10)) };
            assert!(used.use_up(&n.to_string(), early));
        }
        // One is over, then another 10 ms later, all others too: the second look is not due.
        let over = start.plus(TICKET_LASTS);
        assert!(used.use_up("a", over));
        assert!(!used.use_up("b", over.plus(Duration::from_millis(10))));
        assert!(used.use_up("b", over.plus(SWEEP_INTERVAL)));
    }
}
