//! A key that somebody found: it is looked up once, revoked, and its owner told.
//!
//! What is done does not depend on who found it, and whoever did learns nothing
//! by it: whether a text is a key of this door is for its owner to know.

use std::sync::Arc;

use surgewall_core::apikey;
use surgewall_core::config::disclosure::FoundKeys;
use surgewall_core::decision::{Changed, Record};
use surgewall_core::finding::{Finding, Severity};
use surgewall_core::id::PublicId;
use surgewall_core::principal::{KeyRecord, Network};
use surgewall_identity::mail::Letter;
use surgewall_store::admin::{KeyView, Named, Reply, Request};
use surgewall_store::findings::Report;
use surgewall_store::identity::email_of;
use surgewall_store::people::{People as _, Pick};

use super::plain;
use crate::door::Door;
use crate::operate::{By, operate, operate_by};

/// Keys that one network may hand in within an hour.
pub(crate) const NETWORK_PER_HOUR: u32 = 20;
/// Keys that may be handed in within an hour, without a signature.
const PER_HOUR: u32 = 600;
/// Findings of found keys that stand.
const STANDING_MAX: u32 = 2_000;
/// Bytes of the place where it was found that are kept.
const PLACE_BYTES_MAX: usize = 1 << 10;

/// Who tells it to the inbox.
const PRODUCER: &str = "found-key";
/// The rule of the findings.
const RULE: &str = "key.found";

/// How a key was found.
#[derive(Clone, Copy)]
pub(crate) enum Finder<'a> {
    /// Somebody handed it in by the form.
    Form,
    /// GitHub saw it in public.
    Github {
        /// Where; may be empty.
        url: &'a str,
        /// In what.
        source: &'a str,
    },
}

impl Finder<'_> {
    /// What the ledger calls it.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Form => "finder",
            Self::Github { .. } => "github",
        }
    }

    /// What was seen.
    fn seen(self) -> String {
        match self {
            Self::Form => "Somebody handed it in by the form for found keys.".to_owned(),
            Self::Github { url, source } => {
                let place = plain(url);
                let end = place.floor_char_boundary(PLACE_BYTES_MAX);
                let source: String = plain(source).chars().take(40).collect();
                format!("GitHub saw it in public ({source}): {}", &place[..end])
            }
        }
    }
}

/// A key cannot be dealt with now.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotDealtWith(String);

fn not_dealt_with(error: impl std::fmt::Display) -> NotDealtWith {
    NotDealtWith(error.to_string())
}

/// The key in what somebody pasted: one of our own form wherever it stands, else
/// all of it.
fn credential(pasted: &str) -> &str {
    let starts = pasted.match_indices(apikey::PREFIX).map(|(at, _)| at);
    let keys = starts.filter_map(|at| pasted.get(at..at + apikey::LEN));
    keys.into_iter().find(|key| apikey::is_well_formed(key)).unwrap_or_else(|| pasted.trim())
}

/// Takes what somebody pasted, and deals with it beside the answer: how long that
/// takes tells nothing.
///
/// # Errors
/// Too many came of this network, or of all: how long until one more may.
pub(crate) fn hand_in(
    door: &Arc<Door>,
    network: Network,
    pasted: &str,
) -> Result<(), std::time::Duration> {
    let paces = (NETWORK_PER_HOUR, PER_HOUR);
    door.disclosures.keys.admit(network, door.clock.now(), paces)?;
    let key = door.directory.key_of(credential(pasted));
    let here = door.clone();
    door.tasks.background(async move {
        let Some(key) = key else { return };
        if let Err(error) = found(&here, &key, Finder::Form).await {
            tracing::error!(%error, "a key that was found could not be dealt with");
        }
    });
    Ok(())
}

/// Deals with a key of this door that was found: as configured it is revoked; the
/// ledger, the inbox and its owner hear of it. One that is revoked already is done.
///
/// # Errors
/// The store or the ledger failed: what was not recorded was not done.
pub(crate) async fn found(
    door: &Door,
    key: &KeyRecord,
    finder: Finder<'_>,
) -> Result<(), NotDealtWith> {
    if key.revoked_at.is_some() {
        return Ok(());
    }
    let rows = door.people.keys(&Pick::Ids(vec![key.id.as_u128()])).await;
    let id = rows.map_err(not_dealt_with)?.into_iter().next().map(|row| row.public_id);
    let id = id.ok_or_else(|| not_dealt_with("a key without a row"))?;
    record(door, &id, finder).await?;
    let revokes = door.policy().config.disclosure.found_keys == FoundKeys::Revoke;
    let named = Named { name: id.to_string() };
    let replied = if revokes {
        operate_by(door, By::Finder(finder.as_str()), Request::KeyRevoke(named)).await
    } else {
        operate(door, Request::KeyShow(named)).await
    };
    let Reply::Key(view) = replied.map_err(not_dealt_with)? else {
        return Err(not_dealt_with("no key was answered"));
    };
    let report = Report::told(PRODUCER, finding(&view, finder, revokes), STANDING_MAX);
    let reported = door.report(report).await.map_err(not_dealt_with)?;
    // Told once: not each time that somebody hands in a key that is left as it is.
    if revokes || !reported.changes.is_empty() {
        tell_owner(door, key, &view, revokes).await?;
    }
    Ok(())
}

async fn record(door: &Door, id: &PublicId, finder: Finder<'_>) -> Result<(), NotDealtWith> {
    let changed = Changed {
        at: door.clock.now(),
        action: RULE.to_owned(),
        subject: Some(id.to_string()),
        detail: Some(format!("by={}", finder.as_str())),
    };
    door.ledger.append(Record::Changed(changed)).await.map(drop).map_err(not_dealt_with)
}

/// What a finding of the key with this public id is about.
fn subject(id: &PublicId) -> String {
    format!("key {id}")
}

fn finding(view: &KeyView, finder: Finder<'_>, revoked: bool) -> Finding {
    let (severity, done) = if revoked {
        (Severity::Warning, "It was revoked at once; its owner needs a new one. See what it was used for: `surgewall report usage --by key`.".to_owned())
    } else {
        let id = &view.id;
        (
            Severity::Critical,
            format!("It still works. Revoke it: `surgewall admin key revoke {id}`."),
        )
    };
    Finding::new(severity, RULE, subject(&view.id)).evidence(finder.seen()).advice(done)
}

/// A letter to the owner, where there is one and letters are sent.
async fn tell_owner(
    door: &Door,
    key: &KeyRecord,
    view: &KeyView,
    revoked: bool,
) -> Result<(), NotDealtWith> {
    let policy = door.policy();
    let (Some(mailer), Some(account)) = (&policy.outside.mailer, &key.account) else {
        return Ok(());
    };
    let rows = door.people.accounts(&Pick::Ids(vec![account.id.as_u128()])).await;
    let Some(row) = rows.map_err(not_dealt_with)?.into_iter().next() else { return Ok(()) };
    let Some(to) = email_of(&door.vault, &row).map_err(not_dealt_with)? else { return Ok(()) };
    let now = door.clock.now();
    let last_four = view.last_four.as_deref();
    let letter = Letter::KeyFound { last_four, revoked, at: now };
    if let Err(error) = mailer.send(&to, &letter, now) {
        tracing::warn!(%error, "a letter about a key that was found is not sent");
    }
    Ok(())
}

/// For each of `keys`, when it was first found, if it was.
///
/// # Errors
/// The store failed.
pub(crate) async fn when_found(
    door: &Door,
    keys: &[KeyView],
) -> Result<Vec<Option<surgewall_core::clock::Timestamp>>, surgewall_store::people::StoreError> {
    let subjects: Vec<_> = keys.iter().map(|key| subject(&key.id)).collect();
    door.findings.first_seen(RULE, &subjects).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_seen_in_what_was_pasted() {
        let key = apikey::generate();
        let key = key.expose().as_str();
        for pasted in [
            key.to_owned(),
            format!(" {key}\n"),
            format!("export KEY=\"{key}\""),
            format!("Authorization: Bearer {key}"),
            format!("sw_live_short {key}é"),
            format!("sw_live_{key}"),
        ] {
            assert_eq!(credential(&pasted), key, "{pasted}");
        }
        for (pasted, expected) in
            [("  sk-other \n", "sk-other"), ("", ""), ("sw_live_é", "sw_live_é")]
        {
            assert_eq!(credential(pasted), expected);
        }
    }

    #[test]
    fn where_it_was_seen_is_cut_and_plain() {
        let url = format!("https://example.org/{}\u{1b}", "é".repeat(PLACE_BYTES_MAX));
        let seen = Finder::Github { url: &url, source: "content\n" }.seen();
        assert!(seen.starts_with("GitHub saw it in public (content): https://example.org/é"));
        assert!(seen.len() < PLACE_BYTES_MAX + 100 && !seen.contains('\u{1b}'));
    }
}
