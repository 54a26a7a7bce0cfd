//! What protects the account: its password, an authenticator app, recovery codes.

use askama::Template;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use surgewall_core::figures::{day, minute};
use surgewall_core::refusal::Refusal;
use surgewall_core::secret::SecretString;
use surgewall_identity::hasher::{NotTaken, Purpose as HashFor};
use surgewall_identity::mail::Changed as LetterOf;
use surgewall_identity::password::Factors as Beside;
use surgewall_identity::recovery;
use surgewall_identity::totp::TotpSecret;
use surgewall_store::identity::{FactorKind, email_of};

use super::{factors, keys};
use crate::pages::answer::{WithStatus as _, internal, scripted, see_other};
use crate::pages::forms::Form;
use crate::pages::frame::Frame;
use crate::pages::passkeys::SERVICE;
use crate::pages::sign_in::unrecorded;
use crate::pages::sign_up;
use crate::pages::tickets::{self, TicketKind};
use crate::pages::visit::Visit;
use crate::session::{self, SignedIn};

/// What is said after a new password by a link.
const NEW_PASSWORD: &str = "Your password is new. If somebody else may have been in your account, remove below what they may have left.";

struct PasskeyRow {
    id: String,
    label: String,
    since: String,
    used: String,
}

#[derive(Template)]
#[template(path = "security.html")]
struct Page {
    frame: Frame,
    note: &'static str,
    error: String,
    email: String,
    password: String,
    chars_min: usize,
    passkeys: Vec<PasskeyRow>,
    keys: usize,
    totp: bool,
    recovery: usize,
    codes: Vec<String>,
    secret: String,
    url: String,
    ticket: String,
}

/// The secret of an authenticator app while it is being set up.
#[derive(Serialize, Deserialize)]
struct Begun {
    account: u128,
    secret: String,
}

/// A TOTP secret as it is stored.
fn written(secret: &TotpSecret) -> SecretString {
    SecretString::new(STANDARD_NO_PAD.encode(secret.bytes()))
}

/// The TOTP secret that was stored so.
pub(in crate::pages) fn totp_secret(stored: &str) -> Option<TotpSecret> {
    TotpSecret::from_bytes(&STANDARD_NO_PAD.decode(stored).ok()?)
}

async fn form(visit: &Visit<'_>, who: &SignedIn) -> Result<Page, Refusal> {
    let factors = factors(visit, who).await?;
    let totp = factors.totp().map_err(|error| internal(&error))?.is_some();
    let row = visit.row(who).await?;
    let email = email_of(&visit.door.vault, &row).map_err(|error| internal(&error))?;
    let passkeys = factors.passkeys().map_err(|error| internal(&error))?.into_iter();
    let passkeys = passkeys.map(|passkey| PasskeyRow {
        id: passkey.public_id.to_string(),
        label: passkey.label,
        since: day(passkey.created_at),
        used: passkey.used_at.map_or_else(|| "not yet".to_owned(), minute),
    });
    Ok(Page {
        frame: Frame::inside(visit, "Security", "security"),
        note: "",
        error: String::new(),
        email: email.unwrap_or_default(),
        password: factors.password_set_at().map(day).unwrap_or_default(),
        chars_min: beside(totp).chars_min(),
        passkeys: passkeys.collect(),
        keys: keys::working(visit, who).await?.len(),
        totp,
        recovery: factors.recovery_codes(),
        codes: Vec::new(),
        secret: String::new(),
        url: String::new(),
        ticket: String::new(),
    })
}

/// How long a password must be.
const fn beside(totp: bool) -> Beside {
    if totp { Beside::WithSecondFactor } else { Beside::Alone }
}

/// All of it.
pub(super) async fn page(visit: &Visit<'_>, who: &SignedIn) -> Result<Response, Refusal> {
    let note = match visit.uri.query().unwrap_or_default() {
        "password" => "Your password was set. All your other sessions ended.",
        "totp-off" => "The authenticator app is off. All your other sessions ended.",
        "passkey" => "The passkey was added.",
        "new" => NEW_PASSWORD,
        "cleaned" => "Passkeys and keys are removed, and all your other sessions ended.",
        "removed" => "The passkey was removed.",
        _ => "",
    };
    scripted(&Page { note, ..form(visit, who).await? })
}

pub(super) async fn again(
    visit: &Visit<'_>,
    who: &SignedIn,
    error: String,
) -> Result<Response, Refusal> {
    let page = Page { error, ..form(visit, who).await? };
    scripted(&page).with_status(StatusCode::UNPROCESSABLE_ENTITY)
}

/// A new password; all other sessions end.
pub(super) async fn set_password(
    visit: &Visit<'_>,
    who: &SignedIn,
    sent: &Form,
) -> Result<Response, Refusal> {
    let shown = form(visit, who).await?;
    // The stricter rule first: a password that holds alone is no hindrance when the app goes.
    let mut rule = Beside::Alone;
    let mut taken = take(visit, sent, rule, &shown.email).await;
    if shown.totp && matches!(taken, Err(NotTaken::Fault(_))) {
        rule = Beside::WithSecondFactor;
        taken = take(visit, sent, rule, &shown.email).await;
    }
    let hash = match taken {
        Ok(hash) => hash,
        Err(NotTaken::Fault(fault)) => return again(visit, who, fault.to_string()).await,
        Err(NotTaken::Busy(busy)) => return again(visit, who, busy.to_string()).await,
    };
    sign_up::set_password_beside(visit, &visit.row(who).await?, &hash, rule).await?;
    end_others(visit, who).await?;
    see_other("/account/security?password")
}

async fn take(
    visit: &Visit<'_>,
    sent: &Form,
    rule: Beside,
    email: &str,
) -> Result<String, NotTaken> {
    sign_up::take(visit, HashFor::Reset, (sent.secret("password"), rule), email).await
}

/// What protects the account changed: other sessions prove themselves anew.
async fn end_others(visit: &Visit<'_>, who: &SignedIn) -> Result<(), Refusal> {
    let others = session::end(visit.door, &who.account, |session| session.public_id != who.session);
    others.await.map(drop).map_err(unrecorded)
}

/// Takes away what somebody else may have left as a way back in: all passkeys, all
/// keys, all other sessions.
pub(super) async fn clean(visit: &Visit<'_>, who: &SignedIn) -> Result<Response, Refusal> {
    let factors = factors(visit, who).await?;
    let row = visit.row(who).await?;
    if !factors.passkeys().map_err(|error| internal(&error))?.is_empty() {
        if factors.password_set_at().is_none() && row.external.is_none() {
            let words = "Set a password first: without passkeys there would be no way in.";
            return again(visit, who, words.to_owned()).await;
        }
        visit.record("passkey.remove", who.account.public_id.as_str(), None).await?;
        factors.clear(FactorKind::Passkey).await.map_err(|error| internal(&error))?;
        visit.tell(&row, LetterOf::PasskeyRemoved);
    }
    for key in keys::working(visit, who).await? {
        keys::end(visit, who, &key.id).await?;
    }
    end_others(visit, who).await?;
    see_other("/account/security?cleaned")
}

/// Begins to set an authenticator app up: a secret that counts for nothing yet.
pub(super) async fn totp_begin(visit: &Visit<'_>, who: &SignedIn) -> Result<Response, Refusal> {
    totp_form(visit, who, &TotpSecret::random(), String::new()).await
}

async fn totp_form(
    visit: &Visit<'_>,
    who: &SignedIn,
    secret: &TotpSecret,
    error: String,
) -> Result<Response, Refusal> {
    let account = who.account.id.as_u128();
    let begun = Begun { account, secret: written(secret).expose().clone() };
    let ticket = tickets::issue(visit.door, TicketKind::Totp, &begun);
    let shown = form(visit, who).await?;
    let name = if shown.email.is_empty() {
        who.account.public_id.to_string()
    } else {
        shown.email.clone()
    };
    scripted(&Page {
        error,
        secret: secret.base32().expose().clone(),
        url: secret.url(SERVICE, &name).expose().clone(),
        ticket: ticket.unwrap_or_default(),
        ..shown
    })
}

/// Turns the app on, with a code that proves that it works; the recovery codes
/// are shown this once.
pub(super) async fn totp_on(
    visit: &Visit<'_>,
    who: &SignedIn,
    sent: &Form,
) -> Result<Response, Refusal> {
    let begun: Option<Begun> = tickets::open(visit.door, TicketKind::Totp, sent.text("ticket"));
    let begun = begun.filter(|begun| begun.account == who.account.id.as_u128());
    let Some(secret) = begun.and_then(|begun| totp_secret(&begun.secret)) else {
        return again(visit, who, "That took too long. Set it up again.".to_owned()).await;
    };
    let Some(step) = secret.check(sent.text("code"), None, visit.now()) else {
        let error = "This is not the code that the app shows now. Is its clock right?".to_owned();
        return totp_form(visit, who, &secret, error)
            .await
            .with_status(StatusCode::UNPROCESSABLE_ENTITY);
    };
    visit.record("totp.on", who.account.public_id.as_str(), None).await?;
    let factors = factors(visit, who).await?;
    let set = factors.set_totp(&written(&secret), step, visit.now()).await;
    set.map_err(|error| internal(&error))?;
    end_others(visit, who).await?;
    visit.tell(&visit.row(who).await?, LetterOf::TotpOn);
    new_codes(visit, who, "The authenticator app is on.").await
}

/// Turns the app off; its recovery codes go with it.
pub(super) async fn totp_off(visit: &Visit<'_>, who: &SignedIn) -> Result<Response, Refusal> {
    let factors = factors(visit, who).await?;
    if factors.is_password_beside() {
        let chars_min = Beside::Alone.chars_min();
        let error = format!(
            "Your password is too weak to stand alone. Set one of at least {chars_min} characters first."
        );
        return again(visit, who, error).await;
    }
    visit.record("totp.off", who.account.public_id.as_str(), None).await?;
    for kind in [FactorKind::Totp, FactorKind::Recovery] {
        factors.clear(kind).await.map_err(|error| internal(&error))?;
    }
    end_others(visit, who).await?;
    visit.tell(&visit.row(who).await?, LetterOf::TotpOff);
    see_other("/account/security?totp-off")
}

/// New recovery codes in place of those before.
pub(super) async fn recovery_codes(visit: &Visit<'_>, who: &SignedIn) -> Result<Response, Refusal> {
    if factors(visit, who).await?.totp().map_err(|error| internal(&error))?.is_none() {
        return again(
            visit,
            who,
            "Recovery codes stand in for an authenticator app: set one up first.".to_owned(),
        )
        .await;
    }
    visit.record("recovery.set", who.account.public_id.as_str(), None).await?;
    let answer = new_codes(visit, who, "These take the place of the codes before.").await?;
    visit.tell(&visit.row(who).await?, LetterOf::RecoveryCodesMade);
    Ok(answer)
}

async fn new_codes(
    visit: &Visit<'_>,
    who: &SignedIn,
    note: &'static str,
) -> Result<Response, Refusal> {
    let codes = recovery::generate();
    let canonical: Vec<_> =
        codes.iter().filter_map(|code| recovery::canonical(code.expose())).collect();
    let factors = factors(visit, who).await?;
    let hashed = canonical.iter().map(|code| code.expose().as_str());
    let set = factors.set_recovery_codes(hashed, visit.now()).await;
    set.map_err(|error| internal(&error))?;
    let codes = codes.iter().map(|code| code.expose().clone()).collect();
    scripted(&Page { note, codes, ..form(visit, who).await? })
}
