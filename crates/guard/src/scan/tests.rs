//! The scan against one that tries every rule at every place, and blanks as escapes.

use proptest::prelude::{ProptestConfig, Strategy, prop, proptest};

use super::candidate::{Candidate, Outcome};
use super::window::Window;
use super::{DECODINGS_MAX, ESCAPES_MAX, Scan};
use crate::redact::tests::{piece, redactor};
use crate::rules::{Rule, RuleSet, Start};

type Finds = Vec<(usize, usize, usize, bool)>;

/// Where a rule's keyword stands, or the first of some digits.
fn places(rule: &Rule, text: &[u8]) -> Vec<usize> {
    let is_digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    let is_word = |at: usize, word: &String| {
        text[at..].get(..word.len()).is_some_and(|there| {
            there == word.as_bytes()
                || !rule.is_case_sensitive && there.eq_ignore_ascii_case(word.as_bytes())
        })
    };
    let is_place = |at: &usize| match &rule.start {
        Start::Digits => is_digit(*at) && (*at == 0 || !is_digit(*at - 1)),
        Start::Keywords(words) => words.iter().any(|word| is_word(*at, word)),
    };
    (0..text.len()).filter(is_place).collect()
}

/// What is found without a filter and without what is known of keywords.
fn reference(rules: &RuleSet, text: &[u8]) -> Finds {
    let window = Window::whole(text);
    let mut spans = Vec::new();
    for (number, rule) in rules.rules.iter().enumerate() {
        for at in places(rule, text) {
            for (start, before) in Candidate::starts(rule, &window, at).into_iter().flatten() {
                let mut candidate = Candidate::new(rules, number, start, before).unwrap();
                if let Outcome::Found(span, rest) = candidate.advance(rules, &window, true) {
                    spans.push(span);
                    rest.map(|mut rest| rest.advance(rules, &window, &mut spans));
                }
            }
        }
    }
    finds(&spans)
}

fn finds(spans: &[super::Span]) -> Finds {
    let all = spans.iter().map(|span| (span.start, span.end, span.rule, span.goes_on));
    let mut all: Vec<_> = all.collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// What is found in the text as it stands, in pieces that end at these bytes.
fn found(rules: &RuleSet, text: &[u8], ends: &[usize]) -> Finds {
    let mut scan = Scan::nested(0, ESCAPES_MAX, DECODINGS_MAX);
    let mut spans = Vec::new();
    for end in ends {
        scan.advance(rules, &Window::whole(text).up_to(*end), false, &mut spans);
    }
    scan.advance(rules, &Window::whole(text), true, &mut spans);
    finds(&spans)
}

/// The spans that touch, as one.
fn merged(finds: &Finds) -> Vec<(usize, usize)> {
    let mut all: Vec<(usize, usize)> = Vec::new();
    for (start, end, ..) in finds {
        match all.last_mut() {
            Some(last) if *start <= last.1 => last.1 = last.1.max(*end),
            _ => all.push((*start, *end)),
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_rule_is_tried_wherever_it_may_match(
        text in prop::collection::vec(piece(), 1..10).prop_map(|pieces| pieces.concat()),
        cuts in prop::collection::vec(0_usize..600, 0..6),
    ) {
        let rules = redactor().rules();
        let expected = reference(rules, text.as_bytes());
        assert_eq!(found(rules, text.as_bytes(), &[]), expected, "{text}");
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < text.len()).collect();
        cuts.sort_unstable();
        // A rest is told of in as many parts as there are pieces.
        let in_pieces = found(rules, text.as_bytes(), &cuts);
        assert_eq!(merged(&in_pieces), merged(&expected), "{text} cut at {cuts:?}");
    }

    #[test]
    fn a_blank_written_as_an_escape_hides_nothing(
        pieces in prop::collection::vec((piece(), 0_usize..4), 1..8),
    ) {
        let blanks = [" ", "\n", "\t", "\r\n"];
        // What is escaped already would be so three times.
        let plain = |piece: &str| piece.replace(['\\', '%'], "");
        let text: String =
            pieces.iter().map(|(piece, blank)| plain(piece) + blanks[*blank]).collect();
        let escaped = serde_json::to_string(&text).unwrap();
        let redacted = redactor().redact(&escaped).text;
        for (place, found) in redactor().places(&text) {
            let value = serde_json::to_string(&text[place]).unwrap();
            let value = &value[1..value.len() - 1];
            // What is short may stand there by chance.
            if value.len() >= 8 {
                assert!(!redacted.contains(value), "{value} ({}) in {redacted}", found.rule);
            }
        }
    }
}
