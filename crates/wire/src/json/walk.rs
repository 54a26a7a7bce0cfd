//! Walking a JSON text (RFC 8259) once, without recursion and nearly without
//! copying: whoever listens is told of each value in the order of the text.

use memchr::memchr2;

use super::Fault;

/// What holds other values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// An array.
    Array,
    /// An object.
    Object,
}

/// Who is told what a text holds. Raw texts are slices of it.
pub trait Listener<'a> {
    /// A field's name, as it is meant and as it stands between its quotes. Its
    /// value comes next.
    fn key(&mut self, name: &str, raw: &'a str);

    /// A string that is a value; `raw` has its quotes.
    fn string(&mut self, text: &str, raw: &'a str);

    /// A string with an escape that stands for no character (half of a pair).
    fn broken(&mut self, raw: &'a str);

    /// A number, `true`, `false` or `null`.
    fn scalar(&mut self, raw: &'a str);

    /// An array or object begins.
    fn open(&mut self, holder: Holder);

    /// It ends; `raw` is all of it.
    fn close(&mut self, raw: &'a str);
}

/// Walks `text`, and tells each of `listeners` in turn.
///
/// # Errors
/// [`Fault::TooDeep`], [`Fault::Syntax`]. What was told before stands.
pub fn walk<'a>(
    text: &'a str,
    depth_max: u32,
    listeners: &mut [&mut dyn Listener<'a>],
) -> Result<(), Fault> {
    let depth_max = usize::try_from(depth_max).unwrap_or(usize::MAX);
    let mut walk = Walk {
        text,
        bytes: text.as_bytes(),
        at: 0,
        open: Vec::new(),
        depth_max,
        scratch: String::new(),
    };
    walk.all(listeners).map_err(|stop| match stop {
        Stop::TooDeep => Fault::TooDeep { depth_max: u32::try_from(depth_max).unwrap_or(u32::MAX) },
        Stop::Syntax => walk.fault(),
    })
}

/// Digits that a whole number may have and be in range for sure.
const DIGITS_MAX: usize = 300;

enum Stop {
    TooDeep,
    Syntax,
}

struct Walk<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// What is open, and where it began.
    open: Vec<(Holder, usize)>,
    depth_max: usize,
    /// The string that was read last, where it has escapes.
    scratch: String,
}

/// A string as it was read.
enum Read {
    /// As it stands between its quotes.
    Plain,
    /// As the scratch holds it.
    Unescaped,
    /// An escape in it stands for nothing.
    Broken,
}

type Listeners<'l, 'a> = [&'l mut dyn Listener<'a>];

impl<'a> Walk<'a> {
    fn all(&mut self, listeners: &mut Listeners<'_, 'a>) -> Result<(), Stop> {
        loop {
            if self.value(listeners)? {
                continue;
            }
            // A value has ended; so may what holds it.
            loop {
                let next = self.next();
                let Some((holder, begin)) = self.open.last().copied() else {
                    return if next.is_none() { Ok(()) } else { Err(Stop::Syntax) };
                };
                match (next, holder) {
                    (Some(b','), _) => {
                        self.at += 1;
                        if holder == Holder::Object {
                            self.key(listeners)?;
                        }
                        break;
                    }
                    (Some(b']'), Holder::Array) | (Some(b'}'), Holder::Object) => {
                        self.at += 1;
                        self.open.pop();
                        let raw = self.since(begin);
                        listeners.iter_mut().for_each(|listener| listener.close(raw));
                    }
                    _ => return Err(Stop::Syntax),
                }
            }
        }
    }

    /// Reads a value, or the beginning of one that holds others; whether a value
    /// has to follow now.
    fn value(&mut self, listeners: &mut Listeners<'_, 'a>) -> Result<bool, Stop> {
        let begin = match self.next() {
            Some(b'{') => return self.begin(Holder::Object, b'}', listeners),
            Some(b'[') => return self.begin(Holder::Array, b']', listeners),
            Some(b'"') => {
                let begin = self.at;
                let read = self.string()?;
                let raw = self.since(begin);
                for listener in listeners.iter_mut() {
                    match read {
                        Read::Plain => listener.string(&raw[1..raw.len() - 1], raw),
                        Read::Unescaped => listener.string(&self.scratch, raw),
                        Read::Broken => listener.broken(raw),
                    }
                }
                return Ok(false);
            }
            Some(_) => self.at,
            None => return Err(Stop::Syntax),
        };
        let rest = &self.bytes[begin..];
        let word =
            ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word.as_bytes()));
        self.at += word.map(str::len).or_else(|| number(rest)).ok_or(Stop::Syntax)?;
        let raw = self.since(begin);
        listeners.iter_mut().for_each(|listener| listener.scalar(raw));
        Ok(false)
    }

    fn begin(
        &mut self,
        holder: Holder,
        end: u8,
        listeners: &mut Listeners<'_, 'a>,
    ) -> Result<bool, Stop> {
        if self.open.len() >= self.depth_max {
            return Err(Stop::TooDeep);
        }
        let begin = self.at;
        self.at += 1;
        listeners.iter_mut().for_each(|listener| listener.open(holder));
        if self.next() == Some(end) {
            self.at += 1;
            let raw = self.since(begin);
            listeners.iter_mut().for_each(|listener| listener.close(raw));
            return Ok(false);
        }
        self.open.push((holder, begin));
        if holder == Holder::Object {
            self.key(listeners)?;
        }
        Ok(true)
    }

    /// Reads a field's name and its colon.
    fn key(&mut self, listeners: &mut Listeners<'_, 'a>) -> Result<(), Stop> {
        if self.next() != Some(b'"') {
            return Err(Stop::Syntax);
        }
        let begin = self.at;
        let read = self.string()?;
        let raw = self.since(begin);
        let raw = &raw[1..raw.len() - 1];
        let name = match read {
            Read::Plain => raw,
            Read::Unescaped => &self.scratch,
            Read::Broken => return Err(Stop::Syntax),
        };
        listeners.iter_mut().for_each(|listener| listener.key(name, raw));
        if self.next() != Some(b':') {
            return Err(Stop::Syntax);
        }
        self.at += 1;
        Ok(())
    }

    /// The next byte that is no blank; it is not passed.
    fn next(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    /// The place that was reached, from 1 on.
    fn fault(&self) -> Fault {
        let at = self.at.min(self.bytes.len().saturating_sub(1));
        let before = self.bytes.get(..at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        Fault::Syntax { line, column }
    }

    /// The text from `begin` to here.
    fn since(&self, begin: usize) -> &'a str {
        self.text.get(begin..self.at).unwrap_or_default()
    }

    /// Reads the string whose opening quote stands here.
    fn string(&mut self) -> Result<Read, Stop> {
        self.at += 1;
        let begin = self.at;
        let mut copied = begin;
        let mut is_broken = false;
        self.scratch.clear();
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let plain = memchr2(b'"', b'\\', rest).ok_or(Stop::Syntax)?;
            if has_control(&rest[..plain]) {
                return Err(Stop::Syntax);
            }
            let end = self.at + plain;
            if rest[plain] == b'"' {
                self.at = end + 1;
                if copied == begin {
                    return Ok(Read::Plain);
                }
                self.scratch.push_str(self.text.get(copied..end).unwrap_or_default());
                return Ok(if is_broken { Read::Broken } else { Read::Unescaped });
            }
            self.scratch.push_str(self.text.get(copied..end).unwrap_or_default());
            let (character, length) = escape(&rest[plain..]).ok_or(Stop::Syntax)?;
            match character {
                Some(character) => self.scratch.push(character),
                None => is_broken = true,
            }
            self.at = end + length;
            copied = self.at;
        }
    }
}

/// Whether a control character is in it, which has to be escaped. Without an early
/// end, so that the compiler makes sixteen bytes at once of it.
fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |any, byte| any | (*byte < b' '))
}

/// What the escape at the beginning of `bytes` stands for, `None` where for
/// nothing, and its length.
fn escape(bytes: &[u8]) -> Option<(Option<char>, usize)> {
    let character = match bytes.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(bytes),
        _ => return None,
    };
    Some((Some(character), 2))
}

/// The same for `\uXXXX`, alone or as a pair of surrogates.
fn unicode(bytes: &[u8]) -> Option<(Option<char>, usize)> {
    let first = hex(bytes.get(2..6)?)?;
    if let Some(character) = char::from_u32(first) {
        return Some((Some(character), 6));
    }
    let second = match bytes.get(6..8) {
        Some(b"\\u") => bytes.get(8..12).and_then(hex),
        _ => None,
    };
    let pair = second.filter(|second| first < 0xdc00 && (0xdc00..0xe000).contains(second));
    let pair = pair
        .and_then(|second| char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + second - 0xdc00));
    Some(pair.map_or((None, 6), |character| (Some(character), 12)))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}

/// The length of the number at the beginning of `bytes`; `None` where there is
/// none, or one that is out of range.
fn number(bytes: &[u8]) -> Option<usize> {
    let digits = |at: usize| {
        bytes.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && bytes.get(at) == Some(&b'0')) {
        return None;
    }
    at += whole;
    let mut is_large = whole > DIGITS_MAX;
    if bytes.get(at) == Some(&b'.') {
        let part = digits(at + 1);
        at += 1 + part;
        if part == 0 {
            return None;
        }
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        at += 1 + sign + exponent;
        is_large = true;
        if exponent == 0 {
            return None;
        }
    }
    let is_finite = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
    let fits = !is_large || std::str::from_utf8(&bytes[..at]).is_ok_and(is_finite);
    fits.then_some(at)
}

#[cfg(test)]
mod tests;
