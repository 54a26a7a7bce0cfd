//! Signing up where letters can be sent: a code proves the address. Whoever has
//! an account already gets a letter that says so, and the page says the same.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use surgewall_core::refusal::Refusal;
use surgewall_identity::codes::{
    self, CODE_ATTEMPTS_MAX, CODE_LIFETIME, CodeAnswer, CodePurpose, PendingCode,
};
use surgewall_identity::mail::{Letter, Mailer};
use surgewall_store::identity::{
    Flow, FlowKind, account_by_email, begin_flow, new_token, take_flow, try_flow,
};

use super::gate::{self, Wanted};
use super::{create, set_password};
use crate::pages::answer::{WithStatus as _, internal, plain};
use crate::pages::forms::Form;
use crate::pages::frame::Frame;
use crate::pages::links::public_origin;
use crate::pages::sign_in::{Means, let_in};
use crate::pages::visit::Visit;

#[derive(Template)]
#[template(path = "code.html")]
struct Page {
    frame: Frame,
    error: &'static str,
    token: String,
}

/// A sign-up that waits for its code.
#[derive(Serialize, Deserialize)]
struct Waiting {
    email: String,
    password: String,
    code: PendingCode,
    /// Whether the address has an account: then no code is right.
    taken: bool,
    /// The invite that was shown.
    invite: String,
}

const WRONG: &str = "This code is not right, or it is too old. After five wrong ones, begin again.";

/// Sends the letter and asks for its code. The permit is asked for again when it
/// comes: the gate may have moved.
pub(super) async fn begin(
    visit: &Visit<'_>,
    mailer: &Mailer,
    (email, invite): (&str, &str),
    password: String,
) -> Result<Response, Refusal> {
    let (store, vault) = (visit.door.people.as_ref(), &visit.door.vault);
    let account = account_by_email(store, vault, email).await.map_err(|error| internal(&error))?;
    let (code, pending) = codes::issue(CodePurpose::SignUp, email, visit.now());
    let token = new_token();
    let waiting = Waiting {
        email: email.to_owned(),
        password,
        code: pending,
        taken: account.is_some(),
        invite: invite.to_owned(),
    };
    let origin = public_origin(&visit.arrival.policy.config.listen).unwrap_or_default();
    let sign_in = format!("{origin}/sign-in");
    let letter = if waiting.taken {
        Letter::AddressInUse { sign_in: &sign_in }
    } else {
        Letter::SignUpCode { code: &code }
    };
    match mailer.reserve(email, &letter, visit.now()) {
        Ok(letter) => {
            let tries_max = u32::from(CODE_ATTEMPTS_MAX);
            let lasts = CODE_LIFETIME;
            let flow = Flow { kind: FlowKind::SignUp, account: None, tries_max, lasts };
            let begun = begin_flow(store, vault, (flow, &token), &waiting, visit.now()).await;
            if !begun.map_err(|error| internal(&error))? {
                return Err(internal(&"too many sign-ups wait for a code"));
            }
            letter.send();
        }
        // The page says the same: what was sent to an address is no stranger's business.
        Err(error) => tracing::warn!(%error, "a letter to sign up is not sent"),
    }
    let frame = Frame::outside(visit, "Make an account");
    plain(&Page { frame, error: "", token: token.expose().clone() })
}

/// The code: the account is made, and its owner is signed in.
pub(in crate::pages) async fn code(visit: &Visit<'_>, sent: &Form) -> Result<Response, Refusal> {
    let (store, vault) = (visit.door.people.as_ref(), &visit.door.vault);
    let token = sent.text("token");
    let again = |error| {
        let frame = Frame::outside(visit, "Make an account");
        let page = Page { frame, error, token: token.chars().take(64).collect() };
        plain(&page).with_status(StatusCode::UNPROCESSABLE_ENTITY)
    };
    let kind = FlowKind::SignUp;
    let waiting = try_flow::<_, Waiting>(store, vault, (kind, token), visit.now()).await;
    let Some(mut waiting) = waiting.map_err(|error| internal(&error))? else {
        return again(WRONG);
    };
    let typed = sent.text("code");
    let answer = waiting.code.check(CodePurpose::SignUp, &waiting.email, typed, visit.now());
    if answer != CodeAnswer::Right || waiting.taken {
        return again(WRONG);
    }
    let wanted = Wanted { invite: Some(&waiting.invite), ..Wanted::verified(Some(&waiting.email)) };
    let Ok(permit) = gate::pass_again(visit, &wanted).await else {
        return again(
            "New accounts cannot be made right now. Your code stays good for a few minutes.",
        );
    };
    let taken = take_flow(store, vault, (kind, token), visit.now()).await;
    if !taken.map_err(|error| internal(&error))? {
        return again(WRONG);
    }
    let Some(account) = create(visit, permit, &waiting.email).await? else {
        return again(WRONG);
    };
    set_password(visit, &account, &waiting.password).await?;
    let_in(visit, &account, Means::Password, "").await
}
