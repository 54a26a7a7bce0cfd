//! The form by which strangers report something. What they typed is shown to the
//! operator, and to them again where it was not taken.

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use surgewall_core::refusal::Refusal;
use surgewall_store::findings::InboxError;

use super::answer::{WithStatus as _, internal, plain, retry_after};
use super::forms::Form;
use super::frame::Frame;
use super::headers;
use super::visit::Visit;
use crate::disclosure::intake::{self, Kind, NotTaken, Typed};
use crate::disclosure::security_txt;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    frame: Frame,
    error: String,
    /// What the report is called that was taken; empty before.
    number: String,
    contacts: Vec<Contact>,
    policy: String,
    kinds: [Kind; 4],
    /// What was typed before and not taken.
    typed: Typed<'a>,
    ticket: String,
    form: bool,
}

/// A way to reach the operator.
struct Contact {
    address: String,
    shown: String,
}

fn contact(address: &str) -> Contact {
    let shown = address.strip_prefix("mailto:").or_else(|| address.strip_prefix("tel:"));
    Contact { shown: shown.unwrap_or(address).to_owned(), address: address.to_owned() }
}

fn empty<'a>(visit: &Visit<'_>) -> Page<'a> {
    let section = &visit.arrival.policy.config.disclosure;
    Page {
        frame: Frame::outside(visit, "Report a problem"),
        error: String::new(),
        number: String::new(),
        contacts: section.contact.iter().map(String::as_str).map(contact).collect(),
        policy: section.policy.clone().unwrap_or_default(),
        kinds: Kind::ALL,
        typed: Typed::default(),
        ticket: intake::ticket(visit.door, visit.network()),
        form: section.intake,
    }
}

/// `security.txt`.
pub(super) fn security_txt(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let text = security_txt::text(&visit.arrival.policy.config).ok_or(Refusal::RouteUnknown)?;
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    headers::file(response.headers_mut());
    Ok(response)
}

/// The form.
pub(super) fn page(visit: &Visit<'_>) -> Result<Response, Refusal> {
    plain(&empty(visit))
}

/// Takes a report.
pub(super) async fn send(visit: &Visit<'_>, sent: &Form) -> Result<Response, Refusal> {
    if !visit.arrival.policy.config.disclosure.intake {
        return Err(Refusal::RouteUnknown);
    }
    let typed = Typed {
        kind: sent.text("kind"),
        title: sent.text("title"),
        text: sent.text("text"),
        reply: sent.text("reply"),
        ticket: sent.text("ticket"),
    };
    match intake::take(visit.door, visit.network(), &typed).await.map_err(failed)? {
        Ok(number) => plain(&Page { number: number.to_string(), ..empty(visit) }),
        Err(why) => not_taken(visit, &typed, &why),
    }
}

/// A ledger that cannot be written is a fault of its own kind.
fn failed(error: InboxError) -> Refusal {
    match error {
        InboxError::Ledger(error) => Refusal::LedgerUnavailable { why: error.to_string() },
        InboxError::Store(error) => internal(&error),
    }
}

fn not_taken(visit: &Visit<'_>, typed: &Typed<'_>, why: &NotTaken) -> Result<Response, Refusal> {
    let again = |status, error: &str| {
        plain(&Page { error: error.to_owned(), typed: *typed, ..empty(visit) }).with_status(status)
    };
    match why {
        NotTaken::Form(words) => again(StatusCode::UNPROCESSABLE_ENTITY, words),
        NotTaken::Ticket => again(
            StatusCode::UNPROCESSABLE_ENTITY,
            "This form was sent within seconds, twice, or after hours. Look at it once more, and send it again.",
        ),
        NotTaken::TooMany(after) => {
            let words = "Many reports came within an hour. Please try again later.";
            let mut response = again(StatusCode::TOO_MANY_REQUESTS, words)?;
            retry_after(&mut response, after.as_secs());
            Ok(response)
        }
        NotTaken::Full => again(
            StatusCode::SERVICE_UNAVAILABLE,
            "Many reports wait to be read, so no further one is taken by this form now.",
        ),
    }
}
