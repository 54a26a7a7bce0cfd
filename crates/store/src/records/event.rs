//! One event, and how it is written into a block.
//!
//! All numbers are little-endian; `n` is LEB128, `text` is `n` bytes of UTF-8.
//! ```text
//! event: request id 16 | at u64 | flags u8 | input tokens n | output tokens n
//!        | model text | dialect text | outcome text | request text | answer text
//! ```

use std::borrow::Cow;

use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as WordError, StrDeserializer};
use surgewall_core::clock::Timestamp;
use surgewall_core::decision::Outcome;
use surgewall_core::id::RequestId;
use surgewall_core::subject::Subject;

/// The text of a request or of an answer that one event keeps, in bytes: what
/// is beyond is cut off, and the event says so.
pub const EVENT_TEXT_BYTES_MAX: usize = 1 << 20;
/// What an event holds besides its two texts, in bytes.
pub(super) const EVENT_AROUND_BYTES_MAX: usize = 2 << 10;
/// A name in an event (model, dialect), in bytes.
const NAME_BYTES_MAX: usize = 512;

const REQUEST_CUT: u8 = 1;
const ANSWER_CUT: u8 = 2;

/// What somebody said, as far as it is kept.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Said {
    /// The text.
    pub text: String,
    /// Whether there was more.
    pub cut: bool,
}

/// One call of a model, as the operator's record has it. It becomes redacted on
/// its way into the store; nothing is written that was not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// The request, as in the ledger.
    pub request_id: RequestId,
    /// When it arrived.
    pub at: Timestamp,
    /// Whose content it is.
    pub subject: Subject,
    /// Where the data may be, in the operator's words; empty where that is unknown.
    pub region: String,
    /// The model, as configured.
    pub model: String,
    /// The client's dialect.
    pub dialect: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Tokens of the input.
    pub input_tokens: u64,
    /// Tokens of the output.
    pub output_tokens: u64,
    /// What was asked.
    pub request: Said,
    /// What was answered, as it was delivered.
    pub answer: Said,
}

impl Event {
    /// What it takes in memory while it waits, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.request.text.len() + self.answer.text.len() + EVENT_AROUND_BYTES_MAX
    }
}

/// Takes out what a record must not hold. The store calls it for both texts of
/// each event.
pub trait Redact: Send + Sync {
    /// `text` without secrets and personal data.
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str>;
}

/// Appends `event` to a block, redacted. Subject and region are the block's.
pub(super) fn write(event: &Event, redact: &dyn Redact, out: &mut Vec<u8>) {
    out.extend_from_slice(&event.request_id.as_u128().to_be_bytes());
    out.extend_from_slice(&event.at.millis().to_le_bytes());
    let flags = out.len();
    out.push(0);
    number(event.input_tokens, out);
    number(event.output_tokens, out);
    text(head(&event.model, NAME_BYTES_MAX), out);
    text(head(&event.dialect, NAME_BYTES_MAX), out);
    text(event.outcome.as_str(), out);
    for (said, flag) in [(&event.request, REQUEST_CUT), (&event.answer, ANSWER_CUT)] {
        let redacted = redact.redact(&said.text);
        let kept = head(&redacted, EVENT_TEXT_BYTES_MAX);
        if said.cut || kept.len() < redacted.len() {
            out[flags] |= flag;
        }
        text(kept, out);
    }
}

/// The first `bytes_max` bytes of `text` at most, cut between two characters.
fn head(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

fn text(text: &str, out: &mut Vec<u8>) {
    number(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn number(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(low_bits(value) | 0x80);
        value >>= 7;
    }
    out.push(low_bits(value));
}

fn low_bits(value: u64) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}

/// Reads the events of one block.
pub(super) struct Events<'a> {
    rest: &'a [u8],
    subject: Subject,
    region: &'a str,
}

impl<'a> Events<'a> {
    /// Of the block's plain bytes.
    pub(super) const fn new(plain: &'a [u8], subject: Subject, region: &'a str) -> Self {
        Self { rest: plain, subject, region }
    }

    fn event(&mut self) -> Option<Event> {
        let request_id = RequestId::from_u128(u128::from_be_bytes(*self.array()?));
        let at = Timestamp::from_millis(u64::from_le_bytes(*self.array()?));
        let [flags] = *self.array()?;
        let (input_tokens, output_tokens) = (self.number()?, self.number()?);
        let (model, dialect) = (self.text()?.to_owned(), self.text()?.to_owned());
        let word: StrDeserializer<'_, WordError> = self.text()?.into_deserializer();
        let outcome = Outcome::deserialize(word).ok()?;
        let request = Said { text: self.text()?.to_owned(), cut: flags & REQUEST_CUT != 0 };
        let answer = Said { text: self.text()?.to_owned(), cut: flags & ANSWER_CUT != 0 };
        let (subject, region) = (self.subject, self.region.to_owned());
        Some(Event {
            request_id,
            at,
            subject,
            region,
            model,
            dialect,
            outcome,
            input_tokens,
            output_tokens,
            request,
            answer,
        })
    }

    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (array, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(array)
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = *self.array()?;
            let part = u64::from(byte & 0x7f);
            if part << shift >> shift != part {
                return None;
            }
            value |= part << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        std::str::from_utf8(text).ok()
    }
}

/// An event whose bytes are none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NoEvent;

impl Iterator for Events<'_> {
    type Item = Result<Event, NoEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let event = self.event().ok_or(NoEvent);
        if event.is_err() {
            self.rest = &[];
        }
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in super::super) struct Plain;

    impl Redact for Plain {
        fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
            Cow::Borrowed(text)
        }
    }

    struct NoDigits;

    impl Redact for NoDigits {
        fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
            Cow::Owned(text.replace(|c: char| c.is_ascii_digit(), "#"))
        }
    }

    fn event(request: &str, answer: &str, numbers: (u64, u64)) -> Event {
        Event {
            request_id: RequestId::from_u128(numbers.0.into()),
            at: Timestamp::from_millis(numbers.1),
            subject: Subject::Strangers,
            region: "eu".into(),
            model: "tiny".into(),
            dialect: "openai".into(),
            outcome: Outcome::UpstreamBroke,
            input_tokens: numbers.0,
            output_tokens: numbers.1,
            request: Said { text: request.into(), cut: false },
            answer: Said { text: answer.into(), cut: true },
        }
    }

    fn read(plain: &[u8]) -> Vec<Result<Event, NoEvent>> {
        Events::new(plain, Subject::Strangers, "eu").collect()
    }

    proptest! {
        #[test]
        fn events_are_read_as_they_were_written(
            texts in prop::collection::vec((".{0,40}", ".{0,40}", any::<(u64, u64)>()), 0..5),
        ) {
            let events: Vec<_> = texts.iter().map(|(r, a, n)| event(r, a, *n)).collect();
            let mut plain = Vec::new();
            events.iter().for_each(|event| write(event, &Plain, &mut plain));
            let expected: Vec<_> = events.into_iter().map(Ok).collect();
            prop_assert_eq!(read(&plain), expected);
        }

        #[test]
        fn hostile_bytes_are_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for event in read(&bytes) {
                prop_assert!(event.is_ok() || event == Err(NoEvent));
            }
        }
    }

    #[test]
    fn an_event_cut_anywhere_is_an_error() {
        let mut plain = Vec::new();
        write(&event("ask", "say", (1, 300)), &Plain, &mut plain);
        for end in 1..plain.len() {
            assert_eq!(read(&plain[..end]), [Err(NoEvent)], "{end}");
        }
    }

    #[test]
    fn both_texts_are_redacted_and_held_to_their_limit() {
        for (len, cut) in [(EVENT_TEXT_BYTES_MAX, false), (EVENT_TEXT_BYTES_MAX + 1, true)] {
            let mut plain = Vec::new();
            let mut long = event(&"7".repeat(len), "pin 1234", (1, 2));
            long.answer.cut = false;
            write(&long, &NoDigits, &mut plain);
            let [Ok(read)] = &read(&plain)[..] else { panic!("one event") };
            let hashes = "#".repeat(EVENT_TEXT_BYTES_MAX);
            assert_eq!(read.request, Said { text: hashes, cut });
            assert_eq!(read.answer, Said { text: "pin ####".into(), cut: false });
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(head("aé", 2), "a");
        assert_eq!(head("aé", 3), "aé");
        assert_eq!(head("é", 0), "");
    }
}
