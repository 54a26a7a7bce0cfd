//! The top-level fields of an object, with the spans of their values.

use std::borrow::Cow;
use std::ops::Range;

use super::{Fault, Holder, Listener, span, walk};

/// Fields of one request's top level: more are refused.
pub const TOP_LEVEL_FIELDS_MAX: usize = 256;

/// One top-level field.
#[derive(Debug, Clone)]
pub struct Field<'a> {
    /// Its name, escapes resolved.
    pub key: Cow<'a, str>,
    /// Its value's text.
    pub value: &'a str,
}

/// The top-level fields of one object, each name once.
#[derive(Debug)]
pub struct Fields<'a> {
    text: &'a str,
    fields: Vec<Field<'a>>,
}

impl<'a> Fields<'a> {
    /// Reads the fields of `text`; `known` are the names that the door decides
    /// on, which may not stand there in other letter case either: some parsers
    /// (Go's) take `Model` for `model`.
    ///
    /// # Errors
    /// Not JSON, not an object, too many fields, one that stands twice or looks
    /// like a known one.
    pub fn read(text: &'a str, known: &[&'static str]) -> Result<Self, Fault> {
        Self::read_within(text, u32::MAX, known)
    }

    /// The same, of a text that is nested no deeper than `depth_max`.
    ///
    /// # Errors
    /// As [`Fields::read`], and where it is deeper.
    pub fn read_within(
        text: &'a str,
        depth_max: u32,
        known: &[&'static str],
    ) -> Result<Self, Fault> {
        let mut top = TopLevel::default();
        walk(text, depth_max, &mut [&mut top])?;
        top.fields(text, known)
    }

    /// The text of the value of `key`; `None` where it is absent or `null`.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&'a str> {
        self.raw(key).filter(|value| *value != "null")
    }

    /// The text of the value of `key`, `null` included.
    #[must_use]
    pub fn raw(&self, key: &str) -> Option<&'a str> {
        self.fields.iter().find(|field| field.key == key).map(|field| field.value)
    }

    /// Where `part`, a slice of the text, stands in it.
    #[must_use]
    pub fn span(&self, part: &str) -> Range<usize> {
        span(self.text, part)
    }

    /// Where the object's opening brace stands.
    #[must_use]
    pub fn open(&self) -> usize {
        self.text.find('{').unwrap_or(0)
    }

    /// All fields, in the order of the text.
    #[must_use]
    pub fn all(&self) -> &[Field<'a>] {
        &self.fields
    }
}

/// Whether a parser that ignores letter case would take `key` for `name`
/// (an ASCII name in lower case). Go folds U+017F to `s` and U+212A to `k` too.
#[must_use]
pub fn folds_to(key: &str, name: &str) -> bool {
    if key.len() <= name.len() {
        // The letters that fold to ASCII from elsewhere are longer.
        return key.eq_ignore_ascii_case(name);
    }
    key.chars()
        .map(|c| match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            c => c.to_ascii_lowercase(),
        })
        .eq(name.chars())
}

/// Gathers the top-level fields of an object while its text is walked.
#[derive(Debug, Default)]
pub struct TopLevel<'a> {
    depth: usize,
    name: Cow<'a, str>,
    fields: Vec<Field<'a>>,
    is_object: bool,
    has_more: bool,
}

impl<'a> TopLevel<'a> {
    /// The fields of `text`, once it was walked to its end; `known` as in [`Fields::read`].
    ///
    /// # Errors
    /// As [`Fields::read`], but for the syntax.
    pub fn fields(self, text: &'a str, known: &[&'static str]) -> Result<Fields<'a>, Fault> {
        let Self { fields, is_object, has_more, .. } = self;
        if !is_object {
            return Err(Fault::NotObject);
        }
        if has_more {
            return Err(Fault::TooManyFields);
        }
        for (at, Field { key, .. }) in fields.iter().enumerate() {
            let named = known.iter().copied().find(|name| folds_to(key, name));
            if fields[..at].iter().any(|field| field.key == *key) {
                return Err(Fault::Duplicate { name: named });
            }
            if let Some(name) = named
                && name != key
            {
                return Err(Fault::LookAlike { name });
            }
        }
        Ok(Fields { text, fields })
    }

    fn value(&mut self, value: &'a str) {
        if self.depth != 1 || !self.is_object {
            return;
        }
        let key = std::mem::take(&mut self.name);
        if self.fields.len() == TOP_LEVEL_FIELDS_MAX {
            self.has_more = true;
            return;
        }
        self.fields.push(Field { key, value });
    }
}

impl<'a> Listener<'a> for TopLevel<'a> {
    fn key(&mut self, name: &str, raw: &'a str) {
        if self.depth == 1 {
            // What has no escape is as long as it was.
            let is_plain = name.len() == raw.len();
            self.name = if is_plain { Cow::Borrowed(raw) } else { Cow::Owned(name.to_owned()) };
        }
    }

    fn string(&mut self, _: &str, raw: &'a str) {
        self.value(raw);
    }

    fn broken(&mut self, raw: &'a str) {
        self.value(raw);
    }

    fn scalar(&mut self, raw: &'a str) {
        self.value(raw);
    }

    fn open(&mut self, holder: Holder) {
        if self.depth == 0 {
            self.is_object = holder == Holder::Object;
        }
        self.depth += 1;
    }

    fn close(&mut self, raw: &'a str) {
        self.depth -= 1;
        self.value(raw);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<usize, Fault> {
        Fields::read(text, &["model", "max_tokens"]).map(|fields| fields.all().len())
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        assert_eq!(check(r#"{"model":"a","x":1}"#), Ok(2));
        let duplicate = Fault::Duplicate { name: Some("model") };
        assert_eq!(check(r#"{"model":"a","model":"b"}"#), Err(duplicate));
        assert_eq!(check(r#"{"model":"a","mod\u0065l":"b"}"#), Err(duplicate));
        assert_eq!(check(r#"{"x":1,"x":2}"#), Err(Fault::Duplicate { name: None }));
        assert_eq!(check(r#"{"Model":"a"}"#), Err(Fault::LookAlike { name: "model" }));
        let kelvin = Fault::LookAlike { name: "max_tokens" };
        assert_eq!(check("{\"max_to\u{212a}en\u{17f}\":1}"), Err(kelvin));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(check("[]"), Err(Fault::NotObject));
        assert_eq!(check("{"), Err(Fault::Syntax { line: 1, column: 1 }));
        assert_eq!(check("{} x"), Err(Fault::Syntax { line: 1, column: 4 }));
    }

    #[test]
    fn the_number_of_fields_is_limited() {
        let object = |n: usize| {
            let fields: Vec<_> = (0..n).map(|i| format!("\"f{i}\":0")).collect();
            format!("{{{}}}", fields.join(","))
        };
        assert_eq!(check(&object(TOP_LEVEL_FIELDS_MAX)), Ok(TOP_LEVEL_FIELDS_MAX));
        assert_eq!(check(&object(TOP_LEVEL_FIELDS_MAX + 1)), Err(Fault::TooManyFields));
    }

    #[test]
    fn spans_point_at_the_values() {
        let text = r#" {"a": "x", "model" : "m"}"#;
        let fields = Fields::read(text, &["model"]).unwrap();
        let value = fields.value("model").unwrap();
        assert_eq!(&text[fields.span(value)], "\"m\"");
        assert_eq!(fields.open(), 1);
    }
}
