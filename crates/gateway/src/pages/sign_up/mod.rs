//! Making an account. The answer is the same whether the address was free: it is
//! told in a mail, or by whether one can sign in.

pub(super) mod gate;
mod mail;
mod passkey;
mod set_up;
mod waiting;

use std::time::Duration;

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use surgewall_core::refusal::Refusal;
use surgewall_core::secret::SecretString;
use surgewall_identity::hasher::{NewPassword, NotTaken, Purpose as HashFor};
use surgewall_identity::mail::Changed as LetterOf;
use surgewall_identity::password::{self, Factors as Beside};
use surgewall_store::admin::{ErrorKind, Reply, Request, UserCreate};
use surgewall_store::identity::{Factors, account_by_email, email_address};
use surgewall_store::people::AccountRow;
use tokio::time::sleep;

use super::answer::{WithStatus as _, internal, retry_after, scripted, see_other};
use super::forms::Form;
use super::frame::Frame;
use super::sign_in::{Provider, buttons, mailer};
use super::visit::Visit;
use crate::gate::GatePermit;
use crate::operate::operate;

pub(super) use gate::work;
pub(super) use mail::code;
pub(super) use passkey::{begin as passkey_begin, finish as passkey_finish};
pub(super) use set_up::{make as set_up_owner, page as set_up};
pub(super) use waiting::join;

use gate::Wanted;

/// How long it takes at least to make an account, or to find that there is one:
/// writing takes longer than reading, and the time would tell which it was.
const MADE_WITHIN: Duration = Duration::from_millis(50);

#[derive(Template)]
#[template(path = "sign_up.html")]
struct Page {
    frame: Frame,
    gate: String,
    error: String,
    email: String,
    invite: String,
    place: String,
    work: String,
    wait_s: u32,
    providers: Vec<Provider>,
    form: bool,
    asks_invite: bool,
    passkey: bool,
}

fn form(visit: &Visit<'_>) -> Page {
    let view = gate::view(visit);
    Page {
        frame: Frame::outside(visit, "Make an account"),
        gate: view.words,
        error: String::new(),
        email: String::new(),
        invite: String::new(),
        place: String::new(),
        work: view.work,
        wait_s: view.wait_s,
        providers: buttons(visit),
        form: view.form,
        asks_invite: view.invite,
        passkey: passkey::is_offered(visit),
    }
}

/// The form; an invite, or the ticket of a place on the waiting list, may come with
/// the address.
pub(super) async fn page(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let invite = visit.query("invite").unwrap_or_default();
    let place = waiting::place(visit, &invite).await;
    scripted(&Page { invite, place, ..form(visit) })
}

/// With an e-mail address and a password.
pub(super) async fn by_password(visit: &Visit<'_>, sent: &Form) -> Result<Response, Refusal> {
    let (typed, invite, work) = (sent.text("email"), sent.text("invite"), sent.text("work"));
    let again = |error: String, status| {
        let email = typed.chars().take(254).collect();
        let invite = invite.chars().take(200).collect();
        let page = Page { error, email, invite, ..form(visit) };
        let work = gate::ticket(visit, work, page.work.clone());
        scripted(&Page { work, ..page }).with_status(status)
    };
    let wrong = StatusCode::UNPROCESSABLE_ENTITY;
    let Ok(email) = email_address(typed) else {
        return again(
            "This is no e-mail address. Write it like ann@example.org.".to_owned(),
            wrong,
        );
    };
    let password = sent.secret("password");
    // Only what costs nothing is done before the gate is asked.
    if let Err(fault) = password::fits(&password, Beside::Alone) {
        return again(fault.to_string(), wrong);
    }
    let mailer = mailer(visit);
    // Where letters are sent, a code will prove the address before anything is made.
    let verified = mailer.is_some();
    let wanted = Wanted {
        email: Some(&email),
        proven: false,
        verified,
        invite: Some(invite),
        work: Some(work),
    };
    let mut permit = match gate::pass(visit, &wanted).await {
        Ok(permit) => permit,
        Err(held) => {
            let status = StatusCode::from_u16(held.status()).unwrap_or(StatusCode::FORBIDDEN);
            let mut response = again(held.public_words(), status)?;
            if let Some(after) = held.retry_after() {
                retry_after(&mut response, after.as_secs());
            }
            return Ok(response);
        }
    };
    let hash = match take(visit, HashFor::SignUp, (password, Beside::Alone), &email).await {
        Ok(hash) => hash,
        Err(NotTaken::Fault(fault)) => return again(fault.to_string(), wrong),
        Err(NotTaken::Busy(_)) => {
            let words = "Many accounts are made now. Try again in a minute.".to_owned();
            let mut response = again(words, StatusCode::SERVICE_UNAVAILABLE)?;
            retry_after(&mut response, 60);
            return Ok(response);
        }
    };
    permit.begun();
    if let Some(mailer) = mailer {
        return mail::begin(visit, &mailer, (&email, invite), hash).await;
    }
    let (made, ()) = tokio::join!(make(visit, permit, &email, &hash), sleep(MADE_WITHIN));
    made?;
    see_other("/sign-in?made")
}

/// Makes the account, if the address is free.
async fn make(
    visit: &Visit<'_>,
    permit: GatePermit,
    email: &str,
    hash: &str,
) -> Result<(), Refusal> {
    let account = account_by_email(visit.door.people.as_ref(), &visit.door.vault, email).await;
    if account.map_err(|error| internal(&error))?.is_none()
        && let Some(account) = create(visit, permit, email).await?
    {
        set_password(visit, &account, hash).await?;
    }
    Ok(())
}

/// The slow hash of a new password, if it may be set.
pub(super) async fn take(
    visit: &Visit<'_>,
    purpose: HashFor,
    (password, factors): (SecretString, Beside),
    email: &str,
) -> Result<String, NotTaken> {
    let policy = visit.door.policy();
    let name = policy.config.listen.public_name.clone().unwrap_or_default();
    let context = vec![email.to_owned(), "surgewall".to_owned(), name];
    let new = NewPassword { password, factors, context };
    visit.door.identity.hasher().take(purpose, visit.network(), new).await
}

/// Makes an account for which the gate gave its permit; `None` where somebody
/// else was faster.
pub(super) async fn create(
    visit: &Visit<'_>,
    permit: GatePermit,
    email: &str,
) -> Result<Option<AccountRow>, Refusal> {
    let asked = UserCreate { email: email.to_owned(), ..UserCreate::default() };
    match operate(visit.door, Request::UserCreate(asked)).await {
        Ok(Reply::UserCreated { .. }) => {
            let (people, vault) = (visit.door.people.as_ref(), &visit.door.vault);
            let account = account_by_email(people, vault, email).await;
            let account = account.map_err(|error| internal(&error))?;
            if let Some(account) = &account
                && let Err(held) = permit.made(visit.door, account.id).await
            {
                // Two used one invite at the same moment: both accounts are there.
                tracing::warn!(held = held.as_str(), "an account was made beside its invite");
            }
            Ok(account)
        }
        Ok(_) => Err(internal(&"an account was made and is not there")),
        Err(error) if error.kind == ErrorKind::Conflict => Ok(None),
        Err(error) if error.kind == ErrorKind::NotRecorded => {
            Err(Refusal::LedgerUnavailable { why: error.to_string() })
        }
        Err(error) => Err(internal(&error)),
    }
}

/// Sets the password of `account` to what has this `hash`, and records it.
pub(super) async fn set_password(
    visit: &Visit<'_>,
    account: &AccountRow,
    hash: &str,
) -> Result<(), Refusal> {
    set_password_beside(visit, account, hash, Beside::Alone).await
}

/// The same for one that was taken under the rule of `beside`.
pub(super) async fn set_password_beside(
    visit: &Visit<'_>,
    account: &AccountRow,
    hash: &str,
    beside: Beside,
) -> Result<(), Refusal> {
    visit.record("password.set", account.public_id.as_str(), None).await?;
    let factors = Factors::of(visit.door.people.as_ref(), &visit.door.vault, account.id).await;
    let factors = factors.map_err(|error| internal(&error))?;
    let passkeys = factors.passkeys().map_err(|error| internal(&error))?;
    // Not for the first password of a new account: nobody could get in before.
    let had_a_way =
        factors.password_set_at().is_some() || !passkeys.is_empty() || account.external.is_some();
    let set = match beside {
        Beside::Alone => factors.set_password(hash, visit.now()).await,
        Beside::WithSecondFactor => factors.set_password_beside(hash, visit.now()).await,
    };
    set.map_err(|error| internal(&error))?;
    if had_a_way {
        visit.tell(account, LetterOf::Password);
    }
    Ok(())
}
