//! The fair queue as plainly as it can be said: every level a map, every question a
//! search, nothing ever forgotten within a level that somebody waits in.

use std::collections::{BTreeMap, VecDeque};

/// A child's name within its level.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Name {
    /// The parent's own requests.
    Line,
    /// The young of a class.
    Young,
    Id(u64),
}

/// An item and its work.
type Request = (u32, u64);

#[derive(Default)]
struct Child {
    served: u64,
    lifted: u64,
    turn: u64,
    line: VecDeque<Request>,
    below: Option<Level>,
}

#[derive(Default)]
struct Level {
    permanent: bool,
    floor: u64,
    owed: u64,
    children: BTreeMap<Name, Child>,
}

#[derive(Default)]
struct Class {
    share: u128,
    finish: u128,
    lifted: u128,
    level: Level,
}

#[derive(Default)]
pub(super) struct Model {
    now: u128,
    classes: [Class; 4],
    turns: u64,
}

impl Child {
    fn waiting(&self) -> usize {
        self.line.len() + self.below.as_ref().map_or(0, Level::waiting)
    }

    fn tag(&self) -> u64 {
        self.served.max(self.lifted)
    }

    /// Whoever waits for nothing is lifted no more, and where no child waits, all of
    /// them are forgotten.
    fn settle(&mut self) {
        if self.waiting() == 0 {
            self.lifted = 0;
        }
        let Some(mut below) = self.below.take() else {
            return;
        };
        let line = below.children.get(&Name::Line).map_or(0, Child::waiting);
        if below.permanent || below.waiting() > line {
            self.below = Some(below);
        } else if let Some(line) = below.children.remove(&Name::Line) {
            self.line = line.line;
        }
    }
}

impl Level {
    fn waiting(&self) -> usize {
        self.children.values().map(Child::waiting).sum()
    }

    fn least(&self) -> Option<(u64, u64, Name)> {
        let waiting = self.children.iter().filter(|(_, child)| child.waiting() > 0);
        waiting.map(|(name, child)| (child.tag(), child.turn, *name)).min()
    }

    fn push(&mut self, path: &[Name], request: Request, turns: &mut u64) {
        let (floor, least) = (self.floor, self.least());
        let child = self.children.entry(path[0]).or_default();
        let waited = child.waiting() > 0;
        if path.len() > 1 && child.below.is_none() {
            let mut below = Level::default();
            if !child.line.is_empty() {
                *turns += 1;
                let line = std::mem::take(&mut child.line);
                below.children.insert(Name::Line, Child { line, turn: *turns, ..Child::default() });
            }
            child.below = Some(below);
        }
        match &mut child.below {
            Some(below) if path.len() > 1 => below.push(&path[1..], request, turns),
            Some(below) => below.push(&[Name::Line], request, turns),
            None => child.line.push_back(request),
        }
        if !waited {
            *turns += 1;
            child.turn = *turns;
            child.lifted = floor.max(least.map_or(0, |(tag, ..)| tag));
        }
    }

    fn pop(&mut self, turns: &mut u64) -> Option<Request> {
        let (start, _, name) = self.least()?;
        let waiting = self.children.values().filter(|child| child.waiting() > 0).count();
        let child = self.children.get_mut(&name)?;
        let request = match &mut child.below {
            Some(below) => below.pop(turns)?,
            None => child.line.pop_front()?,
        };
        *turns += 1;
        child.turn = *turns;
        child.served = start + request.1;
        child.settle();
        self.advance(start, request.1, waiting);
        Some(request)
    }

    fn advance(&mut self, start: u64, work: u64, waiting: usize) {
        let waiting = waiting.max(1) as u64;
        let fluid = start.max(self.floor + (self.owed + work) / waiting);
        self.owed = (self.owed + work) % waiting;
        let most = self.least().map_or(u64::MAX, |(tag, ..)| tag + work);
        self.floor = self.floor.max(fluid.min(most));
    }

    fn remove(&mut self, item: u32) -> bool {
        self.children.values_mut().any(|child| {
            let place = child.line.iter().position(|request| request.0 == item);
            let found = place.is_some_and(|place| child.line.remove(place).is_some())
                || child.below.as_mut().is_some_and(|below| below.remove(item));
            child.settle();
            found
        })
    }

    /// Charges, or refunds, along a path as far as somebody waits.
    fn change(&mut self, path: &[Name], charge: Option<bool>, work: u64) {
        let floor = self.floor;
        let child = self.children.entry(path[0]).or_default();
        let start = if child.waiting() > 0 { child.tag() } else { child.served.max(floor) };
        match charge {
            Some(_) => child.served = start + work,
            None => child.served = child.served.saturating_sub(work),
        }
        match &mut child.below {
            Some(below) if path.len() > 1 => below.change(&path[1..], charge, work),
            Some(below) => below.change(&[Name::Line], charge, work),
            None => {}
        }
        if charge == Some(true) {
            let waiting = self.children.values().filter(|child| child.waiting() > 0).count();
            self.advance(start, work, waiting);
        }
    }
}

impl Model {
    pub(super) fn new(shares: [u32; 4]) -> Self {
        let mut model = Self::default();
        for class in &mut model.classes {
            let below = Some(Level { permanent: true, ..Level::default() });
            let young = Child { below, ..Child::default() };
            class.level.children.insert(Name::Young, young);
        }
        model.set_shares(shares);
        model
    }

    /// The shares must divide 1,000: the model's virtual time is exact.
    pub(super) fn set_shares(&mut self, shares: [u32; 4]) {
        for (class, share) in self.classes.iter_mut().zip(shares) {
            class.share = u128::from(share);
        }
    }

    pub(super) fn waiting(&self, class: usize) -> usize {
        self.classes[class].level.waiting()
    }

    fn least(&self) -> Option<usize> {
        let waiting = (0..4).filter(|class| self.waiting(*class) > 0);
        waiting.min_by_key(|class| self.classes[*class].start())
    }

    pub(super) fn push(&mut self, class: usize, path: &[Name], item: u32, work: u64) {
        if self.waiting(class) == 0 {
            self.classes[class].lifted = self.now;
        }
        self.classes[class].level.push(path, (item, work), &mut self.turns);
    }

    pub(super) fn remove(&mut self, item: u32) -> bool {
        self.classes.iter_mut().any(|class| class.level.remove(item))
    }

    /// The next item of a class, or of the class that is next.
    pub(super) fn pop(&mut self, class: Option<usize>) -> Option<Request> {
        let class = class.or_else(|| self.least())?;
        let start = self.classes[class].start();
        let request = self.classes[class].level.pop(&mut self.turns)?;
        self.serve(class, start, request.1, true);
        Some(request)
    }

    pub(super) fn charge(&mut self, class: usize, path: &[Name], work: u64, serves: bool) {
        let own = &mut self.classes[class];
        own.level.change(path, Some(serves), work);
        let waits = own.level.waiting() > 0;
        let start = if waits { own.start() } else { own.finish.max(self.now) };
        self.serve(class, start, work, serves);
    }

    pub(super) fn refund(&mut self, class: usize, path: &[Name], work: u64) {
        let class = &mut self.classes[class];
        class.level.change(path, None, work);
        class.finish = class.finish.saturating_sub(u128::from(work) * 1_000 / class.share);
    }

    fn serve(&mut self, class: usize, start: u128, work: u64, serves: bool) {
        let own = &mut self.classes[class];
        own.finish = start + u128::from(work) * 1_000 / own.share;
        if serves {
            let least = self.least().map_or(start, |least| self.classes[least].start());
            self.now = self.now.max(least.min(start));
        }
    }
}

impl Class {
    fn start(&self) -> u128 {
        self.finish.max(self.lifted)
    }
}
