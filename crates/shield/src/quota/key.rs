//! A counter's name in few bytes.

use surgewall_core::id::Id;
use surgewall_core::principal::{Class, DelegatedUser, Network};
use surgewall_core::quota::Subject;

/// The kind of a [`Subject::User`].
const USER: u8 = 4;
/// All delegated users of a key that are not counted alone: no keyed hash is this.
pub(super) const OTHER_USERS: DelegatedUser = DelegatedUser(u128::MAX);

/// A [`Subject`] in 33 bytes without padding; as an enum it takes 48.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PackedSubject {
    kind: u8,
    first: [u8; 16],
    second: [u8; 16],
}

impl PackedSubject {
    pub(super) fn new(subject: &Subject) -> Self {
        let (kind, first, second) = match subject {
            Subject::Class(class) => (0, class_number(*class), 0),
            Subject::Group(id) => (1, id.as_u128(), 0),
            Subject::Account(id) => (2, id.as_u128(), 0),
            Subject::Key(id) => (3, id.as_u128(), 0),
            Subject::User(id, user) => (USER, id.as_u128(), user.0),
            Subject::Network(network) => (5, network.as_u128(), 0),
        };
        Self { kind, first: first.to_le_bytes(), second: second.to_le_bytes() }
    }

    pub(super) fn subject(&self) -> Subject {
        let (first, second) = self.numbers();
        match self.kind {
            0 => Subject::Class(class_of(first)),
            1 => Subject::Group(Id::from_u128(first)),
            2 => Subject::Account(Id::from_u128(first)),
            3 => Subject::Key(Id::from_u128(first)),
            USER => Subject::User(Id::from_u128(first), DelegatedUser(second)),
            _ => Subject::Network(Network::from_u128(first)),
        }
    }

    pub(super) fn is_user(&self) -> bool {
        self.kind == USER
    }

    /// The key of a delegated user that is counted alone.
    pub(super) fn key_of_user(&self) -> Option<u128> {
        let (key, user) = self.numbers();
        (self.is_user() && user != OTHER_USERS.0).then_some(key)
    }

    /// What a hash is made of.
    pub(super) fn words(&self) -> (u8, u128, u128) {
        let (first, second) = self.numbers();
        (self.kind, first, second)
    }

    fn numbers(&self) -> (u128, u128) {
        (u128::from_le_bytes(self.first), u128::from_le_bytes(self.second))
    }
}

fn class_number(class: Class) -> u128 {
    Class::ALL.iter().zip(0..).find(|(known, _)| **known == class).map_or(0, |(_, number)| number)
}

fn class_of(number: u128) -> Class {
    let class = usize::try_from(number).ok().and_then(|number| Class::ALL.get(number));
    class.copied().unwrap_or(Class::Anonymous)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_survives_packing() {
        let mut subjects: Vec<Subject> = Class::ALL.map(Subject::Class).into();
        subjects.extend([
            Subject::Group(Id::from_u128(7)),
            Subject::Account(Id::from_u128(u128::MAX)),
            Subject::Key(Id::from_u128(9)),
            Subject::User(Id::from_u128(9), DelegatedUser(3)),
            Subject::Network(Network::of("203.0.113.9".parse().unwrap())),
            Subject::Network(Network::of("2001:db8::1".parse().unwrap())),
        ]);
        for subject in subjects {
            assert_eq!(PackedSubject::new(&subject).subject(), subject);
        }
        assert_eq!(size_of::<PackedSubject>(), 33);
    }
}
