//! All rules' keywords, and where they stand in a text, with the digits and the
//! runs of base64: the places at which rules are tried.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use super::entry::Entry;
use super::filter::{
    CHUNK_BYTES, DIGIT, Filter, LONG, LONG_BYTES_MIN, LOOK_BYTES, SEXTETS, SHORT, commonness, four,
    part,
};
use super::{Rule, RulesError, Start};

/// Keywords of all rules together, at most.
pub const KEYWORDS_MAX: usize = 8_192;
/// Bytes before the place where a search goes on that it begins with, at least: as
/// many as a run of base64 may have that is not told yet.
const REACH_BYTES_MIN: usize = 15;

/// The places of a text at which something may begin.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// Where a keyword begins, and its number.
    pub(crate) words: Vec<(usize, usize)>,
    /// The first of some digits.
    pub(crate) digits: Vec<usize>,
    /// Where eight bytes in a row are base64. Each run of 15 bytes holds one such place.
    pub(crate) sextets: Vec<usize>,
}

impl Marks {
    /// Most texts have few: room for them is taken once.
    fn clear(&mut self) {
        const ROOM: usize = 32;
        self.words.clear();
        self.words.reserve(ROOM);
        self.digits.clear();
        self.digits.reserve(ROOM);
        self.sextets.clear();
        self.sextets.reserve(ROOM);
    }
}

/// All keywords.
pub(crate) struct Keywords {
    words: Vec<Word>,
    filter: Filter,
    /// By number: what has one of these fours of bytes.
    lists: Vec<Vec<Four>>,
    /// By the [`begin`] of its first bytes: each short word.
    short: Vec<Vec<usize>>,
    /// How far before a place a word may begin that ends behind it.
    reach: usize,
}

struct Word {
    text: Box<[u8]>,
    is_any_case: bool,
    uses: Vec<Use>,
}

/// A rule that a keyword begins.
#[derive(Debug)]
pub(crate) struct Use {
    /// Its place in the set.
    pub(crate) rule: usize,
    entry: OnceLock<Entry>,
}

/// Four bytes of a word.
struct Four {
    bytes: u32,
    /// Where they stand in it.
    offset: usize,
    word: usize,
}

impl std::fmt::Debug for Keywords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keywords").field("words", &self.words.len()).finish_non_exhaustive()
    }
}

impl Use {
    pub(super) fn new(rule: usize) -> Self {
        Self { rule, entry: OnceLock::new() }
    }

    /// What is known of the rule behind the keyword; `keyword` gives what each of
    /// its bytes may be.
    pub(crate) fn entry(&self, rule: &Rule, keyword: impl FnOnce() -> Vec<Vec<u8>>) -> &Entry {
        self.entry.get_or_init(|| Entry::of(rule, &keyword()))
    }
}

impl Keywords {
    pub(super) fn new(rules: &[Rule]) -> Result<Self, RulesError> {
        let mut by_word: BTreeMap<(String, bool), Vec<usize>> = BTreeMap::new();
        for (at, rule) in rules.iter().enumerate() {
            let Start::Keywords(words) = &rule.start else { continue };
            for word in words {
                let is_any_case = !rule.is_case_sensitive;
                let text = if is_any_case { word.to_ascii_lowercase() } else { word.clone() };
                let rules = by_word.entry((text, is_any_case)).or_default();
                if !rules.contains(&at) {
                    rules.push(at);
                }
            }
        }
        if by_word.len() > KEYWORDS_MAX {
            return Err(RulesError::Keywords);
        }
        let words = by_word.into_iter().map(|((text, is_any_case), rules)| Word {
            text: text.into_bytes().into(),
            is_any_case,
            uses: rules.into_iter().map(Use::new).collect(),
        });
        Self::of(words.collect())
    }

    fn of(words: Vec<Word>) -> Result<Self, RulesError> {
        let mut filter = Filter::new()?;
        let mut lists: Vec<Vec<Four>> = (0..=u8::MAX).map(|_| Vec::new()).collect();
        let mut short: Vec<Vec<usize>> = (0..=u8::MAX).map(|_| Vec::new()).collect();
        let mut fresh = 0;
        // The shortest first: what they mark tells of others too.
        let mut shortest: Vec<(usize, &Word)> = words.iter().enumerate().collect();
        shortest.sort_by_key(|(_, word)| word.text.len());
        for (number, word) in shortest {
            if word.text.len() < LONG_BYTES_MIN {
                for begin in word.add_to(&mut filter) {
                    short[begin].push(number);
                }
                continue;
            }
            let rarest = word.rarest_fours();
            for offset in [rarest, rarest + 1] {
                let bytes = word.four(offset);
                // Lists are few: what shares one is told apart by its bytes.
                fresh = fresh % u8::MAX + 1;
                let list = filter.add_four(bytes, fresh);
                lists[usize::from(list)].push(Four { bytes, offset, word: number });
            }
        }
        let longest = words.iter().map(|word| word.text.len()).max().unwrap_or(0);
        let reach = longest.saturating_sub(1).max(REACH_BYTES_MIN);
        Ok(Self { words, filter, lists, short, reach })
    }

    /// The rules that a word begins, and its length.
    pub(crate) fn of_word(&self, word: usize) -> (&[Use], usize) {
        self.words.get(word).map_or((&[], 0), |word| (&word.uses, word.text.len()))
    }

    /// What each byte of a word may be.
    pub(crate) fn cases(&self, word: usize) -> Vec<Vec<u8>> {
        let word = self.words.get(word);
        word.map_or_else(Vec::new, |word| (0..word.text.len()).map(|at| word.cases(at)).collect())
    }

    /// Finds what ends in `bytes` behind the position `from`, where the first byte
    /// has the position `base`.
    pub(crate) fn find(&self, bytes: &[u8], base: usize, from: usize, marks: &mut Marks) {
        marks.clear();
        let mut search =
            Search { keywords: self, bytes, base, from: from - base, looked: 0, marks };
        let mut at = search.word_start(self.reach);
        search.looked = at;
        while let Some((place, seen)) = self.filter.next(bytes, at) {
            at = place + CHUNK_BYTES;
            if seen & LONG != 0 {
                search.long(place);
            }
            if seen & (DIGIT | SHORT) != 0 {
                search.short(place);
            }
            if seen & SEXTETS != 0 {
                search.marks.sextets.push(base + place);
            }
        }
    }
}

/// One search.
struct Search<'a> {
    keywords: &'a Keywords,
    bytes: &'a [u8],
    base: usize,
    /// What ends here or before was found earlier.
    from: usize,
    /// Short words that begin before were told of.
    looked: usize,
    marks: &'a mut Marks,
}

impl Search<'_> {
    /// Where the word begins in which the search goes on: keywords hold no blanks.
    fn word_start(&self, reach: usize) -> usize {
        let before = self.bytes.get(self.from.saturating_sub(reach)..self.from).unwrap_or_default();
        let length = before.iter().rev().take_while(|byte| byte.is_ascii_graphic()).count();
        self.from - length
    }

    /// Tells of the longer keywords of a chunk.
    #[inline(never)]
    fn long(&mut self, place: usize) {
        let keywords = self.keywords;
        let chunk: [u8; LOOK_BYTES] = part(self.bytes, place);
        for offset in [0, 2, 4, 6] {
            let bytes =
                four([chunk[offset], chunk[offset + 1], chunk[offset + 2], chunk[offset + 3]]);
            // The first list is of none.
            for four in &keywords.lists[usize::from(keywords.filter.list(bytes))] {
                if four.bytes == bytes
                    && let Some(start) = (place + offset).checked_sub(four.offset)
                {
                    self.word(start, four.word);
                }
            }
        }
    }

    /// Tells of the digits of a chunk, and of the short keywords that it tells of.
    #[inline(never)]
    fn short(&mut self, place: usize) {
        let keywords = self.keywords;
        let (begins, digits) = keywords.filter.places(self.bytes, place);
        let (base, from, looked) = (self.base, self.from, self.looked);
        for at in begins.filter(|at| *at >= looked) {
            let next = self.bytes.get(at + 1).copied().unwrap_or_default();
            for &word in &keywords.short[begin(self.bytes[at], next)] {
                self.word(at, word);
            }
        }
        self.looked = place + CHUNK_BYTES;
        self.marks.digits.extend(digits.filter(|at| *at >= from).map(|at| base + at));
    }

    /// Tells of a word if it stands there.
    fn word(&mut self, start: usize, number: usize) {
        let Some(word) = self.keywords.words.get(number) else { return };
        let end = start + word.text.len();
        let Some(there) = self.bytes.get(start..end) else { return };
        // Most differ soon: this is faster than to compare all.
        let mut both = word.text.iter().zip(there);
        let is_it = if word.is_any_case {
            both.all(|(byte, there)| *byte == there.to_ascii_lowercase())
        } else {
            both.all(|(byte, there)| byte == there)
        };
        if is_it && end > self.from {
            self.marks.words.push((self.base + start, number));
        }
    }
}

/// Which list holds the short words that begin with two bytes.
fn begin(first: u8, second: u8) -> usize {
    // Letters and digits that begin words differ in these bits.
    usize::from(first & 0x1f) << 3 | usize::from(second & 7)
}

impl Word {
    /// The byte at `at`, in each case that counts.
    fn cases(&self, at: usize) -> Vec<u8> {
        let byte = self.text[at];
        match byte.to_ascii_uppercase() {
            upper if self.is_any_case && upper != byte => vec![byte, upper],
            _ => vec![byte],
        }
    }

    fn four(&self, at: usize) -> u32 {
        four([self.text[at], self.text[at + 1], self.text[at + 2], self.text[at + 3]])
    }

    /// Where the rarest two fours that follow each other begin.
    fn rarest_fours(&self) -> usize {
        let rate = |at: &usize| -> u64 {
            let bytes = self.text[*at..*at + LONG_BYTES_MIN].iter();
            let rates: Vec<u64> =
                bytes.map(|byte| commonness(Some(byte.to_ascii_lowercase()))).collect();
            rates[1] * rates[2] * rates[3] * (rates[0] + rates[4])
        };
        (0..=self.text.len() - LONG_BYTES_MIN).min_by_key(rate).unwrap_or(0)
    }

    /// Marks the pairs of a short word of which one stands at a step of two bytes,
    /// wherever the word does, and the one that it begins with: its lists.
    fn add_to(&self, filter: &mut Filter) -> BTreeSet<usize> {
        let byte = |at: usize| self.text.get(at).copied();
        // From an even place on its pairs are the first, from an odd one the others.
        let even = [[byte(0), byte(1)], [byte(2), byte(3)], [None; 2]];
        let odd = [[None, byte(0)], [byte(1), byte(2)], [byte(3), None]];
        for all in [even, odd] {
            let rate = |pair: &[Option<u8>; 2]| {
                let is_free = self.pair_cases(*pair).into_iter().all(|pair| filter.is_marked(pair));
                if is_free { 0 } else { commonness(pair[0]) * commonness(pair[1]) }
            };
            let rarer = all.into_iter().filter(|pair| *pair != [None; 2]).min_by_key(rate);
            for pair in rarer.into_iter().flat_map(|pair| self.pair_cases(pair)) {
                filter.add_pair(pair);
            }
        }
        let mut begins = BTreeSet::new();
        for pair in self.pair_cases([byte(0), byte(1)]) {
            filter.add_begin(pair);
            for second in pair[1].map_or(0..=u8::MAX, |second| second..=second) {
                begins.insert(begin(pair[0].unwrap_or_default(), second));
            }
        }
        begins
    }

    /// A pair in each case that counts.
    fn pair_cases(&self, pair: [Option<u8>; 2]) -> Vec<[Option<u8>; 2]> {
        let cases = |byte: Option<u8>| match byte {
            Some(byte) if self.is_any_case => {
                vec![Some(byte.to_ascii_lowercase()), Some(byte.to_ascii_uppercase())]
            }
            byte => vec![byte],
        };
        let seconds = cases(pair[1]);
        let all = cases(pair[0]).into_iter();
        all.flat_map(|first| seconds.iter().map(move |second| [first, *second])).collect()
    }
}
