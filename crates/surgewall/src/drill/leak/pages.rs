//! People at the pages: they make accounts, mistype their passwords, and write in
//! the chat.

use hyper::Method;
use serde_json::{Value, json};
use surgewall_core::random;
use surgewall_testkit::client::{Answer, Client};

use super::planted::{Member, Planted};
use crate::drill::acts::held;
use crate::drill::stage::Stage;
use crate::fault::Fault;

/// What a page's calls answer: done, made, taken on, and nothing to say.
const WELL: [u16; 4] = [200, 201, 202, 204];

/// Every member makes an account and writes in the chat. Somebody types a password
/// that is none, and somebody types theirs where the address belongs.
pub(super) async fn visited(stage: &Stage, planted: &Planted) -> Result<(), Fault> {
    let mut before = None;
    for member in &planted.members {
        let page = from(stage, member);
        let made = form(&page, "/sign-up", &member.email, &member.password).await?;
        held(made.status == 303, || format!("a planted sign-up got {}", made.status))?;
        let session = signed_in(stage, member).await?;
        chat(&session, member).await?;
        // Not theirs; and in the wrong field.
        for (path, email, password) in [
            ("/sign-in", &member.email, &member.wrong),
            ("/sign-in", &member.misplaced, &member.password),
            ("/sign-up", &member.misplaced, &member.password),
        ] {
            let answer = form(&page, path, email, password).await?;
            let is_in = answer.status == 303 || cookie(&answer).is_some();
            held(!is_in, || format!("a wrong password at {path} got {}", answer.status))?;
        }
        before = Some(session);
    }
    // It is being written when the door is killed.
    let (Some(session), Some(member)) = (before, planted.members.last()) else { return Ok(()) };
    let talk = conversation(&session, member).await?;
    say(&session, &talk, member, "say 600\n!double rate=20").await?;
    Ok(())
}

/// Signs a member in again, as after a restart.
pub(super) async fn again(stage: &Stage, planted: &Planted) -> Result<(), Fault> {
    for member in &planted.members {
        let session = signed_in(stage, member).await?;
        let list = session.get("/app/conversations").await?;
        let title = &list.json()["conversations"][0]["title"];
        held(title == &Value::from(member.title.as_str()), || {
            format!("a member's conversation is not there after the restart: {}", list.status)
        })?;
    }
    Ok(())
}

/// A page of the member's browser; networks are told in `x-forwarded-for`.
fn from(stage: &Stage, member: &Member) -> Client {
    let client = stage.stranger().with_header("sec-fetch-site", "same-origin");
    client.with_header("x-forwarded-for", &member.address.to_string())
}

async fn form(page: &Client, path: &str, email: &str, password: &str) -> Result<Answer, Fault> {
    let page = page.clone().with_header("content-type", "application/x-www-form-urlencoded");
    let sent = format!("email={}&password={password}", email.replace('@', "%40"));
    Ok(page.form(path, &sent).await?)
}

/// The cookie that an answer sets.
fn cookie(answer: &Answer) -> Option<String> {
    let cookie = answer.header("set-cookie")?;
    cookie.split(';').next().map(ToOwned::to_owned)
}

/// The member's page after signing in.
async fn signed_in(stage: &Stage, member: &Member) -> Result<Client, Fault> {
    let page = from(stage, member);
    let answer = form(&page, "/sign-in", &member.email, &member.password).await?;
    let cookie = cookie(&answer).filter(|_| answer.status == 303);
    let cookie = cookie
        .ok_or_else(|| Fault::new(format!("a planted member's sign-in got {}", answer.status)))?;
    Ok(page.with_header("cookie", &cookie))
}

/// A conversation with a draft, and a message with its answer.
async fn chat(page: &Client, member: &Member) -> Result<(), Fault> {
    let talk = conversation(page, member).await?;
    let answer = say(page, &talk, member, "say 3").await?;
    // Its events end with the answer.
    let heard = page.get(&format!("/app/answers/{answer}")).await?;
    held(heard.text().contains("event: done"), || "a planted answer did not end".to_owned())?;
    call(page, Method::PUT, &format!("{talk}/draft"), &json!({"text": member.draft})).await?;
    Ok(())
}

/// A new conversation's path.
async fn conversation(page: &Client, member: &Member) -> Result<String, Fault> {
    let body = json!({"title": member.title, "system_prompt": member.instructions});
    let made = call(page, Method::POST, "/app/conversations", &body).await?;
    let id = made["id"].as_str().ok_or_else(|| Fault::new("a conversation has no id"))?;
    Ok(format!("/app/conversations/{id}"))
}

/// Says the member's message; the answer's id.
async fn say(page: &Client, talk: &str, member: &Member, more: &str) -> Result<String, Fault> {
    let body = json!({
        "id": id(), "parent": 0, "text": format!("{}\n{more}", member.message), "model": "double",
        "attachments": [{"name": member.file, "text": member.attached}],
    });
    let sent = call(page, Method::POST, &format!("{talk}/messages"), &body).await?;
    let answer = sent["answer"]["id"].as_str();
    answer.map(ToOwned::to_owned).ok_or_else(|| Fault::new("a message has no answer"))
}

/// 32 random hex digits, as a page makes them.
fn id() -> String {
    format!("{:032x}", u128::from_be_bytes(random::bytes()))
}

async fn call(page: &Client, method: Method, path: &str, body: &Value) -> Result<Value, Fault> {
    let answer = page.whole(method, path, body.to_string().into()).await?;
    let told = || format!("a planted member's call got {}: {}", answer.status, answer.text());
    held(WELL.contains(&answer.status), told)?;
    Ok(answer.json())
}
