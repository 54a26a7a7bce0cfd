//! Runs of base64: decoded, scanned, and taken out whole where something is in them.

use crate::rules::RuleSet;

use super::span::Span;
use super::window::Window;
use super::{WORD_BYTES_MAX, sextets};

/// Characters of a run, at least: fewer cannot hold what a rule finds.
const RUN_CHARS_MIN: usize = 16;
/// A longer run is decoded in pieces of twice this, one beginning at each multiple of it.
const STEP_BYTES: usize = WORD_BYTES_MAX / 2;
/// Visible characters in a row that decoded text has, at least. In random bytes
/// so many in a row are one of 15,000.
const STRETCH_BYTES_MIN: usize = 10;

/// Where the search for runs is.
#[derive(Debug, Default)]
pub(super) struct Runs {
    at: usize,
    run: Option<Run>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    /// Where the piece begins that is not decoded yet.
    piece: usize,
    /// Whether padding was seen.
    is_padded: bool,
}

impl Runs {
    pub(super) fn new(at: usize) -> Self {
        Self { at, run: None }
    }

    /// The lowest position that is still needed.
    pub(super) fn needed_from(&self) -> usize {
        self.run.map_or(self.at, |run| run.piece.min(self.at))
    }

    /// Goes on to the end of the decoder's text, where a run can only be at
    /// `places` (see [`crate::rules::Marks`]), or goes on behind the end.
    pub(super) fn advance(&mut self, decoder: &mut Decoder<'_>, is_end: bool, places: &[usize]) {
        let text = decoder.text;
        let mut places = places.iter();
        while self.at < text.end() || self.run.is_some() {
            let Some(mut run) = self.run.or_else(|| self.find(text, &mut places)) else { return };
            let ended = self.follow(&mut run, text);
            let has_ended = ended || is_end;
            self.pieces(&mut run, has_ended, decoder);
            self.run = (!has_ended).then_some(run);
            if !ended {
                return;
            }
        }
    }

    /// The next run that is long enough.
    fn find(&mut self, text: &Window<'_>, places: &mut std::slice::Iter<'_, usize>) -> Option<Run> {
        let is_one = |at: usize| text.byte(at).is_some_and(sextets::is_one);
        while let Some(&place) = places.find(|place| **place >= self.at) {
            let mut start = place;
            while start > self.at && is_one(start - 1) {
                start -= 1;
            }
            let mut end = place;
            while end < start + RUN_CHARS_MIN && is_one(end) {
                end += 1;
            }
            let is_run = end - start >= RUN_CHARS_MIN;
            // A shorter one may go on with what comes next.
            self.at = if is_run || end < text.end() { end } else { start };
            if is_run {
                return Some(Run { piece: start, is_padded: false });
            }
        }
        let mut start = text.end();
        while start > self.at && is_one(start - 1) {
            start -= 1;
        }
        self.at = start;
        None
    }

    /// Follows a run to its end; whether that was seen.
    fn follow(&mut self, run: &mut Run, text: &Window<'_>) -> bool {
        while let Some(byte) = text.byte(self.at) {
            let is_padding = byte == b'=';
            if !(is_padding || (!run.is_padded && sextets::is_one(byte))) {
                return true;
            }
            run.is_padded |= is_padding;
            self.at += 1;
        }
        false
    }

    /// Decodes the pieces of a run that are complete.
    fn pieces(&self, run: &mut Run, has_ended: bool, decoder: &mut Decoder<'_>) {
        let text = *decoder.text;
        loop {
            let begin = text.raw_start(run.piece);
            let step = begin / STEP_BYTES;
            let end = text.at_raw((step + 2) * STEP_BYTES);
            if end >= self.at {
                if has_ended {
                    decoder.decode(run.piece, self.at);
                }
                return;
            }
            decoder.decode(run.piece, end);
            run.piece = text.at_raw((step + 1) * STEP_BYTES);
        }
    }
}

/// Decodes pieces of a text, and scans what comes out.
pub(super) struct Decoder<'a> {
    pub(super) rules: &'a RuleSet,
    pub(super) text: &'a Window<'a>,
    /// Encodings that the text was found in.
    pub(super) decodings: u8,
    pub(super) spans: &'a mut Vec<Span>,
}

impl Decoder<'_> {
    /// Adds the piece to the spans if something is in it.
    fn decode(&mut self, from: usize, to: usize) {
        let (start, end) = (self.text.raw_start(from), self.text.raw_start(to));
        // Without an escape in it, it was decoded as it stands.
        if self.text.is_mapped() && end - start == to - from {
            return;
        }
        let piece = self.text.slice(from, to);
        let mut decoded = Vec::new();
        for phase in 0..4 {
            let piece = piece.get(phase..).unwrap_or_default();
            if !sextets::may_be_text(piece, STRETCH_BYTES_MIN) {
                continue;
            }
            decoded.clear();
            sextets::decode(piece, &mut decoded);
            if let Some(found) = self.first_in(&decoded) {
                self.spans.push(Span { start, end, goes_on: false, ..found });
                return;
            }
        }
    }

    /// What names a decoded text: the most telling of what is in it.
    fn first_in(&self, decoded: &[u8]) -> Option<Span> {
        decoded
            .split(|byte| !sextets::is_text(*byte))
            .filter(|stretch| stretch.len() >= STRETCH_BYTES_MIN)
            .flat_map(|stretch| super::whole(self.rules, stretch, self.decodings + 1))
            .min_by_key(|span| (span.rank(self.rules), span.start, span.rule))
    }
}
