//! The waiting list: whoever came first is let in first, and nobody's place gets
//! worse. One person has one place, one network a bounded number of them, so that
//! nobody can take the list for themselves.

use std::time::Duration;

use surgewall_core::clock::{DAY_S, Timestamp};
use surgewall_core::principal::Network;

use super::desk::{Desk, change};
use super::sealed::{email_hash, network_hash, seal_email};
use super::{GateStore, LET_IN_MAX, PLACES_MAX, PLACES_PER_NETWORK_MAX, PlacePick, PlaceRow};
use crate::admin::{AdminError, Signed, email};
use crate::people::StoreError;

/// What became of asking for a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Join {
    /// They wait, at this position from 1 on.
    Waiting(u64),
    /// Their turn has come already.
    LetIn,
    /// The list, or their network's part of it, is full.
    Full,
}

impl<S: GateStore> Desk<S> {
    /// The position of the e-mail `normal` (in lower case) on the waiting list,
    /// from 1 on.
    ///
    /// # Errors
    /// The store failed.
    pub async fn position(&self, normal: &str) -> Result<Option<u64>, StoreError> {
        self.store.position(&email_hash(&self.vault, normal)).await
    }

    /// Gives the e-mail a place behind all others, or says which it has.
    ///
    /// # Errors
    /// The address is none, or the store failed.
    pub async fn join(
        &self,
        address: &str,
        network: Network,
        now: Timestamp,
    ) -> Result<Join, AdminError> {
        let address = email(address)?;
        let hash = email_hash(&self.vault, &address.normal);
        let _turn = self.turn().await;
        if let Some(position) = self.store.position(&hash).await? {
            return Ok(Join::Waiting(position));
        }
        if let Some(place) = self.store.places(&PlacePick::Email(hash)).await?.first() {
            if place.let_in.is_some_and(|(_, until)| now < until) {
                return Ok(Join::LetIn);
            }
            // They missed their turn: they may wait again, behind all others.
            self.store.forget_place(place.number, now).await?;
        }
        let network_hash = network_hash(&self.vault, network);
        let waiting = self.store.waiting().await?;
        if waiting >= PLACES_MAX
            || self.store.waiting_of(&network_hash).await? >= PLACES_PER_NETWORK_MAX
        {
            return Ok(Join::Full);
        }
        let number = self.store.last_place().await? + 1;
        let row = PlaceRow {
            number,
            email_hash: hash,
            email: seal_email(&self.vault, number, &address.shown),
            network_hash,
            joined_at: now,
            let_in: None,
        };
        self.store.add_place(&row).await?;
        self.count().await?;
        Ok(Join::Waiting(waiting + 1))
    }

    /// Lets the first `count` in, for `days`. Gives their places.
    pub(super) async fn admit(
        &self,
        signed: Signed<'_>,
        count: u32,
        days: u32,
        now: Timestamp,
    ) -> Result<Vec<PlaceRow>, AdminError> {
        if !(1..=LET_IN_MAX).contains(&count) {
            return Err(AdminError::invalid(format!("from 1 to {LET_IN_MAX} at once")));
        }
        let _turn = self.turn().await;
        let pick = PlacePick::Waiting { after: 0, rows_max: count };
        let rows = self.store.places(&pick).await?;
        if rows.is_empty() {
            return Ok(rows);
        }
        let until = now.plus(Duration::from_secs(u64::from(days) * DAY_S));
        let detail = format!("places={} days={days} by={signed}", rows.len());
        change(signed.ledger, "gate.waiting.admit", None, Some(detail), now).await?;
        let numbers: Vec<_> = rows.iter().map(|row| row.number).collect();
        self.store.let_in(&numbers, now, until).await?;
        self.count().await?;
        Ok(rows.into_iter().map(|row| PlaceRow { let_in: Some((now, until)), ..row }).collect())
    }
}
