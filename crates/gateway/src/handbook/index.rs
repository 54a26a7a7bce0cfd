//! BM25 over passages.
//!
//! S. Robertson and H. Zaragoza, "The Probabilistic Relevance Framework: BM25
//! and Beyond", Foundations and Trends in Information Retrieval 3(4), 2009:
//! term frequencies of the fields (words, heading, title) are weighted and
//! summed before they saturate (BM25F, section 3.6), with k1 = 1.2 and b = 0.75.

use std::collections::BTreeMap;

use super::passages::Passage;
use super::words;

/// Where term frequency saturates.
const K1: f64 = 1.2;
/// How much a long passage is discounted.
const B: f64 = 0.75;
/// What one occurrence in the heading counts beside one in the text.
const HEADING_WEIGHT: f64 = 3.0;
/// What one occurrence in the page's title counts.
const TITLE_WEIGHT: f64 = 1.0;
/// What a synonym counts beside the word itself.
const SYNONYM_WEIGHT: f64 = 0.5;
/// Different terms of a question that are looked up; the rest is not.
const QUERY_TERMS_MAX: usize = 48;

/// All passages, and where each term occurs.
#[derive(Debug)]
pub(super) struct Index {
    passages: Vec<Passage>,
    postings: BTreeMap<String, Vec<Posting>>,
}

/// One passage that holds a term.
#[derive(Clone, Copy, Debug)]
struct Posting {
    passage: usize,
    /// The weighted frequency, normalised by the passage's length.
    frequency: f64,
    /// Whether the heading or the title has the term.
    named: bool,
}

/// A passage that fits a question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit<'i> {
    /// The passage.
    pub(super) passage: &'i Passage,
    /// Its BM25 score.
    pub(super) score: f64,
    /// The share of the question's terms that it holds, from 0 to 1.
    pub(super) coverage: f64,
    /// Whether its heading or title has one of the question's terms.
    pub(super) named: bool,
}

impl Index {
    /// Indexes `passages`.
    pub(super) fn build(passages: Vec<Passage>) -> Self {
        let bags: Vec<_> = passages.iter().map(bag).collect();
        let length = |bag: &Bag| bag.values().map(|(weight, _)| weight).sum::<f64>();
        let average = bags.iter().map(length).sum::<f64>() / bags.len().max(1) as f64;
        let mut postings: BTreeMap<String, Vec<Posting>> = BTreeMap::new();
        for (passage, bag) in bags.into_iter().enumerate() {
            let norm = 1.0 - B + B * length(&bag) / average.max(1.0);
            for (term, (weight, named)) in bag {
                let frequency = weight / norm;
                postings.entry(term).or_default().push(Posting { passage, frequency, named });
            }
        }
        Self { passages, postings }
    }

    /// Every passage, in order.
    pub(super) fn passages(&self) -> &[Passage] {
        &self.passages
    }

    /// The passages that hold any term of `question`, best first.
    pub(super) fn search(&self, question: &str) -> Vec<Hit<'_>> {
        let mut terms: Vec<String> = Vec::new();
        for term in words::terms(question) {
            if terms.len() < QUERY_TERMS_MAX && !terms.contains(&term) {
                terms.push(term);
            }
        }
        let mut found: BTreeMap<usize, (f64, usize, bool)> = BTreeMap::new();
        for term in &terms {
            for (passage, (score, named)) in self.score(term) {
                let sums = found.entry(passage).or_default();
                *sums = (sums.0 + score, sums.1 + 1, sums.2 || named);
            }
        }
        let hit = |(at, (score, held, named)): (usize, (f64, usize, bool))| Hit {
            passage: &self.passages[at],
            score,
            coverage: held as f64 / terms.len().max(1) as f64,
            named,
        };
        let mut hits: Vec<_> = found.into_iter().map(hit).collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score));
        hits
    }

    /// For each passage with `term` or a word that means the same: its score,
    /// and whether its heading has the word.
    fn score(&self, term: &str) -> BTreeMap<usize, (f64, bool)> {
        let mut scores: BTreeMap<usize, (f64, bool)> = BTreeMap::new();
        let own = std::iter::once((term.to_owned(), 1.0));
        let others = words::synonyms(term).map(|other| (other, SYNONYM_WEIGHT));
        for (word, weight) in own.chain(others) {
            let rarity = self.rarity(&word);
            for posting in self.postings.get(&word).into_iter().flatten() {
                let saturated = posting.frequency * (K1 + 1.0) / (posting.frequency + K1);
                let score = weight * rarity * saturated;
                let best = scores.entry(posting.passage).or_default();
                *best = (best.0.max(score), best.1 || posting.named);
            }
        }
        scores
    }

    /// The inverse document frequency, never negative.
    fn rarity(&self, term: &str) -> f64 {
        let holding = self.postings.get(term).map_or(0, Vec::len).max(1) as f64;
        let all = self.passages.len() as f64;
        (1.0 + (all - holding + 0.5) / (holding + 0.5)).ln()
    }
}

/// Terms with their weighted frequency, and whether heading or title has them.
type Bag = BTreeMap<String, (f64, bool)>;

/// The weighted terms of a passage with its heading and title.
fn bag(passage: &Passage) -> Bag {
    let mut bag = Bag::new();
    let fields = [
        (passage.text, 1.0, false),
        (passage.heading, HEADING_WEIGHT, true),
        (passage.title, TITLE_WEIGHT, true),
    ];
    for (text, weight, named) in fields {
        for term in words::terms(text) {
            let entry = bag.entry(term).or_default();
            *entry = (entry.0 + weight, entry.1 || named);
        }
    }
    bag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let passage = |heading: &'static str, text: &'static str| Passage {
            file: "docs/t.md",
            title: "T",
            heading,
            table_head: None,
            text,
        };
        Index::build(vec![
            passage("Sheep", "Sheep eat grass and are counted at night."),
            passage("Goats", "Goats eat anything, even a sheep's grass, and climb."),
            passage("Money", "A price is an amount of money."),
        ])
    }

    #[test]
    fn a_heading_counts_more_than_a_mention() {
        let index = index();
        let hits = index.search("what do sheep eat");
        assert_eq!(hits[0].passage.heading, "Sheep");
        assert_eq!(hits.len(), 2);
        assert!((hits[0].coverage - 1.0).abs() < 1e-9);
    }

    #[test]
    fn an_unknown_word_lowers_the_coverage() {
        let index = index();
        assert!(index.search("sheep quux blurb")[0].coverage < 0.5);
        assert!(index.search("sheep")[0].named && !index.search("night")[0].named);
        assert!(index.search("quux").is_empty());
        assert_eq!(index.search("what does it cost")[0].passage.heading, "Money");
    }

    #[test]
    fn an_empty_index_finds_nothing() {
        assert!(Index::build(Vec::new()).search("sheep").is_empty());
    }
}
