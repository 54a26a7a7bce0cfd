//! The corpora of the fuzz targets, replayed, and mutated for a moment.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use surgewall_core::clock::Clock;
use surgewall_core::files::read_bounded;
use surgewall_testkit::rng::Rng;

use targets::{TARGETS, Target};

#[path = "../../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a library of its own elsewhere")]
mod targets;

/// One input, in bytes.
const INPUT_BYTES_MAX: u64 = 64 << 10;
/// Mutated inputs for one target.
const MUTATIONS: u32 = 2_000;
/// For them, at most.
const MUTATION_TIME: Duration = Duration::from_millis(700);
/// Repeats the same mutations each time.
const SEED: u64 = 42;
/// What stands at the borders of these formats.
const TOKENS: [&[u8]; 24] = [
    b"\n\n",
    b"\r\n",
    b"\r",
    b"data: ",
    b"event: ",
    b"[DONE]",
    b"{}",
    b"[]",
    b"null",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"\0",
    b"\xff",
    b"\xe2\x82",
    b"}",
    b"]",
    b",",
    b":",
    b"{\"error\":{\"message\":\"x\"}}",
];

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut paths: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    // The order of a directory is the file system's own; a seed must repeat.
    paths.sort();
    assert!(!paths.is_empty(), "{name} has no corpus");
    paths.iter().map(|path| read_bounded(path, INPUT_BYTES_MAX).unwrap()).collect()
}

/// Runs one input; a panic names it.
fn check((name, target): Target, input: &[u8]) {
    let ran = catch_unwind(AssertUnwindSafe(|| target(input)));
    assert!(ran.is_ok(), "{name} breaks on b\"{}\"", input.escape_ascii());
}

/// One to four changes: bits, pieces out, pieces doubled, tokens in, two inputs joined.
fn mutate(rng: &mut Rng, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut input = rng.pick(inputs).cloned().unwrap_or_default();
    for _ in 0..rng.between(1, 4) {
        let length = input.len() as u64;
        let mut at = || usize::try_from(rng.below(length + 1)).unwrap();
        let (first, second) = (at(), at());
        let (from, to) = (first.min(second), first.max(second));
        match rng.below(6) {
            0 if from < input.len() => input[from] ^= 1 << rng.below(8),
            1 => drop(input.drain(from..to.min(from + 64))),
            2 => {
                let piece = input[from..to.min(from + 64)].to_vec();
                input.splice(to..to, piece);
            }
            3 => input.truncate(to),
            4 => {
                let other = rng.pick(inputs).cloned().unwrap_or_default();
                input.splice(from.., other.into_iter().skip(from));
            }
            _ => {
                let token = rng.pick(&TOKENS).copied().unwrap_or_default();
                input.splice(from..from, token.iter().copied());
            }
        }
    }
    input
}

#[test]
fn every_input_of_every_corpus_is_survived() {
    for target in TARGETS {
        for input in corpus(target.0) {
            check(target, &input);
        }
    }
}

#[test]
fn mutated_inputs_are_survived() {
    let clock = Clock::System;
    for target in TARGETS {
        let (inputs, mut rng, start) = (corpus(target.0), Rng::new(SEED), clock.monotonic());
        for _ in 0..MUTATIONS {
            check(target, &mutate(&mut rng, &inputs));
            if clock.monotonic().saturating_duration_since(start) > MUTATION_TIME {
                break;
            }
        }
    }
}
