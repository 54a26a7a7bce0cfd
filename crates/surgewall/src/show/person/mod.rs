//! What is held about one person, written as it is read: nothing of it waits in
//! memory.

mod html;
mod json;
mod text;

use std::io::{self, Write};

use serde::Serialize;
use surgewall_core::clock::Timestamp;
use surgewall_store::export::{Sink, Summary};

pub(crate) use html::Html;
pub(crate) use json::Json;
pub(crate) use text::Text;

/// What stands at the head of every export.
#[derive(Serialize, Clone, Debug)]
pub(crate) struct Head {
    /// What the file is.
    pub(crate) format: &'static str,
    /// Its version.
    pub(crate) version: u16,
    /// When it was made.
    pub(crate) made_at: Timestamp,
    /// The store that it was made from.
    pub(crate) store: String,
    /// Who it is about: a public id, or the keyed hash of an end user.
    pub(crate) about: String,
    /// Who asked for it.
    pub(crate) asked_by: &'static str,
}

/// An export that is being written.
pub(crate) trait Export: Sink {
    /// Writes what is said at the end.
    fn finish(&mut self, summary: &Summary) -> io::Result<()>;
}

/// An export of one form that goes to `out`.
pub(crate) fn export<'a, W: Write + 'a>(
    form: crate::cli::report::Paper,
    out: W,
    head: &Head,
) -> io::Result<Box<dyn Export + 'a>> {
    use crate::cli::report::Paper;
    Ok(match form {
        Paper::Text => Box::new(Text::new(out, head)?),
        Paper::Json => Box::new(Json::new(out, head)?),
        Paper::Html => Box::new(Html::new(out, head)?),
    })
}
