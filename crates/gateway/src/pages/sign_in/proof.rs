//! The proof by password, for signing in and for a fresh proof alike.

use std::sync::Mutex;

use surgewall_core::clock::Timestamp;
use surgewall_core::id::AccountId;
use surgewall_core::principal::Network;
use surgewall_core::refusal::Refusal;
use surgewall_core::secret::SecretString;
use surgewall_identity::delay::Delays;
use surgewall_identity::hasher::{Purpose, Verdict};
use surgewall_identity::mail::Changed as LetterOf;
use surgewall_identity::recovery;
use surgewall_identity::totp::TotpSecret;
use surgewall_store::identity::{Factors, Identity as _, account_by_email};
use surgewall_store::people::AccountRow;
use surgewall_store::sqlite::Sqlite;

use crate::door::Door;
use crate::pages::answer::internal;
use crate::pages::visit::Visit;
use crate::sync::lock;

/// What became of a password.
pub(in crate::pages) enum Proof<'a> {
    /// It is the account's.
    Right(Box<AccountRow>, Factors<'a, Sqlite>),
    /// It is not, or there is no such account, or it is suspended.
    Wrong,
    /// Too many failed: again in so many seconds.
    Wait(u64),
    /// Too many are hashed now.
    Busy,
}

/// Whether `password` is that of the account with this `email`. Whatever was
/// typed: two reads and exactly one Argon2 call.
pub(in crate::pages) async fn prove<'a>(
    visit: &Visit<'a>,
    email: &str,
    password: SecretString,
) -> Result<Proof<'a>, Refusal> {
    let door: &'a Door = visit.door;
    let typed = typed(door, email);
    let at = visit.now();
    if let Err(seconds) = attempt(&door.identity.delays, visit.network(), typed, at) {
        return Ok(Proof::Wait(seconds));
    }
    let account = account_by_email(door.people.as_ref(), &door.vault, email).await;
    let account = account.map_err(|error| internal(&error))?;
    // Nobody's id: what is unknown is read for, too.
    let id = account.as_ref().map_or(AccountId::from_u128(0), |account| account.id);
    let factors = Factors::of(door.people.as_ref(), &door.vault, id).await;
    let factors = factors.map_err(|error| internal(&error))?;
    let stored = factors.password().map_err(|error| internal(&error))?;
    let stored = stored.map(|hash| hash.expose().clone());
    let hasher = door.identity.hasher();
    let again = password.clone();
    let Ok(verdict) = hasher.verify(visit.network(), password, stored).await else {
        // Nobody looked at it: a flood must not make its owner wait.
        lock(&door.identity.delays).give_back(visit.network(), typed, at);
        return Ok(Proof::Busy);
    };
    let account = account.filter(|account| !account.suspended);
    let (Verdict::Right { outdated }, Some(account)) = (verdict, account) else {
        return Ok(Proof::Wrong);
    };
    lock(&door.identity.delays).succeeded(visit.network(), typed, visit.now());
    if outdated && let Ok(hash) = hasher.hash(Purpose::SignIn, visit.network(), again).await {
        let set = if factors.is_password_beside() {
            factors.set_password_beside(&hash, visit.now()).await
        } else {
            factors.set_password(&hash, visit.now()).await
        };
        if let Err(error) = set {
            tracing::warn!(%error, "a password could not be hashed anew");
        }
    }
    Ok(Proof::Right(Box::new(account), factors))
}

/// Whether this network may have one more letter sent to `email` now; if not,
/// after how many seconds.
pub(super) fn may_ask(visit: &Visit<'_>, email: &str) -> Result<(), u64> {
    let of = typed(visit.door, email);
    attempt(&visit.door.identity.letter_delays, visit.network(), of, visit.now())
}

/// What was typed as an address, as the delays know it.
fn typed(door: &Door, email: &str) -> u128 {
    short(door.vault.keyed_hash("sign-in.typed", email.trim().to_lowercase().as_bytes()))
}

fn short(hash: [u8; 32]) -> u128 {
    hash.iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

fn attempt(delays: &Mutex<Delays>, network: Network, of: u128, now: Timestamp) -> Result<(), u64> {
    let allowed = lock(delays).attempt(network, of, now);
    allowed.map(drop).map_err(|wait| wait.retry_after.as_secs() + 1)
}

/// Whether `code` is the account's second factor: the app's code, or a recovery
/// code, each good once. Only who has the password can try, so the delay is the
/// account's alone and locks nobody else out.
pub(in crate::pages) async fn is_second_right(
    visit: &Visit<'_>,
    account: &AccountRow,
    factors: &Factors<'_, Sqlite>,
    code: &str,
) -> Result<Result<bool, u64>, Refusal> {
    let door = visit.door;
    let now = visit.now();
    let nowhere = Network::from_u128(0);
    let of = short(door.vault.keyed_hash("sign-in.second", &account.id.as_u128().to_be_bytes()));
    if let Err(seconds) = attempt(&door.identity.second_delays, nowhere, of, now) {
        return Ok(Err(seconds));
    }
    let failed = |error: surgewall_store::people::StoreError| internal(&error);
    let recovery = recovery::canonical(code);
    let right = match &recovery {
        Some(code) => factors.take_recovery_code(code.expose()).await.map_err(failed)?,
        None => match totp_step(factors, code, now).map_err(failed)? {
            Some(step) => door.people.step_totp(account.id, step, now).await.map_err(failed)?,
            None => false,
        },
    };
    if right && recovery.is_some() {
        visit.record("recovery.use", account.public_id.as_str(), None).await?;
        visit.tell(account, LetterOf::RecoveryCodeUsed);
    }
    if right {
        lock(&door.identity.second_delays).succeeded(nowhere, of, now);
    }
    Ok(Ok(right))
}

/// The time step whose code `code` is.
fn totp_step(
    factors: &Factors<'_, Sqlite>,
    code: &str,
    now: Timestamp,
) -> Result<Option<u64>, surgewall_store::people::StoreError> {
    let Some(totp) = factors.totp()? else { return Ok(None) };
    let secret = crate::pages::account::totp_secret(totp.secret.expose());
    Ok(secret.and_then(|secret: TotpSecret| secret.check(code, Some(totp.step), now)))
}
