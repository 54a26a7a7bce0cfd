//! Who is told of what the status page tells, by letter or by request.
//!
//! [`Subscribers`] is what a door works with; engines implement
//! [`SubscriberStore`] and get keyed hashes and sealed bytes only.

mod desk;

use std::future::Future;
use std::time::Duration;

use surgewall_core::clock::Timestamp;

use crate::people::StoreError;

pub use desk::{Asked, Subscriber, Subscribers};

/// Subscribers that confirmed; past it nobody can subscribe.
pub const SUBSCRIBERS_MAX: u64 = 10_000;
/// Those who were asked to confirm and did not yet.
pub const UNCONFIRMED_MAX: u64 = 1_000;
/// The same, of one network.
pub const UNCONFIRMED_PER_NETWORK_MAX: u64 = 5;
/// Whoever did not confirm by then is forgotten.
pub const CONFIRM_WITHIN: Duration = Duration::from_secs(24 * 3_600);
/// Times in a row that a subscriber cannot be told; then it is forgotten.
pub const FAILURES_MAX: u32 = 20;

/// How a subscriber is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubscriberKind {
    /// By letter.
    Email,
    /// By a signed request.
    Webhook,
}

impl SubscriberKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Email, Self::Webhook];

    /// The word in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Webhook => "webhook",
        }
    }
}

/// One subscriber, as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct SubscriberRow {
    /// Its id: 128 random bits.
    pub id: u128,
    /// How it is told.
    pub kind: SubscriberKind,
    /// Keyed hash of its address.
    pub address_hash: [u8; 32],
    /// Its address, and what requests to it are signed with, sealed.
    pub body: Vec<u8>,
    /// Keyed hash of the network that asked.
    pub network_hash: [u8; 32],
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When it was confirmed.
    pub confirmed_at: Option<Timestamp>,
    /// Of what was said up to then it was told.
    pub told_at: Timestamp,
    /// Times in a row that it could not be told.
    pub failures: u32,
}

/// How many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriberCounts {
    /// Confirmed.
    pub confirmed: u64,
    /// Asked to confirm.
    pub unconfirmed: u64,
    /// Asked to confirm, of one network.
    pub of_network: u64,
}

/// Where subscribers are kept.
pub trait SubscriberStore: Send + Sync {
    /// The one with this id.
    fn subscriber(
        &self,
        id: u128,
    ) -> impl Future<Output = Result<Option<SubscriberRow>, StoreError>> + Send;

    /// The one with this address, by its keyed hash.
    fn subscriber_at(
        &self,
        address_hash: &[u8; 32],
    ) -> impl Future<Output = Result<Option<SubscriberRow>, StoreError>> + Send;

    /// How many there are, and of the network with this keyed hash.
    fn count_subscribers(
        &self,
        network_hash: &[u8; 32],
    ) -> impl Future<Output = Result<SubscriberCounts, StoreError>> + Send;

    /// Adds one.
    fn add_subscriber(
        &self,
        row: &SubscriberRow,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// It is confirmed, and told of what is said from `at` on; whether it is there.
    fn confirm_subscriber(
        &self,
        id: u128,
        at: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Forgets it; whether it was there.
    fn remove_subscriber(&self, id: u128) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Those who confirmed and were not told of what was said before `said_at`, by
    /// their ids from after `after` on, at most `rows_max`.
    fn subscribers_due(
        &self,
        said_at: Timestamp,
        after: Option<u128>,
        rows_max: u32,
    ) -> impl Future<Output = Result<Vec<SubscriberRow>, StoreError>> + Send;

    /// They were told of what was said up to `at`: `true` means that it went well.
    /// Whoever could not be told [`FAILURES_MAX`] times in a row is forgotten.
    fn subscribers_told(
        &self,
        told: &[(u128, bool)],
        at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Forgets those who were asked before `before` and did not confirm.
    fn sweep_subscribers(
        &self,
        before: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
