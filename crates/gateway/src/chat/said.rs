//! What an answer says, in the order in which it was said. It only grows, and
//! every place in it has a number: whoever has read up to a number reads on from
//! there, and has the same as somebody who never left.

use surgewall_store::conversations::{Body, Tombstone};

use super::limits::{ANSWER_BYTES_MAX, EVENT_BYTES_MAX, PART_BYTES};

/// Who speaks in an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Voice {
    /// What the model thinks.
    Thinking,
    /// What it answers.
    Text,
}

/// A piece of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Piece {
    /// More of one voice.
    Said(Voice, String),
    /// Something was withheld here.
    Withheld(Tombstone),
}

/// There is no room for more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Full;

/// An answer so far.
#[derive(Clone, Default, Debug)]
pub(crate) struct Said {
    parts: Vec<Part>,
    /// Where the next piece begins: a byte of text counts one, and so does a tombstone.
    end: u64,
    /// What it counts in memory.
    bytes: usize,
    /// Bytes of the answer's text.
    text_bytes: usize,
}

#[derive(Clone, Debug)]
struct Part {
    at: u64,
    what: Piece,
}

impl Said {
    /// Where the next piece begins.
    pub(crate) const fn end(&self) -> u64 {
        self.end
    }

    /// What it counts in memory, in bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds `text`. Returns by how much it grew in memory.
    ///
    /// # Errors
    /// It would be longer than [`ANSWER_BYTES_MAX`]: nothing was added.
    pub(crate) fn say(&mut self, voice: Voice, text: &str) -> Result<usize, Full> {
        if text.is_empty() {
            return Ok(0);
        }
        let last = self.parts.last_mut().map(|part| &mut part.what);
        let goes_on = matches!(&last, Some(Piece::Said(before, _)) if *before == voice);
        let grows = text.len() + if goes_on { 0 } else { PART_BYTES };
        if self.bytes + grows > ANSWER_BYTES_MAX {
            return Err(Full);
        }
        match last {
            Some(Piece::Said(_, said)) if goes_on => said.push_str(text),
            _ => {
                let what = Piece::Said(voice, text.to_owned());
                self.parts.push(Part { at: self.end, what });
            }
        }
        self.bytes += grows;
        self.end += text.len() as u64;
        if voice == Voice::Text {
            self.text_bytes += text.len();
        }
        Ok(grows)
    }

    /// Puts a tombstone where something was withheld. Returns by how much it grew.
    ///
    /// # Errors
    /// As [`Said::say`].
    pub(crate) fn withhold(&mut self, mut tombstone: Tombstone) -> Result<usize, Full> {
        let grows = tombstone.len() + PART_BYTES;
        if self.bytes + grows > ANSWER_BYTES_MAX {
            return Err(Full);
        }
        tombstone.at = self.text_bytes;
        self.parts.push(Part { at: self.end, what: Piece::Withheld(tombstone) });
        self.bytes += grows;
        self.end += 1;
        Ok(grows)
    }

    /// The piece that begins at `from`, at most [`EVENT_BYTES_MAX`] of it, and where
    /// the next one begins; `None` where nothing more was said.
    pub(crate) fn piece(&self, from: u64) -> Option<(Piece, u64)> {
        if from >= self.end {
            return None;
        }
        let index = self.parts.partition_point(|part| part.at <= from).checked_sub(1)?;
        let part = self.parts.get(index)?;
        match &part.what {
            Piece::Withheld(_) => Some((part.what.clone(), part.at + 1)),
            Piece::Said(voice, said) => {
                let begin = usize::try_from(from - part.at).unwrap_or(usize::MAX);
                // Only a number that nobody was given is within a character.
                let begin = said.floor_char_boundary(begin);
                let end = said.floor_char_boundary(begin.saturating_add(EVENT_BYTES_MAX));
                let piece = Piece::Said(*voice, said.get(begin..end)?.to_owned());
                Some((piece, part.at + end as u64))
            }
        }
    }

    /// All of it, as a message.
    pub(crate) fn body(&self) -> Body {
        let mut body = Body::default();
        for part in &self.parts {
            match &part.what {
                Piece::Said(Voice::Thinking, said) => body.thinking.push_str(said),
                Piece::Said(Voice::Text, said) => body.text.push_str(said),
                Piece::Withheld(tombstone) => body.withheld.push(tombstone.clone()),
            }
        }
        body
    }

    /// What a message says, to go on from there.
    ///
    /// # Errors
    /// As [`Said::say`].
    pub(crate) fn of(body: &Body) -> Result<Self, Full> {
        let mut said = Self::default();
        said.say(Voice::Thinking, &body.thinking)?;
        let mut from = 0;
        for tombstone in &body.withheld {
            let at = body.text.floor_char_boundary(tombstone.at.max(from));
            said.say(Voice::Text, body.text.get(from..at).unwrap_or_default())?;
            said.withhold(tombstone.clone())?;
            from = at;
        }
        said.say(Voice::Text, body.text.get(from..).unwrap_or_default())?;
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, prop_oneof, proptest};

    use super::*;

    fn tombstone(rule: &str) -> Tombstone {
        let (rule, reason, advice) = (rule.to_owned(), "why".to_owned(), "what".to_owned());
        Tombstone { at: 0, rule, reason, advice }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Say(Voice, String),
        Withhold(String),
    }

    fn step() -> impl Strategy<Value = Step> {
        let voice = any::<bool>().prop_map(|text| if text { Voice::Text } else { Voice::Thinking });
        let text = prop_oneof![".{0,9}", "[aä漢😀]{0,40}", "x{0,40000}"];
        prop_oneof![
            9 => (voice, text).prop_map(|(voice, text)| Step::Say(voice, text)),
            1 => "[a-z]{1,9}".prop_map(Step::Withhold),
        ]
    }

    fn add(said: &mut Said, step: &Step) {
        let added = match step {
            Step::Say(voice, text) => said.say(*voice, text),
            Step::Withhold(rule) => said.withhold(tombstone(rule)),
        };
        added.unwrap();
    }

    /// What was read: each voice's text, and the rules with what stood before them.
    #[derive(Default, PartialEq, Debug)]
    struct Read {
        thinking: String,
        text: String,
        withheld: Vec<(usize, String)>,
    }

    impl Read {
        fn take(&mut self, piece: Piece) {
            match piece {
                Piece::Said(Voice::Thinking, said) => self.thinking.push_str(&said),
                Piece::Said(Voice::Text, said) => self.text.push_str(&said),
                Piece::Withheld(tombstone) => {
                    assert_eq!(tombstone.at, self.text.len());
                    self.withheld.push((tombstone.at, tombstone.rule));
                }
            }
        }

        fn of(body: &Body) -> Self {
            let withheld = body.withheld.iter().map(|one| (one.at, one.rule.clone()));
            let withheld = withheld.collect();
            Self { thinking: body.thinking.clone(), text: body.text.clone(), withheld }
        }
    }

    proptest! {
        /// Readers that come, leave after any number of pieces and come again while it is
        /// still being said have, in the end, what was said: nothing is missing or doubled.
        #[test]
        fn whoever_reads_on_from_a_number_has_all_of_it(
            steps in prop::collection::vec((step(), 0_usize..4), 0..24),
        ) {
            let (mut said, mut reader, mut at) = (Said::default(), Read::default(), 0);
            for (step, reads) in &steps {
                add(&mut said, step);
                for _ in 0..*reads {
                    let Some((piece, next)) = said.piece(at) else { break };
                    assert!(next > at);
                    reader.take(piece);
                    at = next;
                }
            }
            while let Some((piece, next)) = said.piece(at) {
                if let Piece::Said(_, text) = &piece {
                    assert!(!text.is_empty() && text.len() <= EVENT_BYTES_MAX);
                }
                reader.take(piece);
                at = next;
            }
            assert_eq!(at, said.end());
            let body = said.body();
            assert_eq!(reader, Read::of(&body));
            // What was kept of it can be gone on from.
            let again = Said::of(&body).unwrap();
            assert!(again.body() == body && again.end() == said.end());
        }
    }

    #[test]
    fn the_length_of_an_answer_is_limited() {
        let mut said = Said::default();
        let room = ANSWER_BYTES_MAX - PART_BYTES;
        assert_eq!(said.say(Voice::Text, &"x".repeat(room)), Ok(ANSWER_BYTES_MAX));
        assert_eq!(said.say(Voice::Text, "x"), Err(Full));
        assert_eq!(said.withhold(tombstone("r")), Err(Full));
        assert_eq!(said.say(Voice::Text, ""), Ok(0));
        let mut flickering = Said::default();
        let each = 1 + PART_BYTES;
        for nth in 0..ANSWER_BYTES_MAX / each {
            let voice = if usize::is_multiple_of(nth, 2) { Voice::Text } else { Voice::Thinking };
            flickering.say(voice, "x").unwrap();
        }
        let last =
            if (ANSWER_BYTES_MAX / each).is_multiple_of(2) { Voice::Text } else { Voice::Thinking };
        assert_eq!(flickering.say(last, "x"), Err(Full));
        assert_eq!(flickering.end(), (ANSWER_BYTES_MAX / each) as u64);
    }

    #[test]
    fn a_number_that_nobody_was_given_does_no_harm() {
        let mut said = Said::default();
        said.say(Voice::Text, "漢字").unwrap();
        for from in 0..9 {
            let piece = said.piece(from);
            assert_eq!(piece.is_some(), from < 6, "{from}");
        }
        assert_eq!(said.piece(1), said.piece(0));
        assert_eq!(said.piece(u64::MAX), None);
    }
}
