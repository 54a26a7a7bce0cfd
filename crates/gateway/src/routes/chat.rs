//! The routes of the chat: what its page calls.

use surgewall_wire::ClientDialect;

use super::table::{Access, Handler, Route};
use crate::chat::{Call, LitePage};
use crate::listen::Purpose;

const fn call(method: &'static str, path: &'static str, call: Call, access: Access) -> Route {
    Route {
        listener: Purpose::Public,
        method,
        path,
        handler: Handler::Chat(call),
        dialect: ClientDialect::OpenAi,
        access,
        family: "",
    }
}

use Access::{Everybody, Link, Session, Visitor};

/// Every route of the chat.
pub const ROUTES: &[Route] = &[
    call("GET", "/app/me", Call::Me, Everybody),
    call("DELETE", "/app/notices/{id}", Call::Read, Session),
    call("GET", "/app/conversations", Call::List, Session),
    call("POST", "/app/conversations", Call::Create, Session),
    call("GET", "/app/conversations/{id}", Call::Show, Session),
    call("PATCH", "/app/conversations/{id}", Call::Edit, Session),
    call("DELETE", "/app/conversations/{id}", Call::Delete, Session),
    call("GET", "/app/conversations/{id}/messages", Call::Messages, Session),
    call("POST", "/app/conversations/{id}/messages", Call::Send, Session),
    call(
        "GET",
        "/app/conversations/{id}/messages/{number}/attachments",
        Call::Attachments,
        Session,
    ),
    call("POST", "/app/conversations/{id}/answers", Call::Answer, Session),
    call("PUT", "/app/conversations/{id}/draft", Call::Draft, Session),
    call("GET", "/app/conversations/{id}/export", Call::Export, Session),
    call("GET", "/app/conversations/{id}/shares", Call::Shares, Session),
    call("POST", "/app/conversations/{id}/shares", Call::Share, Session),
    call("DELETE", "/app/shares/{id}", Call::Unshare, Session),
    call("GET", "/app/shared/{token}", Call::Shared, Link),
    call("GET", "/app/search", Call::Search, Session),
    call("POST", "/app/answers", Call::Ask, Visitor),
    call("GET", "/app/answers/{id}", Call::Watch, Visitor),
    call("POST", "/app/answers/{id}/stop", Call::Stop, Visitor),
    call("GET", "/app/tickets/{id}", Call::Ticket, Visitor),
];

const fn lite(method: &'static str, path: &'static str, page: LitePage) -> Route {
    Route { handler: Handler::Lite(page), ..call(method, path, Call::Show, Session) }
}

/// The pages of the chat without script, and their forms.
pub const LITE: &[Route] = &[
    lite("GET", "/lite", LitePage::List),
    lite("POST", "/lite", LitePage::Begin),
    lite("GET", "/lite/{id}", LitePage::Show),
    lite("POST", "/lite/{id}", LitePage::Send),
    lite("POST", "/lite/{id}/again", LitePage::Again),
    lite("POST", "/lite/{id}/stop", LitePage::Stop),
];
