//! Making an account. The answer is the same whether the address was free: it is
//! told in a mail, or by whether one can sign in.

mod gate;
mod set_up;

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use surgewall_core::refusal::Refusal;
use surgewall_core::secret::SecretString;
use surgewall_identity::hasher::Purpose as HashFor;
use surgewall_identity::password::{self, Factors as Beside};
use surgewall_store::admin::{ErrorKind, Reply, Request, UserCreate};
use surgewall_store::identity::{Factors, account_by_email, email_address};
use surgewall_store::people::AccountRow;

use super::answer::{WithStatus as _, internal, retry_after, scripted, see_other};
use super::forms::Form;
use super::frame::Frame;
use super::sign_in::Provider;
use super::visit::Visit;
use crate::operate::operate;

pub(super) use set_up::{make as set_up_owner, page as set_up};

#[derive(Template)]
#[template(path = "sign_up.html")]
struct Page {
    frame: Frame,
    gate: String,
    error: String,
    email: String,
    providers: Vec<Provider>,
    open: bool,
}

fn form(visit: &Visit<'_>) -> Page {
    let view = gate::view(visit);
    Page {
        frame: Frame::outside(visit, "Make an account"),
        gate: view.words,
        error: String::new(),
        email: String::new(),
        providers: Vec::new(),
        open: view.open,
    }
}

/// The form.
pub(super) async fn page(visit: &Visit<'_>) -> Result<Response, Refusal> {
    scripted(&form(visit))
}

/// With an e-mail address and a password.
pub(super) async fn by_password(visit: &Visit<'_>, sent: &Form) -> Result<Response, Refusal> {
    let typed = sent.text("email");
    let again = |error: String, status| {
        let email = typed.chars().take(254).collect();
        scripted(&Page { error, email, ..form(visit) }).with_status(status)
    };
    let wrong = StatusCode::UNPROCESSABLE_ENTITY;
    let Ok(email) = email_address(typed) else {
        return again(
            "This is no e-mail address. Write it like ann@example.org.".to_owned(),
            wrong,
        );
    };
    let password = sent.secret("password");
    if let Err(fault) = check_password(visit, &password, Beside::Alone, &email) {
        return again(fault, wrong);
    }
    let permit = match gate::pass(visit) {
        Ok(permit) => permit,
        Err(words) => return again(words, StatusCode::FORBIDDEN),
    };
    let Ok(hash) = hash(visit, HashFor::SignUp, password).await else {
        let words = "Many accounts are made now. Try again in a minute.".to_owned();
        let mut response = again(words, StatusCode::SERVICE_UNAVAILABLE)?;
        retry_after(&mut response, 60);
        return Ok(response);
    };
    let account = account_by_email(visit.door.people.as_ref(), &visit.door.vault, &email).await;
    if account.map_err(|error| internal(&error))?.is_none()
        && let Some(account) = create(visit, &permit, &email).await?
    {
        set_password(visit, &account, &hash).await?;
    }
    see_other("/sign-in?made")
}

/// Whether a password may be set; if not, why, in words for whoever typed it.
pub(super) fn check_password(
    visit: &Visit<'_>,
    password: &SecretString,
    beside: Beside,
    email: &str,
) -> Result<(), String> {
    let policy = visit.door.policy();
    let name = policy.config.listen.public_name.clone().unwrap_or_default();
    let context = [email, "surgewall", name.as_str()];
    password::check(password, beside, &context).map_err(|fault| fault.to_string())
}

/// The slow hash of a new password; `Err` where too many are hashed now.
pub(super) async fn hash(
    visit: &Visit<'_>,
    purpose: HashFor,
    password: SecretString,
) -> Result<String, surgewall_identity::hasher::Busy> {
    visit.door.identity.hasher().hash(purpose, visit.network(), password).await
}

/// Makes an account for which the gate gave its permit; `None` where somebody
/// else was faster.
pub(super) async fn create(
    visit: &Visit<'_>,
    _permit: &gate::Permit,
    email: &str,
) -> Result<Option<AccountRow>, Refusal> {
    let asked = UserCreate { email: email.to_owned(), ..UserCreate::default() };
    match operate(visit.door, Request::UserCreate(asked)).await {
        Ok(Reply::UserCreated { .. }) => {
            let (people, vault) = (visit.door.people.as_ref(), &visit.door.vault);
            account_by_email(people, vault, email).await.map_err(|error| internal(&error))
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
    visit.record("password.set", account.public_id.as_str(), None).await?;
    let factors = Factors::of(visit.door.people.as_ref(), &visit.door.vault, account.id).await;
    let factors = factors.map_err(|error| internal(&error))?;
    factors.set_password(hash, visit.now()).await.map_err(|error| internal(&error))
}
