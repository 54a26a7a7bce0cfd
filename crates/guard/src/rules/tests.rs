//! Tests of the rules that are shipped, and of reading rule files.

use std::sync::Arc;

use proptest::prelude::{ProptestConfig, prop, proptest};

use super::example::{Dice, expand};
use super::{Marks, RuleSet, RulesError};
use crate::redact::Redactor;

/// How often each template is made anew: what is random must not matter.
const TIMES: u64 = 40;

fn redactor() -> Redactor {
    Redactor::new(Arc::new(RuleSet::builtin().unwrap()), &[1; 32])
}

#[test]
fn every_shipped_rule_finds_its_examples_and_nothing_in_its_others() {
    let redactor = redactor();
    let mut wrong = Vec::new();
    for rule in redactor.rules().iter() {
        assert!(!rule.matches().is_empty(), "{} has no example", rule.id());
        let alone = |text: &str| {
            let places = redactor.all(text);
            places.iter().any(|id| id == rule.id())
        };
        for seed in 0..TIMES {
            let mut dice = Dice::new(seed);
            for template in rule.matches() {
                let text = expand(template, &mut dice);
                if !alone(&text) {
                    wrong.push(format!("{}: not found in {text}", rule.id()));
                }
            }
            for template in rule.rejects() {
                let text = expand(template, &mut dice);
                if alone(&text) {
                    wrong.push(format!("{}: found in {text}", rule.id()));
                }
            }
        }
    }
    wrong.sort();
    wrong.dedup_by_key(|line| line.split(' ').next().unwrap().to_owned());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_shipped_pattern_can_be_built() {
    let rules = RuleSet::builtin().unwrap();
    rules.prepare().unwrap();
    assert!(rules.len() >= 100 && !rules.is_empty(), "{} rules", rules.len());
}

fn file(fields: &str) -> String {
    format!("[[rule]]\nid = \"a\"\nclass = \"secret\"\ndescription = \"x\"\n{fields}\n")
}

#[test]
fn a_rule_file_says_what_is_wrong_with_it() {
    let cases = [
        ("nonsense", "f.toml: "),
        ("[[rule]]\nid = \"a\"", "missing field"),
        (&file("keywords = [\"k\"]\nvalue = 'k'\ncolour = 1"), "colour"),
        (&file("value = 'k'"), "rule `a`: keywords: a rule has either keywords or"),
        (&file("keywords = [\"k\"]\ndigits = true\nvalue = 'k'"), "either keywords or"),
        (&file("keywords = [\"a b\"]\nvalue = 'k'"), "`a b`: a keyword has 1 to 32"),
        (&file("keywords = [\"\"]\nvalue = 'k'"), "a keyword has 1 to 32"),
        (&file("keywords = [\"k\"]\nvalue = 'k('"), "rule `a`: value: "),
        (&file("keywords = [\"k\"]\nvalue = 'k+'"), "longer than 1024 bytes"),
        (&file("keywords = [\"k\"]\nvalue = 'k{1,1025}'"), "longer than 1024 bytes"),
        (&file("keywords = [\"k\"]\nvalue = 'k?'"), "it can match nothing"),
        (&file("keywords = [\"k\"]\nvalue = 'k'\nchecks = [\"soup\"]"), "`soup` is no check"),
        (&file("keywords = [\"k\"]\nvalue = 'k'\nchecks = [\"entropy 9\"]"), "0 to 8 bits"),
        (&file("keywords = [\"k\"]\nvalue = 'k'\nafter = 'ab'"), "`ab` is no class"),
        (
            &file("keywords = [\"k\"]\nvalue = 'k'\nback = { over = '[ ]', bytes_max = 2 }"),
            "only visible",
        ),
        (
            &file("keywords = [\"k\"]\nvalue = 'k'\nback = { over = '[a]', bytes_max = 65 }"),
            "1 to 64",
        ),
        (
            &file("keywords = [\"k\"]\nvalue = 'k'").replace("\"a\"", "\"A b\""),
            "lower-case letters",
        ),
        (&file("keywords = [\"k\"]\nvalue = 'k'").repeat(2), "rule `a` is there twice"),
    ];
    for (text, expected) in cases {
        let error = RuleSet::parse(&[("f.toml", text)]).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}\n-> {error}");
    }
    let long = "#".repeat(super::FILE_BYTES_MAX + 1);
    assert!(matches!(RuleSet::parse(&[("f", &long)]), Err(RulesError::TooLong { .. })));
    assert!(RuleSet::parse(&[("f", &long[1..])]).unwrap().is_empty());
}

#[test]
fn limits_hold_at_the_limit_and_one_past_it() {
    let rules = |count: usize| {
        let rule = |at: usize| {
            file("keywords = [\"k\"]\nvalue = 'k'").replace("\"a\"", &format!("\"a{at}\""))
        };
        (0..count).map(rule).collect::<String>()
    };
    assert_eq!(RuleSet::parse(&[("f", &rules(super::RULES_MAX))]).unwrap().len(), super::RULES_MAX);
    let error = RuleSet::parse(&[("f", &rules(super::RULES_MAX + 1))]).unwrap_err();
    assert_eq!(error, RulesError::TooMany { count: super::RULES_MAX + 1 });
    assert!(RuleSet::parse(&[("f", &file("keywords = [\"k\"]\nvalue = 'k{1,1024}'"))]).is_ok());
}

#[test]
fn an_operators_rule_joins_or_replaces_a_shipped_one() {
    let own = file("keywords = [\"acme_\"]\nvalue = 'acme_[0-9]{6}'");
    let rules = RuleSet::with_file("own.toml", &own).unwrap();
    assert_eq!(rules.len(), RuleSet::builtin().unwrap().len() + 1);
    let redacted = Redactor::new(Arc::new(rules), &[1; 32]).redact("is acme_123456 it?");
    assert_eq!(redacted.text, "is [secret:a] it?");
    let rules = RuleSet::with_file("own.toml", &own.replace("\"a\"", "\"email\"")).unwrap();
    assert_eq!(rules.len(), RuleSet::builtin().unwrap().len());
}

/// Rules that begin at these words.
fn of_words(words: &[(String, bool)]) -> RuleSet {
    let rule = |(at, (word, is_any_case)): (usize, &(String, bool))| {
        let fields = format!("keywords = ['{word}']\nignore_case = {is_any_case}\nvalue = 'x'");
        file(&fields).replace("\"a\"", &format!("\"a{at}\""))
    };
    let text: String = words.iter().enumerate().map(rule).collect();
    RuleSet::parse(&[("f", &text)]).unwrap()
}

/// Each place where a word stands that ends behind `from`, found byte by byte.
fn words_in(words: &[(String, bool)], text: &str, from: usize) -> Vec<(usize, usize)> {
    let stands = |at: usize, (word, is_any_case): &(String, bool)| {
        text.get(at..at + word.len())
            .is_some_and(|there| there == word || *is_any_case && there.eq_ignore_ascii_case(word))
    };
    let mut all = Vec::new();
    for at in 0..text.len() {
        let here = words.iter().enumerate().filter(|(_, word)| stands(at, word));
        all.extend(
            here.map(|(rule, _)| (at, rule)).filter(|(at, rule)| at + words[*rule].0.len() > from),
        );
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn a_search_finds_what_a_look_at_each_byte_finds(
        words in prop::collection::vec(("[abAB_@4]{1,7}|[a-c]{20,32}", prop::bool::ANY), 1..12),
        text in "[abcABC_@4 +]{0,90}",
        cut in 0_usize..90,
    ) {
        let rules = of_words(&words);
        let cut = cut.min(text.len());
        let mut marks = Marks::default();
        let (mut found, mut digits, mut sextets) = (Vec::new(), Vec::new(), Vec::new());
        for (from, to) in [(0, cut), (cut, text.len())] {
            rules.keywords.find(&text.as_bytes()[..to], 0, from, &mut marks);
            let here = marks.words.iter().flat_map(|(at, word)| {
                let (uses, _) = rules.keywords.of_word(*word);
                uses.iter().map(|one| (*at, one.rule))
            });
            found.extend(here);
            digits.append(&mut marks.digits);
            sextets.append(&mut marks.sextets);
        }
        found.sort_unstable();
        assert_eq!(found, words_in(&words, &text, 0), "{words:?} in {text:?}");
        let is_digit = |at: usize| text.as_bytes()[at] == b'4';
        let expected = (0..text.len()).filter(|at| is_digit(*at) && (*at == 0 || !is_digit(at - 1)));
        assert_eq!(digits, expected.collect::<Vec<_>>(), "{text:?}");
        let is_one = |at: usize| !matches!(text.as_bytes()[at], b'@' | b' ');
        for start in 0..text.len().saturating_sub(14) {
            if (start..start + 15).all(is_one) {
                let is_told = sextets.iter().any(|at| (start..start + 8).contains(at));
                assert!(is_told, "{text:?} at {start} of {sextets:?}");
            }
        }
        assert!(sextets.iter().all(|at| (*at..at + 8).all(is_one)));
    }
}

#[test]
fn keywords_are_limited() {
    let rules = |count: usize| {
        let rule = |at: usize| {
            let words: Vec<String> = (0..256).map(|word| format!("'k{at}x{word}'")).collect();
            let fields = format!("keywords = [{}]\nvalue = 'k'", words.join(", "));
            file(&fields).replace("\"a\"", &format!("\"a{at}\""))
        };
        (0..count).map(rule).collect::<String>()
    };
    let most = super::KEYWORDS_MAX / 256;
    assert_eq!(RuleSet::parse(&[("f", &rules(most))]).unwrap().len(), most);
    let error = RuleSet::parse(&[("f", &rules(most + 1))]).unwrap_err();
    assert_eq!(error, RulesError::Keywords);
}
