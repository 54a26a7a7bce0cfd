//! Pseudonyms: personal data is exchanged for words that stand for it, and what
//! stands for what is remembered for as long as one request lives. Secrets are
//! taken out for good.

use std::collections::BTreeMap;
use std::sync::Arc;

use surgewall_core::data::{ClassSet, DataClass};

use super::Redactor;
use crate::rules::RuleSet;

/// Words of one request, at most: what is found beyond is taken out for good.
pub const PSEUDONYMS_MAX: usize = 4_096;

/// What was exchanged in the texts of one request.
#[derive(Debug)]
pub struct Pseudonyms {
    redactor: Redactor,
    classes: ClassSet,
    taken: ClassSet,
    values: BTreeMap<String, String>,
}

impl Pseudonyms {
    /// For one request: `classes` are exchanged, under words that nobody else
    /// gets, as `key` is drawn anew for each.
    #[must_use]
    pub fn new(rules: Arc<RuleSet>, classes: ClassSet, key: &[u8; 32]) -> Self {
        let redactor = Redactor::new(rules, key);
        Self { redactor, classes, taken: ClassSet::EMPTY, values: BTreeMap::new() }
    }

    /// `text` with words in the place of what was found; `None` where nothing was.
    #[must_use]
    pub fn exchange(&mut self, text: &str) -> Option<String> {
        let mut places = self.redactor.words(text);
        places.retain(|place| self.classes.contains(place.found.class));
        if places.is_empty() {
            return None;
        }
        let (mut out, mut from) = (String::with_capacity(text.len()), 0);
        for place in places {
            // What was found may end within a character: all of it goes.
            let start = text.floor_char_boundary(place.start.max(from));
            let end = text.ceil_char_boundary(place.end.max(start));
            out.push_str(text.get(from..start).unwrap_or_default());
            out.push_str(&place.word);
            from = end;
            self.taken.insert(place.found.class);
            let value = text.get(start..end).unwrap_or_default();
            if place.found.class != DataClass::Secret && is_plain(value) {
                self.remember(place.word, value);
            }
        }
        out.push_str(text.get(from..).unwrap_or_default());
        Some(out)
    }

    /// The first spelling of a value is the one that comes back.
    fn remember(&mut self, word: String, value: &str) {
        if self.values.len() < PSEUDONYMS_MAX {
            self.values.entry(word).or_insert_with(|| value.to_owned());
        }
    }

    /// The classes of what was taken out.
    #[must_use]
    pub const fn taken(&self) -> ClassSet {
        self.taken
    }

    /// The words, and what each of them stands for.
    #[must_use]
    pub fn into_values(self) -> BTreeMap<String, String> {
        self.values
    }
}

/// Whether a value can be put into any text, also one that is JSON within JSON,
/// and be nothing but text there. One that cannot is taken out for good.
fn is_plain(value: &str) -> bool {
    !value.chars().any(|c| c.is_control() || matches!(c, '"' | '\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pseudonyms(classes: &[DataClass], key: u8) -> Pseudonyms {
        let rules = Arc::new(RuleSet::builtin().unwrap());
        Pseudonyms::new(rules, classes.iter().copied().collect(), &[key; 32])
    }

    const ALL: [DataClass; 7] = DataClass::ALL;

    #[test]
    fn personal_data_can_be_put_back_and_secrets_cannot() {
        let mut names = pseudonyms(&ALL, 1);
        let text = "write to Ada@example.org and ada@example.org, the key is sk_live_4eC39HqLyjWDarjtT1zdp7dc";
        let out = names.exchange(text).unwrap();
        assert!(!out.to_lowercase().contains("ada@") && !out.contains("4eC39HqLyj"), "{out}");
        assert!(
            names.taken().contains(DataClass::Email) && names.taken().contains(DataClass::Secret)
        );
        let values = names.into_values();
        // Both spellings are one person: the first one comes back.
        assert_eq!(values.values().collect::<Vec<_>>(), ["Ada@example.org"]);
        let word = values.keys().next().unwrap();
        assert_eq!(out.matches(word.as_str()).count(), 2);
    }

    #[test]
    fn only_the_classes_that_were_asked_for_are_taken_out() {
        let text = "ada@example.org, 4111 1111 1111 1111";
        let out = pseudonyms(&[DataClass::Card], 1).exchange(text).unwrap();
        assert!(out.starts_with("ada@example.org, [card:"), "{out}");
        assert_eq!(pseudonyms(&[DataClass::Iban], 1).exchange(text), None);
        assert_eq!(pseudonyms(&ALL, 1).exchange("nothing to see"), None);
    }

    #[test]
    fn another_request_has_other_words() {
        let word = |key| pseudonyms(&ALL, key).exchange("ada@example.org").unwrap();
        assert_eq!(word(1), word(1));
        assert_ne!(word(1), word(2));
    }

    #[test]
    fn what_would_mean_something_in_json_does_not_come_back() {
        for (value, plain) in
            [("a@b.c", true), ("+1 (2) 3", true), ("a\"b", false), ("a\\b", false), ("a\nb", false)]
        {
            assert_eq!(is_plain(value), plain, "{value}");
        }
    }

    #[test]
    fn words_are_remembered_up_to_their_limit() {
        let mut names = pseudonyms(&ALL, 1);
        for n in 0..=PSEUDONYMS_MAX {
            names.remember(format!("[email:{n}]"), "a@b.c");
        }
        assert_eq!(names.into_values().len(), PSEUDONYMS_MAX);
    }
}
