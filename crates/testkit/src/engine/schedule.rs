//! The steps: who has a part in the next one, and what the last one made.

use std::collections::BTreeMap;
use std::time::Duration;

use super::blocks::Blocks;
use super::metrics::{Counters, Gauges};
use super::sequence::Sequence;
use super::{BLOCK_TOKENS, Job, JobId, Output, Settings, TooLong, Turn};

/// A caller that comes late may catch up this far; the engine that it stands
/// for would not have waited for it.
const CATCH_UP_MAX: Duration = Duration::from_millis(200);

/// An engine. Call [`Engine::step`] after every change, and when its
/// [`Turn::next`] has come.
pub struct Engine {
    settings: Settings,
    slowdown: f64,
    next_id: u64,
    /// First come, first served. A sequence that is pushed out is older than all
    /// that wait, so the order of identities is the order of the queue.
    waiting: BTreeMap<JobId, Sequence>,
    /// Oldest first.
    running: Vec<Sequence>,
    blocks: Blocks,
    ends_at: Option<Duration>,
    counters: Counters,
}

/// What a step computes.
#[derive(Default)]
struct Load {
    prefill_tokens: u32,
    sequences: u32,
}

impl Engine {
    /// An idle engine.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            slowdown: 1.0,
            next_id: 0,
            waiting: BTreeMap::new(),
            running: Vec::new(),
            blocks: Blocks::new(settings.kv_blocks),
            ends_at: None,
            counters: Counters::default(),
        }
    }

    /// The settings as they are now.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Queues a job at `now`. An answer that would not fit is shortened.
    ///
    /// # Errors
    /// If the prompt alone does not fit.
    pub fn submit(&mut self, now: Duration, mut job: Job) -> Result<JobId, TooLong> {
        job.input = job.input.max(1);
        let fits = self.output_max(job.input)?;
        job.is_cut |= job.output > fits;
        job.output = job.output.clamp(1, fits);
        if self.settings.prefix_cache {
            job.prefix.truncate(usize::try_from(job.input / BLOCK_TOKENS).unwrap_or(0));
        } else {
            job.prefix.clear();
        }
        let id = JobId(self.next_id);
        self.next_id += 1;
        self.waiting.insert(id, Sequence::new(id, job, now));
        Ok(id)
    }

    /// Tokens that an answer to a prompt of `input` tokens may have.
    ///
    /// # Errors
    /// If the prompt alone does not fit.
    pub fn output_max(&self, input: u32) -> Result<u32, TooLong> {
        let capacity = self.settings.kv_tokens();
        // The last token's keys and values are never needed.
        let fits = (capacity + 1).saturating_sub(input);
        if fits == 0 { Err(TooLong { input, capacity }) } else { Ok(fits) }
    }

    /// Tokens of a prompt with these blocks that need not be computed if it came now.
    #[must_use]
    pub fn cached_tokens(&self, prefix: &[u64]) -> u32 {
        if self.settings.prefix_cache { self.blocks.hits(prefix) * BLOCK_TOKENS } else { 0 }
    }

    /// Ends a job whose client has gone; `false` if it has ended already.
    pub fn cancel(&mut self, id: JobId) -> bool {
        let found = self.waiting.remove(&id).or_else(|| {
            let index = self.running.binary_search_by_key(&id, |sequence| sequence.id).ok()?;
            Some(self.running.remove(index))
        });
        let Some(mut sequence) = found else { return false };
        sequence.stop(&mut self.blocks);
        self.counters.aborted += 1;
        true
    }

    /// Makes every step from the next on take `factor` times as long.
    pub fn set_slowdown(&mut self, factor: f64) {
        self.slowdown = factor.max(0.0);
    }

    /// Changes the bound on sequences; those that run are not pushed out.
    pub fn set_seqs_max(&mut self, seqs_max: usize) {
        self.settings.seqs_max = seqs_max;
    }

    /// Forgets all jobs, contents and counters, as a server that starts again.
    pub fn restart(&mut self) {
        // Identities go on: a client of before must not cancel a job of after.
        let next_id = self.next_id;
        *self = Self { next_id, slowdown: self.slowdown, ..Self::new(self.settings) };
    }

    /// Ends the step under way if its time has come, and begins the next one.
    pub fn step(&mut self, now: Duration) -> Turn {
        let mut outputs = Vec::new();
        let mut start = now;
        if let Some(ends_at) = self.ends_at {
            if now < ends_at {
                return Turn { outputs, next: self.ends_at };
            }
            outputs = self.end_step(ends_at);
            start = ends_at.max(now.saturating_sub(CATCH_UP_MAX));
        }
        self.ends_at = self.begin_step().map(|load| {
            let time = self.settings.step.of(load.prefill_tokens, load.sequences);
            start + time.mul_f64(self.slowdown)
        });
        Turn { outputs, next: self.ends_at }
    }

    fn end_step(&mut self, now: Duration) -> Vec<Output> {
        let mut outputs = Vec::new();
        for sequence in self.running.iter_mut().filter(|sequence| sequence.scheduled > 0) {
            if !sequence.advance(&mut self.blocks) {
                continue;
            }
            self.counters.token(sequence, now);
            sequence.last_at = Some(now);
            let is_last = sequence.produced >= sequence.job.output;
            outputs.push(Output { id: sequence.id, produced: sequence.produced, is_last });
            if is_last {
                sequence.stop(&mut self.blocks);
                self.counters.finished(sequence.job.is_cut);
            }
        }
        self.running.retain(|sequence| sequence.produced < sequence.job.output);
        outputs
    }

    fn begin_step(&mut self) -> Option<Load> {
        let mut budget = self.settings.batched_tokens_max;
        let mut load = Load::default();
        let none_pushed_out = self.go_on(&mut budget, &mut load);
        if none_pushed_out {
            self.admit(&mut budget, &mut load);
        }
        (budget < self.settings.batched_tokens_max).then_some(load)
    }

    /// Gives those that run their part; `false` if one had to be pushed out.
    fn go_on(&mut self, budget: &mut u32, load: &mut Load) -> bool {
        let before = self.counters.preemptions;
        let mut index = 0;
        while index < self.running.len() && *budget > 0 {
            if self.running[index].grow(&mut self.blocks, *budget) {
                load.add(&self.running[index], budget);
                index += 1;
                continue;
            }
            let Some(mut newest) = self.running.pop() else { break };
            newest.stop(&mut self.blocks);
            self.waiting.insert(newest.id, newest);
            self.counters.preemptions += 1;
        }
        self.counters.preemptions == before
    }

    fn admit(&mut self, budget: &mut u32, load: &mut Load) {
        while self.running.len() < self.settings.seqs_max && *budget > 0 {
            let Some(mut head) = self.waiting.first_entry() else { return };
            let Some(cached) = head.get_mut().admit(&mut self.blocks, *budget) else { return };
            let sequence = head.remove();
            self.counters.looked_up(&sequence, cached);
            load.add(&sequence, budget);
            self.running.push(sequence);
        }
    }

    /// What a look at the engine shows now.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        Gauges {
            running: self.running.len(),
            waiting: self.waiting.len(),
            kv_blocks_used: self.blocks.used(),
            kv_blocks: self.blocks.total(),
        }
    }

    /// What has happened since the start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl Load {
    fn add(&mut self, sequence: &Sequence, budget: &mut u32) {
        *budget -= sequence.scheduled;
        if sequence.decodes() {
            self.sequences += 1;
        } else {
            self.prefill_tokens += sequence.scheduled;
        }
    }
}
