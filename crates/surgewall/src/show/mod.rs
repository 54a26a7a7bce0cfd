//! How results are shown: tables, findings, CSV, SARIF. The only place that
//! writes to stdout and stderr.

pub(crate) mod csv;
pub(crate) mod dataflow;
pub(crate) mod findings;
pub(crate) mod html;
pub(crate) mod incident;
pub(crate) mod person;
pub(crate) mod progress;
pub(crate) mod rows;
pub(crate) mod sarif;
pub(crate) mod table;

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;
use surgewall_core::config::env;

use crate::fault::Fault;

/// Writes data. A reader that went away is no fault of ours.
pub(crate) fn out(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes what is not data.
pub(crate) fn err(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Writes one JSON value as data.
///
/// # Errors
/// It has no JSON form.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), Fault> {
    out(&(serde_json::to_string_pretty(value)? + "\n"));
    Ok(())
}

/// Whether stdout shows colour: a person looks and did not say `NO_COLOR`.
pub(crate) fn is_colourful() -> bool {
    is_terminal() && env::read(env::NO_COLOR).is_none()
}

/// Whether a person looks at stdout.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Columns and lines of the terminal behind stdout.
pub(crate) fn terminal() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    // A terminal that does not know its size says zero.
    (size.ws_col > 0 && size.ws_row > 0).then(|| (size.ws_col.into(), size.ws_row.into()))
}

/// `count` things, in words: `1 request`, `3 requests`.
pub(crate) fn count(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// `text` on one line and without control characters: names come from people.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
