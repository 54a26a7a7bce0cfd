//! How a command ends: a verdict, or a fault with what to do about it.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use surgewall_core::finding::Finding;

/// How a command ended, as its exit status says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    /// Done, and nothing to report: 0.
    Clean,
    /// There are findings above a note: 1.
    Findings,
    /// It could not tell, or the command cannot be meant: 2.
    CouldNotTell,
}

impl Verdict {
    /// The verdict over `findings`.
    pub(crate) fn over(findings: &[Finding]) -> Self {
        if findings.iter().any(Finding::counts) { Self::Findings } else { Self::Clean }
    }
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Clean => Self::SUCCESS,
            Verdict::Findings => Self::from(1),
            Verdict::CouldNotTell => Self::from(2),
        }
    }
}

/// Why a command was not carried out, in an operator's words.
///
/// It is no [`Error`] itself, so that every error becomes one by `?`.
#[derive(Debug)]
pub(crate) struct Fault {
    message: String,
    hint: Option<String>,
}

impl Fault {
    /// A fault that this text explains.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// With what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With what was being done when it happened.
    pub(crate) fn during(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// What happened, without the hint.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| writeln!(f, "hint: {hint}"))
    }
}

impl<E: Error> From<E> for Fault {
    /// The error and those causes that its own text does not name yet.
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            source = cause.source();
        }
        Self::new(message)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use surgewall_store::people::StoreError;

    #[test]
    fn causes_are_named_once() {
        let source = Box::new(io::Error::other("disk I/O error"));
        let fault = Fault::from(StoreError::Engine { doing: "reading", source });
        assert_eq!(fault.message(), "the database failed while reading: disk I/O error");
        let told = Fault::from(io::Error::other("no")).hint("try again").during("opening x");
        assert_eq!(told.to_string(), "error: opening x: no\nhint: try again\n");
    }
}
