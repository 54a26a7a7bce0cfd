//! Pieces of a pattern: what they are made of, and how they are bounded.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

/// What a repetition without a bound is given.
const REPEATED_MAX: u32 = 64;
/// The same for the end of a secret, whose rest is taken out anyway.
pub(super) const SECRET_REPEATED_MAX: u32 = 256;
/// Bytes of a class above which a repetition without a bound spans just anything.
const WIDE_CLASS_BYTES: usize = 128;

/// What a pattern is made of, in order.
pub(super) fn pieces(hir: &Hir) -> Vec<Hir> {
    match hir.kind() {
        HirKind::Concat(pieces) => pieces.iter().flat_map(pieces_within).collect(),
        _ => vec![hir.clone()],
    }
}

fn pieces_within(hir: &Hir) -> Vec<Hir> {
    if matches!(hir.kind(), HirKind::Concat(_)) { pieces(hir) } else { vec![hir.clone()] }
}

/// The bytes of a class, or the one of a literal.
pub(super) fn bytes(hir: &Hir) -> Option<Vec<u8>> {
    match hir.kind() {
        HirKind::Class(Class::Bytes(class)) => {
            Some(class.iter().flat_map(|range| range.start()..=range.end()).collect())
        }
        HirKind::Literal(literal) if literal.0.len() == 1 => Some(literal.0.to_vec()),
        _ => None,
    }
}

/// A set of bytes as a class: `[\x30-\x39\x5F]`; nothing for none.
pub(super) fn class(set: &[u8]) -> String {
    let mut text = String::new();
    let mut bytes = (0..=u8::MAX).filter(|byte| set.contains(byte)).peekable();
    while let Some(first) = bytes.next() {
        let mut last = first;
        while let Some(next) = bytes.next_if(|next| Some(*next) == last.checked_add(1)) {
            last = next;
        }
        text.push_str(&shown(first));
        if last > first {
            text.push('-');
            text.push_str(&shown(last));
        }
    }
    if text.is_empty() { text } else { format!("[{text}]") }
}

fn shown(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() {
        char::from(byte).to_string()
    } else {
        format!("\\x{byte:02X}")
    }
}

/// All bytes but these.
pub(super) fn others(set: &[u8]) -> Vec<u8> {
    (0..=u8::MAX).filter(|byte| !set.contains(byte)).collect()
}

/// A pattern whose repetitions all have a bound, and whether that is new. `Err`
/// where one spans just anything: with a bound it would miss what it is for.
pub(super) fn bounded(hir: &Hir) -> Result<(Hir, bool), String> {
    let all = |pieces: &[Hir]| -> Result<(Vec<Hir>, bool), String> {
        let bounded = pieces.iter().map(bounded).collect::<Result<Vec<_>, _>>()?;
        let is_new = bounded.iter().any(|(_, is_new)| *is_new);
        Ok((bounded.into_iter().map(|(hir, _)| hir).collect(), is_new))
    };
    Ok(match hir.kind() {
        HirKind::Repetition(again) => {
            let (sub, is_new) = bounded(&again.sub)?;
            let is_endless = again.max.is_none();
            if is_endless && bytes(&sub).is_none_or(|set| set.len() > WIDE_CLASS_BYTES) {
                return Err("it spans what has no end: write it by hand, with `rest`".to_owned());
            }
            let max = again.max.unwrap_or_else(|| again.min.max(REPEATED_MAX));
            let again = Repetition { max: Some(max), sub: Box::new(sub), ..again.clone() };
            (Hir::repetition(again), is_new || is_endless)
        }
        HirKind::Capture(capture) => bounded(&capture.sub)?,
        HirKind::Concat(pieces) => {
            let (pieces, is_new) = all(pieces)?;
            (Hir::concat(pieces), is_new)
        }
        HirKind::Alternation(pieces) => {
            let (pieces, is_new) = all(pieces)?;
            (Hir::alternation(pieces), is_new)
        }
        _ => (hir.clone(), false),
    })
}

/// The bytes with which what must follow a secret begins, and whether nothing may
/// follow instead; none where it is no mere end.
pub(super) fn end(tail: &[Hir]) -> Option<(Vec<u8>, bool)> {
    match tail {
        [] => None,
        [one] => alternatives(one),
        _ => None,
    }
}

fn alternatives(hir: &Hir) -> Option<(Vec<u8>, bool)> {
    match hir.kind() {
        HirKind::Look(Look::End | Look::EndLF | Look::EndCRLF) => Some((Vec::new(), true)),
        HirKind::Class(_) => bytes(hir).map(|set| (set, false)),
        HirKind::Literal(literal) => Some((vec![*literal.0.first()?], false)),
        HirKind::Concat(pieces) => {
            // A backslash and a letter, as in the text of a program.
            let (first, rest) = pieces.split_first()?;
            let is_short = rest.iter().all(|piece| bytes(piece).is_some());
            is_short.then(|| alternatives(first)).flatten()
        }
        HirKind::Capture(capture) => alternatives(&capture.sub),
        HirKind::Alternation(all) => {
            let ends = all.iter().map(alternatives).collect::<Option<Vec<_>>>()?;
            let may_end = ends.iter().any(|(_, may_end)| *may_end);
            Some((ends.into_iter().flat_map(|(set, _)| set).collect(), may_end))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ByteSet;
    use crate::rules::pattern::parse;

    #[test]
    fn a_class_is_written_and_read_again() {
        for set in [&b"a"[..], b"abc", b"]\\^-\"'", &[0, 1, 2, 255], &others(b"x")] {
            let read = ByteSet::parse(&class(set)).unwrap();
            assert!((0..=u8::MAX).all(|byte| read.contains(byte) == set.contains(&byte)));
        }
        assert_eq!((class(b""), class(b"0123_")), (String::new(), "[0-3\\x5F]".to_owned()));
    }

    #[test]
    fn what_must_follow_is_a_set_of_bytes() {
        let end = |pattern: &str| {
            end(&pieces(&parse(pattern).unwrap())).map(|(mut set, may_end)| {
                set.sort_unstable();
                (String::from_utf8(set).unwrap(), may_end)
            })
        };
        assert_eq!(end(r#"(?:['";]|\\[nr]|$)"#), Some(("\"';\\".to_owned(), true)));
        assert_eq!(end("[ab]"), Some(("ab".to_owned(), false)));
        assert_eq!(end("[ab]+"), None);
        assert_eq!(end("[ab][cd]"), None);
    }

    #[test]
    fn repetitions_get_a_bound_unless_they_span_anything() {
        let shown = |pattern: &str| {
            bounded(&parse(pattern).unwrap())
                .map(|(hir, is_new)| (hir.properties().maximum_len(), is_new))
        };
        assert_eq!(shown("a{2,5}b"), Ok((Some(6), false)));
        assert_eq!(shown("[a-z]+b"), Ok((Some(65), true)));
        assert_eq!(shown("[a-z]{100,}"), Ok((Some(100), true)));
        for endless in [r"(?s).*x", r"[^']+", "(?:ab)+"] {
            assert!(shown(endless).is_err(), "{endless}");
        }
    }
}
