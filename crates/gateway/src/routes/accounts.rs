//! The rows of signing in, signing up and the own account. The admin listener
//! has its own sessions, and no sign-up.

use surgewall_wire::ClientDialect::OpenAi;

use super::table::Access::{self, Everybody, Link, Session};
use super::table::{Handler, Route};
use crate::listen::Purpose::{self, Admin, Public};
use crate::pages::Page;

const fn row(
    listener: Purpose,
    method: &'static str,
    path: &'static str,
    page: Page,
    access: Access,
) -> Route {
    Route {
        listener,
        method,
        path,
        handler: Handler::Account(page),
        dialect: OpenAi,
        access,
        family: "",
    }
}

/// The rows.
pub const ROUTES: &[Route] = &[
    row(Public, "GET", "/sign-in", Page::SignIn, Everybody),
    row(Public, "POST", "/sign-in", Page::SignInPassword, Everybody),
    row(Public, "POST", "/sign-in/second", Page::SignInSecond, Everybody),
    row(Public, "POST", "/sign-in/passkey/begin", Page::PasskeyBegin, Everybody),
    row(Public, "POST", "/sign-in/passkey/finish", Page::PasskeyFinish, Everybody),
    row(Public, "GET", "/sign-in/with/{id}", Page::Elsewhere, Everybody),
    row(Public, "GET", "/sign-in/back/{id}", Page::ElsewhereBack, Everybody),
    row(Public, "GET", "/sign-in/reset", Page::Reset, Everybody),
    row(Public, "POST", "/sign-in/reset", Page::ResetSend, Everybody),
    row(Public, "POST", "/sign-out", Page::SignOut, Everybody),
    row(Public, "GET", "/sign-up", Page::SignUp, Everybody),
    row(Public, "POST", "/sign-up", Page::SignUpPassword, Everybody),
    row(Public, "POST", "/sign-up/passkey/begin", Page::PasskeySignUpBegin, Everybody),
    row(Public, "POST", "/sign-up/passkey/finish", Page::PasskeySignUpFinish, Everybody),
    row(Public, "POST", "/sign-up/code", Page::SignUpCode, Everybody),
    row(Public, "POST", "/sign-up/wait", Page::WaitingJoin, Everybody),
    row(Public, "GET", "/set-up", Page::SetUp, Link),
    row(Public, "POST", "/set-up", Page::SetUpOwner, Link),
    row(Public, "GET", "/account", Page::Account, Session),
    row(Public, "GET", "/account/keys", Page::Keys, Session),
    row(Public, "POST", "/account/keys", Page::KeyCreate, Session),
    row(Public, "POST", "/account/keys/revoke", Page::KeyRevoke, Session),
    row(Public, "GET", "/account/sessions", Page::Sessions, Session),
    row(Public, "POST", "/account/sessions/end", Page::SessionsEnd, Session),
    row(Public, "GET", "/account/security", Page::Security, Session),
    row(Public, "POST", "/account/password", Page::PasswordSet, Session),
    row(Public, "POST", "/account/totp/begin", Page::TotpBegin, Session),
    row(Public, "POST", "/account/totp/on", Page::TotpOn, Session),
    row(Public, "POST", "/account/totp/off", Page::TotpOff, Session),
    row(Public, "POST", "/account/recovery", Page::RecoveryCodes, Session),
    row(Public, "POST", "/account/passkeys/begin", Page::PasskeyAddBegin, Session),
    row(Public, "POST", "/account/passkeys/finish", Page::PasskeyAddFinish, Session),
    row(Public, "POST", "/account/passkeys/remove", Page::PasskeyRemove, Session),
    row(Public, "GET", "/account/data", Page::Data, Session),
    row(Public, "GET", "/account/export", Page::Export, Session),
    row(Public, "POST", "/account/erase", Page::Erase, Session),
    row(Public, "GET", "/account/confirm", Page::Confirm, Session),
    row(Public, "POST", "/account/confirm", Page::ConfirmPassword, Session),
    row(Admin, "GET", "/sign-in", Page::SignIn, Everybody),
    row(Admin, "POST", "/sign-in", Page::SignInPassword, Everybody),
    row(Admin, "POST", "/sign-in/second", Page::SignInSecond, Everybody),
    row(Admin, "POST", "/sign-in/passkey/begin", Page::PasskeyBegin, Everybody),
    row(Admin, "POST", "/sign-in/passkey/finish", Page::PasskeyFinish, Everybody),
    row(Admin, "GET", "/sign-in/with/{id}", Page::Elsewhere, Everybody),
    row(Admin, "GET", "/sign-in/back/{id}", Page::ElsewhereBack, Everybody),
    row(Admin, "POST", "/sign-out", Page::SignOut, Everybody),
    row(Admin, "GET", "/set-up", Page::SetUp, Link),
    row(Admin, "POST", "/set-up", Page::SetUpOwner, Link),
    row(Admin, "GET", "/account", Page::Account, Session),
    row(Admin, "GET", "/account/keys", Page::Keys, Session),
    row(Admin, "POST", "/account/keys", Page::KeyCreate, Session),
    row(Admin, "POST", "/account/keys/revoke", Page::KeyRevoke, Session),
    row(Admin, "GET", "/account/sessions", Page::Sessions, Session),
    row(Admin, "POST", "/account/sessions/end", Page::SessionsEnd, Session),
    row(Admin, "GET", "/account/security", Page::Security, Session),
    row(Admin, "POST", "/account/password", Page::PasswordSet, Session),
    row(Admin, "POST", "/account/totp/begin", Page::TotpBegin, Session),
    row(Admin, "POST", "/account/totp/on", Page::TotpOn, Session),
    row(Admin, "POST", "/account/totp/off", Page::TotpOff, Session),
    row(Admin, "POST", "/account/recovery", Page::RecoveryCodes, Session),
    row(Admin, "POST", "/account/passkeys/begin", Page::PasskeyAddBegin, Session),
    row(Admin, "POST", "/account/passkeys/finish", Page::PasskeyAddFinish, Session),
    row(Admin, "POST", "/account/passkeys/remove", Page::PasskeyRemove, Session),
    row(Admin, "GET", "/account/data", Page::Data, Session),
    row(Admin, "GET", "/account/export", Page::Export, Session),
    row(Admin, "POST", "/account/erase", Page::Erase, Session),
    row(Admin, "GET", "/account/confirm", Page::Confirm, Session),
    row(Admin, "POST", "/account/confirm", Page::ConfirmPassword, Session),
];
