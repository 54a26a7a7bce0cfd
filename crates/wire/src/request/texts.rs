//! Every text of a request, with its escapes undone: what a search for secrets
//! and personal data looks through.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use surgewall_core::refusal::Refusal;

use super::invalid;
use super::media::{MEDIA, is_medium};
use super::walk::Key;

/// Gives each text of `body` to `each`, names of fields included: whatever an
/// upstream is given. Images and other media are left out, by value and by address.
///
/// # Errors
/// The body is not JSON, or nested too deep to be read.
pub fn texts(body: &[u8], each: &mut dyn FnMut(&str)) -> Result<(), Refusal> {
    let mut from = serde_json::Deserializer::from_slice(body);
    let read = Texts { each, media: false }.deserialize(&mut from);
    read.map_err(|_| invalid("it is not JSON, or nested too deep", None))
}

struct Texts<'e> {
    each: &'e mut dyn FnMut(&str),
    /// Whether a field above may hold media.
    media: bool,
}

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if !(self.media && is_medium(text)) {
            (self.each)(text);
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        // A card's number is one, too; most numbers are short.
        if number >= NUMBER_MIN {
            (self.each)(&number.to_string());
        }
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { each, media } = self;
        while seq.next_element_seed(Texts { each, media })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { each, media } = self;
        while let Some(key) = map.next_key::<Key<'_>>()? {
            each(&key.0);
            let media = media || MEDIA.contains(&key.0.as_ref());
            map.next_value_seed(Texts { each, media })?;
        }
        Ok(())
    }
}

/// Numbers below have too few digits to be anybody's.
pub(super) const NUMBER_MIN: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Option<Vec<String>> {
        let mut found = Vec::new();
        texts(body.as_bytes(), &mut |text| found.push(text.to_owned())).ok().map(|()| found)
    }

    #[test]
    fn every_text_is_given_with_its_escapes_undone() {
        let body = r#"{"user":"a\u0040b","messages":[{"content":"x:\nsk-1"},[null,true,7,4111111111111111,1.5]]}"#;
        let expected = ["user", "a@b", "messages", "content", "x:\nsk-1", "4111111111111111"]
            .map(str::to_owned);
        assert_eq!(read(body).unwrap(), expected);
    }

    #[test]
    fn media_are_left_out_and_texts_beside_them_are_not() {
        let data = "QUJD".repeat(40);
        let body = format!(
            r#"{{"a":"{data}","source":{{"type":"text","data":"a document","more":["{data}","https://x.example/a"]}},"image_url":{{"url":"data:image/png;base64,{data}"}}}}"#
        );
        let found = read(&body).unwrap();
        assert!(found.contains(&"a document".to_owned()), "{found:?}");
        assert_eq!(found.iter().filter(|text| **text == data).count(), 1, "outside of media only");
        assert!(!found.iter().any(|text| text.contains("://") || text.contains(";base64")));
    }

    #[test]
    fn what_cannot_be_read_to_its_end_is_refused() {
        let deep = |levels: usize| format!("{}\"x\"{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(read(&deep(100)).unwrap(), ["x"]);
        for bad in [deep(200), "{\"a\":".to_owned(), String::new(), "\"\\ud800\"".to_owned()] {
            assert_eq!(read(&bad), None);
        }
    }
}
