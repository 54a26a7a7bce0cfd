//! Walking a body once, by the names of its fields: the same names mean the
//! same in all dialects, or nearly.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::transcript::{Kind, Transcript};
use crate::chunk::Str;
use crate::request::MEDIA;

/// Whose body is walked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Answer,
}

/// What a field's name says of its value.
enum Rule {
    /// Its strings are text.
    Text(Kind),
    /// It is kept as it stands.
    Raw,
    /// Text, or the arguments of a tool.
    Input,
    /// It is only named.
    Medium,
    /// It says who speaks.
    Role,
    /// It is passed over.
    Nothing,
    /// Its fields say more.
    Within,
}

impl Side {
    fn rule(self, name: &str) -> Rule {
        match name {
            "role" if self == Side::Request => Rule::Role,
            // Responses repeat what was asked.
            "instructions" | "system" | "prompt" | "suffix" | "tools" | "functions"
                if self == Side::Answer =>
            {
                Rule::Nothing
            }
            "input" => Rule::Input,
            "tools" | "functions" | "arguments" => Rule::Raw,
            "content" | "text" | "refusal" | "response" | "output" | "instructions" | "system"
            | "prompt" | "suffix" => Rule::Text(Kind::Text),
            "thinking" | "reasoning" | "reasoning_content" | "summary" => {
                Rule::Text(Kind::Thinking)
            }
            "name" | "partial_json" => Rule::Text(Kind::Tool),
            "logprobs" | "usage" | "metadata" | "error" | "annotations" | "response_format"
            | "format" | "output_config" | "context" | "embedding" | "embeddings" => Rule::Nothing,
            _ if MEDIA.contains(&name) => Rule::Medium,
            _ => Rule::Within,
        }
    }
}

/// One value, and what its strings are.
pub(super) struct Walk<'t> {
    transcript: &'t mut Transcript,
    side: Side,
    kind: Option<Kind>,
}

impl<'t> Walk<'t> {
    /// A whole body.
    pub(super) const fn new(transcript: &'t mut Transcript, side: Side) -> Self {
        Self { transcript, side, kind: None }
    }

    fn within(&mut self, kind: Option<Kind>) -> Walk<'_> {
        Walk { transcript: self.transcript, side: self.side, kind }
    }

    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match self.side.rule(name) {
            Rule::Text(kind) => map.next_value_seed(self.within(Some(kind))),
            Rule::Within => map.next_value_seed(self.within(None)),
            Rule::Raw => {
                let raw: &RawValue = map.next_value()?;
                // Arguments are a text of JSON, or JSON.
                let text = serde_json::from_str::<Str<'_>>(raw.get());
                let text = text.map_or(Cow::Borrowed(raw.get()), |text| text.0);
                self.transcript.piece(Kind::Tool, &text);
                Ok(())
            }
            Rule::Input => {
                let raw: &RawValue = map.next_value()?;
                if raw.get().starts_with('{') {
                    self.transcript.piece(Kind::Tool, raw.get());
                    return Ok(());
                }
                let mut from = serde_json::Deserializer::from_str(raw.get());
                let walk = self.within(Some(Kind::Text));
                walk.deserialize(&mut from).map_err(serde::de::Error::custom)
            }
            Rule::Medium => {
                self.transcript.medium(name);
                map.next_value::<IgnoredAny>().map(drop)
            }
            Rule::Role => {
                let role: Str<'_> = map.next_value()?;
                self.transcript.role(&role.0);
                Ok(())
            }
            Rule::Nothing => map.next_value::<IgnoredAny>().map(drop),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if let Some(kind) = self.kind {
            self.transcript.piece(kind, text);
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let kind = self.kind;
        while seq.next_element_seed(self.within(kind))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Str<'de>>()? {
            self.field(&name.0, &mut map)?;
        }
        Ok(())
    }
}
