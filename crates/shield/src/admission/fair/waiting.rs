//! The requests that wait: one place for each, linked into the line of its lineage.

use surgewall_core::principal::Class;

use super::super::work::Work;

/// No place.
pub(super) const NONE: u32 = u32::MAX;

/// A queued request. It stays invalid once the request is out of the queue.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Handle {
    place: u32,
    generation: u32,
}

/// The requests of one lineage, first in, first out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    first: u32,
    last: u32,
    len: u32,
    /// The number of the next one that comes.
    next: u32,
}
impl Default for Line {
    fn default() -> Self {
        Self { first: NONE, last: NONE, len: 0, next: 0 }
    }
}
impl Line {
    pub(super) fn len(&self) -> u32 {
        self.len
    }
}

/// One request that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<T> {
    pub(super) item: T,
    pub(super) work: Work,
    /// What its lineage's counters are charged for that.
    pub(super) counted: Work,
    /// The node whose line it is in.
    pub(super) leaf: u32,
    pub(super) class: Class,
    taken: bool,
    generation: u32,
    /// Which one it is of all that ever were in this line.
    number: u32,
    before: u32,
    /// The one behind it; of a free place, the next free one.
    behind: u32,
}

/// All requests that wait.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    places: Vec<Place<T>>,
    free: u32,
}
impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: NONE }
    }
}

impl<T: Copy> Waiting<T> {
    pub(super) fn at(&self, handle: Handle) -> Option<&Place<T>> {
        let place = self.places.get(handle.place as usize)?;
        (place.taken && place.generation == handle.generation).then_some(place)
    }

    pub(super) fn first(&self, line: &Line) -> Option<Handle> {
        let place = self.places.get(line.first as usize)?;
        Some(Handle { place: line.first, generation: place.generation })
    }

    /// How many of its line are before it. Those that left from between are counted
    /// until the line's head has passed them.
    pub(super) fn before(&self, line: &Line, handle: Handle) -> u64 {
        let first = self.places.get(line.first as usize).map_or(0, |place| place.number);
        let number = self.at(handle).map_or(first, |place| place.number);
        u64::from(number.wrapping_sub(first).min(line.len.saturating_sub(1)))
    }

    pub(super) fn append(
        &mut self,
        line: &mut Line,
        leaf: u32,
        class: Class,
        (work, counted): (Work, Work),
        item: T,
    ) -> Handle {
        let number = line.next;
        let before = line.last;
        let mut place = Place {
            item,
            work,
            counted,
            leaf,
            class,
            taken: true,
            generation: 0,
            number,
            before,
            behind: NONE,
        };
        let at = match self.places.get_mut(self.free as usize) {
            Some(free) => {
                let at = self.free;
                self.free = free.behind;
                place.generation = free.generation.wrapping_add(1);
                *free = place;
                at
            }
            None => {
                self.places.push(place);
                u32::try_from(self.places.len() - 1).unwrap_or(NONE)
            }
        };
        match self.places.get_mut(before as usize) {
            Some(last) => last.behind = at,
            None => line.first = at,
        }
        line.last = at;
        line.len += 1;
        line.next = line.next.wrapping_add(1);
        Handle { place: at, generation: place.generation }
    }

    pub(super) fn unlink(&mut self, line: &mut Line, handle: Handle) -> Option<T> {
        let Place { item, before, behind, .. } = *self.at(handle)?;
        match self.places.get_mut(before as usize) {
            Some(place) => place.behind = behind,
            None => line.first = behind,
        }
        match self.places.get_mut(behind as usize) {
            Some(place) => place.before = before,
            None => line.last = before,
        }
        line.len -= 1;
        let place = self.places.get_mut(handle.place as usize)?;
        place.taken = false;
        place.behind = self.free;
        self.free = handle.place;
        Some(item)
    }
}
