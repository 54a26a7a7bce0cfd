//! Walking a body once, by the names of its fields: the same names mean the
//! same in all dialects, or nearly.

use super::transcript::{Kind, Transcript};
use crate::json::{Fault, Holder, Listener, walk};
use crate::request::MEDIA;

/// Nesting of a body that is walked, at most.
const DEPTH_MAX: u32 = 128;

/// Whose body is walked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Answer,
}

/// What a field's name says of its value.
#[derive(Clone, Copy)]
enum Rule {
    /// Its strings are text.
    Text(Kind),
    /// It is kept as it stands.
    Raw,
    /// Text, or the arguments of a tool.
    Input,
    /// It is only named.
    Medium,
    /// It says who speaks.
    Role,
    /// It is passed over.
    Nothing,
    /// Its fields say more.
    Within,
}

/// What becomes of a value that is passed over or kept as it stands.
#[derive(Clone, Copy)]
enum Held {
    Passed,
    Kept,
}

impl Side {
    fn rule(self, name: &str) -> Rule {
        match name {
            "role" if self == Side::Request => Rule::Role,
            // Responses repeat what was asked.
            "instructions" | "system" | "prompt" | "suffix" | "tools" | "functions"
                if self == Side::Answer =>
            {
                Rule::Nothing
            }
            "input" => Rule::Input,
            "tools" | "functions" | "arguments" => Rule::Raw,
            "content" | "text" | "refusal" | "response" | "output" | "instructions" | "system"
            | "prompt" | "suffix" => Rule::Text(Kind::Text),
            "thinking" | "reasoning" | "reasoning_content" | "summary" => {
                Rule::Text(Kind::Thinking)
            }
            "name" | "partial_json" => Rule::Text(Kind::Tool),
            "logprobs" | "usage" | "metadata" | "error" | "annotations" | "response_format"
            | "format" | "output_config" | "context" | "embedding" | "embeddings" => Rule::Nothing,
            _ if MEDIA.contains(&name) => Rule::Medium,
            _ => Rule::Within,
        }
    }
}

/// Writes down what a body says while it is walked.
pub(super) struct Walk<'t> {
    transcript: &'t mut Transcript,
    side: Side,
    /// For what is open: the rule of what it holds.
    open: Vec<Rule>,
    /// The rule of the value that comes next.
    next: Rule,
    /// What becomes of the value in which the walk is, and what was open before it.
    held: Option<(Held, usize)>,
    depth: usize,
    is_lost: bool,
}

/// Something in the body is not understood.
pub(super) struct Lost;

impl From<Fault> for Lost {
    fn from(_: Fault) -> Self {
        Self
    }
}

impl<'t> Walk<'t> {
    /// Writes down what a whole body says.
    pub(super) fn body(
        transcript: &'t mut Transcript,
        side: Side,
        body: &[u8],
    ) -> Result<(), Lost> {
        let next = Rule::Within;
        let (open, held, depth, is_lost) = (Vec::new(), None, 0, false);
        let mut said = Walk { transcript, side, open, next, held, depth, is_lost };
        walk(crate::json::text(body)?, DEPTH_MAX, &mut [&mut said])?;
        if said.is_lost { Err(Lost) } else { Ok(()) }
    }

    /// A value has ended: the next is of the same kind, unless a name says otherwise.
    fn ended(&mut self) {
        self.next = self.open.last().copied().unwrap_or(Rule::Within);
    }

    /// A value that its names do not lead to.
    fn lost(&mut self) {
        self.is_lost = true;
    }
}

impl<'a> Listener<'a> for Walk<'_> {
    fn key(&mut self, name: &str, _: &'a str) {
        if self.held.is_some() {
            return;
        }
        self.next = self.side.rule(name);
        if let Rule::Medium = self.next {
            self.transcript.medium(name);
        }
    }

    fn string(&mut self, text: &str, _: &'a str) {
        if self.held.is_some() {
            return;
        }
        match self.next {
            Rule::Text(kind) => self.transcript.piece(kind, text),
            Rule::Input => self.transcript.piece(Kind::Text, text),
            // Arguments are a text of JSON, or JSON.
            Rule::Raw => self.transcript.piece(Kind::Tool, text),
            Rule::Role => self.transcript.role(text),
            Rule::Medium | Rule::Nothing | Rule::Within => {}
        }
        self.ended();
    }

    fn broken(&mut self, raw: &'a str) {
        if self.held.is_some() {
            return;
        }
        match self.next {
            Rule::Raw => self.transcript.piece(Kind::Tool, raw),
            Rule::Medium | Rule::Nothing => {}
            Rule::Text(_) | Rule::Input | Rule::Role | Rule::Within => self.lost(),
        }
        self.ended();
    }

    fn scalar(&mut self, raw: &'a str) {
        if self.held.is_some() {
            return;
        }
        match self.next {
            Rule::Raw => self.transcript.piece(Kind::Tool, raw),
            Rule::Role => self.lost(),
            _ => {}
        }
        self.ended();
    }

    fn open(&mut self, holder: Holder) {
        self.depth += 1;
        if self.held.is_some() {
            return;
        }
        let held = match (self.next, holder) {
            (Rule::Raw, _) | (Rule::Input, Holder::Object) => Held::Kept,
            (Rule::Medium | Rule::Nothing, _) => Held::Passed,
            (Rule::Role, _) => {
                self.lost();
                Held::Passed
            }
            (rule, _) => {
                let rule = if let Rule::Input = rule { Rule::Text(Kind::Text) } else { rule };
                self.open.push(rule);
                self.next = rule;
                return;
            }
        };
        self.held = Some((held, self.depth));
    }

    fn close(&mut self, raw: &'a str) {
        let depth = self.depth;
        self.depth -= 1;
        match self.held {
            Some((_, at)) if at != depth => return,
            Some((Held::Kept, _)) => self.transcript.piece(Kind::Tool, raw),
            Some((Held::Passed, _)) => {}
            None => {
                self.open.pop();
            }
        }
        self.held = None;
        self.ended();
    }
}
