//! The gate before new accounts, as pure decisions: which step asks for what,
//! when pressure moves it, how fast one network may make accounts, and which
//! region an address is in.

mod ladder;
mod regions;
mod velocity;

use surgewall_core::gate::GateStep;

pub use ladder::{Cause, Heat, Ladder, Move, Reading, Terms, work_units};
pub use regions::{RANGES_MAX, Region, Regions, RegionsError};
pub use velocity::{KEYS_MAX, Velocity};

/// What somebody who wants an account has shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Proof {
    /// The browser worked, or its visitor waited instead.
    pub worked: bool,
    /// Another service or a mail vouches for them.
    pub verified: bool,
    /// They have a good invite, or had their turn on the waiting list.
    pub invited: bool,
    /// They come from a chosen region, or have a chosen phone prefix.
    pub in_region: bool,
}

/// What is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Some work of the browser, or a wait.
    Work,
    /// A verified identity, or an invite.
    Verified,
    /// An invite.
    Invite,
    /// Another region.
    Region,
    /// Nothing would help now.
    Closed,
}

/// Whether `proof` is enough at `step`. Each step lets in nobody whom the one
/// before it would not: an invite counts for everything below it, and a verified
/// identity for work.
///
/// # Errors
/// What is missing.
pub const fn enough(step: GateStep, proof: Proof) -> Result<(), Need> {
    let Proof { worked, verified, invited, in_region } = proof;
    match step {
        GateStep::Open => Ok(()),
        GateStep::Work if worked || verified || invited => Ok(()),
        GateStep::Work => Err(Need::Work),
        GateStep::Verified if verified || invited => Ok(()),
        GateStep::Verified => Err(Need::Verified),
        GateStep::Region if !in_region => Err(Need::Region),
        GateStep::Invite | GateStep::Region if invited => Ok(()),
        GateStep::Invite | GateStep::Region => Err(Need::Invite),
        GateStep::Closed => Err(Need::Closed),
    }
}

/// Whether `phone`, in international form, begins with one of `prefixes`.
/// Spaces, dashes and brackets within it do not count.
#[must_use]
pub fn has_prefix(phone: &str, prefixes: &[String]) -> bool {
    let plain: String = phone.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')')).collect();
    plain.starts_with('+') && prefixes.iter().any(|prefix| plain.starts_with(prefix.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proofs() -> impl Iterator<Item = Proof> {
        (0..16_u8).map(|bits| Proof {
            worked: bits & 1 != 0,
            verified: bits & 2 != 0,
            invited: bits & 4 != 0,
            in_region: bits & 8 != 0,
        })
    }

    #[test]
    fn a_narrower_step_lets_in_nobody_whom_a_wider_one_would_not() {
        for proof in proofs() {
            let within = GateStep::ALL.map(|step| enough(step, proof).is_ok());
            assert!(within.is_sorted_by(|wide, narrow| wide >= narrow), "{proof:?}: {within:?}");
        }
    }

    #[test]
    fn each_step_asks_for_what_is_missing() {
        let none = Proof::default();
        let need = |step, proof| enough(step, proof).err();
        assert_eq!(need(GateStep::Open, none), None);
        assert_eq!(need(GateStep::Work, none), Some(Need::Work));
        assert_eq!(need(GateStep::Verified, Proof { worked: true, ..none }), Some(Need::Verified));
        assert_eq!(need(GateStep::Invite, Proof { verified: true, ..none }), Some(Need::Invite));
        let invited = Proof { invited: true, ..none };
        assert_eq!(need(GateStep::Invite, invited), None);
        assert_eq!(need(GateStep::Region, invited), Some(Need::Region));
        assert_eq!(need(GateStep::Region, Proof { in_region: true, ..invited }), None);
        assert!(proofs().all(|proof| need(GateStep::Closed, proof) == Some(Need::Closed)));
    }

    #[test]
    fn a_phone_number_is_matched_by_its_digits() {
        let prefixes = ["+86".to_owned(), "+4176".to_owned()];
        for (phone, fits) in [
            ("+86 139 1234 5678", true),
            ("+41 (76) 123-45-67", true),
            ("+41781234567", false),
            ("86139", false),
            ("", false),
        ] {
            assert_eq!(has_prefix(phone, &prefixes), fits, "{phone}");
        }
        assert!(!has_prefix("+86139", &[]));
    }
}
