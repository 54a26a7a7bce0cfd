//! The walk against the common parser, and its limits.

use proptest::prelude::{ProptestConfig, Strategy, prop, proptest};
use serde_json::Value;

use super::*;

/// Writes down what it is told, as JSON without blanks.
#[derive(Default)]
struct Writer {
    text: String,
    is_first: bool,
    is_broken: bool,
    open: Vec<Holder>,
}

impl Writer {
    fn before(&mut self) {
        if !self.is_first && !self.text.is_empty() && !self.text.ends_with(':') {
            self.text.push(',');
        }
        self.is_first = false;
    }
}

impl<'a> Listener<'a> for Writer {
    fn key(&mut self, name: &str, raw: &'a str) {
        self.before();
        assert_eq!(serde_json::from_str::<String>(&format!("\"{raw}\"")).unwrap(), name);
        self.text += &format!("{}:", Value::from(name));
    }

    fn string(&mut self, text: &str, raw: &'a str) {
        self.before();
        assert_eq!(serde_json::from_str::<String>(raw).unwrap(), text);
        self.text += &Value::from(text).to_string();
    }

    fn broken(&mut self, raw: &'a str) {
        self.before();
        assert!(serde_json::from_str::<String>(raw).is_err());
        self.text += "\"\"";
        self.is_broken = true;
    }

    fn scalar(&mut self, raw: &'a str) {
        self.before();
        assert!(serde_json::from_str::<Value>(raw).is_ok(), "{raw}");
        self.text += raw;
    }

    fn open(&mut self, holder: Holder) {
        self.before();
        self.text.push(if holder == Holder::Array { '[' } else { '{' });
        self.open.push(holder);
        self.is_first = true;
    }

    fn close(&mut self, raw: &'a str) {
        let holder = self.open.pop().unwrap();
        self.text.push(if holder == Holder::Array { ']' } else { '}' });
        self.is_first = false;
        assert!(raw.starts_with(['[', '{']) && raw.ends_with([']', '}']), "{raw}");
    }
}

fn walked(text: &str) -> Result<(String, bool), Fault> {
    let mut writer = Writer::default();
    walk(text, 64, &mut [&mut writer]).map(|()| (writer.text, writer.is_broken))
}

/// The walk and serde_json read the same, or neither reads it.
fn check(text: &str) {
    match (walked(text), serde_json::from_str::<Value>(text)) {
        (Ok((told, false)), Ok(expected)) => {
            // A key that stands twice is told twice.
            let told: Value = serde_json::from_str(&told).unwrap();
            assert_eq!(told, expected, "{text}");
        }
        (Ok((_, true)), expected) => assert!(expected.is_err(), "{text}"),
        (Err(Fault::Syntax { .. }), Err(_)) => {}
        (told, expected) => panic!("{text}: {told:?}, but {expected:?}"),
    }
}

fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\"a\"",
        "\"a\":",
        "\"\\n\"",
        "\"\\u00e9\"",
        "\\",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\ude00\\ud83d\"",
        "\"é密\"",
        "true",
        "nul",
        "null",
        "0",
        "-1",
        "01",
        "1.5e3",
        "1e999",
        "2.",
        "-",
        ".5",
        "18446744073709551616",
        " ",
        "\n",
        "\t",
        "\u{1}",
        "\"\u{1f}\"",
        "[]",
        "{}",
        "[1,2]",
        "{\"a\":1,\"b\":[{}]}",
    ];
    prop::sample::select(pieces.to_vec()).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_it_reads_is_what_the_common_parser_reads(
        pieces in prop::collection::vec(piece(), 0..9),
    ) {
        check(&pieces.concat());
        check(&format!("[{}]", pieces.join(",")));
    }
}

#[test]
fn the_depth_limit_holds_at_the_limit_and_not_one_past_it() {
    let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
    assert!(walked(&nested(64)).is_ok());
    assert_eq!(walked(&nested(65)).unwrap_err(), Fault::TooDeep { depth_max: 64 });
}

#[test]
fn a_fault_is_told_with_its_place() {
    for (text, line, column) in
        [("", 1, 1), ("{", 1, 1), ("{} x", 1, 4), ("[1,\n 2,\n  tru]", 3, 3), ("[\"a\n\"]", 1, 3)]
    {
        assert_eq!(walked(text).unwrap_err(), Fault::Syntax { line, column }, "{text}");
    }
}

#[test]
fn depth_is_counted_outside_of_strings() {
    for (text, depth) in
        [("1", 0), ("{}", 1), (r#"{"a":[{"b":1}],"c":{}}"#, 3), (r#"{"a":"[[[[\"[[["}"#, 1)]
    {
        assert_eq!(walk(text, depth, &mut []), Ok(()), "{text}");
        if let Some(less) = depth.checked_sub(1) {
            assert_eq!(walk(text, less, &mut []), Err(Fault::TooDeep { depth_max: less }));
        }
    }
    assert_eq!(super::super::text(b"\xff"), Err(Fault::NotUtf8));
}

#[test]
fn numbers_at_the_edge() {
    for text in ["1e308", "1e309", "-1e309", "1e-999", "-0", "-", "1e", "1e+", "0.0", "00"] {
        check(text);
    }
    check(&"9".repeat(308));
    check(&"9".repeat(400));
}
