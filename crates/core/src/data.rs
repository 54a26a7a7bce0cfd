//! Classes of personal data and secrets: what content was found to hold.
//!
//! A class names what a rule can tell from the text alone. Names, addresses and
//! what a text is about have none: nothing here looks for them.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One class of data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataClass {
    /// A credential: an API key, a password, a private key.
    Secret,
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// The number of a payment card.
    Card,
    /// An international bank account number.
    Iban,
    /// A number that a state gives to a person: social security, tax, identity card.
    NationalId,
    /// A network address: IP or MAC.
    Network,
}

impl DataClass {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Secret,
        Self::Email,
        Self::Phone,
        Self::Card,
        Self::Iban,
        Self::NationalId,
        Self::Network,
    ];

    /// The word in configuration, in the ledger and in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Card => "card",
            Self::Iban => "iban",
            Self::NationalId => "national_id",
            Self::Network => "network",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for DataClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no class.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no class of data; one of secret, email, phone, card, iban, national_id, network")]
pub struct UnknownClass;

impl FromStr for DataClass {
    type Err = UnknownClass;

    fn from_str(word: &str) -> Result<Self, UnknownClass> {
        Self::ALL.into_iter().find(|class| class.as_str() == word).ok_or(UnknownClass)
    }
}

/// A set of classes: one byte in memory, a list of words in JSON and TOML.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ClassSet(u8);

impl ClassSet {
    /// No class.
    pub const EMPTY: Self = Self(0);

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Whether `class` is in it.
    #[must_use]
    pub const fn contains(self, class: DataClass) -> bool {
        self.0 & class.bit() != 0
    }

    /// Adds `class`.
    pub const fn insert(&mut self, class: DataClass) {
        self.0 |= class.bit();
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Its classes, in the order of [`DataClass::ALL`].
    pub fn iter(self) -> impl Iterator<Item = DataClass> {
        DataClass::ALL.into_iter().filter(move |class| self.contains(*class))
    }
}

impl FromIterator<DataClass> for ClassSet {
    fn from_iter<I: IntoIterator<Item = DataClass>>(classes: I) -> Self {
        let mut set = Self::EMPTY;
        classes.into_iter().for_each(|class| set.insert(class));
        set
    }
}

impl fmt::Display for ClassSet {
    /// The words, with commas between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, class) in self.iter().enumerate() {
            write!(f, "{}{class}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for ClassSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for ClassSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for ClassSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Words)
    }
}

struct Words;

impl<'de> Visitor<'de> for Words {
    type Value = ClassSet;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of classes of data, each once")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ClassSet, A::Error> {
        let mut set = ClassSet::EMPTY;
        while let Some(class) = seq.next_element::<DataClass>()? {
            if set.contains(class) {
                return Err(A::Error::custom(format_args!("`{class}` is named twice")));
            }
            set.insert(class);
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_one_word_and_one_bit() {
        let mut all = ClassSet::EMPTY;
        for class in DataClass::ALL {
            assert!(!all.contains(class), "{class} shares a bit");
            all.insert(class);
            assert_eq!(class.as_str().parse(), Ok(class));
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
        assert_eq!(all.iter().count(), DataClass::ALL.len());
        assert_eq!("Email".parse::<DataClass>(), Err(UnknownClass));
        let listed: Vec<_> = DataClass::ALL.map(DataClass::as_str).into();
        assert!(UnknownClass.to_string().ends_with(&listed.join(", ")));
    }

    #[test]
    fn a_set_is_a_list_of_words_in_a_fixed_order() {
        let set: ClassSet = [DataClass::Card, DataClass::Secret].into_iter().collect();
        let text = serde_json::to_string(&set).unwrap();
        assert_eq!(
            (text.as_str(), set.to_string().as_str()),
            (r#"["secret","card"]"#, "secret, card")
        );
        assert_eq!(serde_json::from_str::<ClassSet>(&text).unwrap(), set);
        assert_eq!(serde_json::from_str::<ClassSet>("[]").unwrap(), ClassSet::EMPTY);
        assert_eq!(format!("{set:?}"), "{Secret, Card}");
        for bad in [r#"["secret","secret"]"#, r#"["name"]"#, r#""secret""#, "3"] {
            assert!(serde_json::from_str::<ClassSet>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sets_meet_and_join() {
        let one: ClassSet = [DataClass::Email, DataClass::Phone].into_iter().collect();
        let other: ClassSet = [DataClass::Phone, DataClass::Iban].into_iter().collect();
        assert_eq!(one.and(other).to_string(), "phone");
        assert_eq!(one.or(other).to_string(), "email, phone, iban");
        assert!(one.and(ClassSet::EMPTY).is_empty() && ClassSet::EMPTY.to_string().is_empty());
    }
}
