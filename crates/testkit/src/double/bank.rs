//! Token frames that are built once and shared by all streams.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};

/// Frames built ahead for each kind and model; later ones are built as they come.
const FRAMES_AHEAD: u64 = 1_024;
/// Kinds and models that get frames built ahead.
const BANKS_MAX: usize = 32;

/// What surrounds a token's text in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Chat,
    ChatReasoning,
    Completion,
    /// A text delta of content block 0 or 1.
    Message(u8),
    MessageThinking,
    /// Ollama's chat.
    Lines,
    LinesThinking,
    Generate,
    GenerateThinking,
    /// The token alone.
    Raw,
}

/// The frames of one kind and model.
pub(super) struct Bank {
    prefix: String,
    suffix: &'static str,
    word: &'static str,
    ahead: Vec<Bytes>,
}

impl Bank {
    fn new(kind: Kind, model: &str, ahead: u64) -> Self {
        let (prefix, suffix) = frame_of(kind, model);
        let thinks = matches!(
            kind,
            Kind::ChatReasoning
                | Kind::MessageThinking
                | Kind::LinesThinking
                | Kind::GenerateThinking
        );
        let word = if thinks { "think" } else { "tok" };
        let mut bank = Self { prefix, suffix, word, ahead: Vec::new() };
        bank.ahead = (0..ahead).map(|index| bank.build(index)).collect();
        bank
    }

    /// The frame of token `index`.
    pub(super) fn frame(&self, index: u64) -> Bytes {
        let ahead = usize::try_from(index).ok().and_then(|index| self.ahead.get(index));
        ahead.cloned().unwrap_or_else(|| self.build(index))
    }

    fn build(&self, index: u64) -> Bytes {
        let text = format!("{}{index} ", self.word);
        self.with_text(&text)
    }

    /// A frame with any text; the caller escapes it.
    pub(super) fn with_text(&self, text: &str) -> Bytes {
        let len = self.prefix.len() + text.len() + self.suffix.len();
        let mut out = BytesMut::with_capacity(len);
        for part in [self.prefix.as_str(), text, self.suffix] {
            out.extend_from_slice(part.as_bytes());
        }
        out.freeze()
    }
}

fn frame_of(kind: Kind, model: &str) -> (String, &'static str) {
    let model = serde_json::Value::from(model);
    let chat = |field: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-double\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\
             \"model\":{model},\"choices\":[{{\"index\":0,\"delta\":{{\"{field}\":\""
        )
    };
    let message = |index: u8, kind: &str, field: &str| {
        format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":{index},\
             \"delta\":{{\"type\":\"{kind}\",\"{field}\":\""
        )
    };
    let line = |said: &str| {
        format!("{{\"model\":{model},\"created_at\":\"2023-11-14T22:13:20.5Z\",{said}\":\"")
    };
    match kind {
        Kind::Lines => {
            (line("\"message\":{\"role\":\"assistant\",\"content"), "\"},\"done\":false}\n")
        }
        Kind::LinesThinking => (
            line("\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking"),
            "\"},\"done\":false}\n",
        ),
        Kind::Generate => (line("\"response"), "\",\"done\":false}\n"),
        Kind::GenerateThinking => (line("\"response\":\"\",\"thinking"), "\",\"done\":false}\n"),
        Kind::Chat => (chat("content"), "\"},\"finish_reason\":null}]}\n\n"),
        Kind::ChatReasoning => (chat("reasoning_content"), "\"},\"finish_reason\":null}]}\n\n"),
        Kind::Completion => (
            format!(
                "data: {{\"id\":\"cmpl-double\",\"object\":\"text_completion\",\"created\":1700000000,\
                 \"model\":{model},\"choices\":[{{\"index\":0,\"text\":\""
            ),
            "\",\"logprobs\":null,\"finish_reason\":null}]}\n\n",
        ),
        Kind::Message(index) => (message(index, "text_delta", "text"), "\"}}\n\n"),
        Kind::Raw => (String::new(), ""),
        Kind::MessageThinking => (message(0, "thinking_delta", "thinking"), "\"}}\n\n"),
    }
}

/// All banks of a double.
#[derive(Default)]
pub(super) struct Banks {
    known: Mutex<HashMap<(Kind, String), Arc<Bank>>>,
}

impl Banks {
    /// The bank of `kind` and `model`; made at first use.
    pub(super) fn bank(&self, kind: Kind, model: &str) -> Arc<Bank> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (kind, model.to_owned());
        if let Some(bank) = known.get(&key) {
            return Arc::clone(bank);
        }
        if known.len() >= BANKS_MAX {
            return Arc::new(Bank::new(kind, model, 0));
        }
        let bank = Arc::new(Bank::new(kind, model, FRAMES_AHEAD));
        known.insert(key, Arc::clone(&bank));
        bank
    }
}

/// The text of the tokens `0..count` of an answer that is no stream.
pub(super) fn text(word: &str, count: u64) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for index in 0..count {
        // Writing to a String cannot fail.
        let _ = write!(out, "{word}{index} ");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_the_same_built_ahead_or_later() {
        for kind in [Kind::Chat, Kind::Completion, Kind::Message(1), Kind::MessageThinking] {
            let ahead = Bank::new(kind, "m\"x", 8);
            let later = Bank::new(kind, "m\"x", 0);
            assert_eq!(ahead.frame(7), later.frame(7));
            let frame = String::from_utf8(later.frame(9).to_vec()).unwrap();
            let data = frame.split("data: ").nth(1).unwrap();
            let json: serde_json::Value = serde_json::from_str(data).unwrap();
            assert!(json.to_string().contains("9 "), "{json}");
        }
    }
}
