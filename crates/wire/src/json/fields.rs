//! The top-level fields of an object, with the spans of their values.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Fault, span};

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
        let raw: RawFields<'a> = serde_json::from_str(text).map_err(|error| fault(text, &error))?;
        let mut fields: Vec<Field<'a>> = Vec::with_capacity(raw.0.len());
        for (Key(key), value) in raw.0 {
            let named = known.iter().copied().find(|name| folds_to(&key, name));
            if fields.iter().any(|field| field.key == key) {
                return Err(Fault::Duplicate { name: named });
            }
            if let Some(name) = named
                && name != key
            {
                return Err(Fault::LookAlike { name });
            }
            fields.push(Field { key, value: value.get() });
        }
        Ok(Self { text, fields })
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
    key.chars()
        .map(|c| match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            c => c.to_ascii_lowercase(),
        })
        .eq(name.chars())
}

fn fault(text: &str, error: &serde_json::Error) -> Fault {
    if !error.is_data() {
        return Fault::Syntax { line: error.line(), column: error.column() };
    }
    if text.trim_start().starts_with('{') { Fault::TooManyFields } else { Fault::NotObject }
}

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

struct RawFields<'a>(Vec<(Key<'a>, &'a RawValue)>);

impl<'de> Deserialize<'de> for RawFields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = RawFields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some(entry) = map.next_entry()? {
                    if fields.len() == TOP_LEVEL_FIELDS_MAX {
                        return Err(A::Error::custom("too many fields"));
                    }
                    fields.push(entry);
                }
                Ok(RawFields(fields))
            }
        }
        deserializer.deserialize_map(Object)
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
