//! What is held about one person, written as it is read: nothing of it waits in
//! memory.

mod html;
mod text;

use std::io::{self, Write};

use surgewall_store::export::Json;
pub(crate) use surgewall_store::export::{Head, Written as Export};

pub(crate) use html::Html;
pub(crate) use text::Text;

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
