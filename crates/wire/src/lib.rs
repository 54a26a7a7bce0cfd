//! The wire: API dialects, server-sent events, token usage and estimates.
//!
//! Pure functions and state machines over bytes: no I/O, no clock, no async.
//! Where a client and an upstream speak the same dialect, bytes pass as they
//! are, except for a model's alias and `stream_options.include_usage`; where
//! they differ, requests and answers go through the `ir` module.

pub mod answer;
mod anthropic;
mod chunk;
pub mod error;
pub mod estimate;
pub mod gauges;
mod ir;
pub mod json;
mod lines;
pub mod models;
mod ollama;
mod openai;
pub mod request;
mod responses;
pub mod restore;
pub mod said;
pub mod sse;
pub mod stream;
mod usage;
mod value;

use surgewall_core::config::schema::Dialect;

/// The dialect that a client speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ClientDialect {
    /// OpenAI: chat completions, completions, embeddings, models.
    OpenAi,
    /// OpenAI's shapes with DeepSeek's cache counts and status codes.
    DeepSeek,
    /// Anthropic: messages and count_tokens.
    Anthropic,
    /// Ollama: chat, generate, embed; lists of models as `tags` and `show`.
    Ollama,
    /// OpenAI's Responses: always translated, because servers of OpenAI's
    /// dialect are asked for chat completions.
    Responses,
}

impl ClientDialect {
    /// The word in the ledger and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::DeepSeek => "deepseek",
            Self::Anthropic => "anthropic",
            Self::Ollama => "ollama",
            Self::Responses => "responses",
        }
    }

    /// The content type of a streamed answer.
    #[must_use]
    pub const fn stream_content_type(self) -> &'static str {
        match self {
            Self::Ollama => "application/x-ndjson",
            Self::OpenAi | Self::DeepSeek | Self::Anthropic | Self::Responses => {
                "text/event-stream"
            }
        }
    }

    /// Whether bodies of this dialect are bodies of that upstream's dialect.
    #[must_use]
    pub const fn matches(self, upstream: Dialect) -> bool {
        matches!(
            (self, upstream),
            (Self::OpenAi | Self::DeepSeek, Dialect::Openai)
                | (Self::Anthropic, Dialect::Anthropic)
                | (Self::Ollama, Dialect::Ollama)
        )
    }
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Endpoint {
    /// OpenAI's `/chat/completions` and `/responses`, Anthropic's `/messages`,
    /// Ollama's `/api/chat`.
    Chat,
    /// OpenAI's `/completions`, with or without a suffix, and Ollama's
    /// `/api/generate`.
    Completions,
    /// OpenAI's `/embeddings` and Ollama's `/api/embed`.
    Embeddings,
    /// Anthropic's `/messages/count_tokens`.
    CountTokens,
}

impl Endpoint {
    /// The route family's word in the ledger and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::CountTokens => "count_tokens",
        }
    }
}
