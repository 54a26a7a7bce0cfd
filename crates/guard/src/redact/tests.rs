//! Tests of redaction, whole and in pieces.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use proptest::prelude::{ProptestConfig, prop, proptest};
use proptest::strategy::Strategy as _;
use surgewall_core::data::DataClass;

use super::{HOLD_BYTES_MAX, Redactor};
use crate::rules::RuleSet;
use crate::rules::example::{Dice, expand};

pub(crate) fn redactor() -> &'static Redactor {
    static REDACTOR: OnceLock<Redactor> = OnceLock::new();
    REDACTOR.get_or_init(|| Redactor::new(Arc::new(RuleSet::builtin().unwrap()), &[7; 32]))
}

/// `text` in pieces that end at these bytes.
fn in_pieces(text: &str, ends: impl IntoIterator<Item = usize>) -> String {
    let mut stream = redactor().stream();
    let mut out = String::new();
    let mut at = 0;
    for end in ends.into_iter().chain([text.len()]) {
        let end = text.floor_char_boundary(end.max(at));
        out += &stream.push(&text[at..end]);
        assert!(stream.held_bytes() <= HOLD_BYTES_MAX, "{} are held", stream.held_bytes());
        at = end;
    }
    out + &stream.finish()
}

/// Cut in two at every byte, and byte by byte.
fn check_pieces(text: &str) {
    let whole = redactor().redact(text).text;
    for cut in 0..text.len() {
        assert_eq!(in_pieces(text, [cut]), whole, "{text:?} cut at {cut}");
    }
    assert_eq!(in_pieces(text, 0..text.len()), whole, "{text:?} byte by byte");
}

fn examples() -> Vec<(String, String)> {
    let rules = redactor().rules.iter();
    let all = rules.enumerate().flat_map(|(seed, rule)| {
        let mut dice = Dice::new(u64::try_from(seed).unwrap());
        let expand = move |template: &String| (rule.id().to_owned(), expand(template, &mut dice));
        rule.matches().iter().map(expand).collect::<Vec<_>>()
    });
    all.collect()
}

#[test]
fn examples_are_the_same_in_any_two_pieces() {
    for (_, text) in examples() {
        check_pieces(&format!("before {text} after"));
    }
}

#[test]
fn the_redacted_text_is_left_as_it_is() {
    for (id, text) in examples() {
        let once = redactor().redact(&text);
        let twice = redactor().redact(&once.text);
        assert_eq!(twice.text, once.text, "{id}");
    }
}

/// The ways in which a text can be written.
fn encodings(text: &str) -> Vec<(&'static str, String)> {
    let json = |text: &str| {
        let quoted = serde_json::to_string(text).unwrap();
        quoted[1..quoted.len() - 1].replace('/', "\\/")
    };
    let unicode =
        |text: &str| text.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect::<String>();
    let percent = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    let standard = base64::engine::general_purpose::STANDARD.encode(text);
    let url = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    vec![
        ("base64", standard.clone()),
        ("base64url", url),
        ("base64 twice", base64::engine::general_purpose::STANDARD.encode(&standard)),
        ("json", json(text)),
        ("json twice", json(&json(text))),
        ("unicode escapes", unicode(text)),
        ("percent", percent(text)),
        ("percent twice", percent(text).replace('%', "%25")),
        ("base64 in percent", percent(&standard)),
    ]
}

#[test]
fn what_is_encoded_is_found_as_if_it_were_plain() {
    for (id, text) in examples() {
        // A run of base64 is looked at from 16 characters on.
        if text.contains('\n') || id == "private-key" || text.len() < 12 {
            continue;
        }
        // The secret itself: the longest thing that was taken out.
        let places = redactor().places(&text);
        let (place, _) = places.iter().max_by_key(|(place, _)| place.len()).unwrap();
        let value = &text[place.clone()];
        for (name, encoded) in encodings(&text) {
            let redacted = redactor().redact(&format!("x \"{encoded}\" y"));
            assert!(!redacted.found.is_empty(), "{id} in {name}: {encoded}");
            for (_, hidden) in encodings(value) {
                assert!(!redacted.text.contains(&hidden), "{id} in {name}: {}", redacted.text);
            }
        }
    }
}

#[test]
fn encoded_texts_are_the_same_in_any_two_pieces() {
    for (_, text) in examples().into_iter().step_by(7) {
        for (_, encoded) in encodings(&text) {
            if encoded.len() < 300 {
                check_pieces(&format!("p \"{encoded}\" {text}"));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_cut_changes_what_comes_out(
        text in prop::collection::vec(piece(), 1..12).prop_map(|pieces| pieces.concat()),
        cuts in prop::collection::vec(0_usize..2_000, 0..8),
    ) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let whole = redactor().redact(&text).text;
        assert_eq!(in_pieces(&text, cuts), whole);
        assert_eq!(in_pieces(&text, (0..text.len()).step_by(3)), whole);
    }

    #[test]
    fn json_stays_json(
        pieces in prop::collection::vec(piece(), 1..8),
    ) {
        let value = serde_json::json!({
            "number": 4_111_111_111_111_111_u64,
            "messages": [{"role": "user", "content": pieces.concat()}],
            pieces[0].clone(): pieces,
        });
        let redacted = redactor().redact_json(&value.to_string());
        let again: serde_json::Value = serde_json::from_str(&redacted.text).unwrap();
        assert!(again["number"].as_str().unwrap().starts_with("[card:"));
        assert!(again["messages"][0]["content"].is_string());
    }
}

/// A piece of a text: words, signs, escapes, beginnings of secrets, secrets.
pub(crate) fn piece() -> impl proptest::strategy::Strategy<Value = String> {
    let examples = examples();
    let fixed = [
        " ",
        "\n",
        "\\",
        "%",
        "\\u00",
        "41",
        "%4",
        "=",
        ": ",
        "\"",
        "password",
        "token=",
        "eyJ",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "sk-",
        "@",
        ".",
        "é",
        "密码",
        "+49 ",
        "4111 1111",
        " 1111 1111",
        "\\\"",
        "\\\\",
        "Bearer ",
        "AKIA",
        "://u:",
        "phone ",
    ];
    (0..examples.len() + fixed.len() + 40, 0_usize..9, 0_u64..1_000).prop_map(
        move |(at, how, seed)| {
            let mut dice = Dice::new(seed);
            let text = match at.checked_sub(fixed.len()) {
                None => return fixed[at].to_owned(),
                Some(at) => match examples.get(at) {
                    Some((_, text)) => text.clone(),
                    None => expand("{lower:5} {b64:9} {digits:4}", &mut dice),
                },
            };
            match how {
                0..4 => text,
                _ => encodings(&text).swap_remove(how % 9).1,
            }
        },
    )
}

#[test]
fn a_secret_leaves_and_personal_data_gets_a_token() {
    let text = "mail ann@example.org or Ann@example.org, key sk-0123456789abcdef0123456789abcdef.";
    let redacted = redactor().redact(text);
    let classes: Vec<_> = redacted.found.iter().map(|found| found.class).collect();
    assert_eq!(classes, [DataClass::Email, DataClass::Email]);
    let tokens: Vec<&str> =
        redacted.text.split("[email:").skip(1).map(|rest| &rest[..12]).collect();
    assert_eq!(tokens[0], tokens[1]);
    let key = expand("sk-{hex:31}7", &mut Dice::new(3));
    let redacted = redactor().redact(&format!("key {key}."));
    assert_eq!(redacted.text, "key [secret:sk-key].");
    assert_eq!(redactor().classes(&key).to_string(), "secret");
}

#[test]
fn plain_text_comes_out_as_it_went_in() {
    let text = "The token bucket refills at 10 per second; see RFC 9162, section 2.1. \
        Its price is 1,234.56 at 12:34:56 on 2024-01-31. C:\\new\\table 100 % sure, 50%off.";
    let redacted = redactor().redact(text);
    assert_eq!(redacted.text, text);
    assert!(redacted.found.is_empty() && redactor().classes(text).is_empty());
}

#[test]
fn a_key_without_an_end_is_taken_out_up_to_the_limit() {
    let body = "A".repeat(crate::scan::BODY_BYTES_MAX - 1);
    let head = "-----BEGIN PRIVATE KEY-----";
    let text = format!("{head}{body}BCD");
    assert_eq!(redactor().redact(&text).text, "[secret:private-key]CD");
    assert_eq!(in_pieces(&text, [10, 100, 30_000]), "[secret:private-key]CD");
}

#[test]
fn a_stream_holds_back_a_word_and_no_more() {
    let mut stream = redactor().stream();
    assert_eq!(stream.push("Hello wor"), "Hello ");
    assert_eq!(stream.push("ld, it is"), "world, it ");
    assert_eq!(stream.push(" 密码"), "is 密码");
    assert_eq!(stream.held_bytes(), 0);
    assert_eq!(stream.push(" my password is"), " my ");
    assert_eq!(stream.push(" hunter2zz9"), "");
    assert_eq!(stream.push(" and"), "password is [secret:password-bare] ");
    assert_eq!(stream.finish(), "and");
}

#[test]
fn json_keeps_its_form() {
    let key = expand("ghp_{github}", &mut Dice::new(5));
    let check = |text: &str, expected: &str| {
        let redacted = redactor().redact_json(text);
        assert_eq!(redacted.text, expected);
    };
    check(r#"{"a":1}"#, r#"{"a":1}"#);
    check(&format!(r#"{{"a":"x {key} y"}}"#), r#"{"a":"x [secret:github-token] y"}"#);
    check(r#"{"password":"hunter2zz\/9!"}"#, r#"{"password":"[secret:password]"}"#);
    check(
        r#"{"n":4111111111111111,"m":[1.5e3,true]}"#,
        r#"{"n":"[card:b752395ecf17]","m":[1.5e3,true]}"#,
    );
    check(&format!("not json {key}"), "not json [secret:github-token]");
}
