//! What the double reads of a request: enough to answer it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Bytes of input in one block of the engine, at four a token.
const BLOCK_BYTES: usize = 64;

/// What is asked for, by path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Route {
    Chat,
    Completions,
    Embeddings,
    Models,
    Model,
    Messages,
    CountTokens,
    /// Ollama's chat.
    Lines,
    Generate,
    Embed,
    Tags,
    Health,
    Stats,
    Behaviour,
    Control,
    Metrics,
    Unknown,
}

impl Route {
    /// The route of `path`; `/v1`, `/beta` and `/anthropic` before it do not matter.
    pub(super) fn of(path: &str) -> Self {
        match path {
            "/health" | "/healthz" => return Self::Health,
            "/double/stats" => return Self::Stats,
            "/double/behaviour" => return Self::Behaviour,
            "/double/control" => return Self::Control,
            "/metrics" => return Self::Metrics,
            _ => {}
        }
        match path {
            "/api/chat" => return Self::Lines,
            "/api/generate" => return Self::Generate,
            "/api/embed" => return Self::Embed,
            "/api/tags" => return Self::Tags,
            _ => {}
        }
        let ends = |end: &str| path.ends_with(end);
        if ends("/chat/completions") {
            Self::Chat
        } else if ends("/completions") {
            Self::Completions
        } else if ends("/embeddings") {
            Self::Embeddings
        } else if ends("/messages") {
            Self::Messages
        } else if ends("/messages/count_tokens") {
            Self::CountTokens
        } else if ends("/models") {
            Self::Models
        } else if path.contains("/models/") {
            Self::Model
        } else {
            Self::Unknown
        }
    }

    pub(super) fn is_anthropic(self) -> bool {
        matches!(self, Self::Messages | Self::CountTokens)
    }

    pub(super) fn is_ollama(self) -> bool {
        matches!(self, Self::Lines | Self::Generate | Self::Embed | Self::Tags)
    }
}

/// The parts of a request body that the double looks at.
#[derive(Deserialize, Default)]
pub(super) struct Ask<'a> {
    #[serde(borrow, default)]
    pub(super) model: Cow<'a, str>,
    /// Whether a stream is asked for; Ollama's are where nothing is said.
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    options: Option<Options>,
    #[serde(default)]
    format: Option<Value>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
    #[serde(borrow, default)]
    messages: Vec<Message<'a>>,
    #[serde(borrow, default)]
    prompt: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tools: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    response_format: Option<Value>,
    #[serde(default)]
    output_config: Option<Value>,
    #[serde(default)]
    pub(super) encoding_format: Option<String>,
    #[serde(default)]
    pub(super) dimensions: Option<usize>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// Ollama's.
#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    num_predict: Option<u64>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

/// A tool that the request offers: its name and its arguments' schema.
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) schema: Value,
}

impl<'a> Ask<'a> {
    /// Reads a body; an empty one asks for nothing.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, serde_json::Error> {
        if body.is_empty() { Ok(Self::default()) } else { serde_json::from_slice(body) }
    }

    /// Whether a stream is asked for.
    pub(super) fn streams(&self, route: Route) -> bool {
        self.stream.unwrap_or(matches!(route, Route::Lines | Route::Generate))
    }

    /// Whether the request asks for usage at the end of a stream.
    pub(super) fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }

    /// The bound on output tokens.
    pub(super) fn max_tokens(&self) -> Option<u64> {
        let ollama = self.options.as_ref().and_then(|options| options.num_predict);
        self.max_completion_tokens.or(self.max_tokens).or(ollama)
    }

    /// The last user message's text, or the prompt's, or the input's.
    pub(super) fn prompt_text(&self) -> String {
        let last = self.messages.iter().rev().find(|message| message.role == "user");
        let raw = last.and_then(|message| message.content).or(self.prompt).or(self.input);
        raw.map(|raw| text_of(raw.get())).unwrap_or_default()
    }

    /// Input tokens: a quarter of the bytes of all messages, at least one.
    pub(super) fn input_tokens(&self) -> u64 {
        let bytes: usize = self.raws().map(|raw| raw.get().len()).sum();
        u64::try_from(bytes / 4).unwrap_or(u64::MAX).max(1)
    }

    fn raws(&self) -> impl Iterator<Item = &RawValue> {
        let contents = self.messages.iter().filter_map(|message| message.content);
        contents.chain(self.prompt).chain(self.input)
    }

    /// For each whole block of the input, a hash of everything up to its end.
    pub(super) fn blocks(&self) -> Vec<u64> {
        let mut hash = Fnv::default();
        let mut blocks = Vec::new();
        for (index, byte) in self.raws().flat_map(|raw| raw.get().bytes()).enumerate() {
            hash.add(byte);
            if (index + 1) % BLOCK_BYTES == 0 {
                blocks.push(hash.0);
            }
        }
        blocks
    }

    /// The tools to call: the first on "call the tool", all on "call the tools".
    pub(super) fn tools_to_call(&self, prompt: &str) -> Vec<Tool> {
        let calls = match (prompt.contains("call the tools"), prompt.contains("call the tool")) {
            (true, _) => usize::MAX,
            (false, true) => 1,
            (false, false) => 0,
        };
        let offered = self.tools.iter().flatten();
        offered.filter_map(|raw| tool(raw.get())).take(calls).collect()
    }

    /// The schema that the answer's text must fit.
    pub(super) fn answer_schema(&self) -> Option<Value> {
        if let Some(format) = &self.format {
            let object = serde_json::json!({"type": "object"});
            return Some(if format == "json" { object } else { format.clone() });
        }
        let anthropic = || self.output_config.as_ref()?.get("format");
        let format = self.response_format.as_ref().or_else(anthropic)?;
        match format.get("type")?.as_str()? {
            // OpenAI wraps the schema in `json_schema`.
            "json_schema" => format.get("json_schema").unwrap_or(format).get("schema").cloned(),
            "json_object" => Some(serde_json::json!({"type": "object"})),
            _ => None,
        }
    }
}

/// OpenAI wraps a tool in `function`; Anthropic calls the schema `input_schema`.
fn tool(json: &str) -> Option<Tool> {
    let tool: Value = serde_json::from_str(json).ok()?;
    let function = tool.get("function").unwrap_or(&tool);
    let schema = function.get("parameters").or_else(|| function.get("input_schema"));
    Some(Tool {
        name: function.get("name")?.as_str()?.to_owned(),
        schema: schema.cloned().unwrap_or_default(),
    })
}

/// The text in a content: a string, or the `text` of its parts.
fn text_of(raw: &str) -> String {
    match serde_json::from_str(raw) {
        Ok(Value::String(text)) => text,
        Ok(Value::Array(parts)) => {
            let texts =
                parts.iter().filter_map(|part| part.as_str().or(part.get("text")?.as_str()));
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// FNV-1a: the double's own traffic does not look for collisions.
pub(super) struct Fnv(pub(super) u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    pub(super) fn add(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
}

/// The number after "say " in a prompt.
pub(super) fn number_in(prompt: &str) -> Option<u64> {
    let after = prompt.split_once("say ")?.1;
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..digits].parse().ok()
}

/// The words after `!double ` in a prompt, to the end of the line.
pub(super) fn words_in(prompt: &str) -> Option<&str> {
    prompt.split_once("!double ")?.1.lines().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_user_message_is_the_prompt_whatever_its_form() {
        let body = br#"{"model":"m","messages":[{"role":"user","content":"say 3"},
            {"role":"user","content":[{"type":"text","text":"say 20 of\n!double stall after=3\nx"}]},
            {"role":"assistant","content":null}]}"#;
        let ask = Ask::parse(body).unwrap();
        let prompt = ask.prompt_text();
        assert_eq!(number_in(&prompt), Some(20));
        assert_eq!(words_in(&prompt), Some("stall after=3"));
    }

    #[test]
    fn routes_do_not_mind_what_is_before_them() {
        for (path, route) in [
            ("/v1/chat/completions", Route::Chat),
            ("/chat/completions", Route::Chat),
            ("/beta/completions", Route::Completions),
            ("/anthropic/v1/messages", Route::Messages),
            ("/v1/messages/count_tokens", Route::CountTokens),
            ("/v1/models/a/b", Route::Model),
            ("/api/chat", Route::Lines),
            ("/api/tags", Route::Tags),
            ("/", Route::Unknown),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }
}
