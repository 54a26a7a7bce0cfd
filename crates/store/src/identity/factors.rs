//! One account's way to what it proves itself with: seals, opens, holds limits.

use surgewall_core::clock::Timestamp;
use surgewall_core::id::{AccountId, FactorId, PublicId};
use surgewall_core::secret::SecretString;

use super::{FactorKind, FactorRow, Identity, PASSKEYS_PER_ACCOUNT_MAX, RECOVERY_CODES_MAX};
use crate::people::StoreError;
use crate::people::sealed::{open_text, seal};
use crate::vault::Vault;

const BODY: &str = "factors.body";
const LABEL: &str = "factors.label";
const PASSKEY: &str = "factors.passkey";
const RECOVERY: &str = "factors.recovery";
/// The label of a password that does not stand alone.
const BESIDE: &str = "beside a second factor";

/// A passkey, opened.
#[derive(Clone)]
pub struct Passkey {
    /// Its row's id.
    pub id: FactorId,
    /// The id that is shown.
    pub public_id: PublicId,
    /// Whose it is.
    pub account: AccountId,
    /// What its owner calls it.
    pub label: String,
    /// What the identity crate reads: public key and counter, as JSON.
    pub body: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used.
    pub used_at: Option<Timestamp>,
}

/// The secret of an authenticator app.
#[derive(Clone)]
pub struct Totp {
    /// The secret, as the identity crate writes it.
    pub secret: SecretString,
    /// The last time step whose code was accepted.
    pub step: u64,
    /// Since when.
    pub created_at: Timestamp,
}

/// What one account proves itself with, read at once.
pub struct Factors<'a, S> {
    store: &'a S,
    vault: &'a Vault,
    account: AccountId,
    rows: Vec<FactorRow>,
}

impl<'a, S: Identity> Factors<'a, S> {
    /// Reads them.
    ///
    /// # Errors
    /// The store failed.
    pub async fn of(
        store: &'a S,
        vault: &'a Vault,
        account: AccountId,
    ) -> Result<Self, StoreError> {
        let rows = store.factors(account).await?;
        Ok(Self { store, vault, account, rows })
    }

    fn rows(&self, kind: FactorKind) -> impl Iterator<Item = &FactorRow> {
        self.rows.iter().filter(move |row| row.kind == kind)
    }

    /// The hash of its password.
    ///
    /// # Errors
    /// It does not open.
    pub fn password(&self) -> Result<Option<SecretString>, StoreError> {
        self.rows(FactorKind::Password).next().map(|row| self.body(row)).transpose()
    }

    /// When its password was set.
    #[must_use]
    pub fn password_set_at(&self) -> Option<Timestamp> {
        self.rows(FactorKind::Password).next().map(|row| row.created_at)
    }

    /// Whether its password may be short: it was taken where a second factor is
    /// asked for each time.
    #[must_use]
    pub fn is_password_beside(&self) -> bool {
        self.rows(FactorKind::Password).any(|row| row.label.is_some())
    }

    /// Its passkeys, oldest first.
    ///
    /// # Errors
    /// One does not open.
    pub fn passkeys(&self) -> Result<Vec<Passkey>, StoreError> {
        self.rows(FactorKind::Passkey).map(|row| open_passkey(self.vault, row)).collect()
    }

    /// The secret of its authenticator app.
    ///
    /// # Errors
    /// It does not open.
    pub fn totp(&self) -> Result<Option<Totp>, StoreError> {
        let open = |row: &FactorRow| {
            Ok(Totp { secret: self.body(row)?, step: row.step, created_at: row.created_at })
        };
        self.rows(FactorKind::Totp).next().map(open).transpose()
    }

    /// Recovery codes that were not used.
    #[must_use]
    pub fn recovery_codes(&self) -> usize {
        self.rows(FactorKind::Recovery).count()
    }

    fn body(&self, row: &FactorRow) -> Result<SecretString, StoreError> {
        open_text(self.vault, BODY, row.id.as_u128(), &row.body).map(SecretString::new)
    }

    /// Sets its password to what has this `hash`.
    ///
    /// # Errors
    /// The store failed.
    pub async fn set_password(&self, hash: &str, now: Timestamp) -> Result<(), StoreError> {
        self.put_password(hash, None, now).await
    }

    /// The same for one that was taken beside a second factor, and may be too
    /// short to stand alone: that is noted with it.
    ///
    /// # Errors
    /// The store failed.
    pub async fn set_password_beside(&self, hash: &str, now: Timestamp) -> Result<(), StoreError> {
        self.put_password(hash, Some(BESIDE), now).await
    }

    async fn put_password(
        &self,
        hash: &str,
        note: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let row = self.row(FactorKind::Password, None, hash, note, now);
        self.store.put_factors(&[row], Some((self.account, FactorKind::Password))).await
    }

    /// Sets the secret of its authenticator app; codes up to time step `step`
    /// are used up.
    ///
    /// # Errors
    /// The store failed.
    pub async fn set_totp(
        &self,
        secret: &SecretString,
        step: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let row = self.row(FactorKind::Totp, None, secret.expose(), None, now);
        let row = FactorRow { step, ..row };
        self.store.put_factors(&[row], Some((self.account, FactorKind::Totp))).await
    }

    /// Takes away all of one kind.
    ///
    /// # Errors
    /// The store failed.
    pub async fn clear(&self, kind: FactorKind) -> Result<(), StoreError> {
        self.store.put_factors(&[], Some((self.account, kind))).await
    }

    /// Adds a passkey with this credential id; false where it has
    /// [`PASSKEYS_PER_ACCOUNT_MAX`].
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] where somebody has it already, or the store failed.
    pub async fn add_passkey(
        &self,
        credential_id: &[u8],
        body: &str,
        label: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if self.rows(FactorKind::Passkey).count() >= PASSKEYS_PER_ACCOUNT_MAX {
            return Ok(false);
        }
        let lookup = self.vault.keyed_hash(PASSKEY, credential_id);
        let row = self.row(FactorKind::Passkey, Some(lookup), body, Some(label), now);
        self.store.put_factors(&[row], None).await?;
        Ok(true)
    }

    /// Replaces its recovery codes; past [`RECOVERY_CODES_MAX`] the rest is left out.
    ///
    /// # Errors
    /// The store failed.
    pub async fn set_recovery_codes<'c>(
        &self,
        codes: impl IntoIterator<Item = &'c str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let row = |code: &str| {
            let lookup = self.recovery_hash(code);
            self.row(FactorKind::Recovery, Some(lookup), "", None, now)
        };
        let rows: Vec<_> = codes.into_iter().take(RECOVERY_CODES_MAX).map(row).collect();
        self.store.put_factors(&rows, Some((self.account, FactorKind::Recovery))).await
    }

    /// Uses up a recovery code: true once.
    ///
    /// # Errors
    /// The store failed.
    pub async fn take_recovery_code(&self, code: &str) -> Result<bool, StoreError> {
        self.store.take_recovery_code(self.account, self.recovery_hash(code)).await
    }

    /// The owner stands in the hash: the same code of two accounts is two.
    fn recovery_hash(&self, code: &str) -> [u8; 32] {
        let mut text = self.account.as_u128().to_be_bytes().to_vec();
        text.extend_from_slice(code.as_bytes());
        self.vault.keyed_hash(RECOVERY, &text)
    }

    fn row(
        &self,
        kind: FactorKind,
        lookup: Option<[u8; 32]>,
        body: &str,
        label: Option<&str>,
        now: Timestamp,
    ) -> FactorRow {
        let id = FactorId::new(now);
        let sealed = |column, text: &str| seal(self.vault, column, id.as_u128(), text.as_bytes());
        FactorRow {
            id,
            public_id: PublicId::random(kind.as_str()),
            account: self.account,
            kind,
            lookup,
            body: sealed(BODY, body),
            label: label.map(|label| sealed(LABEL, label)),
            step: 0,
            created_at: now,
            used_at: None,
        }
    }
}

fn open_passkey(vault: &Vault, row: &FactorRow) -> Result<Passkey, StoreError> {
    let id = row.id.as_u128();
    let label = row.label.as_ref().map(|label| open_text(vault, LABEL, id, label)).transpose()?;
    Ok(Passkey {
        id: row.id,
        public_id: row.public_id.clone(),
        account: row.account,
        label: label.unwrap_or_default(),
        body: open_text(vault, BODY, id, &row.body)?,
        created_at: row.created_at,
        used_at: row.used_at,
    })
}

/// The passkey with this credential id, whosever it is.
///
/// # Errors
/// The store failed, or the row does not open.
pub async fn passkey_owner<S: Identity>(
    store: &S,
    vault: &Vault,
    credential_id: &[u8],
) -> Result<Option<Passkey>, StoreError> {
    let found = store.passkey(vault.keyed_hash(PASSKEY, credential_id)).await?;
    found.as_ref().map(|row| open_passkey(vault, row)).transpose()
}

impl Passkey {
    /// Notes that it was used, and what it is now.
    ///
    /// # Errors
    /// The store failed.
    pub async fn used<S: Identity>(
        &self,
        store: &S,
        vault: &Vault,
        body: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let sealed = seal(vault, BODY, self.id.as_u128(), body.as_bytes());
        store.use_passkey((self.account, self.id), &sealed, at).await
    }
}
