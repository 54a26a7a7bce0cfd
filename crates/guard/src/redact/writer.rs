//! Writes a text with words in the place of what was found.

use crate::scan::span::Span;

use super::{Found, Redactor};

/// What was found and not written yet, and how far the text is written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    spans: Vec<Span>,
    /// Everything before is written or taken out.
    written: usize,
    found: Vec<Found>,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn add(&mut self, spans: Vec<Span>) {
        self.spans.extend(spans);
    }

    /// Where spans are collected.
    pub(super) fn spans(&mut self) -> &mut Vec<Span> {
        &mut self.spans
    }

    pub(super) fn found(&self) -> &[Found] {
        &self.found
    }

    pub(super) fn into_found(self) -> Vec<Found> {
        self.found
    }

    /// Writes the text up to `to`. Its part `text` begins at `base`; nothing that
    /// begins before `to` is still to be found.
    ///
    /// What overlaps is one: it has the name of what begins first, and reaches to
    /// the end of what ends last.
    pub(super) fn write(
        &mut self,
        redactor: &Redactor,
        text: &str,
        base: usize,
        to: usize,
        out: &mut String,
    ) {
        if !self.spans.is_empty() {
            let mut ready = std::mem::take(&mut self.spans);
            ready.sort_by_key(|span| span.order(&redactor.rules));
            self.spans = ready.split_off(ready.partition_point(|span| span.start < to));
            for span in ready {
                if span.start >= self.written && !(span.goes_on && span.start == self.written) {
                    copy(text, self.written - base, span.start - base, out);
                    if let Some(found) = redactor.found(&span) {
                        out.push_str(&redactor.word(&found, &span.value));
                        self.found.push(found);
                    }
                }
                self.written = self.written.max(span.end);
            }
        }
        if self.written < to {
            copy(text, self.written - base, to - base, out);
            self.written = to;
        }
    }
}

/// Copies a part; one that cuts a character in two is made smaller.
fn copy(text: &str, from: usize, to: usize, out: &mut String) {
    let from = text.ceil_char_boundary(from);
    let to = text.floor_char_boundary(to);
    out.push_str(text.get(from..to).unwrap_or_default());
}
