//! One call of the page: who asks, what the path names, what the body says.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, RawPathParams};
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::DeserializeOwned;
use surgewall_core::principal::AccountRecord;
use surgewall_core::refusal::Refusal;
use surgewall_store::conversations::{Conversation, MessageId, Own};
use surgewall_store::sqlite::Sqlite;

use super::owner::Asker;
use super::reply::OrRefusal as _;
use crate::door::Door;
use crate::pages::forms::decode;
use crate::pipeline::{Arrival, parse};

/// A call of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Who asks, and what there is.
    Me,
    /// A notice was read.
    Read,
    /// The account's conversations.
    List,
    /// Another one.
    Create,
    /// One of them, with its newest messages.
    Show,
    /// More of its messages.
    Messages,
    /// Another title, system prompt or branch; put away or taken out.
    Edit,
    /// Removed for good.
    Delete,
    /// What was begun to be written.
    Draft,
    /// All of it, as a file.
    Export,
    /// What hangs on a message.
    Attachments,
    /// Where a text stands.
    Search,
    /// Lets others read a branch.
    Share,
    /// Who may.
    Shares,
    /// No longer.
    Unshare,
    /// What others read.
    Shared,
    /// A message, and its answer.
    Send,
    /// Another answer.
    Answer,
    /// A visitor's answer: nothing is kept.
    Ask,
    /// Watches an answer.
    Watch,
    /// No more of it.
    Stop,
    /// Where it stands.
    Ticket,
}

impl Call {
    /// Whether it changes something: then it must come from a page of this site.
    #[must_use]
    pub const fn changes(self) -> bool {
        match self {
            Self::Read
            | Self::Create
            | Self::Edit
            | Self::Delete
            | Self::Draft
            | Self::Share
            | Self::Unshare
            | Self::Send
            | Self::Answer
            | Self::Ask
            | Self::Stop => true,
            Self::Me
            | Self::List
            | Self::Show
            | Self::Messages
            | Self::Export
            | Self::Attachments
            | Self::Search
            | Self::Shares
            | Self::Shared
            | Self::Watch
            | Self::Ticket => false,
        }
    }
}

/// What a call is about, but its body.
pub(super) struct Asked<'a> {
    pub(super) door: &'a Arc<Door>,
    pub(super) arrival: &'a Arc<Arrival>,
    pub(super) asker: Asker,
    pub(super) head: Parts,
    path: Vec<(String, String)>,
}

impl<'a> Asked<'a> {
    pub(super) async fn new(
        door: &'a Arc<Door>,
        arrival: &'a Arc<Arrival>,
        asker: Asker,
        mut head: Parts,
    ) -> Result<Self, Refusal> {
        let params = RawPathParams::from_request_parts(&mut head, &()).await;
        let params = params.map_err(|_| Refusal::RouteUnknown)?;
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let path = params.iter().map(owned).collect();
        Ok(Self { door, arrival, asker, head, path })
    }

    /// A part of the path.
    pub(super) fn param(&self, name: &str) -> &str {
        self.path.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// A number in the path.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn number(&self, name: &str, what: &'static str) -> Result<u32, Refusal> {
        self.param(name).parse().map_err(|_| Refusal::NotFound { what })
    }

    /// A value of the query; the first where there are several. What is no text is none.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        let query = self.head.uri.query().unwrap_or("");
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(key, _)| *key == name);
        found.and_then(|(_, value)| decode(value.as_bytes()))
    }

    /// The id of an answer in the path.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn answer_id(&self) -> Result<MessageId, Refusal> {
        id(self.param("id")).ok_or(Refusal::NotFound { what: "answer" })
    }

    /// The account's own.
    ///
    /// # Errors
    /// There is no session.
    pub(super) fn own(&self) -> Result<Own<'a, Sqlite>, Refusal> {
        let account: &Arc<AccountRecord> = self.asker.account()?;
        Ok(Own::new(self.door.people.as_ref(), &self.door.vault, account.id))
    }

    /// The conversation in the path, if it is the account's own.
    ///
    /// # Errors
    /// There is no session, or no such conversation.
    pub(super) async fn conversation(&self) -> Result<(Own<'a, Sqlite>, Conversation), Refusal> {
        let own = self.own()?;
        let found = own.find(self.param("id")).await.or_refusal()?;
        Ok((own, found))
    }

    /// The body, as JSON.
    ///
    /// # Errors
    /// It is too large, too slow, or not what the call takes.
    pub(super) async fn json<T: DeserializeOwned>(&self, body: Body) -> Result<T, Refusal> {
        let headers = &self.head.headers;
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
        if kind.split(';').next().map(str::trim) != Some("application/json") {
            return Err(invalid("the body is not said to be application/json", None));
        }
        let limits = &self.arrival.policy.config.limits;
        let _room = parse::room(self.door, limits, headers).await?;
        let bytes = parse::read_body(limits, headers, body).await?;
        // What serde says may hold what was sent.
        serde_json::from_slice(&bytes).map_err(|_| invalid("it is not what this path takes", None))
    }
}

/// A call of the page that is wrong in itself.
pub(super) fn invalid(reason: &str, param: Option<&str>) -> Refusal {
    Refusal::InvalidRequest { reason: reason.to_owned(), param: param.map(str::to_owned) }
}

/// An id that a page made: 32 hex digits, with or without their prefix.
pub(super) fn id(text: &str) -> Option<MessageId> {
    let hex = text.strip_prefix("msg_").unwrap_or(text);
    format!("msg_{hex}").parse().ok()
}

/// The same, shown without its prefix.
pub(super) fn shown(id: MessageId) -> String {
    format!("{:032x}", id.as_u128())
}

/// What answers a call.
pub(super) type Answered = Result<Response, Refusal>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_32_hex_digits() {
        let bits = id("0000000000000000000000000000000f").map(MessageId::as_u128);
        assert_eq!(bits, Some(15));
        assert_eq!(id("msg_0000000000000000000000000000000f").map(shown).unwrap().len(), 32);
        for text in ["", "f", "msg_", "msg_msg_0000000000000000000000000000000f", "zz"] {
            assert_eq!(id(text), None, "{text}");
        }
    }
}
