//! Children that wait, the least served first: a sorted list in chunks, which also
//! knows how many are before a given one.
//!
//! Chunks and what is in them descend, so that the next ones are at the very end,
//! where taking them away moves nothing.

/// Keys in a chunk at most; a full one is split in two.
const CHUNK_MAX: usize = 256;

/// A child's place in the order: what it was served, then who came first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// What it was served, after the lift, in work.
    pub(super) served: u64,
    /// Its turn among equals: no two have the same.
    pub(super) turn: u64,
    pub(super) node: u32,
}

impl Key {
    const fn rank(&self) -> u128 {
        (self.served as u128) << 64 | self.turn as u128
    }
}

/// Keys in order.
#[derive(Default, Debug)]
pub(super) struct Order {
    /// The least key is here: one child alone needs no chunk.
    first: Option<Key>,
    /// The others. None of them is empty, but for one that is alone.
    chunks: Vec<Vec<Key>>,
    len: usize,
    /// What all of them were served.
    served: u128,
}

impl Order {
    pub(super) fn clear(&mut self) {
        // One chunk stays, for what comes next.
        self.chunks.truncate(1);
        self.chunks.iter_mut().for_each(Vec::clear);
        (self.first, self.len, self.served) = (None, 0, 0);
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// What they were served on average.
    pub(super) fn mean(&self) -> u64 {
        u64::try_from(self.served / (self.len.max(1) as u128)).unwrap_or(u64::MAX)
    }

    pub(super) fn first(&self) -> Option<&Key> {
        self.first.as_ref()
    }

    /// Keys that are less than `key`.
    pub(super) fn before(&self, key: &Key) -> usize {
        if self.first.is_none_or(|first| first.rank() >= key.rank()) {
            return 0;
        }
        let chunk = self.chunk_of(key);
        let behind: usize = self.chunks.iter().skip(chunk + 1).map(Vec::len).sum();
        let inside = self.chunks.get(chunk).map_or(0, |keys| keys.len() - place_of(keys, key).1);
        1 + behind + inside
    }

    pub(super) fn insert(&mut self, key: Key) {
        self.len += 1;
        self.served += u128::from(key.served);
        match self.first.replace(key) {
            None => {}
            Some(first) if key.rank() < first.rank() => self.put(first),
            Some(first) => {
                self.first = Some(first);
                self.put(key);
            }
        }
    }

    pub(super) fn remove(&mut self, key: &Key) {
        if self.first.is_some_and(|first| first.rank() == key.rank()) {
            let last = self.chunks.len().saturating_sub(1);
            self.first = self.chunks.last_mut().and_then(Vec::pop);
            self.tidy(last);
        } else {
            let at = self.chunk_of(key);
            let Some(keys) = self.chunks.get_mut(at) else {
                return;
            };
            let (place, end) = place_of(keys, key);
            if place == end {
                return;
            }
            keys.remove(place);
            self.tidy(at);
        }
        self.len -= 1;
        self.served -= u128::from(key.served);
    }

    fn put(&mut self, key: Key) {
        let at = self.chunk_of(&key);
        let Some(keys) = self.chunks.get_mut(at) else {
            self.chunks.push(vec![key]);
            return;
        };
        keys.insert(place_of(keys, &key).0, key);
        if keys.len() >= CHUNK_MAX {
            let rest = keys.split_off(CHUNK_MAX / 2);
            self.chunks.insert(at + 1, rest);
        }
    }

    fn tidy(&mut self, at: usize) {
        if self.chunks.len() > 1 && self.chunks.get(at).is_some_and(Vec::is_empty) {
            self.chunks.remove(at);
        }
    }

    /// The chunk in which `key` is or would be: the first whose last key is not above it,
    /// or else the last chunk.
    fn chunk_of(&self, key: &Key) -> usize {
        let above = |keys: &Vec<Key>| keys.last().is_some_and(|last| last.rank() > key.rank());
        self.chunks.partition_point(above).min(self.chunks.len().saturating_sub(1))
    }
}

/// Where `key` is in a chunk, or would be, and where those begin that are below it.
fn place_of(keys: &[Key], key: &Key) -> (usize, usize) {
    let place = keys.partition_point(|known| known.rank() > key.rank());
    let found = keys.get(place).is_some_and(|known| known.rank() == key.rank());
    (place, place + usize::from(found))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_sorted_list(steps in proptest::collection::vec((0..40_u64, 0..3_u8), 1..2_000)) {
            let (mut order, mut plain) = (Order::default(), Vec::<Key>::new());
            for (turn, (served, step)) in steps.into_iter().enumerate() {
                let key = Key { served, turn: turn as u64, node: 7 };
                if step > 0 {
                    order.insert(key);
                    let place = plain.partition_point(|known| known.rank() < key.rank());
                    plain.insert(place, key);
                } else if !plain.is_empty() {
                    let known = plain.remove(turn * 7 % plain.len());
                    prop_assert_eq!(order.before(&known), plain.partition_point(|at| at.rank() < known.rank()));
                    order.remove(&known);
                    // Not twice.
                    order.remove(&known);
                }
                prop_assert_eq!(order.len(), plain.len());
                prop_assert_eq!(order.first().map(Key::rank), plain.first().map(Key::rank));
                let all: u64 = plain.iter().map(|key| key.served).sum();
                prop_assert_eq!(order.mean(), all / plain.len().max(1) as u64);
            }
            prop_assert!(order.chunks.iter().all(|keys| keys.len() < CHUNK_MAX));
            order.clear();
            prop_assert!(order.first().is_none() && order.len() == 0);
        }
    }
}
