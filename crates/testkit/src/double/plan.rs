//! What one answer will hold: decided once from the request and the behaviour,
//! rendered by the dialect.

use std::collections::VecDeque;

use bytes::Bytes;

use super::answer::{Part, Trouble};
use super::bank::{Bank, Banks, Kind, text};
use super::behaviour::{Behaviour, Done, Fault, UsageLie};
use super::request::{Ask, Route, Tool, number_in};
use super::schema;
use super::{anthropic, ollama, openai};

/// Tokens of an answer when neither prompt nor behaviour says.
const TOKENS_DEFAULT: u64 = 16;
/// Characters in one token of a structured answer or of a tool's arguments.
const PIECE_CHARS: usize = 8;
/// What [`UsageLie::Huge`] says.
const HUGE: i64 = 1_000_000_000_000;

/// The parts of an answer.
pub(super) type Script = VecDeque<Part>;

/// What the model itself brings to an answer.
#[derive(Clone, Copy)]
pub(super) struct Model {
    /// Tokens of an answer when neither prompt nor behaviour says.
    pub(super) tokens: u64,
    /// Tokens of an answer for which there is room.
    pub(super) tokens_max: Option<u64>,
    /// Tokens of the prompt that it has in its cache.
    pub(super) cached: u64,
}

impl Default for Model {
    fn default() -> Self {
        Self { tokens: TOKENS_DEFAULT, tokens_max: None, cached: 0 }
    }
}

/// What one answer will hold.
pub(super) struct Plan<'a> {
    pub(super) route: Route,
    pub(super) model: &'a str,
    pub(super) stream: bool,
    pub(super) banks: &'a Banks,
    /// Tokens of text; `u64::MAX` is endless.
    pub(super) tokens: u64,
    pub(super) reasoning: u64,
    /// `max_tokens` cut the answer.
    pub(super) is_cut: bool,
    /// Text that must be just so, instead of counted tokens.
    pub(super) fixed: Option<String>,
    /// The tools to call, and their arguments.
    pub(super) calls: Vec<(Tool, String)>,
    /// What the usage says, if it says anything.
    pub(super) usage: Option<Usage>,
    pub(super) done: Done,
}

/// The numbers of a usage; lies may be negative.
#[derive(Clone, Copy)]
pub(super) struct Usage {
    pub(super) input: i64,
    pub(super) cached: i64,
    pub(super) output: i64,
    pub(super) reasoning: i64,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        route: Route,
        ask: &'a Ask<'_>,
        behaviour: &Behaviour,
        prompt: &str,
        banks: &'a Banks,
        model: Model,
    ) -> Self {
        let with_arguments = |tool: Tool| {
            let arguments = schema::sample(&tool.schema).to_string();
            (tool, arguments)
        };
        let calls: Vec<_> = ask.tools_to_call(prompt).into_iter().map(with_arguments).collect();
        // A call comes first; the answer in its form follows when the results are there.
        let schema = ask.answer_schema().filter(|_| calls.is_empty());
        let fixed = schema.map(|schema| schema::sample(&schema).to_string());
        let mut plan = Self {
            route,
            model: &ask.model,
            stream: ask.streams(route),
            banks,
            tokens: behaviour.tokens.or_else(|| number_in(prompt)).unwrap_or(model.tokens),
            reasoning: behaviour.reasoning,
            is_cut: false,
            fixed,
            calls,
            usage: None,
            done: behaviour.done,
        };
        let max_tokens = ask.max_tokens().into_iter().chain(model.tokens_max).min();
        plan.bound(max_tokens, behaviour);
        plan.usage = plan.usage_said(ask, behaviour, model.cached);
        plan
    }

    fn bound(&mut self, max_tokens: Option<u64>, behaviour: &Behaviour) {
        if behaviour.fault == Fault::Endless {
            self.tokens = u64::MAX;
        } else if self.fixed.is_some() || !self.calls.is_empty() {
            let calls = self.calls.iter().map(|(_, json)| json);
            let texts = self.fixed.iter().chain(calls);
            let count = texts.map(|text| pieces(text).count()).sum::<usize>();
            self.tokens = u64::try_from(count).unwrap_or(u64::MAX);
        } else if let Some(max) = max_tokens.filter(|_| !behaviour.ignore_max) {
            self.reasoning = self.reasoning.min(max);
            let left = max - self.reasoning;
            self.is_cut = left < self.tokens;
            self.tokens = self.tokens.min(left);
        }
    }

    fn usage_said(&self, ask: &Ask<'_>, behaviour: &Behaviour, cached: u64) -> Option<Usage> {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let asked = !self.stream
            || ask.wants_usage()
            || self.route.is_anthropic()
            || self.route.is_ollama();
        let input = ask.input_tokens();
        let honest = Usage {
            input: number(input),
            cached: number(behaviour.cached.max(cached).min(input)),
            output: number(self.tokens.saturating_add(self.reasoning)),
            reasoning: number(self.reasoning),
        };
        let both = |n| Usage { input: n, cached: 0, output: n, reasoning: 0 };
        match behaviour.usage {
            UsageLie::Missing => None,
            UsageLie::Always => Some(honest),
            _ if !asked => None,
            UsageLie::Honest => Some(honest),
            UsageLie::Huge => Some(both(HUGE)),
            UsageLie::Zero => Some(both(0)),
            UsageLie::Negative => Some(both(-5)),
            UsageLie::Half => {
                Some(Usage { input: honest.input / 2, output: honest.output / 2, ..honest })
            }
        }
    }

    /// The answer's parts.
    pub(super) fn script(&self) -> Script {
        if self.route.is_ollama() {
            let stream = self.stream;
            return if stream { ollama::stream(self) } else { self.whole(ollama::whole(self)) };
        }
        match (self.route.is_anthropic(), self.stream) {
            (true, true) => anthropic::stream(self),
            (true, false) => self.whole(anthropic::whole(self)),
            (false, true) => openai::stream(self),
            (false, false) => self.whole(openai::whole(self)),
        }
    }

    fn whole(&self, body: String) -> Script {
        let silent = self.tokens.saturating_add(self.reasoning);
        VecDeque::from([Part::Silent(silent), Part::Free(Bytes::from(body))])
    }

    /// The answer's text where it is no stream.
    pub(super) fn text(&self) -> String {
        self.fixed.clone().unwrap_or_else(|| text("tok", self.tokens))
    }

    /// The reasoning's text where it is no stream.
    pub(super) fn reasoning_text(&self) -> Option<String> {
        (self.reasoning > 0).then(|| text("think", self.reasoning))
    }

    /// The counted or fixed tokens of the answer's text, as frames of `kind`.
    pub(super) fn text_part(&self, kind: Kind) -> Part {
        let bank = self.banks.bank(kind, self.model);
        match &self.fixed {
            Some(fixed) => Part::Fixed(fixed_frames(&bank, fixed)),
            None => Part::Tokens { bank, next: 0, end: self.tokens },
        }
    }

    /// The tokens of the reasoning, as frames of `kind`.
    pub(super) fn reasoning_part(&self, kind: Kind) -> Part {
        let bank = self.banks.bank(kind, self.model);
        Part::Tokens { bank, next: 0, end: self.reasoning }
    }

    /// What goes wrong in mid-answer, and after how many tokens.
    pub(super) fn trouble(&self, fault: &Fault) -> Option<(u64, Trouble)> {
        let (after, trouble) = match fault {
            Fault::Stall { after } => (after, Trouble::Stall),
            Fault::Die { after } => (after, Trouble::Die),
            Fault::Reset { after } => (after, Trouble::Reset),
            Fault::Cut { after } => (after, Trouble::Cut),
            Fault::Garbage { after } => (after, Trouble::Last(Bytes::from_static(GARBAGE))),
            Fault::ErrorEvent { after } => (after, Trouble::Last(self.error_event())),
            Fault::Oversize { after, bytes } => (after, Trouble::Extra(self.oversize(*bytes))),
            _ => return None,
        };
        Some(((*after).min(self.tokens.saturating_add(self.reasoning)), trouble))
    }

    fn error_event(&self) -> Bytes {
        let text = if self.route.is_ollama() {
            "{\"error\":\"The double is overloaded.\"}\n"
        } else if self.route.is_anthropic() {
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"The double is overloaded.\"}}\n\n"
        } else {
            "data: {\"error\":{\"message\":\"The double is overloaded.\",\"type\":\"server_error\",\"code\":\"overloaded\"}}\n\n"
        };
        Bytes::from_static(text.as_bytes())
    }

    fn oversize(&self, bytes: usize) -> Bytes {
        let kind = match self.route {
            Route::Messages => Kind::Message(u8::from(self.reasoning > 0)),
            Route::Completions => Kind::Completion,
            Route::Lines => Kind::Lines,
            Route::Generate => Kind::Generate,
            _ => Kind::Chat,
        };
        self.banks.bank(kind, self.model).with_text(&format!("{} ", "x".repeat(bytes)))
    }
}

const GARBAGE: &[u8] = b"data: {\"choices\":[{\"delta\":\n\n\xff\xfe\x00 not an event\n\n";

fn fixed_frames(bank: &Bank, text: &str) -> VecDeque<Bytes> {
    pieces(text).map(|piece| bank.with_text(&escape(&piece))).collect()
}

/// A text cut into tokens.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = String> {
    let mut rest = text.chars();
    std::iter::from_fn(move || {
        let piece: String = rest.by_ref().take(PIECE_CHARS).collect();
        (!piece.is_empty()).then_some(piece)
    })
}

/// The inside of a JSON string.
pub(super) fn escape(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}
