//! Changing the texts of a body and nothing else: a text that is not changed, and
//! all that stands between texts, stays byte by byte as it was.

use bytes::Bytes;

use super::media::{MEDIA, is_medium};
use super::texts::NUMBER_MIN;
use crate::json;

/// `body`, which is JSON, with each text for which `change` gives another one
/// exchanged: values and names of fields, with their escapes undone and done
/// again. A long number is a text, too; where it is changed, a text stands in its
/// place. Images and other media are not shown. `None` where nothing was changed.
#[must_use]
pub fn rewrite(body: &[u8], change: &mut dyn FnMut(&str) -> Option<String>) -> Option<Bytes> {
    let mut out = Vec::new();
    let (mut written, mut at) = (0, 0);
    let mut levels = Levels::default();
    while let Some(&byte) = body.get(at) {
        let end = match byte {
            b'"' => string_end(body, at + 1),
            b'-' | b'0'..=b'9' => number_end(body, at),
            _ => {
                levels.step(byte);
                at += 1;
                continue;
            }
        };
        let token = body.get(at..end).unwrap_or_default();
        let text = if byte == b'"' { serde_json::from_slice(token).ok() } else { number(token) };
        if let Some(text) = text {
            let is_name =
                byte == b'"' && levels.is_name(&text, body.get(end..).unwrap_or_default());
            let hidden = !is_name && levels.in_media() && is_medium(&text);
            let changed = if hidden { None } else { change(&text) };
            if let Some(changed) = changed {
                out.extend_from_slice(body.get(written..at).unwrap_or_default());
                out.extend_from_slice(json::quote(&changed).as_bytes());
                written = end;
            }
        }
        at = end;
    }
    if written == 0 {
        return None;
    }
    out.extend_from_slice(body.get(written..).unwrap_or_default());
    Some(Bytes::from(out))
}

/// A whole number that may be somebody's.
fn number(token: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(token).ok()?;
    text.parse::<u64>().ok().filter(|number| *number >= NUMBER_MIN).map(|_| text.to_owned())
}

/// Just after the string whose inside begins at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn number_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let is_part =
        |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    from + rest.iter().take_while(|byte| is_part(byte)).count()
}

/// The objects and arrays around a place, and whether they hold media.
#[derive(Default)]
struct Levels {
    /// Of each level: whether a field above names media.
    open: Vec<bool>,
    /// Whether the field that was named last does.
    named: bool,
}

impl Levels {
    fn step(&mut self, byte: u8) {
        match byte {
            b'{' | b'[' => {
                let media = self.in_media();
                self.open.push(media);
                self.named = false;
            }
            b'}' | b']' => {
                self.open.pop();
                self.named = false;
            }
            b',' => self.named = false,
            _ => {}
        }
    }

    fn in_media(&self) -> bool {
        self.named || self.open.last().copied().unwrap_or(false)
    }

    /// Whether the text before `rest` is a field's name, which is noted then.
    fn is_name(&mut self, text: &str, rest: &[u8]) -> bool {
        let is_name = rest.trim_ascii_start().first() == Some(&b':');
        if is_name {
            self.named = MEDIA.contains(&text);
        }
        is_name
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::request::Texts;

    fn rewritten(body: &str) -> Option<String> {
        let mut change = |text: &str| text.contains("ada").then(|| text.replace("ada", "[\"x\"]"));
        rewrite(body.as_bytes(), &mut change).map(|out| String::from_utf8(out.to_vec()).unwrap())
    }

    #[test]
    fn only_what_is_changed_changes() {
        for (body, expected) in [
            (r#"{ "a" : [1, "x\u0020y", null] }"#, None),
            (
                r#"{ "a" : [1.50, "to \u0061da\n", {"ada":tr}], "b":"\u00e9" }"#,
                Some(r#"{ "a" : [1.50, "to [\"x\"]\n", {"[\"x\"]":tr}], "b":"\u00e9" }"#),
            ),
            (r#"["ada"]"#, Some(r#"["[\"x\"]"]"#)),
        ] {
            assert_eq!(rewritten(body).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn a_number_that_is_changed_becomes_a_text() {
        let mut change = |text: &str| (text == "4111111111111111").then(|| "[card]".to_owned());
        let out = rewrite(b"{\"a\":4111111111111111,\"b\":-1e9,\"c\":12}", &mut change).unwrap();
        assert_eq!(out, "{\"a\":\"[card]\",\"b\":-1e9,\"c\":12}".as_bytes());
    }

    #[test]
    fn media_are_left_alone_and_what_stands_after_them_is_not() {
        let data = "QUJD".repeat(40);
        let body =
            format!(r#"{{"image_url":{{"url":"data:image/png;base64,{data}ada"}},"text":"ada"}}"#);
        let out = rewritten(&body).unwrap();
        assert!(
            out.contains(&format!("{data}ada")) && out.ends_with(r#""text":"[\"x\"]"}"#),
            "{out}"
        );
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            "\\PC{0,12}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::vec((prop_oneof!["[a-z]{0,4}", "image_url|data"], inner), 0..4)
                    .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// What is searched and what can be changed are the same texts.
        #[test]
        fn every_text_that_is_searched_can_be_changed(value in json(), pretty in any::<bool>()) {
            let body = if pretty {
                serde_json::to_string_pretty(&value).unwrap()
            } else {
                value.to_string()
            };
            let (mut searched, mut shown) = (Vec::new(), Vec::new());
            let mut each = |text: &str| searched.push(text.to_owned());
            json::walk(&body, 128, &mut [&mut Texts::new(&mut each)]).unwrap();
            let same = rewrite(body.as_bytes(), &mut |text| {
                shown.push(text.to_owned());
                None
            });
            prop_assert_eq!(same, None);
            prop_assert_eq!(shown, searched);
        }
    }
}
