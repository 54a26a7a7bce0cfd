//! The waiting list: whoever came first is let in first, and nobody's place gets
//! worse. A place is whose ticket it is: asking for one with somebody's e-mail tells
//! nothing of theirs. One network has a bounded number of them, so that nobody can
//! take the list for themselves.

use std::time::Duration;

use surgewall_core::clock::{DAY_S, Timestamp};
use surgewall_core::principal::Network;
use surgewall_core::secret::SecretString;

use super::desk::{Desk, change};
use super::sealed::{email_hash, network_hash, place_proof, seal_email};
use super::{GateStore, LET_IN_MAX, PLACES_MAX, PLACES_PER_NETWORK_MAX, PlacePick, PlaceRow};
use crate::admin::{AdminError, Signed, email};
use crate::people::StoreError;

/// What every ticket of a place begins with.
pub const PLACE_PREFIX: &str = "sw_place_";

/// What became of asking for a place.
#[derive(Clone, Debug)]
pub enum Join {
    /// They wait.
    Waiting {
        /// How many are before them, and they themselves.
        position: u64,
        /// What they show to see how far they are, and to come in.
        ticket: SecretString,
    },
    /// The list, or their network's part of it, is full.
    Full,
}

/// How far a place is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// It waits, at this position from 1 on.
    Waiting(u64),
    /// Its turn has come.
    LetIn,
}

impl<S: GateStore> Desk<S> {
    /// How far the place is that `ticket` is of; `None` if it is of none, or its time
    /// is over.
    ///
    /// # Errors
    /// The store failed.
    pub async fn place(&self, ticket: &str, now: Timestamp) -> Result<Option<Place>, StoreError> {
        let Some(row) = self.place_row(ticket).await? else { return Ok(None) };
        match row.let_in {
            Some((_, until)) => Ok((now < until).then_some(Place::LetIn)),
            None => Ok(self.store.position(row.number).await?.map(Place::Waiting)),
        }
    }

    /// The position of the first place of the e-mail `normal` (in lower case) that
    /// waits. Only for whoever proved that it is theirs.
    ///
    /// # Errors
    /// The store failed.
    pub async fn position(&self, normal: &str) -> Result<Option<u64>, StoreError> {
        let pick = PlacePick::Email(email_hash(&self.vault, normal));
        let places = self.store.places(&pick).await?;
        match places.iter().find(|place| place.let_in.is_none()) {
            Some(place) => self.store.position(place.number).await,
            None => Ok(None),
        }
    }

    /// Gives the e-mail a place behind all others.
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
        let _turn = self.turn().await;
        // Whoever missed their turn makes room; no place has the number 0.
        self.store.forget_place(0, now).await?;
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
            email_hash: email_hash(&self.vault, &address.normal),
            email: seal_email(&self.vault, number, &address.shown),
            network_hash,
            joined_at: now,
            let_in: None,
        };
        self.store.add_place(&row).await?;
        self.count().await?;
        Ok(Join::Waiting { position: waiting + 1, ticket: self.ticket(number, now) })
    }

    /// The ticket of the place `number`, that was asked for at `joined_at`.
    #[must_use]
    pub fn ticket(&self, number: u64, joined_at: Timestamp) -> SecretString {
        let proof = place_proof(&self.vault, number, joined_at);
        SecretString::new(format!("{PLACE_PREFIX}{number}_{proof:032x}"))
    }

    /// The place that `ticket` is of.
    pub(super) async fn place_row(&self, ticket: &str) -> Result<Option<PlaceRow>, StoreError> {
        let parts = ticket.trim().strip_prefix(PLACE_PREFIX).and_then(|it| it.split_once('_'));
        let Some(number) = parts.and_then(|(number, _)| number.parse().ok()) else {
            return Ok(None);
        };
        let row = self.store.places(&PlacePick::Number(number)).await?.into_iter().next();
        Ok(row.filter(|row| self.ticket(number, row.joined_at).expose() == ticket.trim()))
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
