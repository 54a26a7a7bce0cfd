//! How fast accounts are made: a rate for each network or domain, in bounded
//! memory.

use std::collections::HashMap;
use std::time::Duration;

use surgewall_core::clock::Timestamp;

use crate::gcra::{Gcra, Rate};

/// Keys that are counted alone; further ones share one count until some are idle.
pub const KEYS_MAX: usize = 65_536;

/// One rate, held for each key.
#[derive(Clone, Debug, Default)]
pub struct Velocity {
    keys: HashMap<u128, Gcra>,
    others: Gcra,
}

impl Velocity {
    /// Counts one for `key`.
    ///
    /// # Errors
    /// How long until one more is admitted.
    pub fn admit(&mut self, key: u128, now: Timestamp, rate: Rate) -> Result<(), Duration> {
        if !self.keys.contains_key(&key) && self.keys.len() >= KEYS_MAX {
            self.keys.retain(|_, count| !count.is_idle(now));
            if self.keys.len() >= KEYS_MAX {
                return self.others.admit(now, rate);
            }
        }
        self.keys.entry(key).or_default().admit(now, rate)
    }

    /// Takes one back that was counted for `key`: nothing came of it.
    pub fn give_back(&mut self, key: u128, rate: Rate) {
        self.keys.get_mut(&key).unwrap_or(&mut self.others).give_back(rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_rate_and_past_the_bound_they_share_one() {
        let rate = Rate::new(2, Duration::from_secs(3_600), 2);
        let mut velocity = Velocity::default();
        let at = |s: u64| Timestamp::from_millis(s * 1_000);
        assert_eq!(
            [velocity.admit(1, at(0), rate), velocity.admit(1, at(0), rate)],
            [Ok(()), Ok(())]
        );
        assert_eq!(velocity.admit(1, at(0), rate), Err(Duration::from_secs(1_800)));
        assert_eq!(velocity.admit(2, at(0), rate), Ok(()));
        velocity.give_back(1, rate);
        assert_eq!(velocity.admit(1, at(0), rate), Ok(()), "nothing came of one");
        assert!(velocity.admit(1, at(0), rate).is_err());
        for key in 2..KEYS_MAX as u128 + 2 {
            let _ = velocity.admit(key, at(0), rate);
        }
        assert_eq!(velocity.keys.len(), KEYS_MAX);
        let late = KEYS_MAX as u128 + 10;
        assert_eq!(velocity.admit(late, at(0), rate), Ok(()), "the third of those who share");
        assert!(velocity.admit(late + 1, at(0), rate).is_err());
        // Idle ones are forgotten as soon as somebody needs the room.
        assert_eq!(velocity.admit(late, at(7_200), rate), Ok(()));
        assert!(velocity.keys.len() < KEYS_MAX);
    }
}
