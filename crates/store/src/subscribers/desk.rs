//! Subscribers with their addresses opened, and the token that a letter's links
//! carry: whoever has it may confirm and end this one subscription.

use serde::{Deserialize, Serialize};
use surgewall_core::clock::Timestamp;
use surgewall_core::digest::hex;
use surgewall_core::principal::Network;
use surgewall_core::random;
use surgewall_core::secret::SecretString;

use super::{
    CONFIRM_WITHIN, SUBSCRIBERS_MAX, SubscriberKind, SubscriberRow, SubscriberStore,
    UNCONFIRMED_MAX, UNCONFIRMED_PER_NETWORK_MAX,
};
use crate::people::StoreError;
use crate::people::sealed::{open_json, seal_json};
use crate::vault::Vault;

/// The sealed column.
const BODY: &str = "subscribers.body";
/// Purposes of the keyed hashes.
const ADDRESS: &str = "subscribers.address";
const NETWORK: &str = "subscribers.network";
const TOKEN: &str = "subscribers.token";
/// Hex digits of a token: the id, and half of a keyed hash of it.
const TOKEN_DIGITS: usize = 64;
/// Random characters of what requests are signed with.
const SECRET_CHARS: usize = 40;

/// A subscriber, as it is told.
#[derive(Clone)]
pub struct Subscriber {
    /// Its id.
    pub id: u128,
    /// How it is told.
    pub kind: SubscriberKind,
    /// Its e-mail or its URL.
    pub address: String,
    /// What requests to it are signed with; letters are not.
    pub secret: SecretString,
    /// Whether it confirmed.
    pub is_confirmed: bool,
    /// Of what was said up to then it was told.
    pub told_at: Timestamp,
    /// What its links carry.
    pub token: SecretString,
}

/// What came of asking. A stranger is told the same in every case but the last.
#[must_use]
pub enum Asked {
    /// It is to be asked to confirm.
    Confirm(Box<Subscriber>),
    /// It subscribed before.
    There,
    /// There are as many as may be, or the network asked for as many as it may.
    Full,
}

#[derive(Serialize, Deserialize, Default)]
struct Body {
    address: String,
    secret: String,
}

/// Subscribers in `store`.
#[derive(Clone, Copy)]
pub struct Subscribers<'a, S> {
    store: &'a S,
    vault: &'a Vault,
}

impl<'a, S: SubscriberStore> Subscribers<'a, S> {
    /// Those in `store`, sealed by `vault`.
    #[must_use]
    pub const fn new(store: &'a S, vault: &'a Vault) -> Self {
        Self { store, vault }
    }

    /// Somebody in `network` asks that `address` be told.
    ///
    /// # Errors
    /// The store failed.
    pub async fn ask(
        &self,
        kind: SubscriberKind,
        address: &str,
        network: Network,
        now: Timestamp,
    ) -> Result<Asked, StoreError> {
        let named = format!("{}:{address}", kind.as_str());
        let address_hash = self.vault.keyed_hash(ADDRESS, named.as_bytes());
        self.store.sweep_subscribers(before(now)).await?;
        if let Some(row) = self.store.subscriber_at(&address_hash).await? {
            let known = self.open(&row)?;
            return Ok(if known.is_confirmed {
                Asked::There
            } else {
                Asked::Confirm(Box::new(known))
            });
        }
        let network_hash = self.vault.keyed_hash(NETWORK, network.to_string().as_bytes());
        let counts = self.store.count_subscribers(&network_hash).await?;
        if counts.confirmed >= SUBSCRIBERS_MAX
            || counts.unconfirmed >= UNCONFIRMED_MAX
            || counts.of_network >= UNCONFIRMED_PER_NETWORK_MAX
        {
            return Ok(Asked::Full);
        }
        let id = u128::from_be_bytes(random::bytes());
        let body = Body { address: address.to_owned(), secret: random::base62(SECRET_CHARS) };
        let row = SubscriberRow {
            id,
            kind,
            address_hash,
            body: seal_json(self.vault, BODY, id, &body)?,
            network_hash,
            asked_at: now,
            confirmed_at: None,
            told_at: now,
            failures: 0,
        };
        self.store.add_subscriber(&row).await?;
        Ok(Asked::Confirm(Box::new(self.open(&row)?)))
    }

    /// The one that `token` is of, if it is there and still may confirm.
    ///
    /// # Errors
    /// The store failed.
    pub async fn of_token(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<Subscriber>, StoreError> {
        let Some(id) = self.id_of(token) else { return Ok(None) };
        let Some(row) = self.store.subscriber(id).await? else { return Ok(None) };
        let is_late = row.confirmed_at.is_none() && row.asked_at < before(now);
        if is_late { Ok(None) } else { self.open(&row).map(Some) }
    }

    /// It confirms: it is told of what is said from now on.
    ///
    /// # Errors
    /// The store failed.
    pub async fn confirm(&self, id: u128, now: Timestamp) -> Result<bool, StoreError> {
        self.store.confirm_subscriber(id, now).await
    }

    /// It wants to hear nothing more; whether there was one.
    ///
    /// # Errors
    /// The store failed.
    pub async fn end(&self, token: &str) -> Result<bool, StoreError> {
        match self.id_of(token) {
            Some(id) => self.store.remove_subscriber(id).await,
            None => Ok(false),
        }
    }

    /// Who is to be told of what was said up to `said_at`, by their ids from after
    /// `after` on.
    ///
    /// # Errors
    /// The store failed, or one does not open.
    pub async fn due(
        &self,
        said_at: Timestamp,
        after: Option<u128>,
        rows_max: u32,
    ) -> Result<Vec<Subscriber>, StoreError> {
        let rows = self.store.subscribers_due(said_at, after, rows_max).await?;
        rows.iter().map(|row| self.open(row)).collect()
    }

    /// See [`SubscriberStore::subscribers_told`].
    ///
    /// # Errors
    /// The store failed.
    pub async fn told(&self, told: &[(u128, bool)], at: Timestamp) -> Result<(), StoreError> {
        self.store.subscribers_told(told, at).await
    }

    fn open(&self, row: &SubscriberRow) -> Result<Subscriber, StoreError> {
        let Body { address, secret } = open_json(self.vault, BODY, row.id, Some(&row.body))?;
        Ok(Subscriber {
            id: row.id,
            kind: row.kind,
            address,
            secret: SecretString::new(secret),
            is_confirmed: row.confirmed_at.is_some(),
            told_at: row.told_at,
            token: SecretString::new(self.token(row.id)),
        })
    }

    fn token(&self, id: u128) -> String {
        let proof = self.vault.keyed_hash(TOKEN, &id.to_be_bytes());
        format!("{id:032x}{}", hex(&proof[..16]))
    }

    /// The id in `token`, if it is one of ours. An id tells nothing without its proof,
    /// and a proof is not to be found digit by digit: ids are random.
    fn id_of(&self, token: &str) -> Option<u128> {
        let digits = token.len() == TOKEN_DIGITS && token.bytes().all(|c| c.is_ascii_hexdigit());
        let id = u128::from_str_radix(token.get(..32).filter(|_| digits)?, 16).ok()?;
        (self.token(id) == token).then_some(id)
    }
}

/// Who was asked before this instant is too late to confirm.
fn before(now: Timestamp) -> Timestamp {
    let lasts = u64::try_from(CONFIRM_WITHIN.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(now.millis().saturating_sub(lasts))
}
