//! What the forms send: a message, another answer, no more of one. What cannot be
//! done gives back what was written.

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use surgewall_core::id::RequestId;
use surgewall_core::limits::MODEL_NAME_BYTES_MAX;
use surgewall_core::refusal::Refusal;
use surgewall_store::conversations::{Conversation, MessageId, NewConversation, Own};
use surgewall_store::sqlite::Sqlite;

use super::page::Choice;
use super::{Compose, LitePage, Top};
use crate::chat::call::{Answered, Asked, id, invalid};
use crate::chat::reply::OrRefusal as _;
use crate::chat::send::{Another, Question, add, again, derived, new_id};
use crate::pages::forms::{Form, read_form};
use crate::pages::{plain, see_other};
use crate::refuse::Refused;

/// Sends what the form says, and shows the conversation.
pub(super) async fn send(asked: &Asked<'_>, page: LitePage, body: Body) -> Answered {
    let form = read_form(asked.door, &asked.head.headers, body).await?;
    match attempt(asked, page, &form).await {
        Ok(conversation) => see_other(&format!("/lite/{conversation}")),
        Err(refusal @ Refusal::NotFound { .. }) => Err(refusal),
        Err(refusal) if page == LitePage::Again => Err(refusal),
        Err(refusal) => back(asked, &form, refusal),
    }
}

/// The conversation that it is in now.
async fn attempt(asked: &Asked<'_>, page: LitePage, form: &Form) -> Result<String, Refusal> {
    let id = new_id(form.text("id"))?;
    let model = form.text("model").to_owned();
    if page == LitePage::Again {
        let (own, conversation) = asked.conversation().await?;
        let continue_from = (!form.text("go_on").is_empty()).then(|| number(form, "go_on"));
        let another = Another {
            // Apart from the id of a message that the same form may have sent.
            id: derived(b"another answer ", id),
            parent: number(form, "question")?,
            model,
            continue_from: continue_from.transpose()?,
        };
        again(asked, &own, &conversation, another).await?;
        return Ok(conversation.public_id.to_string());
    }
    // Browsers send line ends as networks have them.
    let text = form.text("text").replace("\r\n", "\n");
    if text.trim().is_empty() {
        return Err(invalid("it says nothing", Some("text")));
    }
    let (own, conversation) = match page {
        LitePage::Begin => begun(asked, id).await?,
        _ => asked.conversation().await?,
    };
    let parent = if page == LitePage::Begin { 0 } else { number(form, "parent")? };
    let question = Question { id, parent, text, attachments: Vec::new(), model };
    add(asked, &own, &conversation, question).await?;
    Ok(conversation.public_id.to_string())
}

/// Another conversation, or the one that the same form began a moment ago.
async fn begun<'a>(
    asked: &Asked<'a>,
    id: MessageId,
) -> Result<(Own<'a, Sqlite>, Conversation), Refusal> {
    let own = asked.own()?;
    let newest = own.list(false, None).await.or_refusal()?.into_iter().next();
    if let Some(newest) = newest.filter(|newest| newest.messages > 0) {
        let first = own.placed(newest.id, 1).await.or_refusal()?;
        if first.message.id == id {
            return Ok((own, newest));
        }
    }
    let made = own.create(NewConversation::default(), asked.arrival.at).await.or_refusal()?;
    Ok((own, made))
}

fn number(form: &Form, name: &str) -> Result<u32, Refusal> {
    form.text(name).parse().map_err(|_| invalid("it is no number", Some(name)))
}

/// Ends an answer of the caller's.
pub(super) async fn stop(asked: &Asked<'_>, body: Body) -> Answered {
    let (_, conversation) = asked.conversation().await?;
    let form = read_form(asked.door, &asked.head.headers, body).await?;
    let answer = id(form.text("answer")).ok_or(Refusal::NotFound { what: "answer" })?;
    asked.door.chat.jobs.find(asked.asker.owners(), answer)?.stop_by_owner();
    see_other(&format!("/lite/{}", conversation.public_id))
}

#[derive(Template)]
#[template(path = "lite/back.html")]
struct Back {
    top: Top,
    words: String,
    sign_in: bool,
    compose: Compose,
    request_id: RequestId,
}

/// What was written goes back into its form: refused never means lost. The page
/// is as long as what was sent.
fn back(asked: &Asked<'_>, form: &Form, refusal: Refusal) -> Result<Response, Refusal> {
    let model = form.text("model");
    let mut compose = Compose::new(asked, asked.head.uri.path().to_owned(), Some(model));
    form.text("id").clone_into(&mut compose.id);
    form.text("text").clone_into(&mut compose.text);
    compose.parent = number(form, "parent").unwrap_or(0);
    let is_offered = compose.models.iter().any(|choice| choice.name == model);
    if !is_offered && !model.is_empty() && model.len() <= MODEL_NAME_BYTES_MAX {
        compose.models.iter_mut().for_each(|choice| choice.chosen = false);
        compose.models.push(Choice { name: model.to_owned(), chosen: true });
    }
    let page = Back {
        top: Top::new(asked.door, "Not sent"),
        words: refusal.public_text(),
        sign_in: refusal == Refusal::SignInNeeded,
        compose,
        request_id: asked.arrival.request_id,
    };
    let mut response = plain(&page)?;
    let status = StatusCode::from_u16(refusal.row().status);
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (request_id, network) = (asked.arrival.request_id, asked.arrival.network);
    let who = asked.arrival.who.get().copied();
    asked.arrival.trace.refused(&refusal);
    asked.door.note_refusal(&Refused { request_id, network, who, refusal });
    Ok(response)
}
