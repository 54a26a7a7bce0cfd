//! The pages of signing in, signing up and the own account: which there are, and
//! who answers each.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use surgewall_core::refusal::Refusal;

use super::visit::Visit;
use super::{account, forms, found_key, report, sign_in, sign_up, subscribe};
use crate::door::Door;
use crate::routes::api;
use crate::routes::table::Route;

/// A page of signing in, signing up and the own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The form to sign in.
    SignIn,
    /// Signing in by password.
    SignInPassword,
    /// Signing in by a second factor, after the password.
    SignInSecond,
    /// Signing in by passkey: the challenge.
    PasskeyBegin,
    /// Signing in by passkey: the answer.
    PasskeyFinish,
    /// To another provider.
    Elsewhere,
    /// Back from it.
    ElsewhereBack,
    /// The form for a new password by a letter.
    Reset,
    /// Sends it.
    ResetSend,
    /// Signing out.
    SignOut,
    /// The form to sign up.
    SignUp,
    /// The work that the gate asks for, for its script.
    Work,
    /// Signing up by password.
    SignUpPassword,
    /// Signing up by passkey: the challenge.
    PasskeySignUpBegin,
    /// Signing up by passkey: the answer.
    PasskeySignUpFinish,
    /// Joins the waiting list.
    WaitingJoin,
    /// The code of a letter.
    SignUpCode,
    /// The form for the owner, by the set-up link.
    SetUp,
    /// The owner's account is made.
    SetUpOwner,
    /// How to reach the operator about security.
    SecurityTxt,
    /// The form to report something.
    Report,
    /// Reports it.
    ReportSend,
    /// The form for a key that somebody found.
    FoundKey,
    /// Hands it in.
    FoundKeySend,
    /// The form to be told of what the status page tells.
    Subscribe,
    /// Asks for it.
    SubscribeAsk,
    /// The link to confirm it.
    SubscribeConfirm,
    /// It is confirmed.
    SubscribeConfirmed,
    /// The link to end it.
    Unsubscribe,
    /// It is ended.
    Unsubscribed,
    /// The own account.
    Account,
    /// Its keys.
    Keys,
    /// Makes a key.
    KeyCreate,
    /// Ends a key.
    KeyRevoke,
    /// Its sessions.
    Sessions,
    /// Ends sessions.
    SessionsEnd,
    /// What protects it.
    Security,
    /// A new password.
    PasswordSet,
    /// Removes all passkeys and keys.
    Clean,
    /// Begins to set an authenticator app up.
    TotpBegin,
    /// Turns it on.
    TotpOn,
    /// Turns it off.
    TotpOff,
    /// New recovery codes.
    RecoveryCodes,
    /// A new passkey: the challenge.
    PasskeyAddBegin,
    /// A new passkey: the answer.
    PasskeyAddFinish,
    /// Removes a passkey.
    PasskeyRemove,
    /// What is held about its owner.
    Data,
    /// All of it, to take away.
    Export,
    /// Destroys the keys of what its owner wrote.
    Erase,
    /// Closes it for good.
    Close,
    /// The form for a fresh proof.
    Confirm,
    /// A fresh proof by password.
    ConfirmPassword,
}

/// Answers a page: whatever changes something comes from a page of ours.
pub(crate) async fn serve(
    door: Arc<Door>,
    route: &'static Route,
    page: Page,
    request: Request,
) -> Response {
    let arrival = match api::arrive(&door, route, &request) {
        Ok(arrival) => arrival,
        Err(response) => return *response,
    };
    let (head, body) = request.into_parts();
    let visit = Visit { door: &door, arrival: &arrival, headers: head.headers, uri: head.uri };
    let served = async {
        // A mail program that ends a subscription is no page of ours.
        if route.method != "GET" && page != Page::Unsubscribed {
            forms::same_origin(&door, route.listener, &visit.headers)?;
        }
        page_of(&visit, page, body).await
    };
    api::answer(&door, &arrival, Box::pin(served)).await
}

async fn page_of(visit: &Visit<'_>, page: Page, body: Body) -> Result<Response, Refusal> {
    match page {
        Page::SignIn => sign_in::page(visit).await,
        Page::SignInPassword => sign_in::by_password(visit, &visit.form(body).await?).await,
        Page::SignInSecond => sign_in::by_second(visit, &visit.form(body).await?).await,
        Page::PasskeyBegin => sign_in::passkey_begin(visit),
        Page::PasskeyFinish => sign_in::passkey_finish(visit, body).await,
        Page::Elsewhere => sign_in::elsewhere(visit).await,
        Page::ElsewhereBack => sign_in::back(visit).await,
        Page::Reset => sign_in::reset(visit),
        Page::ResetSend => sign_in::reset_send(visit, &visit.form(body).await?),
        Page::PasskeySignUpBegin => sign_up::passkey_begin(visit, body).await,
        Page::PasskeySignUpFinish => sign_up::passkey_finish(visit, body).await,
        Page::WaitingJoin => sign_up::join(visit, &visit.form(body).await?).await,
        Page::SignUpCode => sign_up::code(visit, &visit.form(body).await?).await,
        Page::SignOut => sign_in::out(visit).await,
        Page::SignUp => sign_up::page(visit).await,
        Page::Work => sign_up::work(visit),
        Page::SignUpPassword => sign_up::by_password(visit, &visit.form(body).await?).await,
        Page::Subscribe => subscribe::page(visit),
        Page::SubscribeAsk => subscribe::ask(visit, &visit.form(body).await?).await,
        Page::SubscribeConfirm => subscribe::confirm(visit).await,
        Page::SubscribeConfirmed => subscribe::confirmed(visit).await,
        Page::Unsubscribe => subscribe::unsubscribe(visit).await,
        Page::Unsubscribed => subscribe::unsubscribed(visit).await,
        Page::SetUp => sign_up::set_up(visit).await,
        Page::SetUpOwner => sign_up::set_up_owner(visit, &visit.form(body).await?).await,
        Page::SecurityTxt => report::security_txt(visit),
        Page::Report => report::page(visit),
        Page::ReportSend => report::send(visit, &visit.form(body).await?).await,
        Page::FoundKey => found_key::page(visit),
        Page::FoundKeySend => found_key::send(visit, &visit.form(body).await?),
        page => account::page_of(visit, page, body).await,
    }
}
