//! How many letters an address was sent lately because somebody typed it.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use surgewall_core::clock::Timestamp;

use crate::generations::Generations;

/// Letters to one address within the window.
pub const PER_ADDRESS_MAX: u32 = 8;
/// The window.
pub const PER_ADDRESS_WINDOW: Duration = Duration::from_secs(3_600);
/// Addresses in each of two generations.
const ADDRESSES_MAX: usize = 16_384;

/// The addresses of the last hour, by a hash that nobody outside can compute.
#[derive(Default)]
pub(super) struct Recipients {
    sent: Generations<u64, (Timestamp, u32), ADDRESSES_MAX>,
    hash: RandomState,
}

/// An address was sent as many as it gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Enough;

impl Recipients {
    /// Counts one letter to `address`.
    pub(super) fn take(&mut self, address: &str, now: Timestamp) -> Result<(), Enough> {
        let key = self.hash.hash_one(address.to_lowercase());
        let held = self.sent.find(&key).filter(|(since, _)| now.since(*since) < PER_ADDRESS_WINDOW);
        let (since, sent) = held.unwrap_or((now, 0));
        if sent >= PER_ADDRESS_MAX {
            return Err(Enough);
        }
        self.sent.put(key, (since, sent + 1));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_so_many_an_hour_however_it_is_written() {
        let start = Timestamp::from_millis(1_790_000_000_000);
        let mut recipients = Recipients::default();
        for _ in 0..PER_ADDRESS_MAX {
            assert_eq!(recipients.take("a@example.org", start), Ok(()));
        }
        assert_eq!(recipients.take("A@Example.org", start), Err(Enough));
        assert_eq!(recipients.take("b@example.org", start), Ok(()));
        let later = start.plus(PER_ADDRESS_WINDOW);
        assert_eq!(
            recipients.take("a@example.org", Timestamp::from_millis(later.millis() - 1)),
            Err(Enough)
        );
        assert_eq!(recipients.take("a@example.org", later), Ok(()));
    }
}
