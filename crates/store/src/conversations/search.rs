//! Searching one's own content: it is opened and looked at, page by page. There
//! is no index, because an index of the words would be the content again, in
//! clear, and would outlive its erasure.

use serde::Serialize;
use surgewall_core::clock::Timestamp;
use surgewall_core::id::PublicId;

use super::own::fits;
use super::seals::{Seals, blocking};
use super::views::Conversation;
use super::{
    ConversationError, ConversationId, Conversations, MessageRow, Own, PAGE_CONVERSATIONS_MAX,
    Pick, SEARCH_BYTES_MAX, SEARCH_HITS_MAX, SEARCH_ROWS_MAX, SEARCH_TEXT_BYTES_MAX,
};

/// Characters of an excerpt on each side of what was found.
const EXCERPT_CHARS: usize = 60;

/// A place where it was found.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// The conversation.
    pub conversation: PublicId,
    /// Its title.
    pub title: String,
    /// The message's number; 0 is the title.
    pub number: u32,
    /// When the message was added, or the conversation written to.
    pub at: Timestamp,
    /// The text around it.
    pub excerpt: String,
}

/// Where a search goes on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SearchFrom {
    /// In this conversation,
    pub conversation: PublicId,
    /// after this message.
    pub number: u32,
}

/// What one search found.
#[derive(Clone, PartialEq, Eq, Default, Serialize)]
pub struct Found {
    /// The places, those in the newest conversation first.
    pub hits: Vec<Hit>,
    /// Where to go on: one search reads and gives only so much.
    pub next: Option<SearchFrom>,
}

impl<C: Conversations> Own<'_, C> {
    /// Where `text` stands in titles and messages on all branches, without
    /// regard to case; temporary conversations are left out.
    ///
    /// # Errors
    /// The text is too long, `from` names nothing, or the store or the vault failed.
    pub async fn search(
        &self,
        text: &str,
        from: Option<&SearchFrom>,
    ) -> Result<Found, ConversationError> {
        fits("text to search for", text, SEARCH_TEXT_BYTES_MAX)?;
        let needle = text.to_lowercase();
        let mut found = Found::default();
        if needle.is_empty() {
            return Ok(found);
        }
        let mut left = Left { rows: SEARCH_ROWS_MAX, bytes: SEARCH_BYTES_MAX };
        let mut before = None;
        if let Some(from) = from {
            let begun = self.find(from.conversation.as_str()).await?;
            if self.inside(&begun, &needle, from.number, &mut found, &mut left).await? {
                return Ok(found);
            }
            before = Some(begun.id);
        }
        loop {
            let page = self.conversations_before(before).await?;
            let Some(last) = page.last() else { return Ok(found) };
            before = Some(last.id);
            for conversation in &page {
                left.rows = left.rows.saturating_sub(1);
                found.hits.extend(in_title(conversation, &needle));
                if self.inside(conversation, &needle, 0, &mut found, &mut left).await? {
                    return Ok(found);
                }
            }
        }
    }

    async fn conversations_before(
        &self,
        id: Option<ConversationId>,
    ) -> Result<Vec<Conversation>, ConversationError> {
        let pick = Pick::Before { id, rows_max: PAGE_CONVERSATIONS_MAX };
        let rows = self.store.conversations(self.account, &pick).await?;
        let seals = self.seals.clone();
        blocking(move || rows.into_iter().map(|row| seals.open_conversation(row)).collect()).await
    }

    /// Looks through one conversation; whether the search must end here.
    async fn inside(
        &self,
        conversation: &Conversation,
        needle: &str,
        mut after: u32,
        found: &mut Found,
        left: &mut Left,
    ) -> Result<bool, ConversationError> {
        if conversation.temporary || conversation.title.is_none() {
            return Ok(false);
        }
        loop {
            if found.hits.len() >= SEARCH_HITS_MAX || left.is_used_up() {
                let (conversation, number) = (conversation.public_id.clone(), after);
                found.next = Some(SearchFrom { conversation, number });
                return Ok(true);
            }
            let rows = self.store.messages(self.account, conversation.id, after).await?;
            let Some(last) = rows.last().map(|row| row.number) else { return Ok(false) };
            left.rows = left.rows.saturating_sub(rows.len());
            let bytes: usize = rows.iter().map(|row| row.content.len()).sum();
            left.bytes = left.bytes.saturating_sub(bytes);
            let (seals, needle) = (self.seals.clone(), needle.to_owned());
            let places = blocking(move || look(&seals, &rows, &needle)).await?;
            after = last;
            for (number, at, excerpt) in places {
                found.hits.push(Hit {
                    conversation: conversation.public_id.clone(),
                    title: conversation.title.clone().unwrap_or_default(),
                    number,
                    at,
                    excerpt,
                });
                if found.hits.len() >= SEARCH_HITS_MAX {
                    after = number;
                    break;
                }
            }
        }
    }
}

/// What one search may still open.
struct Left {
    rows: usize,
    bytes: usize,
}

impl Left {
    const fn is_used_up(&self) -> bool {
        self.rows == 0 || self.bytes == 0
    }
}

fn in_title(conversation: &Conversation, needle: &str) -> Option<Hit> {
    let title = conversation.title.as_ref().filter(|_| !conversation.temporary)?;
    let excerpt = excerpt(title, needle)?;
    Some(Hit {
        conversation: conversation.public_id.clone(),
        title: title.clone(),
        number: 0,
        at: conversation.updated_at,
        excerpt,
    })
}

/// Number, time and excerpt of each message that has the text.
type Places = Vec<(u32, Timestamp, String)>;

fn look(seals: &Seals, rows: &[MessageRow], needle: &str) -> Result<Places, ConversationError> {
    let mut places = Places::new();
    for row in rows {
        let message = seals.open_message(row)?;
        let Some(body) = message.body else { continue };
        places.extend(excerpt(&body.text, needle).map(|text| (row.number, row.created_at, text)));
    }
    Ok(places)
}

/// The text around the first place where `needle`, in lower case, stands.
fn excerpt(text: &str, needle: &str) -> Option<String> {
    let at = text.to_lowercase().find(needle)?;
    // Lower case may be longer or shorter than what it was made of.
    let mut lowered = 0;
    let begin = text.char_indices().find(|(_, c)| {
        lowered += c.to_lowercase().map(char::len_utf8).sum::<usize>();
        lowered > at
    });
    let begin = begin.map_or(text.len(), |(begin, _)| begin);
    let before: Vec<char> = text[..begin].chars().rev().take(EXCERPT_CHARS).collect();
    let after = text[begin..].chars().take(needle.chars().count() + EXCERPT_CHARS);
    Some(before.into_iter().rev().chain(after).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_shows_what_was_found_with_its_surroundings() {
        let check = |text: &str, needle: &str, expected: Option<&str>| {
            assert_eq!(excerpt(text, &needle.to_lowercase()).as_deref(), expected, "{text}");
        };
        check("The Quick fox", "quick", Some("The Quick fox"));
        check("The quick fox", "slow", None);
        check("", "x", None);
        // Lower case of İ is longer than itself, that of K (the kelvin sign) shorter.
        check("İİİ wanted", "WANTED", Some("İİİ wanted"));
        check("\u{212a}\u{212a} wanted", "wanted", Some("\u{212a}\u{212a} wanted"));
        let long = format!("{}needle{}", "a".repeat(500), "b".repeat(500));
        let shown = excerpt(&long, "needle").unwrap();
        assert_eq!(shown, format!("{}needle{}", "a".repeat(60), "b".repeat(60)));
    }
}
