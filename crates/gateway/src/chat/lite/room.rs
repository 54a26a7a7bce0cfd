//! How much of a conversation stands on one page: counted in bytes of HTML, so
//! that a text of nothing but markup is no way to a large page.

use surgewall_store::conversations::{Body, Tombstone};

/// A page is cut behind a word where one ends in so many bytes before its end.
const WORD_BYTES_MAX: usize = 160;
/// What stands around a part of a message, in bytes.
const PART_BYTES: usize = 64;
/// Words about what was withheld, in characters.
const WITHHELD_CHARS_MAX: usize = 600;

/// A part of a message: words, or what stands in the place of withheld ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) text: String,
    pub(super) withheld: bool,
}

impl Part {
    /// What it takes on a page, in bytes.
    pub(super) fn len(&self) -> usize {
        html_len(&self.text) + PART_BYTES
    }
}

/// The bytes of `text` in a page: markup is escaped.
pub(super) fn html_len(text: &str) -> usize {
    text.bytes().map(byte_len).sum()
}

const fn byte_len(byte: u8) -> usize {
    match byte {
        b'"' | b'&' | b'\'' | b'<' | b'>' => 5,
        _ => 1,
    }
}

/// Bytes of `text` that take at most `room` on a page, up to the end of a word
/// where one is near; at least one character, so that a reader gets on.
pub(super) fn fitting(text: &str, room: usize) -> usize {
    let mut used = 0;
    let over = text.bytes().position(|byte| {
        used += byte_len(byte);
        used > room
    });
    let Some(over) = over else { return text.len() };
    let first = text.chars().next().map_or(0, char::len_utf8);
    let end = text.floor_char_boundary(over).max(first);
    let near = text.floor_char_boundary(end.saturating_sub(WORD_BYTES_MAX));
    let word = text.get(near..end).and_then(|last| last.rfind([' ', '\n']));
    word.map_or(end, |at| near + at + 1)
}

/// What is told of a withheld part.
pub(super) fn withheld(tombstone: &Tombstone) -> Part {
    let Tombstone { rule, reason, advice, .. } = tombstone;
    let words = format!("Withheld by the rule {rule}: {reason} {advice}");
    Part { text: words.chars().take(WITHHELD_CHARS_MAX).collect(), withheld: true }
}

/// What of `body` stands on a page from the byte `at` of its text on, in about
/// `room` bytes, and where the next page goes on.
pub(super) fn excerpt(body: &Body, at: usize, room: usize) -> (Vec<Part>, Option<usize>) {
    let text = body.text.as_str();
    let begin = text.floor_char_boundary(at);
    let (mut parts, mut left, mut from) = (Vec::new(), room, begin);
    // Of more tombstones at one place than a page holds, a reader gets past them, too.
    let cut = |parts, from: usize| (parts, Some(from.max(text.ceil_char_boundary(begin + 1))));
    let stones = body.withheld.iter().filter(|stone| stone.at >= begin).map(Some);
    for stone in stones.chain([None]) {
        let until = stone.map_or(text.len(), |stone| text.floor_char_boundary(stone.at));
        let said = text.get(from..until).unwrap_or_default();
        if !said.is_empty() {
            let fits = fitting(said, left.saturating_sub(PART_BYTES));
            let text = said.get(..fits).unwrap_or_default().to_owned();
            let part = Part { text, withheld: false };
            left = left.saturating_sub(part.len());
            parts.push(part);
            from += fits;
            if fits < said.len() {
                return cut(parts, from);
            }
        }
        if let Some(part) = stone.map(withheld) {
            // What follows it has room for a word: the next page does not begin with it again.
            let follows = if from < text.len() { 2 * PART_BYTES } else { 0 };
            if part.len() + follows > left && !parts.is_empty() {
                return cut(parts, from);
            }
            left = left.saturating_sub(part.len());
            parts.push(part);
        }
    }
    (parts, None)
}

#[cfg(test)]
mod tests {
    use askama::filters::{Escaper as _, Html};
    use proptest::prelude::{Strategy, prop, proptest};

    use super::*;

    fn tombstone(at: usize) -> Tombstone {
        let (rule, reason, advice) = ("r".to_owned(), "Why.".to_owned(), "What.".to_owned());
        Tombstone { at, rule, reason, advice }
    }

    #[test]
    fn a_text_is_cut_behind_a_word() {
        let word = "x".repeat(WORD_BYTES_MAX + 2);
        for (text, room, expected) in [
            ("one two", 7, 7),
            ("one two", 6, 4),
            ("one\ntwo", 6, 4),
            ("<<<", 10, 2),
            ("<<<", 9, 1),
            ("<", 0, 1),
            ("ü", 1, 2),
            ("aü", 2, 1),
            ("", 0, 0),
            (&format!("a {word}"), word.len() + 1, word.len() + 1),
        ] {
            assert_eq!(fitting(text, room), expected, "{text:?} {room}");
        }
    }

    #[test]
    fn a_tombstone_is_on_one_page_and_stays_at_its_place() {
        let body = Body {
            text: "one two".to_owned(),
            withheld: vec![tombstone(4), tombstone(7)],
            ..Body::default()
        };
        let shown = |at, room| {
            let (parts, next) = excerpt(&body, at, room);
            let text: Vec<_> = parts
                .into_iter()
                .map(|part| if part.withheld { "*".to_owned() } else { part.text })
                .collect();
            (text.concat(), next)
        };
        assert_eq!(shown(0, 1_000), ("one *two*".to_owned(), None));
        assert_eq!(shown(0, PART_BYTES + 4), ("one ".to_owned(), Some(4)));
        assert_eq!(shown(4, 1_000), ("*two*".to_owned(), None));
        assert_eq!(shown(5, 1_000), ("wo*".to_owned(), None));
        assert_eq!(shown(99, 1_000), ("*".to_owned(), None));
    }

    fn text() -> impl Strategy<Value = String> {
        prop::collection::vec(
            prop::sample::select(vec!["<", "&", " ", "\n", "a", "漢", "😀", "word "]),
            0..400,
        )
        .prop_map(|parts| parts.concat())
    }

    proptest! {
        /// Whoever reads on has all of it once, in its order, and each page is within its room.
        #[test]
        fn pages_of_a_message_are_the_message(text in text(), places in prop::collection::vec(0_usize..900, 0..4), room in 400_usize..900) {
            let mut places: Vec<usize> = places.into_iter().map(|at| text.floor_char_boundary(at)).collect();
            places.sort_unstable();
            places.dedup();
            let withheld = places.iter().copied().map(tombstone).collect();
            let body = Body { text, withheld, ..Body::default() };
            let (mut read, mut stones, mut at) = (String::new(), 0, 0);
            loop {
                let (parts, next) = excerpt(&body, at, room);
                assert!(parts.iter().map(Part::len).sum::<usize>() <= room, "{parts:?}");
                for part in &parts {
                    if part.withheld { stones += 1 } else { read.push_str(&part.text) }
                }
                let Some(next) = next else { break };
                assert!(next > at || !parts.is_empty());
                at = next;
            }
            assert_eq!((read, stones), (body.text.clone(), body.withheld.len()));
        }

        #[test]
        fn the_length_is_that_of_the_escaped_text(text in ".{0,60}") {
            let mut html = String::new();
            Html.write_escaped_str(&mut html, &text).unwrap();
            assert_eq!(html_len(&text), html.len());
        }
    }
}
