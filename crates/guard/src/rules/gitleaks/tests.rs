//! What is taken over finds what gitleaks finds; what is not is said.

use proptest::prelude::*;

use super::{Converted, convert};
use crate::rules::{FILE_BYTES_MAX, RuleSet};
use crate::scan;

/// Rules of our own in gitleaks' form, with everything that it can say.
const FIXTURE: &str = r#"
title = "fixture"

[extend]
useDefault = true

[[rules]]
id = "acme-token"
description = "A token of Acme."
regex = '''\b(acme_[a-z0-9]{16})(?:[\x60'"\s;]|\\[nr]|$)'''
entropy = 3
keywords = ["acme_"]

[[rules]]
id = "Acme_Secret"
regex = '''(?i)[\w.-]{0,50}?(?:acme)(?:[ \t\w.-]{0,20})[\s'"]{0,3}(?:=|>|:{1,3}=|\|\||:|=>|\?=|,)[\x60'"\s=]{0,5}([a-z0-9]{20})(?:[\x60'"\s;]|\\[nr]|$)'''
keywords = ["acme"]

[[rules.allowlists]]
stopwords = ["example"]
regexes = ['''^0+$''']

[[rules]]
id = "acme-long"
regex = '''acmelong-[A-Za-z0-9]{20,}'''

[[rules]]
id = "acme-behind"
regex = '''\b[a-f0-9]{32}-acme\b'''

[[rules]]
id = "acme-group"
regex = '''acme(?:key|id)[:=]"(?P<value>[^"\n]{8,40})"'''

[[rules]]
id = "acme-look"
regex = '''acme(?=[0-9])'''

[[rules]]
id = "any-hex"
regex = '''[a-f0-9]{64}'''

[[rules]]
id = "acme-block"
regex = '''-----BEGIN ACME[\s\S-]{64,}?END ACME-----'''

[[rules]]
id = "acme-file"
regex = '''acme_[a-z]{8}'''
path = '''\.yaml$'''

[[rules]]
id = "acme-path"
path = '''acme\.key$'''

[[rules]]
id = "acme.token"
regex = '''acme2_[a-z]{8}'''

[[allowlists]]
targetRules = ["acme-token"]
stopwords = ["abcabc"]

[[allowlists]]
paths = ['''vendor/''']
"#;

fn converted() -> Converted {
    convert("fixture.toml", FIXTURE).unwrap()
}

fn found(rules: &RuleSet, text: &str) -> Vec<String> {
    let spans = scan::whole(rules, text.as_bytes(), 0);
    let named = spans.iter().map(|span| (span.rule(rules), &text[span.start..span.end]));
    let shown = named.map(|(rule, taken)| format!("{} {taken}", rule.map_or("", |rule| rule.id())));
    let mut shown: Vec<_> = shown.collect();
    // Once as it stands there, and once unescaped.
    shown.dedup();
    shown
}

#[test]
fn what_was_taken_over_finds_secrets_and_only_them() {
    let rules = RuleSet::parse(&[("made", &converted().toml)]).unwrap();
    let (token, hex) = ("acme_q8w3e7r2t6y1u5i9", "0123456789abcdef0123456789abcdef");
    for (text, expected) in [
        (format!("key {token}; next"), vec![format!("gitleaks-acme-token {token}")]),
        (format!("key {token}"), vec![format!("gitleaks-acme-token {token}")]),
        (format!("{token}\\n"), vec![format!("gitleaks-acme-token {token}")]),
        (format!("x{token}; glued"), vec![]),
        (format!("{token}x"), vec![]),
        ("acme_aaaaaaaaaaaaaaaa".to_owned(), vec![]),
        ("acme_abcabcd8w3e7r2t6".to_owned(), vec![]),
        (
            "my.ACME_key = 'q8w3e7r2t6y1u5i9o0p4'".to_owned(),
            vec!["gitleaks-acme-secret q8w3e7r2t6y1u5i9o0p4".to_owned()],
        ),
        ("acme_key = 'q8w3example2t6y1u5i9'".to_owned(), vec![]),
        (
            format!("acmelong-{}!", "aB3".repeat(20)),
            vec![format!("gitleaks-acme-long acmelong-{}", "aB3".repeat(20))],
        ),
        (format!("id {hex}-acme."), vec![format!("gitleaks-acme-behind {hex}-acme")]),
        (format!("id 0{hex}-acme."), vec![]),
        (
            "acmekey=\"some words here\" acmeid:\"other words\"".to_owned(),
            vec![
                "gitleaks-acme-group some words here".to_owned(),
                "gitleaks-acme-group other words".to_owned(),
            ],
        ),
    ] {
        assert_eq!(found(&rules, &text), expected, "{text}");
    }
}

#[test]
fn what_could_not_be_taken_over_is_said_rule_by_rule() {
    let Converted { rules, left, notes, .. } = converted();
    let shown = |all: &[super::Left]| -> Vec<String> {
        all.iter().map(|one| format!("{}: {}", one.id, one.why)).collect()
    };
    assert_eq!(rules, 5);
    assert_eq!(
        shown(&left),
        [
            "acme-look: its regex is none that takes linear time here: error: look-around, including look-ahead and look-behind, is not supported",
            "any-hex: its matches begin with no fixed word, and ours begin at one or shortly before it",
            "acme-block: it spans what has no end: write it by hand, with `rest`",
            "acme-file: it holds for some paths only, and a text has none",
            "acme-path: it holds for some paths only, and a text has none",
            "acme.token: there is another `gitleaks-acme-token`",
        ]
    );
    assert_eq!(
        shown(&notes),
        [
            ": [extend] is not followed: give that file too",
            ": an allowlist of the file names paths or commits, which a text has not",
            "Acme_Secret: an allowlist's regexes are not taken over: more is found",
        ]
    );
}

#[test]
fn what_is_no_configuration_is_refused_and_a_file_has_a_bound() {
    assert!(convert("f", "[[rules]]\nregex = 'x'").is_err());
    assert!(convert("f", "rules = 3").is_err());
    let most = format!("#{}", " ".repeat(FILE_BYTES_MAX - 1));
    assert_eq!(convert("f", &most).unwrap().rules, 0);
    assert!(convert("f", &format!("{most} ")).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_regex_is_taken_over_or_left_and_never_more(
        regex in "[a-c\\[\\]()|?*+{}0-3.^$\\\\wsdb-]{0,24}",
        group in 0_usize..3,
    ) {
        let text = format!("[[rules]]\nid = 'x'\nsecretGroup = {group}\nregex = '''abcd{regex}'''\n");
        let Converted { toml, rules, left, .. } = convert("f", &text).unwrap();
        prop_assert_eq!(rules + left.len(), 1);
        prop_assert!(RuleSet::parse(&[("made", &toml)]).is_ok());
    }
}
