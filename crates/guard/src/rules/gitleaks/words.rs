//! The words that every match of a pattern begins with.

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::rules::KEYWORD_BYTES_MAX;

/// Letters of a word, at least: shorter ones stand everywhere.
const WORD_BYTES_MIN: usize = 3;
/// Words of one pattern, at most.
const WORDS_MAX: usize = 64;
/// Bytes of a class, without regard to case, that are each written out.
const CLASS_BYTES_MAX: usize = 4;

/// Words that matches begin with, small where case does not count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Begin {
    pub(super) words: Vec<String>,
    pub(super) ignore_case: bool,
}

/// The words that a match of these pieces begins with; none where one may begin
/// with something else or something shorter.
pub(super) fn begin(pieces: &[Hir]) -> Option<Begin> {
    let mut grown = Grown { words: vec![Vec::new()], ignore_case: false, is_open: true };
    grown.concat(pieces);
    let Grown { words, ignore_case, .. } = grown;
    let mut words: Vec<String> =
        words.into_iter().map(|word| visible(&word, ignore_case)).collect();
    words.sort();
    words.dedup();
    let fits = words.iter().all(|word| word.len() >= WORD_BYTES_MIN);
    (fits && !words.is_empty()).then_some(Begin { words, ignore_case })
}

/// As much of a word as a keyword may hold.
fn visible(word: &[u8], ignore_case: bool) -> String {
    let bytes = word.iter().take_while(|byte| byte.is_ascii_graphic()).take(KEYWORD_BYTES_MAX);
    let word: String = bytes.map(|byte| char::from(*byte)).collect();
    if ignore_case { word.to_ascii_lowercase() } else { word }
}

/// Words as they grow, piece by piece.
#[derive(Clone)]
struct Grown {
    words: Vec<Vec<u8>>,
    ignore_case: bool,
    /// Whether the next piece still belongs to all of them.
    is_open: bool,
}

impl Grown {
    fn concat(&mut self, pieces: &[Hir]) {
        for piece in pieces {
            if !self.is_open {
                return;
            }
            self.add(piece);
        }
    }

    fn add(&mut self, piece: &Hir) {
        match piece.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => self.each(&[literal.0.to_vec()]),
            HirKind::Class(Class::Bytes(_)) => match super::shape::bytes(piece) {
                Some(set) => self.class(&set),
                None => self.is_open = false,
            },
            HirKind::Class(Class::Unicode(_)) => self.is_open = false,
            HirKind::Capture(capture) => self.add(&capture.sub),
            HirKind::Concat(pieces) => self.concat(pieces),
            HirKind::Alternation(all) => self.either(all.iter()),
            HirKind::Repetition(again) => match (again.min, again.max) {
                (1, Some(1)) => self.add(&again.sub),
                (0, Some(1)) => self.either([&Hir::empty(), &*again.sub].into_iter()),
                (0, _) => self.is_open = false,
                _ => {
                    self.add(&again.sub);
                    self.is_open = false;
                }
            },
        }
    }

    /// One byte of a class, where there are few of them.
    fn class(&mut self, set: &[u8]) {
        let mut folded: Vec<u8> = set.iter().map(u8::to_ascii_lowercase).collect();
        folded.sort_unstable();
        folded.dedup();
        if folded.len() > CLASS_BYTES_MAX {
            self.is_open = false;
            return;
        }
        let both =
            |byte: &u8| byte.is_ascii_uppercase() && set.contains(&byte.to_ascii_lowercase());
        self.ignore_case |= set.iter().any(both);
        let ends: Vec<_> = folded.into_iter().map(|byte| vec![byte]).collect();
        // Where case counts the bytes stay as they are.
        let plain: Vec<_> = set.iter().map(|byte| vec![*byte]).collect();
        self.each(if set.iter().any(both) { &ends } else { &plain });
    }

    fn either<'a>(&mut self, all: impl Iterator<Item = &'a Hir>) {
        let (mut words, mut is_open, mut ignore_case) = (Vec::new(), true, self.ignore_case);
        for one in all {
            let mut grown = self.clone();
            grown.add(one);
            words.extend(grown.words);
            is_open &= grown.is_open;
            ignore_case |= grown.ignore_case;
        }
        if words.len() > WORDS_MAX {
            self.is_open = false;
            return;
        }
        *self = Self { words, ignore_case, is_open };
    }

    /// Every word with every one of these ends.
    fn each(&mut self, ends: &[Vec<u8>]) {
        if self.words.len() * ends.len() > WORDS_MAX {
            self.is_open = false;
            return;
        }
        let with = |word: &Vec<u8>| ends.iter().map(|end| [&word[..], end].concat()).collect();
        self.words = self.words.iter().flat_map::<Vec<_>, _>(with).collect();
        self.is_open &= self.words.iter().any(|word| word.len() < KEYWORD_BYTES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::pattern::parse;

    fn shown(pattern: &str) -> String {
        let hir = parse(pattern).unwrap();
        begin(&super::super::shape::pieces(&hir)).map_or_else(
            || "none".to_owned(),
            |begin| {
                format!("{}{}", begin.words.join(" "), if begin.ignore_case { " i" } else { "" })
            },
        )
    }

    #[test]
    fn every_match_begins_with_one_of_them() {
        for (pattern, expected) in [
            (r"ghp_[0-9a-zA-Z]{36}", "ghp_"),
            (r"\b(?:A3T[A-Z0-9]|AKIA|ASIA)[A-Z0-9]{16}\b", "A3T AKIA ASIA"),
            (r"(?i)acme(?:key|token)=", "acmekey= acmetoken= i"),
            (r"xox[bp]-[0-9]+", "xoxb- xoxp-"),
            (r"s?key_", "key_ skey_"),
            (r"(?:abc)+d", "abc"),
            (r"ab", "none"),
            (r"[a-f0-9]{32}", "none"),
            (r"(?:abc|x)y", "none"),
            (r"[a-z]*abc", "none"),
            (r"abc def", "abc"),
        ] {
            assert_eq!(shown(pattern), expected, "{pattern}");
        }
        let long = "w".repeat(KEYWORD_BYTES_MAX + 1);
        assert_eq!(shown(&long), long[1..]);
    }
}
