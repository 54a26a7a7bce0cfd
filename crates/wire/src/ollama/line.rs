//! One line of Ollama's streams, and the body of an answer that is none: the
//! two have the same form.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chunk::Str;

/// A line or a body.
#[derive(Deserialize)]
pub(crate) struct Line<'a> {
    #[serde(borrow, default)]
    pub(crate) model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) message: Option<Message<'a>>,
    // `/api/generate` has these two beside `done`.
    #[serde(borrow, default)]
    pub(crate) response: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(crate) thinking: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(crate) embeddings: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) done: bool,
    #[serde(borrow, default)]
    pub(crate) done_reason: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(crate) prompt_eval_count: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) eval_count: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) error: Option<&'a RawValue>,
}

/// What the model says.
#[derive(Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(borrow, default)]
    pub(crate) content: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(crate) thinking: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(crate) tool_calls: Option<Vec<ToolCall<'a>>>,
}

/// A call, whole: the dialect does not stream arguments.
#[derive(Deserialize)]
pub(crate) struct ToolCall<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) function: Function<'a>,
}

/// The function that is called.
#[derive(Deserialize)]
pub(crate) struct Function<'a> {
    #[serde(borrow)]
    pub(crate) name: Str<'a>,
    /// An object.
    #[serde(borrow, default)]
    pub(crate) arguments: Option<&'a RawValue>,
}

/// Whether a text is there and says something.
pub(crate) fn said<'l, 'a>(text: &'l Option<Str<'a>>) -> Option<&'l Str<'a>> {
    text.as_ref().filter(|text| !text.0.is_empty())
}

/// A count; a lie is none.
fn count(raw: Option<&RawValue>) -> Option<u64> {
    raw?.get().parse().ok()
}

impl<'a> Line<'a> {
    /// What the model thinks.
    pub(crate) fn thought(&self) -> Option<&Str<'a>> {
        self.message
            .as_ref()
            .and_then(|message| said(&message.thinking))
            .or_else(|| said(&self.thinking))
    }

    /// What it says.
    pub(crate) fn text(&self) -> Option<&Str<'a>> {
        self.message
            .as_ref()
            .and_then(|message| said(&message.content))
            .or_else(|| said(&self.response))
    }

    /// The tools that it calls.
    pub(crate) fn calls(&self) -> &[ToolCall<'a>] {
        let message = self.message.as_ref();
        message.and_then(|message| message.tool_calls.as_deref()).unwrap_or_default()
    }

    /// The counts, where both are told.
    pub(crate) fn usage(&self) -> Option<surgewall_core::usage::Usage> {
        super::usage(count(self.prompt_eval_count), count(self.eval_count))
    }

    /// The count of the input alone: embeddings have no other.
    pub(crate) fn input_tokens(&self) -> Option<u64> {
        count(self.prompt_eval_count)
    }

    /// The model, as the server names it.
    pub(crate) fn model_name(&self) -> String {
        let name = self.model.and_then(|model| serde_json::from_str(model.get()).ok());
        name.unwrap_or_default()
    }
}

impl ToolCall<'_> {
    /// The text of its arguments, which are an object.
    pub(crate) fn arguments(&self) -> &str {
        let object = |raw: &&RawValue| raw.get().starts_with('{');
        self.function.arguments.filter(object).map_or("{}", RawValue::get)
    }
}
