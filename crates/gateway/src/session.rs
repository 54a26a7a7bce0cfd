//! Sessions: a cookie becomes somebody who is signed in.
//!
//! The token is a random text of 131 bits; the store and this index know a
//! keyed hash of it. All sessions are in memory, so that a request reads no
//! database and an ended one is ended at once, on every connection. A session
//! holds on one listener: cookies ignore ports. API routes never come here.

mod about;
mod cookie;
mod index;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use surgewall_core::clock::Timestamp;
use surgewall_core::decision::{Changed, Record};
use surgewall_core::id::{PublicId, SessionId};
use surgewall_core::principal::{AccountRecord, Network};
use surgewall_core::role::{Action, Role, allows};
use surgewall_store::identity::{
    About, Identity as _, SESSIONS_PER_ACCOUNT_MAX, Session, SessionListener, new_token,
    session_row, token_hash,
};
use surgewall_store::people::StoreError;

use crate::door::Door;
use crate::listen::Purpose;

pub use cookie::{clearing as clearing_cookie, is_secure, is_secure_under};
use index::Live;
pub use index::{SESSIONS_MAX, Sessions};

/// How long after a proof of who one is dangerous acts need no further one.
pub const PROOF_HOLDS: Duration = Duration::from_secs(600);

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Whose session it is.
    pub account: Arc<AccountRecord>,
    /// The session's id, as it is shown.
    pub session: PublicId,
    /// What the account may do besides using the door.
    pub role: Role,
    /// When its owner last proved who they are.
    pub authenticated_at: Timestamp,
    /// Whether it began with a passkey or a second factor.
    pub strong: bool,
    /// The keyed hash of its token.
    pub(crate) token_hash: [u8; 32],
}

impl SignedIn {
    /// Whether the last proof is so recent that dangerous acts need no further one.
    #[must_use]
    pub fn is_recent(&self, now: Timestamp) -> bool {
        now.since(self.authenticated_at) < PROOF_HOLDS
    }
}

/// Who is signed in on this listener by the cookie in `headers`; `None` without
/// a cookie, or with one that does not hold. Never asked on API routes.
#[must_use]
pub fn signed_in(door: &Door, purpose: Purpose, headers: &HeaderMap) -> Option<SignedIn> {
    let (session, account) = holding(door, purpose, headers)?;
    let role = account.role;
    if purpose == Purpose::Admin && !allows(role, Action::SignInAdmin) {
        return None;
    }
    Some(SignedIn {
        account,
        session: session.public_id.clone(),
        role,
        authenticated_at: session.authenticated_at,
        strong: session.strong,
        token_hash: session.token_hash,
    })
}

/// Whether the session with this keyed hash holds on the listener for `purpose`.
#[must_use]
pub(crate) fn holds(door: &Door, purpose: Purpose, token_hash: &[u8; 32]) -> bool {
    listener(purpose).is_some_and(|listener| live(door, listener, token_hash).is_some())
}

/// The session behind the cookie, if it holds.
fn holding(
    door: &Door,
    purpose: Purpose,
    headers: &HeaderMap,
) -> Option<(Arc<Session>, Arc<AccountRecord>)> {
    let listener = listener(purpose)?;
    cookie::tokens(door, purpose, headers).find_map(|token| {
        let (live, account) = live(door, listener, &token_hash(&door.vault, token))?;
        door.sessions.touch(&live, door.clock.now());
        Some((live.session.clone(), account))
    })
}

/// The session with this keyed hash, and its account, if it holds.
fn live(
    door: &Door,
    listener: SessionListener,
    token_hash: &[u8; 32],
) -> Option<(Arc<Live>, Arc<AccountRecord>)> {
    let live = door.sessions.find(token_hash)?;
    let lifetime = Lifetime::of(door, listener);
    let is_over = lifetime.is_over(&live.session, live.seen_at(), door.clock.now());
    if live.session.listener != listener || is_over {
        return None;
    }
    let account = door.directory.account(live.session.account)?;
    (!account.suspended).then_some((live, account))
}

/// Where sessions can be had at all.
const fn listener(purpose: Purpose) -> Option<SessionListener> {
    match purpose {
        Purpose::Public => Some(SessionListener::Public),
        Purpose::Admin => Some(SessionListener::Admin),
        Purpose::Status => None,
    }
}

/// How long sessions of one listener last.
#[derive(Clone, Copy, Debug)]
struct Lifetime {
    idle: Duration,
    whole: Duration,
}

impl Lifetime {
    fn of(door: &Door, listener: SessionListener) -> Self {
        let accounts = &door.policy().config.accounts;
        let (idle_h, whole_h) = match listener {
            SessionListener::Public => (accounts.session_idle_h, accounts.session_h_max),
            SessionListener::Admin => (accounts.admin_session_idle_h, accounts.admin_session_h_max),
        };
        let hours = |hours: u32| Duration::from_secs(u64::from(hours) * 3_600);
        Self { idle: hours(idle_h), whole: hours(whole_h) }
    }

    fn is_over(&self, session: &Session, seen_at: Timestamp, now: Timestamp) -> bool {
        now.since(seen_at) >= self.idle || now.since(session.created_at) >= self.whole
    }
}

/// A session that is to begin. The caller proved who they are.
pub struct Begin<'a> {
    /// Whose.
    pub account: &'a AccountRecord,
    /// On which listener.
    pub purpose: Purpose,
    /// Whether with a passkey or a second factor.
    pub strong: bool,
    /// From which network.
    pub network: Network,
    /// The heads of the request: a session that it came with ends.
    pub headers: &'a HeaderMap,
}

/// A session could not be begun or ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// There are as many as the door can hold, or the listener has none.
    #[error("no room for another session")]
    Full,
    /// It cannot be recorded.
    #[error("the ledger cannot record it: {0}")]
    NotRecorded(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Begins a session and gives the cookie to set. Its token is new, whatever the
/// browser came with: nobody can plant one beforehand.
///
/// # Errors
/// There is no room, or it cannot be recorded or stored.
pub async fn begin(door: &Door, begin: &Begin<'_>) -> Result<HeaderValue, SessionError> {
    let listener = listener(begin.purpose).ok_or(SessionError::Full)?;
    let now = door.clock.now();
    let token = new_token();
    let session = Session {
        id: SessionId::new(now),
        public_id: PublicId::random("session"),
        account: begin.account.id,
        token_hash: token_hash(&door.vault, token.expose()),
        listener,
        strong: begin.strong,
        created_at: now,
        authenticated_at: now,
        seen_at: now,
        about: About { browser: about::browser(begin.headers), network: begin.network },
    };
    let cookie = cookie::setting(door, begin.purpose, token.expose()).ok_or(SessionError::Full)?;
    let row = session_row(&door.vault, &session)?;
    let detail = format!(
        "session={} listener={} strong={}",
        session.public_id,
        listener.as_str(),
        begin.strong
    );
    record(door, "session.begin", begin.account, detail).await?;
    let mut instead_of: Vec<Arc<Session>> =
        holding(door, begin.purpose, begin.headers).map(|(before, _)| before).into_iter().collect();
    instead_of.extend(door.sessions.beyond(begin.account.id, SESSIONS_PER_ACCOUNT_MAX - 1));
    let ids: Vec<_> = instead_of.iter().map(|session| session.id).collect();
    door.people.put_session(&row, &ids).await?;
    door.sessions.remove(instead_of.iter().map(|session| &session.token_hash));
    if !door.sessions.insert(session) {
        door.people.end_sessions(&[row.id]).await?;
        return Err(SessionError::Full);
    }
    Ok(cookie)
}

/// The sessions of `account` on every listener, the newest first, each with when
/// it was last seen.
#[must_use]
pub fn of_account(door: &Door, account: &AccountRecord) -> Vec<(Arc<Session>, Timestamp)> {
    let now = door.clock.now();
    let mut found = door.sessions.of_account(account.id);
    found.retain(|(session, seen_at)| {
        !Lifetime::of(door, session.listener).is_over(session, *seen_at, now)
    });
    found.sort_by_key(|(session, _)| std::cmp::Reverse(session.id));
    found
}

/// Ends the sessions of `account` that `which` chooses, and says how many.
///
/// # Errors
/// The store failed: they do not hold any more, but may after the next start.
pub async fn end(
    door: &Door,
    account: &AccountRecord,
    which: impl Fn(&Session) -> bool,
) -> Result<usize, SessionError> {
    let ended: Vec<_> = door.sessions.of_account(account.id);
    let ended: Vec<_> =
        ended.into_iter().map(|(session, _)| session).filter(|session| which(session)).collect();
    if ended.is_empty() {
        return Ok(0);
    }
    // Whatever fails from here on, they do not hold any more.
    door.sessions.remove(ended.iter().map(|session| &session.token_hash));
    for session in &ended {
        let detail = format!("session={}", session.public_id);
        if let Err(error) = record(door, "session.end", account, detail).await {
            tracing::error!(%error, "the end of a session could not be recorded");
        }
    }
    let ids: Vec<_> = ended.iter().map(|session| session.id).collect();
    door.people.end_sessions(&ids).await?;
    Ok(ended.len())
}

async fn record(
    door: &Door,
    action: &str,
    account: &AccountRecord,
    detail: String,
) -> Result<(), SessionError> {
    let changed = Changed {
        at: door.clock.now(),
        action: action.to_owned(),
        subject: Some(account.public_id.to_string()),
        detail: Some(detail),
    };
    let written = door.ledger.append(Record::Changed(changed)).await;
    written.map(drop).map_err(|error| SessionError::NotRecorded(error.to_string()))
}

/// Reads all sessions, before the first request.
///
/// # Errors
/// The store failed, or a row does not open.
pub(crate) async fn load(door: &Door) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let rows = door.people.sessions(after).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.id.as_u128();
        for row in rows {
            door.sessions.insert(surgewall_store::identity::session_of(&door.vault, row)?);
        }
    }
}

/// Writes when sessions were seen, and removes those that are over: once a minute.
pub(crate) async fn write_seen(door: &Door) {
    let now = door.clock.now();
    let public = Lifetime::of(door, SessionListener::Public);
    let admin = Lifetime::of(door, SessionListener::Admin);
    let over = door.sessions.over(|session, seen_at| {
        let lifetime = if session.listener == SessionListener::Admin { admin } else { public };
        lifetime.is_over(session, seen_at, now)
    });
    let ids: Vec<_> = over.iter().map(|session| session.id).collect();
    door.sessions.remove(over.iter().map(|session| &session.token_hash));
    let seen = door.sessions.take_seen();
    let written = async {
        if !ids.is_empty() {
            door.people.end_sessions(&ids).await?;
        }
        if !seen.is_empty() {
            door.people.write_seen(&seen).await?;
        }
        Ok::<_, StoreError>(())
    };
    if let Err(error) = written.await {
        tracing::warn!(%error, "sessions could not be written");
    }
}
