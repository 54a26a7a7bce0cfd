//! Walking messages and other inputs once: what they weigh, and whether they
//! have the form that the dialect asks for.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::media::{MEDIA, is_medium};
use crate::estimate::ByteClasses;
use crate::json::folds_to;

/// What a walk has seen so far.
#[derive(Default, Debug)]
pub(super) struct Walk {
    /// All text.
    pub(super) classes: ByteClasses,
    /// Images, audio and documents given as data or by address.
    pub(super) images: u32,
    /// Elements of the outer array.
    pub(super) elements: u32,
    /// Whether values reach the model as JSON, names and all: schemas do.
    pub(super) as_json: bool,
    /// What is wrong, where the walk ended early.
    pub(super) fault: Option<&'static str>,
}

impl Walk {
    fn fail<E: Error>(&mut self, reason: &'static str) -> E {
        self.fault.get_or_insert(reason);
        E::custom(reason)
    }
}

/// Marks around one field of JSON that are tokens of their own; the rest merge.
const FIELD_PUNCTUATION: u64 = 3;
/// The fields of a message that other parsers may not read otherwise.
const MESSAGE_FIELDS: [&str; 3] = ["role", "content", "tool_calls"];

/// An array of messages, each an object with a `role`.
pub(super) struct Messages<'w> {
    pub(super) walk: &'w mut Walk,
    pub(super) most: u32,
}

impl<'de> DeserializeSeed<'de> for Messages<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Messages<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Message(self.walk))?.is_some() {
            self.walk.elements += 1;
            if self.walk.elements > self.most {
                return Err(self.walk.fail("there are too many messages"));
            }
        }
        Ok(())
    }
}

/// The input of Responses: a text, or an array of items.
pub(super) struct Items<'w> {
    pub(super) walk: &'w mut Walk,
    pub(super) most: u32,
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or an array of items")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.walk.classes.add(text);
        self.walk.elements += 1;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Text(self.walk))?.is_some() {
            self.walk.elements += 1;
            if self.walk.elements > self.most {
                return Err(self.walk.fail("there are too many items"));
            }
        }
        Ok(())
    }
}

struct Message<'w>(&'w mut Walk);

impl<'de> DeserializeSeed<'de> for Message<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Message<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let walk = self.0;
        let mut seen = [false; MESSAGE_FIELDS.len()];
        while let Some(key) = map.next_key::<Key<'_>>()? {
            let known = MESSAGE_FIELDS.iter().position(|name| folds_to(&key.0, name));
            if let Some(at) = known {
                if MESSAGE_FIELDS[at] != key.0 {
                    return Err(walk.fail("a message has a field in wrong letter case"));
                }
                if std::mem::replace(&mut seen[at], true) {
                    return Err(walk.fail("a message has a field twice"));
                }
            }
            match known {
                Some(0) => {
                    if map.next_value::<Key<'_>>().is_err() {
                        return Err(walk.fail("a message's role is not a string"));
                    }
                }
                Some(1) => map.next_value_seed(Content(walk))?,
                // Ollama's pictures stand beside the content.
                _ if key.0 == "images" => map.next_value_seed(Media(walk))?,
                _ => map.next_value_seed(Text(walk))?,
            }
        }
        if seen[0] { Ok(()) } else { Err(walk.fail("a message has no role")) }
    }
}

/// A message's content: a string, an array of parts, or null.
struct Content<'w>(&'w mut Walk);

impl<'de> DeserializeSeed<'de> for Content<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Content<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, an array of parts or null")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.classes.add(text);
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Text(self.0))?.is_some() {}
        Ok(())
    }
}

/// Any value: its strings are text for the model, its media are counted.
pub(super) struct Text<'w>(pub(super) &'w mut Walk);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Text<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.classes.add(text);
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.0.classes.digits += 1;
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.0.classes.digits += 1;
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.0.classes.digits += 1;
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Text(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Key<'_>>()? {
            if self.0.as_json {
                self.0.classes.add(&key.0);
                self.0.classes.punctuation += FIELD_PUNCTUATION;
                map.next_value_seed(Text(self.0))?;
            } else if MEDIA.contains(&key.0.as_ref()) {
                map.next_value_seed(Media(self.0))?;
            } else if key.0 == "type" || key.0 == "cache_control" {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(Text(self.0))?;
            }
        }
        Ok(())
    }
}

/// Bytes of a medium that count as one more image: a long document is many pages.
const MEDIUM_BYTES: usize = 256 << 10;
/// A value that may hold media: addresses and base64 count as images, other
/// strings as text.
pub(super) struct Media<'w>(pub(super) &'w mut Walk);

impl<'de> DeserializeSeed<'de> for Media<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Media<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if is_medium(text) {
            let more = u32::try_from(text.len() / MEDIUM_BYTES).unwrap_or(u32::MAX);
            self.0.images = self.0.images.saturating_add(more).saturating_add(1);
        } else {
            self.0.classes.add(text);
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Media(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(Media(self.0))?;
        }
        Ok(())
    }
}

/// A prompt or an embedding's input: a string, an array of strings, an array
/// of tokens, or an array of arrays of tokens.
pub(super) struct Prompt<'w> {
    pub(super) walk: &'w mut Walk,
    pub(super) most: u32,
    /// Whether this is an element of the outer array.
    pub(super) inner: bool,
}

impl<'de> DeserializeSeed<'de> for Prompt<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Prompt<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, or an array of strings or tokens")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.walk.classes.add(text);
        self.walk.elements += 1;
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        if !self.inner {
            return Err(self.walk.fail("it is a number"));
        }
        self.walk.classes.given += 1;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let (elements, given) = (self.walk.elements, self.walk.classes.given);
        let Self { walk, most, inner } = self;
        while seq.next_element_seed(Prompt { walk, most, inner: true })?.is_some() {
            if walk.elements > most {
                return Err(walk.fail("there are too many inputs"));
            }
        }
        // An array of tokens is one input; an array of arrays counted its own.
        if walk.elements == elements && walk.classes.given > given {
            walk.elements += 1;
        }
        if inner && walk.elements == elements {
            return Err(walk.fail("an input is empty"));
        }
        Ok(())
    }
}

/// A string that is borrowed where it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
pub(super) struct Key<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);
