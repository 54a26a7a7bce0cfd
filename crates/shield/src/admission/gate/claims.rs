//! What the other classes claim of the capacity while one waits.
//!
//! A class that does not wait has what it asks for, not its share; what it leaves
//! is lent to those that wait, until it asks for more. So the part of a class is
//! found by filling all of them up at once, by their shares, each until it has what
//! it wants (weighted max-min fairness).

use std::time::{Duration, Instant};

use surgewall_core::principal::Class;

use crate::admission::fair::Shares;
use crate::admission::work::Work;

/// Seconds over which what a class asks for is a mean.
const MEAN_S: f64 = 6.0;
/// The shortest time that is looked ahead, in seconds.
const AHEAD_MIN_S: f64 = 1.0;

/// What each class asked for lately, without those who left unserved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claims {
    at: Instant,
    /// Since the last tick, in expected work: asked for, and left.
    fresh: [(Work, Work); 4],
    /// In the second before.
    last_per_s: [f64; 4],
    per_s: [f64; 4],
}

impl Claims {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            at: now,
            fresh: [(Work::ZERO, Work::ZERO); 4],
            last_per_s: [0.0; 4],
            per_s: [0.0; 4],
        }
    }

    /// A request goes on, or begins to wait.
    pub(super) fn asked(&mut self, class: Class, work: Work) {
        let (asked, _) = &mut self.fresh[class as usize];
        *asked = asked.plus(work);
    }

    /// A client left while it waited.
    pub(super) fn left(&mut self, class: Class, work: Work) {
        let (_, left) = &mut self.fresh[class as usize];
        *left = left.plus(work);
    }

    /// The time since the last tick.
    pub(super) fn tick(&mut self, now: Instant) -> Duration {
        let elapsed = now.saturating_duration_since(self.at);
        if elapsed.is_zero() {
            return elapsed;
        }
        self.at = now;
        let kept = kept(elapsed);
        for class in 0..4 {
            let last = net(std::mem::take(&mut self.fresh[class])) / elapsed.as_secs_f64();
            self.last_per_s[class] = last;
            self.per_s[class] = self.per_s[class] * kept + last * (1.0 - kept);
        }
        elapsed
    }

    /// What `class` asks for in a second: lately, or, if that is more, in the last one
    /// or this one so far. A flood comes in several classes at once, and a mean would
    /// promise each of them what the others are about to take.
    fn asks_per_s(&self, class: Class) -> f64 {
        let class = class as usize;
        let newest = self.last_per_s[class].max(net(self.fresh[class]));
        self.per_s[class].max(newest).max(0.0)
    }

    /// The part of `capacity`, in work per second, that `class` gets until `ahead`
    /// of its work is done. `waiting`: the work of a class that waits.
    pub(super) fn part_of(
        &self,
        class: Class,
        shares: Shares,
        capacity: f64,
        ahead: Work,
        waiting: impl Fn(Class) -> Work,
    ) -> f64 {
        // How long that takes decides what the others want meanwhile, and that how long it takes.
        let alone = number(ahead) / capacity;
        let fill = |takes_s: f64| {
            let wants = |other: Class| {
                let waits = number(waiting(other)) / takes_s.max(AHEAD_MIN_S);
                (self.asks_per_s(other) + waits) / capacity
            };
            fill(class, shares, wants)
        };
        fill(alone / fill(alone))
    }
}

/// The part of `class`, which takes all it can, beside the others, each of which
/// `wants` a part of the whole.
fn fill(class: Class, shares: Shares, wants: impl Fn(Class) -> f64) -> f64 {
    let share = |class| f64::from(shares.of(class));
    let mut others: Vec<_> = Class::ALL.into_iter().filter(|other| *other != class).collect();
    let (mut left, mut shared) = (1.0, Class::ALL.into_iter().map(share).sum::<f64>());
    // Whoever wants less than its share of what is left has that, and lends the rest.
    let is_content =
        |class: Class, left: f64, shared: f64| wants(class) * shared < share(class) * left;
    while let Some(at) = others.iter().position(|other| is_content(*other, left, shared)) {
        let content = others.swap_remove(at);
        left -= wants(content);
        shared -= share(content);
    }
    left * share(class) / shared
}

/// What was asked for, less what left.
fn net((asked, left): (Work, Work)) -> f64 {
    number(asked) - number(left)
}

/// What is kept of a mean after so long.
fn kept(elapsed: Duration) -> f64 {
    (-elapsed.as_secs_f64() / MEAN_S).exp()
}

#[expect(clippy::cast_precision_loss, reason = "an estimate; fifteen digits are enough")]
fn number(work: Work) -> f64 {
    work.0 as f64
}

#[cfg(test)]
mod tests {
    use surgewall_core::clock::Clock;

    use super::*;

    /// What each class asks for in a second for a minute, what of each waits, and
    /// the part of 1,000 work per second that one gets until 1,000 of it is done.
    #[test]
    fn what_is_lent_is_what_the_others_do_not_ask_for() {
        let far = 1 << 40;
        for (asks, waits, class, expected) in [
            ([0; 4], [0; 4], Class::Anonymous, 1.0),
            ([350, 200, 0, 0], [0; 4], Class::Anonymous, 0.45),
            // Each gets its share where all want more.
            ([0; 4], [far; 4], Class::Established, 0.45),
            ([0; 4], [far; 4], Class::Anonymous, 0.15),
            ([5_000; 4], [0; 4], Class::Verified, 0.25),
            // What the content ones leave is divided by the shares of the others.
            ([350, 200, 0, 0], [0, 0, far, 0], Class::Anonymous, 0.225),
            ([0, 0, 0, 0], [0, far, 0, 0], Class::Established, 0.45 / 0.70),
            // 500 that wait are done before 1,000 of this one are: 1.5 seconds for both.
            ([0, 0, 0, 0], [0, 500, 0, 0], Class::Established, 1.0 / 1.5),
        ] {
            let start = Clock::System.monotonic();
            let mut claims = Claims::new(start);
            for second in 1..=60 {
                for (class, work) in Class::ALL.into_iter().zip(asks) {
                    claims.asked(class, Work(work + 7));
                    claims.left(class, Work(7));
                }
                let elapsed = claims.tick(start + Duration::from_secs(second));
                assert_eq!(elapsed, Duration::from_secs(1));
            }
            let waiting = |class: Class| Work(waits[class as usize]);
            let part = claims.part_of(class, Shares::default(), 1_000.0, Work(1_000), waiting);
            assert!((part - expected).abs() < 0.03, "{asks:?} {waits:?} {class:?}: {part}");
        }
    }

    #[test]
    fn a_flood_in_another_class_is_seen_within_its_first_second() {
        let start = Clock::System.monotonic();
        let mut claims = Claims::new(start);
        let part = |claims: &Claims| {
            let none = |_| Work::ZERO;
            claims.part_of(Class::Anonymous, Shares::default(), 1_000.0, Work(10_000), none)
        };
        assert!(part(&claims) > 0.99);
        claims.asked(Class::New, Work(800));
        assert!(part(&claims) < 0.55, "half of what both share: {}", part(&claims));
        claims.tick(start + Duration::from_secs(1));
        assert!(part(&claims) < 0.55, "nor is it forgotten with the tick");
        for second in 2..60 {
            claims.tick(start + Duration::from_secs(second));
        }
        assert!(part(&claims) > 0.99, "until it is over");
    }
}
