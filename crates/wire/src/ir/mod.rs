//! What all dialects mean, in one form: a request or an answer is read from
//! one dialect into this and written from it into another.

mod answer;
mod event;
mod request;

pub(crate) use answer::{Answer, Stop, StopReason};
pub(crate) use event::Event;
pub(crate) use request::{
    Effort, Medium, OutputSchema, Part, Request, Role, Source, Thinking, Tool, ToolChoice, Turn,
};
