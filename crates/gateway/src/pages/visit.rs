//! One request of a page, and what its handlers ask of it.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, Uri};
use surgewall_core::clock::Timestamp;
use surgewall_core::decision::{Changed, Record};
use surgewall_core::principal::Network;
use surgewall_core::refusal::Refusal;
use surgewall_identity::mail::{Changed as LetterOf, Letter};
use surgewall_store::identity::email_of;
use surgewall_store::people::AccountRow;
use surgewall_store::people::{People as _, Pick};

use super::answer::internal;
use super::forms::{self, Form};
use crate::door::Door;
use crate::listen::Purpose;
use crate::pipeline::{Arrival, identify};
use crate::session::{self, SignedIn};

/// A request of a page.
pub(crate) struct Visit<'a> {
    /// The door.
    pub(crate) door: &'a Arc<Door>,
    /// The request as the door counts it.
    pub(crate) arrival: &'a Arrival,
    /// Its heads.
    pub(crate) headers: HeaderMap,
    /// Its address.
    pub(crate) uri: Uri,
}

impl Visit<'_> {
    pub(crate) const fn purpose(&self) -> Purpose {
        self.arrival.route.listener
    }

    pub(crate) const fn network(&self) -> Network {
        self.arrival.network
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.door.clock.now()
    }

    /// Who is signed in here.
    pub(crate) fn signed_in(&self) -> Option<SignedIn> {
        let who = session::signed_in(self.door, self.purpose(), &self.headers)?;
        identify::remember(self.door, self.arrival);
        Some(who)
    }

    /// The row of who is signed in.
    pub(crate) async fn row(&self, who: &SignedIn) -> Result<AccountRow, Refusal> {
        let pick = Pick::Ids(vec![who.account.id.as_u128()]);
        let rows = self.door.people.accounts(&pick).await.map_err(|error| internal(&error))?;
        rows.into_iter().next().ok_or_else(|| internal(&"an account without a row"))
    }

    /// A value of the address's query.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let pairs = self.uri.query().unwrap_or_default().split('&');
        let mut own = pairs.filter_map(|pair| pair.split_once('=')).filter(|(key, _)| *key == name);
        own.next().and_then(|(_, value)| forms::decode(value.as_bytes()))
    }

    /// The last part of the address's path.
    pub(crate) fn last_segment(&self) -> &str {
        self.uri.path().rsplit('/').next().unwrap_or_default()
    }

    /// Writes a change to the ledger, before it is made.
    pub(crate) async fn record(
        &self,
        action: &str,
        subject: &str,
        detail: Option<String>,
    ) -> Result<(), Refusal> {
        let changed = Changed {
            at: self.now(),
            action: action.to_owned(),
            subject: Some(subject.to_owned()),
            detail,
        };
        let written = self.door.ledger.append(Record::Changed(changed)).await;
        written.map(drop).map_err(|error| Refusal::LedgerUnavailable { why: error.to_string() })
    }

    /// Tells the owner of `account` by mail what was changed, where letters are sent.
    pub(crate) fn tell(&self, account: &AccountRow, what: LetterOf) {
        let Some(mailer) = &self.arrival.policy.outside.mailer else { return };
        let to = match email_of(&self.door.vault, account) {
            Ok(Some(to)) => to,
            Ok(None) => return,
            Err(error) => return tracing::warn!(%error, "an address does not open"),
        };
        let letter = Letter::Changed { what, at: self.now() };
        if let Err(error) = mailer.send(&to, &letter, self.now()) {
            tracing::warn!(%error, "a letter about a change is not sent");
        }
    }

    /// The form that was sent.
    pub(crate) async fn form(&self, body: Body) -> Result<Form, Refusal> {
        forms::read_form(self.door, &self.headers, body).await
    }
}

/// Where to go after signing in: a path of ours, or none. A text that a browser
/// could take for another site's address is none.
pub(crate) fn local_path(text: &str) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.?=&".contains(&byte);
    let local = text.starts_with('/') && !text.starts_with("//") && text.len() <= 200;
    (local && text.bytes().all(plain)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_paths_are_gone_to() {
        for (text, fine) in [
            ("/", true),
            ("/account/keys?made=1", true),
            ("//evil.example", false),
            ("/\\evil.example", false),
            ("https://evil.example/", false),
            ("javascript:1", false),
            ("/a\r\nset-cookie: x", false),
            ("/%2f", false),
            ("", false),
        ] {
            assert_eq!(local_path(text).is_some(), fine, "{text}");
        }
        assert!(local_path(&format!("/{}", "a".repeat(199))).is_some());
        assert!(local_path(&format!("/{}", "a".repeat(200))).is_none());
    }
}
