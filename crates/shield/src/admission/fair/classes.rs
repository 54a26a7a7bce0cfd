//! Shares between the classes: start-time fair queueing (Goyal, Vin and Cheng,
//! "Start-time Fair Queuing", SIGCOMM'96).
//!
//! The next request of a class starts, in virtual time, where its last one
//! finished; a class that did not wait starts now. The least start is next. Now is
//! the start of what was served last. Over any time in which two classes wait, what
//! they get by their shares differs by no more than one request of each.

use surgewall_core::principal::Class;

use super::super::work::Work;

/// The smallest share of a class, in thousandths: less would be starvation.
pub const SHARE_MIN: u32 = 1;

/// Virtual time that one unit of work takes at the whole capacity.
const SCALE: u128 = 1 << 20;

/// What each class is guaranteed of the capacity, in thousandths. Only the ratios
/// matter, and a share is at least [`SHARE_MIN`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shares([u32; 4]);

impl Shares {
    /// Shares in the order of [`Class::ALL`].
    #[must_use]
    pub fn new(per_mille: [u32; 4]) -> Self {
        Self(per_mille.map(|share| share.max(SHARE_MIN)))
    }

    /// The share of `class` in thousandths.
    #[must_use]
    pub const fn of(self, class: Class) -> u32 {
        self.0[class as usize]
    }
}
impl Default for Shares {
    /// Established 0.45, verified 0.25, new 0.15, anonymous 0.15.
    fn default() -> Self {
        Self([450, 250, 150, 150])
    }
}

/// The virtual time of each class.
#[derive(Debug)]
pub(super) struct Classes {
    /// Virtual time of each class for one unit of work.
    paces: [u128; 4],
    /// Virtual time: the start of what was served last.
    now: u128,
    standings: [Standing; 4],
}

#[derive(Clone, Copy, Default, Debug)]
struct Standing {
    /// Where its last request finished.
    finish: u128,
    /// Where it was lifted to when it began to wait.
    lifted: u128,
    waits: bool,
    /// Charged less refunded, in units of work.
    charged: Work,
}
impl Standing {
    fn start(&self) -> u128 {
        self.finish.max(self.lifted)
    }
}

impl Classes {
    pub(super) fn new(shares: Shares) -> Self {
        Self { paces: paces(shares), now: 0, standings: [Standing::default(); 4] }
    }

    pub(super) fn set_shares(&mut self, shares: Shares) {
        self.paces = paces(shares);
    }

    /// The class that is next: ties go to the more trusted.
    pub(super) fn least(&self) -> Option<Class> {
        let waiting = Class::ALL.into_iter().filter(|class| self.of(*class).waits);
        waiting.min_by_key(|class| self.of(*class).start())
    }

    /// How far the next request of `class` is from being next of all, in its own work.
    pub(super) fn lead_of(&self, class: Class) -> Work {
        let start = self.least().map_or(0, |least| self.of(least).start());
        let ahead = self.of(class).start().saturating_sub(start);
        Work(u64::try_from(ahead / self.paces[class as usize]).unwrap_or(u64::MAX))
    }

    /// Its first request waits.
    pub(super) fn enter(&mut self, class: Class) {
        let now = self.now;
        let standing = self.of_mut(class);
        standing.waits = true;
        standing.lifted = now;
    }

    /// Nobody of it waits any more.
    pub(super) fn leave(&mut self, class: Class) {
        let standing = self.of_mut(class);
        standing.waits = false;
        standing.lifted = 0;
    }

    /// A request of `class` is served.
    pub(super) fn serve(&mut self, class: Class, work: Work) {
        let start = self.advance(class, work);
        let least = self.least().map_or(start, |least| self.of(least).start().min(start));
        self.now = self.now.max(least);
    }

    /// A request that is served already takes more.
    pub(super) fn top_up(&mut self, class: Class, work: Work) {
        self.advance(class, work);
    }

    fn advance(&mut self, class: Class, work: Work) -> u128 {
        let (now, time) = (self.now, self.time(class, work));
        let standing = self.of_mut(class);
        let start = if standing.waits { standing.start() } else { standing.finish.max(now) };
        standing.finish = start.saturating_add(time);
        standing.charged = standing.charged.plus(work);
        start
    }

    pub(super) fn refund(&mut self, class: Class, work: Work) {
        let time = self.time(class, work);
        let standing = self.of_mut(class);
        standing.finish = standing.finish.saturating_sub(time);
        standing.charged = standing.charged.minus(work);
    }

    pub(super) fn charged_to(&self, class: Class) -> Work {
        self.of(class).charged
    }

    /// Requests of other classes that are served before the one of `class` that has
    /// `before` of its own class before it. `queued` gives requests and their work.
    pub(super) fn ahead(
        &self,
        class: Class,
        before: u64,
        queued: impl Fn(Class) -> (u64, Work),
    ) -> u64 {
        let each = |class| {
            let (count, work) = queued(class);
            self.time(class, Work((work.0 / count.max(1)).max(1)))
        };
        // Where it starts, in virtual time.
        let own = u128::from(before).saturating_mul(each(class));
        let start = self.of(class).start().saturating_add(own);
        let others = Class::ALL.into_iter().filter(|other| *other != class);
        let waiting = others.filter(|other| self.of(*other).waits);
        let served = waiting.map(|other| {
            let span = whole(start.saturating_sub(self.of(other).start()));
            span.div_ceil(whole(each(other)).max(1)).min(queued(other).0)
        });
        served.sum()
    }

    fn time(&self, class: Class, work: Work) -> u128 {
        u128::from(work.0) * self.paces[class as usize]
    }

    const fn of(&self, class: Class) -> &Standing {
        &self.standings[class as usize]
    }

    const fn of_mut(&mut self, class: Class) -> &mut Standing {
        &mut self.standings[class as usize]
    }
}

/// Virtual time of each class for one unit of work.
fn paces(shares: Shares) -> [u128; 4] {
    Class::ALL.map(|class| SCALE * 1_000 / u128::from(shares.of(class)))
}

/// Virtual time without its fraction.
fn whole(time: u128) -> u64 {
    u64::try_from(time / SCALE).unwrap_or(u64::MAX)
}
