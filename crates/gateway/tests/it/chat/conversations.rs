//! Conversations of people who are signed in.

use http::Method;
use serde_json::{Value, json};
use surgewall_testkit::{Behaviour, Double};

use super::page::Page;
use super::people::{door, person};

#[tokio::test]
async fn a_conversation_is_asked_answered_and_kept() {
    let double = Double::start("reasoning=2".parse().unwrap());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    let me = ada.page.get("/app/me").await.json();
    assert_eq!(me["account"]["id"], ada.account.public_id.as_str());
    assert_eq!(
        (&me["account"]["email"], &me["account"]["role"]),
        (&json!("ada@example.org"), &json!("user"))
    );
    assert_eq!(me["gate"]["step"], "open");
    assert!(me["models"].as_array().unwrap().iter().any(|model| model["id"] == "double"));

    let chat = ada.chat().await;
    let heard = ada.hear(&chat, 1, 0, "say 3\nand more").await;
    assert_eq!((heard.text.as_str(), &heard.last["message"]), ("tok0 tok1 tok2 ", &json!(2)));
    let row = |number: u64, role: &str, text: &str| {
        (number, role.to_owned(), "complete".to_owned(), text.to_owned())
    };
    let first = [row(1, "user", "say 3\nand more"), row(2, "assistant", "tok0 tok1 tok2 ")];
    assert_eq!(ada.branch(&chat).await, first);
    let shown = ada.show(&chat).await;
    assert_eq!(shown["conversation"]["title"], "say 3", "the first line of the first message");
    assert_eq!((&shown["draft"], &shown["answers"]), (&Value::Null, &json!([])));
    let body = &shown["page"]["messages"][0]["body"];
    assert_eq!(
        (&body["model"], &body["request_id"]),
        (&json!("double"), &heard.last["request_id"])
    );
    assert_eq!(body["thinking"], heard.thinking);

    // The model is given the branch, and not what it thought.
    ada.hear(&chat, 2, 2, "say 1").await;
    let asked: Vec<_> =
        double.requests().into_iter().filter(|seen| seen.path.ends_with("completions")).collect();
    let messages = &asked.last().unwrap().json()["messages"];
    let expected = json!([
        {"role": "user", "content": "say 3\nand more"},
        {"role": "assistant", "content": "tok0 tok1 tok2 "},
        {"role": "user", "content": "say 1"},
    ]);
    assert_eq!(messages, &expected);
    let story = door.stop().await;
    story.check_conservation();
    assert!(story.admitted.iter().all(|one| one.who.account == Some(ada.account.id)));
}

#[tokio::test]
async fn a_message_that_is_sent_twice_is_asked_once() {
    let double = Double::start(Behaviour::default());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    let chat = ada.chat().await;
    let first = ada.say(&chat, 1, 0, "say 3").await;
    assert_eq!(ada.say(&chat, 1, 0, "say 3").await, first);
    assert_eq!(ada.page.all(&first.1).await.last["message"], 2);
    assert_eq!(ada.say(&chat, 1, 0, "something else").await, first, "what was sent stays");
    assert_eq!(ada.branch(&chat).await.len(), 2);
    assert_eq!(door.stop().await.admitted.len(), 1);
}

#[tokio::test]
async fn other_answers_and_edits_are_branches() {
    let double = Double::start(Behaviour::default());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    let chat = ada.chat().await;
    ada.hear(&chat, 1, 0, "say 2").await;
    let path = format!("/app/conversations/{chat}/answers");
    let again = |id: u128, parent: u64| json!({"id": format!("{id:032x}"), "parent": parent, "model": "double"});
    let answer = ada.page.post(&path, &again(7, 1)).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(ada.page.all(&format!("{:032x}", 7)).await.last["message"], 3);
    let numbers = |branch: Vec<(u64, String, String, String)>| -> Vec<u64> {
        branch.into_iter().map(|row| row.0).collect()
    };
    assert_eq!(numbers(ada.branch(&chat).await), [1, 3]);
    let choose = |active: u64| json!({"active": active});
    let one = format!("/app/conversations/{chat}");
    let chosen = ada.call(Method::PATCH, &one, &choose(2)).await;
    assert_eq!((chosen.status, &chosen.json()["active"]), (200, &json!(2)));
    assert_eq!(numbers(ada.branch(&chat).await), [1, 2]);
    assert_eq!(ada.call(Method::PATCH, &one, &choose(9)).await.status, 404);
    ada.hear(&chat, 2, 0, "say 1, edited").await;
    assert_eq!(numbers(ada.branch(&chat).await), [4, 5]);
    for (parent, status) in [(2, 400), (9, 404), (0, 404)] {
        assert_eq!(ada.page.post(&path, &again(8, parent)).await.status, status, "{parent}");
    }
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn conversations_are_listed_changed_searched_exported_and_removed() {
    let double = Double::start(Behaviour::default());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    let chat = ada.chat().await;
    let one = format!("/app/conversations/{chat}");
    let body = json!({"id": format!("{:032x}", 1), "parent": 0, "text": "say 2 about <b>tides</b>",
        "attachments": [{"name": "notes.txt", "text": "the moon"}], "model": "double"});
    let sent = ada.page.post(&format!("{one}/messages"), &body).await.json();
    ada.page.all(sent["answer"]["id"].as_str().unwrap()).await;
    let content = double.requests().last().unwrap().json()["messages"][0]["content"].clone();
    assert!(content.as_str().unwrap().contains("[Attached: notes.txt]\nthe moon"), "{content}");
    let attached = ada.page.get(&format!("{one}/messages/1/attachments")).await.json();
    assert_eq!(attached["attachments"], json!([{"name": "notes.txt", "text": "the moon"}]));

    let changes = json!({"title": "Two tides", "system_prompt": "Be brief."});
    let changed = ada.call(Method::PATCH, &one, &changes).await.json();
    assert_eq!(
        (&changed["title"], &changed["system_prompt"]),
        (&json!("Two tides"), &json!("Be brief."))
    );
    ada.hear(&chat, 2, 2, "say 1").await;
    let messages = double.requests().last().unwrap().json()["messages"].clone();
    assert_eq!(messages[0], json!({"role": "system", "content": "Be brief."}));
    let cleared = ada.call(Method::PATCH, &one, &json!({"system_prompt": null})).await.json();
    assert_eq!(cleared["system_prompt"], Value::Null);

    let list = async |query: &str| {
        let listed = ada.page.get(&format!("/app/conversations{query}")).await.json();
        listed["conversations"].as_array().unwrap().len()
    };
    ada.call(Method::PATCH, &one, &json!({"archived": true})).await;
    assert_eq!((list("").await, list("?archived=1").await), (0, 1));
    let temporary = ada.page.post("/app/conversations", &json!({"temporary": true})).await;
    assert_eq!((temporary.status, list("").await), (201, 0));

    let draft = format!("{one}/draft");
    assert_eq!(ada.call(Method::PUT, &draft, &json!({"text": "and ho"})).await.status, 204);
    assert_eq!(ada.show(&chat).await["draft"]["text"], "and ho");
    assert_eq!(ada.call(Method::PUT, &draft, &json!({"text": ""})).await.status, 204);
    assert_eq!(ada.show(&chat).await["draft"], Value::Null);

    let found = ada.page.get("/app/search?q=TIDES%3C").await.json();
    assert_eq!((found["hits"].as_array().unwrap().len(), &found["more"]), (1, &json!(false)));
    assert_eq!(
        (&found["hits"][0]["conversation"], &found["hits"][0]["message"]),
        (&json!(chat), &json!(1))
    );
    let long = format!("/app/search?q={}", "x".repeat(257));
    assert_eq!(ada.page.get(&long).await.status, 400);

    let exported = ada.page.get(&format!("{one}/export?format=json")).await;
    assert!(exported.header("content-disposition").unwrap().starts_with("attachment"));
    let all = exported.json();
    assert_eq!(all["conversation"]["id"], chat);
    assert_eq!(all["messages"].as_array().unwrap().len(), 4);
    assert_eq!(all["messages"][0]["attached"][0]["text"], "the moon");
    let markdown = ada.page.get(&format!("{one}/export?format=markdown")).await.text();
    assert!(markdown.starts_with("# Two tides\n\n## You\n\nsay 2 about"), "{markdown}");
    assert_eq!(ada.page.get(&format!("{one}/export?format=exe")).await.status, 400);

    assert_eq!(ada.call(Method::DELETE, &one, &Value::Null).await.status, 204);
    for path in [one.clone(), format!("{one}/export"), format!("{one}/shares")] {
        assert_eq!(ada.page.get(&path).await.status, 404, "{path}");
    }
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn a_share_shows_one_branch_without_script_and_leads_to_nothing_else() {
    let double = Double::start("reasoning=2".parse().unwrap());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    let chat = ada.chat().await;
    ada.hear(&chat, 1, 0, "say 2 <script>alert(1)</script>").await;
    ada.hear(&chat, 2, 2, "say 1 in secret").await;
    let shares = format!("/app/conversations/{chat}/shares");
    let made = ada.page.post(&shares, &json!({"leaf": 2, "days": 3})).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let (url, id) = (made.json()["url"].as_str().unwrap().to_owned(), made.json()["id"].clone());
    assert!(url.starts_with("/app/shared/share_"), "{url}");
    let listed = ada.page.get(&shares).await.text();
    assert!(listed.contains(id.as_str().unwrap()) && !listed.contains("share_"), "{listed}");

    let stranger = Page::of(&door);
    let page = stranger.get(&url).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self'")
            && !policy.contains("script-src")
    );
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    let html = page.text();
    assert!(html.contains("tok0 tok1 ") && html.contains("&#60;script&#62;"), "{html}");
    for absent in ["<script", "in secret", "think", &chat, "ada@example.org"] {
        assert!(!html.contains(absent), "{absent}: {html}");
    }
    // A capability to read has no way to write.
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        assert_eq!(stranger.call(method.clone(), &url, &json!({})).await.status, 405, "{method}");
    }
    for wrong in ["share_x", "share_000000000000000000000000000000", "%2e%2e", &chat] {
        assert_eq!(stranger.get(&format!("/app/shared/{wrong}")).await.status, 404, "{wrong}");
    }
    assert_eq!(stranger.get(&format!("{url}?from=3")).await.status, 404, "not on the branch");
    let end = format!("/app/shares/{}", id.as_str().unwrap());
    let bob = super::people::person(&door, "bob@example.org").await;
    for other in [&stranger, &bob.page] {
        let refused = other.call(Method::DELETE, &end, &Value::Null).await;
        assert!([401, 404].contains(&refused.status), "{}", refused.status);
    }
    assert_eq!(stranger.get(&url).await.status, 200);
    assert_eq!(ada.call(Method::DELETE, &end, &Value::Null).await.status, 204);
    assert_eq!(stranger.get(&url).await.status, 404);
    door.stop().await.check_conservation();
}
