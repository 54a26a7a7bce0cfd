//! A fresh proof of who one is, before what is dangerous. It gives a new
//! session in place of the old one.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use surgewall_core::refusal::Refusal;
use surgewall_store::identity::email_of;

use super::factors;
use crate::pages::answer::{WithStatus as _, internal, retry_after, scripted};
use crate::pages::forms::Form;
use crate::pages::frame::Frame;
use crate::pages::sign_in::{self, Means, Proof, is_second_right};
use crate::pages::visit::{Visit, local_path};
use crate::session::SignedIn;

#[derive(Template)]
#[template(path = "confirm.html")]
struct Page {
    frame: Frame,
    error: String,
    next: String,
    password: bool,
    totp: bool,
}

async fn form(visit: &Visit<'_>, who: &SignedIn, next: &str) -> Result<Page, Refusal> {
    let factors = factors(visit, who).await?;
    Ok(Page {
        frame: Frame::inside(visit, "Is it you?", ""),
        error: String::new(),
        next: local_path(next).unwrap_or("/account").to_owned(),
        password: factors.password_set_at().is_some(),
        totp: factors.totp().map_err(|error| internal(&error))?.is_some(),
    })
}

/// The form.
pub(super) async fn page(visit: &Visit<'_>, who: &SignedIn) -> Result<Response, Refusal> {
    let next = visit.query("next").unwrap_or_default();
    scripted(&form(visit, who, &next).await?)
}

/// By password, and by the second factor where there is one.
pub(super) async fn prove(
    visit: &Visit<'_>,
    who: &SignedIn,
    sent: &Form,
) -> Result<Response, Refusal> {
    let mut page = form(visit, who, sent.text("next")).await?;
    let row = visit.row(who).await?;
    let email = email_of(&visit.door.vault, &row).map_err(|error| internal(&error))?;
    let proof = sign_in::prove(visit, &email.unwrap_or_default(), sent.secret("password")).await?;
    let (words, status, seconds) = match proof {
        Proof::Right(account, factors) => {
            let second = if page.totp {
                is_second_right(visit, &account, &factors, sent.text("code")).await?
            } else {
                Ok(true)
            };
            match second {
                Ok(true) => {
                    let means = if page.totp { Means::Strong } else { Means::Password };
                    return sign_in::let_in(visit, &account, means, &page.next).await;
                }
                Ok(false) => {
                    let words = "This code is not right, or it was used already.";
                    (words, StatusCode::UNPROCESSABLE_ENTITY, 0)
                }
                Err(seconds) => ("Too many wrong codes.", StatusCode::TOO_MANY_REQUESTS, seconds),
            }
        }
        Proof::Wrong => ("The password is not right.", StatusCode::UNPROCESSABLE_ENTITY, 0),
        Proof::Wait(seconds) => ("Too many attempts.", StatusCode::TOO_MANY_REQUESTS, seconds),
        Proof::Busy => ("The machine is busy.", StatusCode::SERVICE_UNAVAILABLE, 5),
    };
    words.clone_into(&mut page.error);
    let mut response = scripted(&page).with_status(status)?;
    if seconds > 0 {
        retry_after(&mut response, seconds);
    }
    Ok(response)
}
