//! All sessions, in memory: by their token's keyed hash, and by account.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use surgewall_core::clock::Timestamp;
use surgewall_core::id::{AccountId, SessionId};
use surgewall_store::identity::Session;

use crate::sync::lock;

/// Sessions that the door holds at most (about 0.4 KiB each).
pub const SESSIONS_MAX: usize = 2_000_000;
/// A session that was seen this many milliseconds ago is not noted again.
const SEEN_AGAIN_MS: u64 = 60_000;

/// A session and when it was last seen.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) session: Arc<Session>,
    seen_ms: AtomicU64,
}

impl Live {
    pub(super) fn seen_at(&self) -> Timestamp {
        Timestamp::from_millis(self.seen_ms.load(Ordering::Relaxed))
    }
}

#[derive(Debug, Default)]
struct Maps {
    by_token: HashMap<[u8; 32], Arc<Live>>,
    by_account: HashMap<AccountId, Vec<[u8; 32]>>,
}

/// The index of sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    maps: RwLock<Maps>,
    /// Seen since the last batch; bounded by the sessions.
    seen: Mutex<HashMap<SessionId, Timestamp>>,
}

impl Sessions {
    fn read(&self) -> RwLockReadGuard<'_, Maps> {
        self.maps.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().by_token.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn find(&self, token_hash: &[u8; 32]) -> Option<Arc<Live>> {
        self.read().by_token.get(token_hash).cloned()
    }

    /// Notes that a session is used now: in memory, and for the next batch.
    pub(super) fn touch(&self, live: &Live, now: Timestamp) {
        let before = live.seen_ms.load(Ordering::Relaxed);
        if now.millis() >= before.saturating_add(SEEN_AGAIN_MS) {
            live.seen_ms.fetch_max(now.millis(), Ordering::Relaxed);
            lock(&self.seen).insert(live.session.id, now);
        }
    }

    /// Adds a session; false where the door holds [`SESSIONS_MAX`].
    pub(super) fn insert(&self, session: Session) -> bool {
        let mut maps = self.maps.write().unwrap_or_else(PoisonError::into_inner);
        if maps.by_token.len() >= SESSIONS_MAX {
            return false;
        }
        let (hash, account) = (session.token_hash, session.account);
        let seen_ms = AtomicU64::new(session.seen_at.millis());
        maps.by_token.insert(hash, Arc::new(Live { session: Arc::new(session), seen_ms }));
        maps.by_account.entry(account).or_default().push(hash);
        true
    }

    pub(super) fn remove<'a>(&self, hashes: impl Iterator<Item = &'a [u8; 32]>) {
        let mut maps = self.maps.write().unwrap_or_else(PoisonError::into_inner);
        for hash in hashes {
            let Some(live) = maps.by_token.remove(hash) else { continue };
            let account = live.session.account;
            if let Some(own) = maps.by_account.get_mut(&account) {
                own.retain(|other| other != hash);
                if own.is_empty() {
                    maps.by_account.remove(&account);
                }
            }
        }
    }

    pub(super) fn of_account(&self, account: AccountId) -> Vec<(Arc<Session>, Timestamp)> {
        let maps = self.read();
        let own = maps.by_account.get(&account).into_iter().flatten();
        let live = own.filter_map(|hash| maps.by_token.get(hash));
        live.map(|live| (live.session.clone(), live.seen_at())).collect()
    }

    /// The sessions of `account` past the first `most`, in the order in which
    /// they were last seen.
    pub(super) fn beyond(&self, account: AccountId, most: usize) -> Vec<Arc<Session>> {
        let mut own = self.of_account(account);
        own.sort_by_key(|(_, seen_at)| std::cmp::Reverse(*seen_at));
        own.into_iter().skip(most).map(|(session, _)| session).collect()
    }

    pub(super) fn over(&self, is_over: impl Fn(&Session, Timestamp) -> bool) -> Vec<Arc<Session>> {
        let maps = self.read();
        let all = maps.by_token.values();
        let over = all.filter(|live| is_over(&live.session, live.seen_at()));
        over.map(|live| live.session.clone()).collect()
    }

    pub(super) fn take_seen(&self) -> Vec<(SessionId, Timestamp)> {
        std::mem::take(&mut *lock(&self.seen)).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use surgewall_core::id::PublicId;
    use surgewall_core::principal::Network;
    use surgewall_store::identity::{About, SessionListener};

    use super::*;

    fn session(number: u8, account: u128, seen_ms: u64) -> Session {
        let at = Timestamp::from_millis(seen_ms);
        Session {
            id: SessionId::from_u128(number.into()),
            public_id: PublicId::random("session"),
            account: AccountId::from_u128(account),
            token_hash: [number; 32],
            listener: SessionListener::Public,
            strong: false,
            created_at: at,
            authenticated_at: at,
            seen_at: at,
            about: About { browser: String::new(), network: Network::from_u128(0) },
        }
    }

    #[test]
    fn an_ended_session_is_nowhere() {
        let sessions = Sessions::default();
        assert!(sessions.insert(session(1, 7, 10)) && sessions.insert(session(2, 7, 20)));
        assert!(sessions.find(&[1; 32]).is_some() && sessions.find(&[3; 32]).is_none());
        sessions.remove([[1; 32], [9; 32]].iter());
        assert!(sessions.find(&[1; 32]).is_none());
        assert_eq!((sessions.len(), sessions.of_account(AccountId::from_u128(7)).len()), (1, 1));
        sessions.remove([[2; 32]].iter());
        assert!(sessions.is_empty() && sessions.read().by_account.is_empty());
    }

    #[test]
    fn those_not_seen_for_longest_are_beyond_the_most() {
        let sessions = Sessions::default();
        for (number, seen_ms) in [(1, 30), (2, 10), (3, 20)] {
            sessions.insert(session(number, 7, seen_ms));
        }
        sessions.insert(session(4, 8, 1));
        let beyond = |most| {
            let found = sessions.beyond(AccountId::from_u128(7), most);
            found.iter().map(|session| session.token_hash[0]).collect::<Vec<_>>()
        };
        assert_eq!((beyond(3), beyond(2), beyond(1)), (vec![], vec![2], vec![3, 2]));
    }

    #[test]
    fn a_session_is_noted_once_a_minute() {
        let sessions = Sessions::default();
        sessions.insert(session(1, 7, 1_000));
        let live = sessions.find(&[1; 32]).unwrap();
        sessions.touch(&live, Timestamp::from_millis(60_999));
        assert!(sessions.take_seen().is_empty());
        sessions.touch(&live, Timestamp::from_millis(61_000));
        assert_eq!(sessions.take_seen().len(), 1);
        assert_eq!(live.seen_at(), Timestamp::from_millis(61_000));
    }
}
