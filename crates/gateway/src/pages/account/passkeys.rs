//! The account's passkeys: adding one, and removing it.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use surgewall_core::refusal::Refusal;
use surgewall_identity::mail::Changed as LetterOf;
use surgewall_identity::passkey::{
    PASSKEYS_MAX, PasskeyError, PasskeyUser, Registration, StoredPasskey, UserHandle,
};
use surgewall_store::identity::{Identity as _, LABEL_CHARS_MAX, email_of};
use surgewall_store::people::StoreError;

use super::{factors, security};
use crate::pages::answer::{self, internal, see_other};
use crate::pages::forms::{self, Form};
use crate::pages::passkeys::{self as known, Here};
use crate::pages::sign_in::{passkey_fault as fault, with_ticket};
use crate::pages::tickets::{self, TicketKind};
use crate::pages::visit::Visit;
use crate::session::SignedIn;

/// A passkey that is being made, and for whom.
#[derive(Serialize, Deserialize)]
struct Begun {
    here: Here,
    account: u128,
    state: Registration,
}

/// What the page sends back.
#[derive(Deserialize)]
struct Sent<'a> {
    ticket: &'a str,
    #[serde(borrow)]
    credential: &'a RawValue,
    #[serde(default)]
    label: Option<String>,
}

/// A challenge for the device.
pub(super) async fn begin(visit: &Visit<'_>, who: &SignedIn) -> Result<Response, Refusal> {
    let present = factors(visit, who).await?.passkeys().map_err(|error| internal(&error))?;
    let present: Vec<StoredPasskey> = present.iter().filter_map(known::read).collect();
    let row = visit.row(who).await?;
    let name = email_of(&visit.door.vault, &row).map_err(|error| internal(&error))?;
    let name = name.unwrap_or_else(|| row.public_id.to_string());
    // One handle an account: a device so replaces its own, and keeps no two.
    let handle = present.first().map_or_else(UserHandle::random, StoredPasskey::user);
    let user = PasskeyUser { handle, name: &name, display_name: &name };
    let begun = || {
        let here = Here::of(visit)?;
        let (options, state) = here.passkeys()?.begin_registration(&user, &present, visit.now())?;
        Ok((options, Begun { here, account: who.account.id.as_u128(), state }))
    };
    let (options, begun) = match begun() {
        Ok(begun) => begun,
        Err(error) => return fault(&error),
    };
    let ticket = tickets::issue(visit.door, TicketKind::PasskeyAdd, &begun);
    answer::json(StatusCode::OK, &with_ticket(options, ticket.as_deref()))
}

/// The device's answer: the passkey is the account's from now on.
pub(super) async fn finish(
    visit: &Visit<'_>,
    who: &SignedIn,
    body: Body,
) -> Result<Response, Refusal> {
    let sent: Box<RawValue> = forms::read_json(visit.door, &visit.headers, body).await?;
    let malformed =
        |_| Refusal::InvalidRequest { reason: "not a passkey's answer".into(), param: None };
    let sent: Sent<'_> = serde_json::from_str(sent.get()).map_err(malformed)?;
    let begun: Option<Begun> = tickets::open(visit.door, TicketKind::PasskeyAdd, sent.ticket);
    let begun = begun.filter(|begun| begun.account == who.account.id.as_u128());
    let Some(begun) = begun else { return fault(&PasskeyError::Expired) };
    let response = sent.credential.get().as_bytes();
    let made = begun
        .here
        .again(visit)
        .and_then(|it| it.finish_registration(&begun.state, response, visit.now()));
    let passkey = match made {
        Ok(passkey) => passkey,
        Err(error) => return fault(&error),
    };
    if !tickets::use_up(visit.door, sent.ticket) {
        return fault(&PasskeyError::Expired);
    }
    let label = label(sent.label.as_deref().unwrap_or_default());
    let json = serde_json::to_string(&passkey).map_err(|error| internal(&error))?;
    visit.record("passkey.add", who.account.public_id.as_str(), None).await?;
    let factors = factors(visit, who).await?;
    match factors.add_passkey(passkey.credential(), &json, &label, visit.now()).await {
        Ok(true) => {
            visit.tell(&visit.row(who).await?, LetterOf::PasskeyAdded);
            answer::json(StatusCode::OK, &json!({ "next": "/account/security?passkey" }))
        }
        Ok(false) => fault(&PasskeyError::TooMany { max: PASSKEYS_MAX }),
        Err(StoreError::Duplicate { .. }) => {
            fault(&PasskeyError::Refused("somebody has it already".to_owned()))
        }
        Err(error) => Err(internal(&error)),
    }
}

/// What its owner calls it, in one line.
fn label(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control()).take(LABEL_CHARS_MAX);
    let label = plain.collect::<String>().trim().to_owned();
    if label.is_empty() { "Passkey".to_owned() } else { label }
}

/// Removes one.
pub(super) async fn remove(
    visit: &Visit<'_>,
    who: &SignedIn,
    sent: &Form,
) -> Result<Response, Refusal> {
    let asked = sent.text("passkey");
    let factors = factors(visit, who).await?;
    let own = factors.passkeys().map_err(|error| internal(&error))?;
    if !own.iter().any(|passkey| passkey.public_id.as_str() == asked) {
        return Err(Refusal::RouteUnknown);
    }
    let row = visit.row(who).await?;
    let has_another_way =
        own.len() > 1 || factors.password_set_at().is_some() || row.external.is_some();
    if !has_another_way {
        let error = "This is the only way into your account. Set a password first.".to_owned();
        return security::again(visit, who, error).await;
    }
    visit.record("passkey.remove", who.account.public_id.as_str(), None).await?;
    let removed = visit.door.people.remove_factor(who.account.id, asked).await;
    removed.map_err(|error| internal(&error))?;
    visit.tell(&row, LetterOf::PasskeyRemoved);
    see_other("/account/security?removed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_short_line() {
        for (text, expected) in
            [("Laptop", "Laptop"), (" a\nb ", "ab"), ("", "Passkey"), ("\u{7}", "Passkey")]
        {
            assert_eq!(label(text), expected, "{text:?}");
        }
        assert_eq!(label(&"x".repeat(LABEL_CHARS_MAX)).len(), LABEL_CHARS_MAX);
        assert_eq!(label(&"x".repeat(LABEL_CHARS_MAX + 1)).len(), LABEL_CHARS_MAX);
    }
}
