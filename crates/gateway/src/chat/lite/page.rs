//! One conversation as a page: as many of its newest messages as have room, the
//! rest behind links.

use surgewall_store::conversations::{Body, Placed, Role, State};

use super::room::{Part, excerpt, html_len};

/// What stands around a message's words: its head, links and notes, in bytes.
const MESSAGE_BYTES: usize = 640;
/// What is kept free for the message before a long one.
const QUESTION_BYTES: usize = 1_500;
/// A message is begun on a page if so much of it has room.
const BEGINNING_BYTES_MIN: usize = 400;
/// Characters of a model's name over its answers.
const WHO_CHARS_MAX: usize = 60;

/// A message on a page.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) class: &'static str,
    pub(super) who: String,
    pub(super) parts: Vec<Part>,
    /// Where its beginning is, if it is not here.
    pub(super) start: Option<String>,
    /// Where it goes on, if it does.
    pub(super) next: Option<String>,
    pub(super) notes: Vec<String>,
}

impl Shown {
    fn len(&self) -> usize {
        MESSAGE_BYTES + self.parts.iter().map(Part::len).sum::<usize>()
    }
}

/// Which part of a conversation a page shows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct View {
    /// The last message; `None` is the newest.
    pub(super) from: Option<u32>,
    /// The byte of its text at which the page begins.
    pub(super) at: usize,
}

/// `page`, newest first, laid out in `room` bytes: oldest first, where earlier
/// ones are, and how many bytes are left.
pub(super) fn lay_out(
    page: &[Placed],
    older: Option<u32>,
    view: View,
    room: usize,
) -> (Vec<Shown>, Option<u32>, usize) {
    let (mut shown, mut left) = (Vec::new(), room);
    for (nth, placed) in page.iter().enumerate() {
        let is_last = nth == 0;
        let (at, from) =
            if is_last { (view.at, view.from) } else { (0, Some(placed.message.number)) };
        let kept = if is_last && at == 0 && page.len() > 1 { QUESTION_BYTES } else { 0 };
        let free = left.saturating_sub(MESSAGE_BYTES + kept);
        if free < BEGINNING_BYTES_MIN && !is_last {
            return (reversed(shown), Some(placed.message.number), left);
        }
        let one = one(placed, from, at, free);
        left = left.saturating_sub(one.len());
        let is_whole = one.next.is_none() && at == 0;
        shown.push(one);
        // Before the beginning of the last one there is its question, however long it is.
        let goes_on = is_whole || (is_last && at == 0);
        if !goes_on {
            let before = page.get(nth + 1).map(|placed| placed.message.number);
            return (reversed(shown), before.or(older), left);
        }
    }
    (reversed(shown), older, left)
}

fn reversed(mut shown: Vec<Shown>) -> Vec<Shown> {
    shown.reverse();
    shown
}

fn one(placed: &Placed, from: Option<u32>, at: usize, room: usize) -> Shown {
    let message = &placed.message;
    let body = message.body.as_ref();
    let erased = Body::text("(erased)");
    let (parts, next) = excerpt(body.unwrap_or(&erased), at, room);
    let link = |at: Option<usize>| match (from, at) {
        (Some(from), Some(at)) => format!("?from={from}&at={at}"),
        (Some(from), None) => format!("?from={from}"),
        (None, Some(at)) => format!("?at={at}"),
        (None, None) => String::new(),
    };
    let is_answer = message.role == Role::Assistant;
    let model = body.filter(|_| is_answer).and_then(|body| body.model.as_deref());
    Shown {
        class: message.role.as_str(),
        who: if is_answer { who(model.unwrap_or("Answer")) } else { "You".to_owned() },
        parts,
        start: (at > 0).then(|| link(None)),
        notes: if next.is_none() { notes(message.state, message.attachments) } else { Vec::new() },
        next: next.map(|at| link(Some(at))),
    }
}

/// Who answers.
pub(super) fn who(model: &str) -> String {
    model.chars().take(WHO_CHARS_MAX).collect()
}

fn notes(state: State, attachments: u32) -> Vec<String> {
    let ended = match state {
        State::Complete => None,
        State::Stopped => Some("You stopped this answer.".to_owned()),
        State::Partial => Some("This answer broke off.".to_owned()),
    };
    let attached = match attachments {
        0 => None,
        1 => Some("A file is attached.".to_owned()),
        many => Some(format!("{many} files are attached.")),
    };
    ended.into_iter().chain(attached).collect()
}

/// A model that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) name: String,
    pub(super) chosen: bool,
}

/// As many of `models` as have `room` bytes; `wanted` is chosen, and there in any
/// case if it may be used.
pub(super) fn choices(models: &[String], wanted: Option<&str>, room: usize) -> Vec<Choice> {
    let wanted = wanted.and_then(|wanted| models.iter().find(|model| *model == wanted));
    let wanted = wanted.or_else(|| models.first());
    let mut left = room.saturating_sub(wanted.map_or(0, |model| option_len(model)));
    let has_room = |model: &&String| {
        if Some(*model) == wanted {
            return true;
        }
        let len = option_len(model);
        let fits = len <= left;
        left = if fits { left - len } else { 0 };
        fits
    };
    let offered = models.iter().filter(has_room);
    offered.map(|name| Choice { name: name.clone(), chosen: Some(name) == wanted }).collect()
}

fn option_len(model: &str) -> usize {
    html_len(model) + "\n<option selected></option>".len()
}

#[cfg(test)]
mod tests {
    use surgewall_core::clock::Timestamp;
    use surgewall_store::conversations::{Message, MessageId};

    use super::*;

    /// A branch of these texts, newest first.
    fn branch(texts: &[&str]) -> Vec<Placed> {
        let numbered = texts.iter().zip(1_u32..);
        let placed = |(text, number): (&&str, u32)| Placed {
            message: Message {
                id: MessageId::from_u128(number.into()),
                number,
                parent: number - 1,
                role: if number % 2 == 1 { Role::User } else { Role::Assistant },
                state: State::Complete,
                attachments: 0,
                created_at: Timestamp::from_millis(0),
                body: Some(Body::text(*text)),
            },
            position: 1,
            siblings: 1,
            previous: 0,
            next: 0,
        };
        let mut all: Vec<Placed> = numbered.map(placed).collect();
        all.reverse();
        all
    }

    fn words(shown: &[Shown]) -> Vec<String> {
        shown.iter().map(|one| one.parts.iter().map(|part| part.text.as_str()).collect()).collect()
    }

    #[test]
    fn a_page_has_the_newest_messages_that_have_room_and_links_to_the_rest() {
        let long = "a word and another ".repeat(500);
        let page = branch(&["q1", &long, "q2", "a2"]);
        let (shown, older, _) = lay_out(&page, None, View::default(), 1 << 20);
        assert_eq!((shown.len(), older), (4, None));
        let (shown, older, left) = lay_out(&page, None, View::default(), 4_000);
        let texts = words(&shown);
        assert_eq!((&texts[1..], older), (["q2".to_owned(), "a2".to_owned()].as_slice(), Some(1)));
        assert!(long.starts_with(&texts[0]) && texts[0].len() > 500 && left < MESSAGE_BYTES);
        let next = format!("?from=2&at={}", texts[0].len());
        assert_eq!((shown[0].next.as_deref(), &shown[0].start), (Some(next.as_str()), &None));
        let at = View { from: Some(2), at: texts[0].len() };
        let (shown, older, _) = lay_out(&page[2..], None, at, 4_000);
        assert_eq!((shown.len(), older), (1, Some(1)), "a part has the page for itself");
        assert_eq!(shown[0].start.as_deref(), Some("?from=2"));
    }

    #[test]
    fn a_long_answer_leaves_room_for_its_question() {
        let page = branch(&["what?", &"<".repeat(9_000)]);
        let (shown, older, left) = lay_out(&page, None, View::default(), 8_000);
        assert_eq!((words(&shown)[0].as_str(), older), ("what?", None));
        assert!(
            left < 8_000 && shown[1].next.as_deref().is_some_and(|next| next.starts_with("?at="))
        );
    }

    #[test]
    fn a_model_that_is_wanted_is_offered_however_many_there_are() {
        let models: Vec<String> = (0..500).map(|nth| format!("model-{nth}")).collect();
        let offered = choices(&models, Some("model-499"), 400);
        let len: usize = offered.iter().map(|choice| option_len(&choice.name)).sum();
        assert!(offered.len() > 5 && len <= 400, "{len}");
        let chosen: Vec<_> = offered.iter().filter(|choice| choice.chosen).collect();
        assert_eq!(chosen[0].name, "model-499");
        assert_eq!(chosen.len(), 1);
        assert!(choices(&models, Some("other"), 400)[0].chosen, "else the first one");
        assert!(choices(&[], None, 400).is_empty());
    }
}
