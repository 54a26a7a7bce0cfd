//! One counter: a sliding window cut into slots, or a count of requests in flight.
//!
//! The window is approximated from above: a slot counts whole until all of it
//! has left the window, so that no window of the full length ever holds more
//! than the limit, and a counter forgets at most one slot (1/12 of the window)
//! late. (The usual two-bucket estimate is smaller but admits more than the
//! limit when requests are not spread evenly.)

use std::array;
use std::time::Duration;

use surgewall_core::clock::Timestamp;

/// Slots in a window.
pub const SLOTS: u64 = 12;
/// Slots that are kept: a full window touches one more than it holds.
const RING: usize = 13;
const RING_U64: u64 = 13;

/// Amounts by slot: 32 bits each until one does not fit (a counter is then
/// 112 bytes instead of some 200).
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ring {
    Narrow([u32; RING]),
    Wide(Box<[u64; RING]>),
}

impl Ring {
    fn at(&self, index: usize) -> u64 {
        match self {
            Self::Narrow(slots) => u64::from(slots[index]),
            Self::Wide(slots) => slots[index],
        }
    }

    fn set(&mut self, index: usize, amount: u64) {
        match self {
            Self::Narrow(slots) => match u32::try_from(amount) {
                Ok(amount) => slots[index] = amount,
                Err(_) => {
                    let mut wide: [u64; RING] = array::from_fn(|i| u64::from(slots[i]));
                    wide[index] = amount;
                    *self = Self::Wide(Box::new(wide));
                }
            },
            Self::Wide(slots) => slots[index] = amount,
        }
    }
}

/// A sliding window, or (with a length of zero) a plain count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// The number of the newest slot; all others in the ring are older.
    newest: u64,
    ring: Ring,
    window_s: u32,
}

impl Window {
    /// An empty window at `now`; `window_s` zero counts requests in flight.
    pub(super) fn new(window_s: u64, now: Timestamp) -> Self {
        let window_s = u32::try_from(window_s).unwrap_or(u32::MAX);
        let mut window = Self { newest: 0, ring: Ring::Narrow([0; RING]), window_s };
        window.newest = window.slot_at(now);
        window
    }

    /// Milliseconds in a slot, rounded up so that the slots cover the window.
    fn slot_ms(&self) -> u64 {
        (u64::from(self.window_s) * 1_000).div_ceil(SLOTS).max(1)
    }

    fn slot_at(&self, now: Timestamp) -> u64 {
        if self.window_s == 0 { 0 } else { now.millis() / self.slot_ms() }
    }

    /// The window's length in seconds; 0 counts requests in flight.
    pub(super) fn window_s(&self) -> u64 {
        u64::from(self.window_s)
    }

    /// Moves the window to `now`: forgets slots that have left it.
    ///
    /// A clock that went back within the window leaves it where it is; one that
    /// went back further makes all that is counted count from now on. Neither
    /// grants anything anew.
    pub(super) fn advance(&mut self, now: Timestamp) {
        let slot = self.slot_at(now);
        if slot > self.newest {
            let steps = slot - self.newest;
            if steps >= RING_U64 {
                self.ring = Ring::Narrow([0; RING]);
            } else {
                for gone in self.newest + 1..=slot {
                    self.ring.set(index(gone), 0);
                }
            }
            self.newest = slot;
        } else if self.newest - slot > SLOTS {
            let used = self.sum();
            self.ring = Ring::Narrow([0; RING]);
            self.newest = slot;
            self.ring.set(index(slot), used);
        }
    }

    /// Moves the window forward to `at`, never back.
    pub(super) fn advance_to(&mut self, at: Timestamp) {
        if self.slot_at(at) > self.newest {
            self.advance(at);
        }
    }

    /// Everything that counts, after [`Window::advance`].
    pub(super) fn sum(&self) -> u64 {
        (0..RING).fold(0, |sum: u64, i| sum.saturating_add(self.ring.at(i)))
    }

    /// Adds to the newest slot; returns the slot's start in epoch milliseconds.
    pub(super) fn add(&mut self, amount: u64) -> u64 {
        self.replace(self.newest, 0, amount);
        self.newest.saturating_mul(self.slot_ms())
    }

    /// Adds to the slot that starts at `slot_ms`, if it still counts.
    pub(super) fn add_at(&mut self, slot_ms: u64, amount: u64) {
        self.replace_at(slot_ms, 0, amount);
    }

    /// Turns `before` into `after` in the slot that starts at `slot_ms`, if it still counts.
    pub(super) fn replace_at(&mut self, slot_ms: u64, before: u64, after: u64) {
        let slot = if self.window_s == 0 { 0 } else { slot_ms / self.slot_ms() };
        if slot <= self.newest && self.newest - slot <= SLOTS {
            self.replace(slot, before, after);
        }
    }

    fn replace(&mut self, slot: u64, before: u64, after: u64) {
        let held = self.ring.at(index(slot));
        self.ring.set(index(slot), held.saturating_add(after).saturating_sub(before));
    }

    /// How long until `amount` more fits under `max`; `None` if it never does.
    pub(super) fn fits_after(&self, now: Timestamp, amount: u64, max: u64) -> Option<Duration> {
        let room = max.checked_sub(amount)?;
        if self.window_s == 0 {
            return Some(if self.sum() <= room { Duration::ZERO } else { Duration::from_secs(1) });
        }
        let mut left = self.sum();
        if left <= room {
            return Some(Duration::ZERO);
        }
        for (slot, held) in self.slots() {
            left = left.saturating_sub(held);
            if left <= room {
                return Some(self.leaves_after(slot, now));
            }
        }
        // Only a sum held at the largest number gets here: all slots have left then.
        Some(self.leaves_after(self.newest, now))
    }

    /// How long until nothing counts any more.
    pub(super) fn empty_after(&self, now: Timestamp) -> Duration {
        let last = self.slots().filter(|(_, held)| *held > 0).last();
        match last {
            Some((slot, _)) if self.window_s > 0 => self.leaves_after(slot, now),
            _ => Duration::ZERO,
        }
    }

    fn leaves_after(&self, slot: u64, now: Timestamp) -> Duration {
        let at = slot.saturating_add(SLOTS + 1).saturating_mul(self.slot_ms());
        Timestamp::from_millis(at).since(now).max(Duration::from_millis(1))
    }

    /// The slots that count, oldest first: number and amount.
    fn slots(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let oldest = self.newest.saturating_sub(SLOTS);
        (oldest..=self.newest).map(|slot| (slot, self.ring.at(index(slot))))
    }

    /// The slots that hold something: start in epoch milliseconds and amount.
    pub(super) fn held(&self) -> Vec<(u64, u64)> {
        let slots = self.slots().filter(|(_, held)| *held > 0);
        slots.map(|(slot, held)| (slot.saturating_mul(self.slot_ms()), held)).collect()
    }
}

fn index(slot: u64) -> usize {
    // Below 13: the fallback cannot be taken.
    usize::try_from(slot % RING_U64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_slot_counts_whole_until_it_has_left() {
        // 12 s: slots of one second.
        let mut window = Window::new(12, at(0));
        assert_eq!(window.add(5), 0);
        for (millis, sum) in [(11_999, 5), (12_000, 5), (12_999, 5), (13_000, 0)] {
            window.advance(at(millis));
            assert_eq!(window.sum(), sum, "at {millis}");
        }
    }

    #[test]
    fn what_fits_later_says_when() {
        let mut window = Window::new(12, at(500));
        window.add(5);
        window.advance(at(3_000));
        window.add(4);
        let after = |amount| window.fits_after(at(4_000), amount, 10);
        assert_eq!(after(1), Some(Duration::ZERO));
        assert_eq!(after(2), Some(Duration::from_secs(9)));
        assert_eq!(after(7), Some(Duration::from_secs(12)));
        assert_eq!(after(11), None);
        assert_eq!(window.empty_after(at(4_000)), Duration::from_secs(12));
    }

    #[test]
    fn a_settled_amount_changes_only_a_slot_that_still_counts() {
        let mut window = Window::new(12, at(0));
        let slot = window.add(100);
        window.replace_at(slot, 100, 30);
        assert_eq!(window.sum(), 30);
        window.advance(at(13_000));
        window.replace_at(slot, 30, 90);
        assert_eq!(window.sum(), 0);
    }

    #[test]
    fn amounts_past_32_bits_are_exact() {
        let mut window = Window::new(60, at(0));
        window.add(7);
        let slot = window.add(u64::MAX - 10);
        assert_eq!(window.sum(), u64::MAX - 3);
        window.replace_at(slot, u64::MAX - 10, 1);
        assert_eq!(window.sum(), 8);
    }

    #[test]
    fn a_clock_that_goes_back_grants_nothing() {
        let hour = 3_600_000;
        let mut window = Window::new(60, at(2 * hour));
        window.add(10);
        window.advance(at(2 * hour - 30_000));
        assert_eq!(window.sum(), 10);
        window.advance(at(hour));
        assert_eq!(window.sum(), 10);
        window.advance(at(hour + 59_999));
        assert_eq!(window.sum(), 10);
        window.advance(at(hour + 65_000));
        assert_eq!(window.sum(), 0);
    }

    #[test]
    fn a_counter_is_small() {
        assert!(size_of::<Window>() <= 72, "{}", size_of::<Window>());
    }
}
