//! Searching one's own conversations.

use surgewall_store::conversations::{
    ConversationError, NewConversation, Role, SEARCH_HITS_MAX, SEARCH_TEXT_BYTES_MAX, SearchFrom,
};

use crate::accounts::Desk;
use crate::conversations::{account, chat, own, says};

#[tokio::test]
async fn words_are_found_in_titles_and_on_all_branches_of_ones_own() {
    let desk = Desk::new().await;
    let (ada, bob) =
        (account(&desk, "ada@example.org").await, account(&desk, "bob@example.org").await);
    let (hers, his) = (own(&desk, ada), own(&desk, bob));
    let tides = chat(&desk, &hers, "The Moon").await;
    for (parent, text) in [(0, "why tides"), (1, "the moon pulls"), (1, "THE MOON again")] {
        hers.append(tides.id, says(parent, Role::User, text), desk.now()).await.unwrap();
    }
    let bobs = chat(&desk, &his, "moon of bob").await;
    his.append(bobs.id, says(0, Role::User, "moon"), desk.now()).await.unwrap();
    let hidden = NewConversation { title: "moon".into(), temporary: true, ..Default::default() };
    hers.create(hidden, desk.now()).await.unwrap();
    let found = hers.search("mOoN", None).await.unwrap();
    let places: Vec<_> = found.hits.iter().map(|hit| (hit.number, hit.excerpt.as_str())).collect();
    assert_eq!(places, [(0, "The Moon"), (2, "the moon pulls"), (3, "THE MOON again")]);
    assert!(found.hits.iter().all(|hit| hit.conversation == tides.public_id));
    assert!(found.next.is_none());
    assert!(hers.search("", None).await.unwrap().hits.is_empty());
    let from = SearchFrom { conversation: bobs.public_id, number: 0 };
    let refused = hers.search("moon", Some(&from)).await;
    assert!(matches!(refused, Err(ConversationError::NotFound { .. })));
    let long = "x".repeat(SEARCH_TEXT_BYTES_MAX);
    assert!(hers.search(&long, None).await.is_ok());
    assert!(hers.search(&format!("{long}x"), None).await.is_err());
}

#[tokio::test]
async fn a_search_ends_at_its_limits_and_goes_on_where_it_ended() {
    let desk = Desk::new().await;
    let ada = account(&desk, "ada@example.org").await;
    let own = own(&desk, ada);
    let mut expected = Vec::new();
    for name in ["first", "second", "needle three"] {
        let chat = chat(&desk, &own, name).await;
        desk.pass(1);
        let mut places = Vec::new();
        places.extend(name.contains("needle").then_some((chat.public_id.clone(), 0)));
        for number in 0..40 {
            let text = if number % 4 == 3 { "nothing" } else { "a needle" };
            let number = own.append(chat.id, says(number, Role::User, text), desk.now()).await;
            let number = number.unwrap();
            places.extend((text == "a needle").then_some((chat.public_id.clone(), number)));
        }
        expected.splice(0..0, places);
    }
    // Megabytes that hold nothing: the bytes of one search are used up in between.
    let wide = chat(&desk, &own, "wide").await;
    for number in 0..40 {
        let text = "x".repeat(1_000_000);
        own.append(wide.id, says(number, Role::User, &text), desk.now()).await.unwrap();
    }
    let (mut from, mut seen, mut rounds): (Option<SearchFrom>, _, _) = (None, Vec::new(), 0);
    loop {
        let found = own.search("needle", from.as_ref()).await.unwrap();
        assert!(found.hits.len() <= SEARCH_HITS_MAX);
        seen.extend(found.hits.into_iter().map(|hit| (hit.conversation, hit.number)));
        rounds += 1;
        from = found.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(seen, expected);
    assert!(rounds >= 3, "{rounds}");
}
