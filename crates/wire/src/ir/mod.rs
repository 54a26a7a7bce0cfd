//! What all dialects mean, in one form: a request or an answer is read from
//! one dialect into this and written from it into another.
//!
//! What becomes of what (OpenAI on the left, Anthropic on the right):
//!
//! | OpenAI | Anthropic | remark |
//! |---|---|---|
//! | `system` and `developer` messages | `system` | joined; wherever they stand |
//! | `tool` messages | `tool_result` blocks | media of a result follow in the user's message; `is_error` becomes a sentence |
//! | `image_url`, `file` with data | `image`, `document` | ids of stored files are refused |
//! | `reasoning_content` | `thinking` block | a signature travels in `thinking_blocks`; unsigned thinking is left out of requests to Anthropic |
//! | `reasoning_effort`, `thinking` | `thinking`, `output_config.effort` | adaptive; a budget for models up to 4.5, which know nothing else |
//! | `response_format` json_schema | `output_config.format` | `json_object` is refused |
//! | `max_tokens` | `max_tokens` | Anthropic asks for one: the door's bound stands in |
//! | `temperature` to 2 | to 1 | held at 1; none beside thinking |
//! | `user` and its kin | `metadata.user_id` | |
//! | `seed`, `store`, `service_tier`, cache hints | | promises of best effort: left out |
//! | `n` > 1, `logprobs`, `logit_bias`, penalties, audio, unknown fields | | refused by name |
//! | | hosted tools, citations, containers, a last message of the assistant's | refused by name |
//!
//! Ollama beside OpenAI: `images` are pictures without a type; calls have
//! objects for arguments and results may name the function alone; `think` is
//! the thinking, `format` the schema, `options` the sampling; a forced tool
//! choice and pictures by address are refused. OpenAI's Responses differ from
//! its chat in form, and in that thinking is an item of its own.

mod answer;
mod event;
mod request;

pub(crate) use answer::{Answer, Stop, StopReason};
pub(crate) use event::Event;
pub(crate) use request::{
    Effort, Medium, OutputSchema, Part, Request, Role, Sampling, Source, Thinking, Tool,
    ToolChoice, Turn,
};
