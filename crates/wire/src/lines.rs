//! Newline-delimited JSON: an incremental parser of lines with a bound.
//!
//! Ollama's streams are lines of JSON; a line ends in LF, and a CR before it
//! is space, as everywhere in JSON.

use memchr::memchr;
use surgewall_core::limits::SSE_EVENT_BYTES_MAX;

use crate::sse::TooLarge;

/// The longest line, in bytes: what an event of the other dialects may have.
const LINE_BYTES_MAX: usize = SSE_EVENT_BYTES_MAX;

/// The incremental parser. How the bytes are cut into chunks changes nothing
/// in what it hands on.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// Bytes of the line that is not complete.
    held: Vec<u8>,
}

impl Lines {
    /// Takes the next bytes and hands each complete line, without its ending
    /// and with the space around it taken off, to `sink`; blank ones are left out.
    ///
    /// # Errors
    /// A line is too long, or what `sink` returns.
    pub(crate) fn feed<E: From<TooLarge>>(
        &mut self,
        mut bytes: &[u8],
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(end) = memchr(b'\n', bytes) {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            if self.held.len() + line.len() > LINE_BYTES_MAX {
                return Err(TooLarge.into());
            }
            bytes = rest;
            if self.held.is_empty() {
                hand_on(line, sink)?;
            } else {
                let mut held = std::mem::take(&mut self.held);
                held.extend_from_slice(line);
                hand_on(&held, sink)?;
            }
        }
        if self.held.len() + bytes.len() > LINE_BYTES_MAX {
            return Err(TooLarge.into());
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    /// The end of the stream: a line without its ending is handed on as if it
    /// had one.
    ///
    /// # Errors
    /// As [`Self::feed`].
    pub(crate) fn finish<E: From<TooLarge>>(
        &mut self,
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let held = std::mem::take(&mut self.held);
        hand_on(&held, sink)
    }
}

fn hand_on<E>(line: &[u8], sink: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let line = line.trim_ascii();
    if line.is_empty() { Ok(()) } else { sink(line) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Result<Vec<String>, TooLarge> {
        let mut found = Vec::new();
        let mut parser = Lines::default();
        let mut sink = |line: &[u8]| {
            found.push(String::from_utf8(line.to_vec()).unwrap());
            Ok::<(), TooLarge>(())
        };
        for chunk in chunks {
            parser.feed(chunk, &mut sink)?;
        }
        parser.finish(&mut sink)?;
        Ok(found)
    }

    #[test]
    fn lines_are_found_however_they_are_cut() {
        let text = b"{\"a\":1}\r\n\n {} \n\n[1]";
        let whole = lines(&[text]).unwrap();
        assert_eq!(whole, ["{\"a\":1}", "{}", "[1]"]);
        for at in 0..=text.len() {
            let (a, b) = text.split_at(at);
            assert_eq!(lines(&[a, b]).unwrap(), whole);
        }
        assert_eq!(lines(&text.chunks(1).collect::<Vec<_>>()).unwrap(), whole);
    }

    #[test]
    fn a_line_may_be_as_long_as_the_limit_and_no_longer() {
        for (extra, ok) in [(0, true), (1, false)] {
            let long = vec![b'x'; LINE_BYTES_MAX + extra];
            let ended = [long.as_slice(), b"\n"].concat();
            assert_eq!(lines(&[&long]).is_ok(), ok);
            assert_eq!(lines(&[&ended]).is_ok(), ok);
            let (a, b) = ended.split_at(LINE_BYTES_MAX / 2);
            assert_eq!(lines(&[a, b]).is_ok(), ok);
        }
    }
}
