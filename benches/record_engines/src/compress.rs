//! In which unit records are compressed: alone, with those of their account in
//! the batch, with a dictionary, or not at all.

use std::io;

use crate::text::{EVENT_BYTES, Texts};
use crate::{Done, cpu_s};

/// Lines of JSON that make a batch of 1 MiB.
const EVENTS_PER_BATCH: usize = (1 << 20) / EVENT_BYTES;
const BATCHES: usize = 60;
/// What sealing adds to each unit: version, epoch, nonce and tag.
const SEAL_BYTES: usize = 1 + 4 + 12 + 16;
const DICTIONARY_BYTES: usize = 16 << 10;

type Compress<'a> = Box<dyn FnMut(&[u8], &mut Vec<u8>) -> io::Result<usize> + 'a>;

fn zstd_at(level: i32, dictionary: &[u8]) -> io::Result<Compress<'static>> {
    let mut context = zstd::bulk::Compressor::with_dictionary(level, dictionary)?;
    Ok(Box::new(move |plain, out| context.compress_to_buffer(plain, out)))
}

fn lz4() -> Compress<'static> {
    Box::new(|plain, out| {
        out.resize(lz4_flex::block::get_maximum_output_size(plain.len()), 0);
        lz4_flex::block::compress_into(plain, out).map_err(io::Error::other)
    })
}

fn none() -> Compress<'static> {
    Box::new(|plain, _| Ok(plain.len()))
}

/// What is compressed as one.
#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Event,
    Subject,
    Batch,
}

pub fn measure() -> Done {
    let mut texts = Texts::new(1);
    let samples: Vec<Vec<u8>> = (0..4_000).map(|_| texts.event()).collect();
    let dictionary = zstd::dict::from_samples(&samples, DICTIONARY_BYTES)?;
    for subjects in [1, 10, 100, 1_000] {
        let batches: Vec<Vec<Vec<Vec<u8>>>> =
            (0..BATCHES).map(|n| batch(subjects, n as u64)).collect();
        let cases: [(&str, Unit, Compress<'_>); 8] = [
            ("none, group", Unit::Subject, none()),
            ("lz4, group", Unit::Subject, lz4()),
            ("zstd-1, event", Unit::Event, zstd_at(1, &[])?),
            ("zstd-1 + dictionary, event", Unit::Event, zstd_at(1, &dictionary)?),
            ("zstd-1, group", Unit::Subject, zstd_at(1, &[])?),
            ("zstd-1 + dictionary, group", Unit::Subject, zstd_at(1, &dictionary)?),
            ("zstd-3, group", Unit::Subject, zstd_at(3, &[])?),
            ("zstd-1, batch (no erasure)", Unit::Batch, zstd_at(1, &[])?),
        ];
        for (name, unit, mut compress) in cases {
            let (mut plain, mut stored, mut units) = (0, 0, 0);
            let mut out = Vec::with_capacity(4 << 20);
            let before = cpu_s();
            // Until the clock, which counts in hundredths, has something to say.
            let mut rounds = 0;
            while rounds == 0 || cpu_s() - before < 1.0 {
                rounds += 1;
                for group in batches.iter().flat_map(|batch| cut(batch, unit)) {
                    out.clear();
                    stored += compress(&group, &mut out)? + SEAL_BYTES;
                    plain += group.len();
                    units += 1;
                }
            }
            let events = (rounds * BATCHES * EVENTS_PER_BATCH) as f64;
            let used = cpu_s() - before;
            let us = (used - copying(&batches, unit, rounds)).max(0.0) * 1e6 / events;
            println!(
                "{{\"case\":\"{name}\",\"subjects\":{subjects},\"ratio\":{:.3},\"us_per_event\":{us:.2},\"events_per_unit\":{:.1}}}",
                plain as f64 / stored as f64,
                events / units as f64,
            );
        }
    }
    Ok(())
}

/// What making the units costs, without compressing them.
fn copying(batches: &[Vec<Vec<Vec<u8>>>], unit: Unit, rounds: usize) -> f64 {
    let before = cpu_s();
    let mut bytes = 0;
    for _ in 0..rounds {
        bytes += batches.iter().flat_map(|batch| cut(batch, unit)).map(|unit| unit.len()).sum::<usize>();
    }
    std::hint::black_box(bytes);
    cpu_s() - before
}

/// The events of one batch, by subject.
fn batch(subjects: usize, seed: u64) -> Vec<Vec<Vec<u8>>> {
    let mut texts = Texts::new(100 + seed);
    let mut random = crate::text::Random(7 + seed);
    let mut groups = vec![Vec::new(); subjects];
    for _ in 0..EVENTS_PER_BATCH {
        groups[random.below(subjects)].push(texts.event());
    }
    groups.retain(|group| !group.is_empty());
    groups
}

fn cut(batch: &[Vec<Vec<u8>>], unit: Unit) -> Vec<Vec<u8>> {
    match unit {
        Unit::Event => batch.iter().flatten().cloned().collect(),
        Unit::Subject => batch.iter().map(|group| group.concat()).collect(),
        Unit::Batch => vec![batch.iter().map(|group| group.concat()).collect::<Vec<_>>().concat()],
    }
}
