//! Weighing what the model reads, while the body is walked: how much text it is,
//! and whether messages and other inputs have the form that the dialect asks for.

use super::media::{MEDIA, is_medium};
use crate::estimate::ByteClasses;
use crate::json::{Holder, Listener, folds_to};
use crate::{ClientDialect, Endpoint};

/// Marks around one field of JSON that are tokens of their own; the rest merge.
const FIELD_PUNCTUATION: u64 = 3;
/// The fields of a message that other parsers may not read otherwise.
const MESSAGE_FIELDS: [&str; 3] = ["role", "content", "tool_calls"];
/// Bytes of a medium that count as one more image: a long document is many pages.
const MEDIUM_BYTES: usize = 256 << 10;
/// What is wrong with an input of another form.
const FORM: &str = "it does not have the form that this endpoint asks for";

/// What a value is to the model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// Nothing.
    Nothing,
    /// An array of messages.
    Messages,
    /// One of them: an object with a `role`.
    Message,
    /// A message's role.
    Role,
    /// A message's content: a string, an array of parts, or null.
    Content,
    /// The input of Responses: a text, or an array of items.
    Items,
    /// One of them.
    Item,
    /// A prompt or an embedding's input: a string, an array of strings, an array of
    /// tokens, or an array of arrays of tokens.
    Prompt,
    /// What stands in such an array.
    InnerPrompt,
    /// An array of tools.
    Tools,
    /// Its strings are text for the model, its media are counted.
    Text,
    /// It reaches the model as JSON, names and all: schemas do.
    Json,
    /// It may hold media: addresses and base64 count as images, other strings as text.
    Media,
}

impl Part {
    /// What the elements of an array are.
    const fn element(self) -> Self {
        match self {
            Self::Messages => Self::Message,
            Self::Content | Self::Item => Self::Text,
            Self::Items => Self::Item,
            Self::Prompt => Self::InnerPrompt,
            Self::Tools => Self::Json,
            part => part,
        }
    }

    /// Whether it may be an array, or an object.
    const fn may_be(self, holder: Holder) -> bool {
        match self {
            Self::Messages | Self::Content | Self::Items | Self::Prompt | Self::InnerPrompt => {
                matches!(holder, Holder::Array)
            }
            Self::Message => matches!(holder, Holder::Object),
            Self::Role => false,
            _ => true,
        }
    }
}

/// What was counted.
#[derive(Default, Debug)]
pub(super) struct Weight {
    /// All text.
    pub(super) classes: ByteClasses,
    /// Images, audio and documents given as data or by address.
    pub(super) images: u32,
    /// Messages, items, prompts.
    pub(super) elements: u32,
    /// Tools offered.
    pub(super) tools: usize,
    /// What is wrong with the input.
    pub(super) fault: Option<&'static str>,
    /// A field of tools that is no array.
    pub(super) no_tools: Option<&'static str>,
    /// Another field that the model reads, and that cannot be read.
    pub(super) broken: Option<&'static str>,
}

/// Weighs the fields of one request.
pub(super) struct Weigh {
    weight: Weight,
    /// The field that is the input, and what it is.
    input: (&'static str, Part),
    elements_max: u32,
    /// The field of the top level that is walked.
    field: &'static str,
    open: Vec<Open>,
    /// What the value is that comes next.
    next: Part,
}

/// An array or object that is open.
struct Open {
    part: Part,
    /// Which of a message's fields were seen.
    seen: [bool; MESSAGE_FIELDS.len()],
    /// Elements and tokens before it.
    elements: u32,
    given: u64,
}

/// Fields beside the input that the model reads.
const OTHERS: [(&str, Part); 10] = [
    ("system", Part::Text),
    ("suffix", Part::Text),
    ("instructions", Part::Text),
    ("images", Part::Media),
    ("tools", Part::Tools),
    ("functions", Part::Tools),
    ("response_format", Part::Json),
    ("output_config", Part::Json),
    ("format", Part::Json),
    ("text", Part::Json),
];

impl Weigh {
    /// For a request to this endpoint, with so many messages, items or prompts at most.
    pub(super) fn new(client: ClientDialect, endpoint: Endpoint, elements_max: u32) -> Self {
        let input = match endpoint {
            Endpoint::Chat if client == ClientDialect::Responses => ("input", Part::Items),
            Endpoint::Chat | Endpoint::CountTokens => ("messages", Part::Messages),
            Endpoint::Completions => ("prompt", Part::Prompt),
            Endpoint::Embeddings => ("input", Part::Prompt),
        };
        Self {
            weight: Weight::default(),
            input,
            elements_max,
            field: "",
            open: Vec::new(),
            next: Part::Nothing,
        }
    }

    /// The name of the field that is the input.
    pub(super) const fn input(&self) -> &'static str {
        self.input.0
    }

    /// What was counted.
    pub(super) fn finish(self) -> Weight {
        self.weight
    }

    /// The input is wrong: the rest of it does not count.
    fn fail(&mut self, reason: &'static str) {
        self.weight.fault.get_or_insert(reason);
    }

    /// What the value is that comes now. It is an element where nothing else was said.
    fn part(&self) -> Part {
        let has_failed = self.weight.fault.is_some() && self.field == self.input.0;
        if has_failed { Part::Nothing } else { self.next }
    }

    /// A field of the top level.
    fn top_level(&mut self, name: &str) {
        let all = std::iter::once(self.input).chain(OTHERS);
        let found = all.into_iter().find(|(known, _)| *known == name);
        (self.field, self.next) = found.unwrap_or(("", Part::Nothing));
    }

    /// A field of a message.
    fn message_field(&mut self, name: &str) -> Part {
        let known = MESSAGE_FIELDS.iter().position(|known| folds_to(name, known));
        if let (Some(at), Some(message)) = (known, self.open.last_mut()) {
            if MESSAGE_FIELDS[at] != name {
                self.fail("a message has a field in wrong letter case");
            } else if std::mem::replace(&mut message.seen[at], true) {
                self.fail("a message has a field twice");
            }
        }
        match known {
            Some(0) => Part::Role,
            Some(1) => Part::Content,
            // Ollama's pictures stand beside the content.
            _ if name == "images" => Part::Media,
            _ => Part::Text,
        }
    }

    fn text(&mut self, text: &str) {
        self.weight.classes.add(text);
    }

    /// A value has ended that was `part`.
    fn ended(&mut self, part: Part) {
        let fault = match part {
            Part::Message => "there are too many messages",
            Part::Item => "there are too many items",
            _ => "there are too many inputs",
        };
        if matches!(part, Part::Message | Part::Item) {
            self.weight.elements += 1;
        }
        let is_counted = matches!(part, Part::Message | Part::Item | Part::InnerPrompt);
        if is_counted && self.weight.elements > self.elements_max {
            self.fail(fault);
        }
        self.next = self.open.last().map_or(Part::Nothing, |open| open.part.element());
    }

    /// A value of the top level that is null is as good as none.
    fn is_absent(&self, raw: &str) -> bool {
        raw == "null" && self.open.len() == 1
    }

    /// An element of an array of tools begins.
    fn count_tool(&mut self) {
        if self.open.last().is_some_and(|open| open.part == Part::Tools) {
            self.weight.tools += 1;
        }
    }

    /// An array of prompts has ended: one of tokens is one input, and an array of
    /// arrays counted its own.
    fn prompts_ended(&mut self, open: &Open) {
        if self.weight.elements == open.elements && self.weight.classes.given > open.given {
            self.weight.elements += 1;
        }
        if open.part == Part::InnerPrompt && self.weight.elements == open.elements {
            self.fail("an input is empty");
        }
    }
}

impl<'a> Listener<'a> for Weigh {
    fn key(&mut self, name: &str, _: &'a str) {
        if self.open.len() == 1 {
            self.top_level(name);
            return;
        }
        let part = self.open.last().map_or(Part::Nothing, |open| open.part);
        self.next = match part {
            Part::Message => self.message_field(name),
            Part::Json => {
                self.text(name);
                self.weight.classes.punctuation += FIELD_PUNCTUATION;
                Part::Json
            }
            Part::Text | Part::Item => match name {
                _ if MEDIA.contains(&name) => Part::Media,
                "type" | "cache_control" => Part::Nothing,
                _ => Part::Text,
            },
            part => part,
        };
    }

    fn string(&mut self, text: &str, _: &'a str) {
        self.count_tool();
        let part = self.part();
        match part {
            Part::Nothing | Part::Role => {}
            Part::Messages | Part::Message => self.fail(FORM),
            Part::Tools => self.weight.no_tools = Some(self.field),
            Part::Content | Part::Text | Part::Item | Part::Json => self.text(text),
            Part::Items | Part::Prompt | Part::InnerPrompt => {
                self.text(text);
                self.weight.elements += 1;
            }
            Part::Media if is_medium(text) => {
                let more = u32::try_from(text.len() / MEDIUM_BYTES).unwrap_or(u32::MAX);
                self.weight.images = self.weight.images.saturating_add(more).saturating_add(1);
            }
            Part::Media => self.text(text),
        }
        self.ended(part);
    }

    fn broken(&mut self, _: &'a str) {
        let part = self.part();
        match part {
            Part::Nothing => {}
            Part::Role => self.fail("a message's role is not a string"),
            _ if self.field == self.input.0 => self.fail(FORM),
            _ => self.weight.broken = self.weight.broken.or(Some(self.field)),
        }
        self.ended(part);
    }

    fn scalar(&mut self, raw: &'a str) {
        self.count_tool();
        let part = self.part();
        let is_number = raw.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        match part {
            _ if self.is_absent(raw) => {}
            Part::Nothing | Part::Media => {}
            Part::Text | Part::Item | Part::Json => {
                self.weight.classes.digits += u64::from(is_number);
            }
            Part::Role => self.fail("a message's role is not a string"),
            Part::Content if raw == "null" => {}
            Part::Tools => self.weight.no_tools = Some(self.field),
            Part::Prompt if raw.parse::<u64>().is_ok() => self.fail("it is a number"),
            Part::InnerPrompt if raw.parse::<u64>().is_ok() => self.weight.classes.given += 1,
            _ => self.fail(FORM),
        }
        self.ended(part);
    }

    fn open(&mut self, holder: Holder) {
        self.count_tool();
        let mut part = self.part();
        if part == Part::Role {
            self.fail("a message's role is not a string");
        } else if !part.may_be(holder) {
            self.fail(FORM);
        }
        if part == Part::Tools && holder == Holder::Object {
            self.weight.no_tools = Some(self.field);
            part = Part::Nothing;
        }
        let (elements, given) = (self.weight.elements, self.weight.classes.given);
        self.open.push(Open { part, seen: Default::default(), elements, given });
        self.next = part.element();
    }

    fn close(&mut self, _: &'a str) {
        let Some(open) = self.open.pop() else { return };
        if self.weight.fault.is_none() {
            match open.part {
                Part::Message if !open.seen[0] => self.fail("a message has no role"),
                Part::Prompt | Part::InnerPrompt => self.prompts_ended(&open),
                _ => {}
            }
        }
        self.ended(open.part);
    }
}
