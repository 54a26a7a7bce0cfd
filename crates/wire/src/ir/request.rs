//! A chat request in no dialect.

use serde_json::Value;

/// The request.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// What the operator of the conversation says, in order.
    pub(crate) system: Vec<String>,
    /// The conversation; neighbours differ in role.
    pub(crate) turns: Vec<Turn>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) tool_choice: Option<ToolChoice>,
    /// Whether several tools may be called at once; `None` where it is not said.
    pub(crate) parallel_tools: Option<bool>,
    pub(crate) output_max: Option<u64>,
    pub(crate) sampling: Sampling,
    pub(crate) stop: Vec<String>,
    pub(crate) stream: bool,
    /// The end user.
    pub(crate) user: Option<String>,
    /// The schema that the answer must fit.
    pub(crate) schema: Option<OutputSchema>,
    /// Whether the answer must be some JSON, of no schema.
    pub(crate) json_mode: bool,
    /// What comes after the text to be continued.
    pub(crate) suffix: Option<String>,
    pub(crate) thinking: Thinking,
}

impl Request {
    /// Adds parts to the conversation; to the last turn if it has that role.
    pub(crate) fn say(&mut self, role: Role, parts: impl IntoIterator<Item = Part>) {
        match self.turns.last_mut() {
            Some(turn) if turn.role == role => turn.parts.extend(parts),
            _ => self.turns.push(Turn { role, parts: parts.into_iter().collect() }),
        }
    }
}

/// How the next token is chosen.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Sampling {
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) top_k: Option<u64>,
    pub(crate) seed: Option<i64>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    User,
    Assistant,
}

/// What one side says before the other does.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) role: Role,
    pub(crate) parts: Vec<Part>,
}

/// A piece of a turn or of an answer.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    Text(String),
    /// What the model says when it declines.
    Refusal(String),
    Medium(Medium),
    Thinking {
        text: String,
        signature: String,
    },
    /// Thinking that only its maker can read.
    Redacted(String),
    /// `arguments` is the text of a JSON object.
    ToolCall {
        id: String,
        name: String,
        arguments: String,
    },
    ToolResult {
        id: String,
        parts: Vec<Part>,
        failed: bool,
    },
}

/// A picture or a document.
#[derive(Debug, Clone)]
pub(crate) enum Medium {
    Image(Source),
    Document { source: Source, title: Option<String> },
}

/// Where a medium is.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Base64 { media_type: String, data: String },
    Url(String),
}

/// A function that the model may call.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// The JSON schema of its arguments.
    pub(crate) parameters: Option<Value>,
    pub(crate) strict: Option<bool>,
}

/// Which tools the model must call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ToolChoice {
    Auto,
    None,
    /// Some tool.
    Any,
    /// This one.
    Named(String),
}

/// What the answer must fit.
#[derive(Debug)]
pub(crate) struct OutputSchema {
    pub(crate) name: Option<String>,
    pub(crate) schema: Value,
}

/// Whether the model thinks before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Thinking {
    #[default]
    Unsaid,
    Off,
    On {
        effort: Option<Effort>,
        budget: Option<u64>,
    },
}

/// How hard it thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    Low,
    Medium,
    High,
    ExtraHigh,
    Max,
}

impl Effort {
    /// Reads either dialect's word.
    pub(crate) fn read(word: &str) -> Option<Self> {
        Some(match word {
            "minimal" | "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            "xhigh" => Self::ExtraHigh,
            "max" => Self::Max,
            _ => return None,
        })
    }
}
