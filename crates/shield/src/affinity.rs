//! Which server of a pool probably has the beginning of a prompt in its cache.
//!
//! A prompt is known by marks: hashes of all its bytes up to certain distances,
//! 256 bytes apart at first and twice as far after every 32 marks, so that a
//! long one needs few and the error is at most a thirty-second of it. The
//! next turn of a conversation has all the marks of the one before.
//!
//! The hasher is the caller's: keyed at random, so that nobody can aim at
//! another's marks, and begun with the tenant and the model, so that nobody
//! learns by the time to a first token what another tenant asked.
//!
//! What servers were given is kept in a table that never grows; the longest
//! unseen mark of a place gives way. A beginning that nothing is known of goes
//! by weighted rendezvous hashing of its first mark (Thaler and Ravishankar,
//! 1998), which like a ring moves nobody but those whose server went away. How
//! much load a server may have for it is [`crate::pick`]'s to say.

use std::hash::Hasher;
use std::ops::Range;

use surgewall_core::clock::Timestamp;

use crate::pick::mix;

/// Bytes between the first marks.
const STEP_BYTES: u64 = 256;
/// Marks after which the step doubles.
const OCTAVE: usize = 32;
/// Marks of one prompt: they reach over its first 2 MiB.
pub const PREFIX_MARKS_MAX: usize = 256;
/// Marks that a pool remembers, over all its servers: 3 MiB.
pub const AFFINITY_ENTRIES_MAX: usize = 262_144;
/// Entries that share a place: one line of a processor's cache.
const WAYS: usize = 8;
/// How long a mark is believed: servers forget what they were not asked for.
pub const PREFIX_KEPT_S: u32 = 30 * 60;
/// A report's part in what is believed of the next estimate, as a divisor.
const BELIEF_STEP: u64 = 16;
/// All of it, in the unit of a belief.
const BELIEF_WHOLE: u64 = 1 << 20;

/// The marks of one prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefix {
    marks: Box<[u64]>,
    /// Of the whole prompt.
    bytes: u64,
    /// The same, as estimated.
    tokens: u64,
}

impl Prefix {
    /// The marks of the prompt that `parts` make together. `hasher` is keyed,
    /// and has seen whose prompt it is and for which model. It has `tokens`, as estimated.
    #[must_use]
    pub fn of<'a>(
        mut hasher: impl Hasher + Clone,
        parts: impl IntoIterator<Item = &'a [u8]>,
        tokens: u64,
    ) -> Self {
        let (mut marks, mut bytes, mut seen) = (Vec::new(), 0_u64, 0);
        for part in parts {
            bytes = bytes.saturating_add(length(part));
            let mut rest = part;
            while marks.len() < PREFIX_MARKS_MAX {
                let wanted = reach(marks.len() + 1) - seen;
                let Some(step) = usize::try_from(wanted).ok().filter(|step| *step <= rest.len())
                else {
                    seen += length(rest);
                    hasher.write(rest);
                    break;
                };
                let (head, tail) = rest.split_at(step);
                hasher.write(head);
                marks.push(hasher.clone().finish());
                (seen, rest) = (seen + wanted, tail);
            }
            // Where a part ends is a part of what is said.
            hasher.write_u8(0xff);
        }
        Self { marks: marks.into_boxed_slice(), bytes, tokens }
    }

    /// Whether it is too short to be known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The part of the prompt's tokens that stands before its mark number `known`.
    #[must_use]
    pub fn tokens(&self, known: usize) -> u64 {
        part(self.tokens, reach(known.min(self.marks.len())).min(self.bytes), self.bytes)
    }
}

/// `all`, times `share` over `of`, where the share is no larger.
fn part(all: u64, share: u64, of: u64) -> u64 {
    let part = u128::from(all) * u128::from(share) / u128::from(of.max(1));
    u64::try_from(part).unwrap_or(all)
}

/// A draw from the exponential distribution of mean 1, by a random word.
fn exponential(word: u64) -> f64 {
    let upper = u32::try_from(word >> 32).unwrap_or(u32::MAX);
    -((f64::from(upper) + 0.5) / 4_294_967_296.0).ln()
}

/// Seconds of the clock, from 1 on. Should it jump, what is known grows old or young.
fn second(now: Timestamp) -> u32 {
    u32::try_from(now.seconds()).unwrap_or(u32::MAX).max(1)
}

fn length(part: &[u8]) -> u64 {
    u64::try_from(part.len()).unwrap_or(u64::MAX)
}

/// Bytes up to mark number `marks`, counted from 1.
const fn reach(marks: usize) -> u64 {
    let (octaves, rest) = (marks / OCTAVE, (marks % OCTAVE) as u64);
    let whole = (1_u64 << octaves) - 1;
    STEP_BYTES * (OCTAVE as u64 * whole + (rest << octaves))
}

/// What speaks for one server beside its load.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Near {
    /// Marks of the request that it was given before, from the first on.
    pub known: usize,
    /// Tokens that it would have to read.
    pub unread: u64,
    /// Its draw for a beginning that nobody knows: divided by the server's
    /// weight, the least one goes first.
    pub draw: f64,
}

/// What a pool's servers were given lately.
#[derive(Clone, Debug)]
pub struct Affinity {
    /// A hash of each server's name.
    names: Vec<u64>,
    /// Sets of [`WAYS`] marks, each mixed with its server's name.
    marks: Vec<u64>,
    /// When each was seen last, in seconds of the clock; 0 is free.
    seen: Vec<u32>,
    /// The part of what was expected in caches that servers reported to be there.
    belief: u64,
}

impl Affinity {
    /// Nothing is known yet of the servers with these names (hashes, in the
    /// pool's order); `entries_max` marks are remembered, at least eight.
    #[must_use]
    pub fn new(names: Vec<u64>, entries_max: usize) -> Self {
        let entries = (entries_max / WAYS).max(1) * WAYS;
        // Zeroed memory that is not touched takes none.
        let (marks, seen) = (vec![0; entries], vec![0; entries]);
        Self { names, marks, seen, belief: 0 }
    }

    /// What speaks for each server, in their order; nothing for a prompt without marks.
    #[must_use]
    pub fn near(&self, now: Timestamp, prefix: &Prefix) -> Vec<Near> {
        let Some(first) = prefix.marks.first() else { return Vec::new() };
        let near = |name: &u64| {
            let known = self.known(now, prefix, *name);
            let unread = prefix.tokens - prefix.tokens(known);
            Near { known, unread, draw: exponential(mix(first ^ name)) }
        };
        self.names.iter().map(near).collect()
    }

    /// Marks of `prefix`, from the first on, that the server of this name was given.
    fn known(&self, now: Timestamp, prefix: &Prefix, name: u64) -> usize {
        let oldest = second(now).saturating_sub(PREFIX_KEPT_S).max(1);
        let is_known = |mark: &&u64| {
            let place = self.find(of(**mark, name));
            place.is_some_and(|place| self.seen[place] >= oldest)
        };
        prefix.marks.iter().take_while(is_known).count()
    }

    /// `server` is given a request that begins so.
    pub fn given(&mut self, now: Timestamp, prefix: &Prefix, server: usize) {
        let (second, Some(name)) = (second(now), self.names.get(server).copied()) else {
            return;
        };
        for mark in &prefix.marks {
            let mark = of(*mark, name);
            let set = self.set(mark);
            let place = self.find(mark).or_else(|| set.min_by_key(|place| self.seen[*place]));
            if let Some(place) = place {
                (self.marks[place], self.seen[place]) = (mark, second);
            }
        }
    }

    /// The part of `expected` tokens that the servers' own reports bear out: none
    /// before the first, and none of servers that say nothing of a cache.
    #[must_use]
    pub fn believed(&self, expected: u64) -> u64 {
        part(expected, self.belief, BELIEF_WHOLE)
    }

    /// A server reported `cached` tokens where `expected` were expected.
    pub fn reported(&mut self, expected: u64, cached: u64) {
        if expected > 0 {
            let seen = part(BELIEF_WHOLE, cached.min(expected), expected);
            let kept = self.belief - self.belief / BELIEF_STEP;
            self.belief = (kept + seen / BELIEF_STEP).min(BELIEF_WHOLE);
        }
    }

    fn set(&self, mark: u64) -> Range<usize> {
        let sets = self.marks.len() / WAYS;
        // The upper half of the product is even over the sets.
        let set = (u128::from(mark) * (sets as u128)) >> 64;
        let first = usize::try_from(set).unwrap_or(0) * WAYS;
        first..first + WAYS
    }

    fn find(&self, mark: u64) -> Option<usize> {
        self.set(mark).find(|place| self.seen[*place] > 0 && self.marks[*place] == mark)
    }
}

/// A mark, as the server of this name has it.
const fn of(mark: u64, name: u64) -> u64 {
    mix(mark ^ name.rotate_left(32))
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};

    use super::*;

    fn at(seconds: u32) -> Timestamp {
        Timestamp::from_millis((1_790_000_000 + u64::from(seconds)) * 1_000)
    }

    /// Bytes that do not repeat.
    fn text(bytes: usize, seed: u64) -> Vec<u8> {
        (0..bytes as u64).map(|at| mix(at ^ (seed << 40)).to_le_bytes()[0]).collect()
    }

    fn prefix(parts: &[&[u8]]) -> Prefix {
        use std::hash::DefaultHasher;
        Prefix::of(DefaultHasher::new(), parts.iter().copied(), 100)
    }

    #[test]
    fn marks_stand_where_they_are_said_to() {
        for (marks, bytes) in [
            (0, 0),
            (1, 256),
            (32, 8_192),
            (33, 8_704),
            (64, 24_576),
            (96, 57_344),
            (256, 2_088_960),
        ] {
            assert_eq!(reach(marks), bytes, "{marks}");
        }
        for (bytes, marks) in [(0, 0), (255, 0), (256, 1), (511, 1), (8_703, 32), (8_704, 33)] {
            assert_eq!(prefix(&[&text(bytes, 1)]).marks.len(), marks, "{bytes}");
        }
        let longest = text(2_088_960 + 70_000, 1);
        assert_eq!(prefix(&[&longest]).marks.len(), PREFIX_MARKS_MAX);
        assert_eq!(prefix(&[&longest[..2_088_959]]).marks.len(), PREFIX_MARKS_MAX - 1);
    }

    #[test]
    fn the_next_turn_has_the_marks_of_the_one_before() {
        let whole = text(20_000, 1);
        let system = text(300, 2);
        let (first, next) = (prefix(&[&system, &whole[..9_000]]), prefix(&[&system, &whole]));
        assert!(next.marks.starts_with(&first.marks) && first.marks.len() > 32);
        // Another beginning, another division into parts, another tenant: nothing in common.
        let mut other = system.clone();
        other[0] ^= 1;
        let keyed = RandomState::new();
        for different in [
            prefix(&[&other, &whole]),
            prefix(&[&system[..100], &system[100..], &whole]),
            Prefix::of(keyed.build_hasher(), [system.as_slice(), &whole], 100),
        ] {
            let common = different.marks.iter().filter(|mark| next.marks.contains(mark)).count();
            assert_eq!(common, 0);
        }
    }

    #[test]
    fn what_is_known_of_a_prompt_is_a_part_of_its_tokens() {
        let of = |bytes, tokens| Prefix { tokens, ..prefix(&[&text(bytes, 1)]) };
        for (bytes, known, tokens, expected) in [
            (1_024, 0, 100, 0),
            (1_024, 2, 100, 50),
            (1_024, 4, 100, 100),
            (1_024, 99, 100, 100),
            (10, 5, 100, 0),
            (0, 5, 100, 0),
            (1_024, 4, u64::MAX, u64::MAX),
        ] {
            assert_eq!(of(bytes, tokens).tokens(known), expected, "{bytes} {known} {tokens}");
        }
    }

    fn known(affinity: &Affinity, now: Timestamp, prefix: &Prefix) -> Vec<usize> {
        affinity.near(now, prefix).iter().map(|near| near.known).collect()
    }

    #[test]
    fn a_server_is_known_by_the_longest_beginning_it_was_given_lately() {
        let start = at(0);
        let mut affinity = Affinity::new(vec![11, 22, 33], AFFINITY_ENTRIES_MAX);
        let whole = text(2_048, 1);
        let (short, long) = (prefix(&[&whole[..1_000]]), prefix(&[&whole]));
        affinity.given(start, &short, 0);
        affinity.given(at(60), &long, 2);
        assert_eq!(known(&affinity, at(60), &long), [3, 0, 8]);
        assert_eq!(known(&affinity, at(PREFIX_KEPT_S), &long), [3, 0, 8]);
        let later = at(PREFIX_KEPT_S + 1);
        assert_eq!(known(&affinity, later, &long), [0, 0, 8]);
        assert_eq!(known(&affinity, at(PREFIX_KEPT_S + 61), &long), [0, 0, 0]);
        assert_eq!(known(&affinity, start, &prefix(&[&text(2_048, 9)])), [0, 0, 0]);
        // A prompt without marks, a server that is none: nothing.
        assert!(affinity.near(start, &prefix(&[b"hello"])).is_empty());
        affinity.given(start, &long, 3);
    }

    #[test]
    fn the_table_is_bounded_and_the_longest_unseen_gives_way() {
        let start = at(0);
        for (asked, entries) in
            [(0, 8), (8, 8), (15, 8), (16, 16), (AFFINITY_ENTRIES_MAX, AFFINITY_ENTRIES_MAX)]
        {
            let mut affinity = Affinity::new(vec![1], asked);
            (0..40).for_each(|seed| affinity.given(start, &prefix(&[&text(4_096, seed)]), 0));
            assert_eq!((affinity.marks.len(), affinity.seen.len()), (entries, entries));
        }
        let mut affinity = Affinity::new(vec![1], 8);
        let prompts: Vec<_> = (0..9).map(|seed| prefix(&[&text(256, seed)])).collect();
        for (nth, prompt) in (0..).zip(&prompts) {
            affinity.given(at(nth), prompt, 0);
        }
        let left: Vec<_> =
            prompts.iter().map(|prompt| known(&affinity, at(60), prompt)[0]).collect();
        assert_eq!(left, [0, 1, 1, 1, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn beginnings_that_nobody_knows_are_divided_and_stay_where_they_are() {
        let start = at(0);
        let names = vec![101, 202, 303, 404];
        let all = Affinity::new(names.clone(), 8);
        let without = Affinity::new(names[..3].to_vec(), 8);
        let mut counts = [0_u32; 4];
        for seed in 0..4_000 {
            let prompt = prefix(&[&text(256, seed)]);
            let first = |affinity: &Affinity| {
                let near = affinity.near(start, &prompt);
                let draws = near.iter().map(|near| near.draw).enumerate();
                draws.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(server, _)| server).unwrap()
            };
            let server = first(&all);
            counts[server] += 1;
            if server < 3 {
                assert_eq!(first(&without), server, "it did not have to move");
            }
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }

    #[test]
    fn only_what_servers_report_is_believed() {
        let mut affinity = Affinity::new(vec![1, 2], 8);
        assert_eq!(affinity.believed(1_000), 0, "nothing was reported yet");
        affinity.reported(0, 500);
        assert_eq!(affinity.believed(1_000), 0, "nothing was expected");
        (0..100).for_each(|_| affinity.reported(1_000, 800));
        assert!((780..=800).contains(&affinity.believed(1_000)), "{}", affinity.believed(1_000));
        (0..200).for_each(|_| affinity.reported(1_000, u64::MAX));
        let believed = affinity.believed(u64::MAX);
        assert!(believed > u64::MAX / 100 * 99, "{believed}");
        (0..200).for_each(|_| affinity.reported(u64::MAX, 0));
        assert_eq!(affinity.believed(1_000), 0);
    }
}
